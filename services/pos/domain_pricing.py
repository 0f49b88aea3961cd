"""What a tab comes to: discounts in their order, taxes by their scope. Shared exactly, rounded once, never below zero.

Discounts are taken in the order that Square documents: percentages of items, percentages of the order, amounts off
items, amounts off the order; what is off the order is spread over what remains of the lines. Of two discounts of one
kind, the one given first is taken first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from msgspec.structs import replace

from holdfast.money import PPM, Rounding, at_rate, distribute, divide, extended
from services.pos.domain_session import Tab
from services.pos.domain_terms import AppliedDiscount, Line, Modifier, Settings, TaxAmount, Totals

TaxParts = Mapping[tuple[str, int, bool], Sequence[Fraction]]
"""What each line adds to a tax, by the tax, its rate and whether it is within the price."""


@dataclass(slots=True)
class PricedLine:
    """A line's price, and what each discount takes off it."""

    gross_minor: int
    comp_minor: int
    remaining_minor: int
    """What is paid for it, before taxes on top."""
    off_minor: dict[int, int] = field(default_factory=dict[int, int])
    """By the place of the discount on the tab."""
    is_stored: bool = False
    """Whether it is put on an account: neither revenue nor discounted."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A tab's prices."""

    lines: Mapping[str, PricedLine]
    tax: tuple[TaxAmount, ...]
    gratuity_minor: int = 0

    @property
    def due_minor(self) -> int:
        """What has to be paid, before cash rounding."""
        on_top = sum(tax.minor for tax in self.tax if not tax.inclusive)
        return sum(line.remaining_minor for line in self.lines.values()) + on_top + self.gratuity_minor

    def totals(self, tab: Tab) -> Totals:
        """The fields of a receipt, with what was paid so far."""
        lines = self.lines.values()
        return Totals(
            gross=sum(line.gross_minor for line in lines if not line.is_stored),
            discount=sum(sum(line.off_minor.values()) for line in lines),
            comp=sum(line.comp_minor for line in lines),
            tax=self.tax,
            gratuity=self.gratuity_minor,
            stored=sum(line.gross_minor for line in lines if line.is_stored),
            due=self.due_minor,
            rounding=tab.rounding_minor,
            tip=tab.tip_minor,
            paid=tab.paid.total,
        )


def line_gross(line: Line, rounding: Rounding) -> int:
    """The price of a line with its modifiers, not below zero."""
    if line.share_minor is not None:
        return line.share_minor
    return gross_of(line.unit_price_minor, line.modifiers, line.qty_milli, rounding)


def gross_of(unit_price_minor: int, modifiers: Sequence[Modifier], qty_milli: int, rounding: Rounding) -> int:
    """The price of so many with their modifiers, not below zero."""
    unit = unit_price_minor + sum(modifier.price_minor for modifier in modifiers)
    return max(0, extended(unit, qty_milli, rounding))


def bill_of(tab: Tab, settings: Settings) -> Bill:
    """Price a tab."""
    lines: dict[str, PricedLine] = {}
    for line_id, line in tab.lines.items():
        gross = line_gross(line, settings.rounding)
        comp = gross if line.comped else 0
        lines[line_id] = PricedLine(gross, comp, gross - comp, is_stored=line.stored_value is not None)
    for place, discount in sorted(enumerate(tab.discounts), key=_turn):
        _take_off(lines, place, discount, settings.rounding)
    return Bill(lines, _taxes(tab.lines, lines, settings), _gratuity(tab.lines, lines, settings.rounding))


def gratuity_of(settings: Settings, guest_count: int | None) -> int:
    """The rate of a party of this size."""
    terms = settings.gratuity
    return terms.ppm if terms is not None and (guest_count or 0) >= terms.guests else 0


def waived_of(tab: Tab, settings: Settings) -> int:
    """What a large party is not charged for service because it was waived."""
    lines = {
        key: replace(each, gratuity_ppm=0 if each.gratuity_ppm else tab.waived_ppm) for key, each in tab.lines.items()
    }
    return bill_of(replace(tab, lines=lines), settings).gratuity_minor


def _gratuity(lines: Mapping[str, Line], priced: Mapping[str, PricedLine], rounding: Rounding) -> int:
    """One rounding for each rate, as of a tax."""
    charged: dict[int, int] = {}
    for line_id, line in lines.items():
        if line.gratuity_ppm and line.stored_value is None:
            charged[line.gratuity_ppm] = charged.get(line.gratuity_ppm, 0) + priced[line_id].remaining_minor
    return sum(at_rate(whole, ppm, rounding) for ppm, whole in charged.items())


def _turn(placed: tuple[int, AppliedDiscount]) -> tuple[bool, bool]:
    """Rates before amounts, and of each those of items before those of the order."""
    _, discount = placed
    return (discount.ppm is None, discount.line_id is None)


def _take_off(lines: Mapping[str, PricedLine], place: int, discount: AppliedDiscount, rounding: Rounding) -> None:
    if discount.line_id is None:
        targets = [line for line in lines.values() if not line.is_stored]
    else:
        targets = [lines[discount.line_id]] if discount.line_id in lines else []
    remaining = [line.remaining_minor for line in targets]
    whole = sum(remaining)
    if not whole:
        return
    off = discount.amount_minor or 0 if discount.ppm is None else at_rate(whole, discount.ppm, rounding)
    for line, share in zip(targets, distribute(min(off, whole), remaining), strict=True):
        line.off_minor[place] = share
        line.remaining_minor -= share


def _taxes(lines: Mapping[str, Line], priced: Mapping[str, PricedLine], settings: Settings) -> tuple[TaxAmount, ...]:
    """Each tax of the tab: all that is taxed at one rate is rounded together, or each line by itself."""
    parts: dict[tuple[str, int, bool], list[Fraction]] = {}
    for line_id, line in lines.items():
        taxes = {**settings.taxes, **line.taxes}
        known = {tax_id: taxes[tax_id] for tax_id in line.tax_ids if tax_id in taxes}
        within = sum(tax.ppm for tax in known.values() if tax.inclusive)
        for tax_id, tax in known.items():
            part = Fraction(priced[line_id].remaining_minor * tax.ppm, PPM + within)
            parts.setdefault((tax_id, tax.ppm, tax.inclusive), []).append(part)
    rounded = _by_rate if settings.tax_scope == "PER_RATE_BUCKET" else _by_line
    amounts = rounded(parts, settings.rounding)
    return tuple(
        TaxAmount(tax_id=tax_id, ppm=ppm, inclusive=inclusive, minor=amounts[tax_id, ppm, inclusive])
        for tax_id, ppm, inclusive in sorted(parts)
    )


def _by_line(parts: TaxParts, rounding: Rounding) -> Mapping[tuple[str, int, bool], int]:
    return {
        key: sum(divide(part.numerator, part.denominator, rounding) for part in each) for key, each in parts.items()
    }


def _by_rate(parts: TaxParts, rounding: Rounding) -> Mapping[tuple[str, int, bool], int]:
    """One rounding for each rate; several taxes of one rate share what that gives by largest remainder."""
    amounts: dict[tuple[str, int, bool], int] = {}
    for rate in {key[1:] for key in parts}:
        exact = {key: sum(each, Fraction()) for key, each in sorted(parts.items()) if key[1:] == rate}
        whole = sum(exact.values(), Fraction())
        unit = lcm(*(part.denominator for part in exact.values()))
        shares = distribute(
            divide(whole.numerator, whole.denominator, rounding), [int(p * unit) for p in exact.values()]
        )
        amounts.update(zip(exact, shares, strict=True))
    return amounts


def pinned(tab: Tab, settings: Settings) -> tuple[AppliedDiscount, ...]:
    """The tab's discounts as amounts off its lines, so that lines can leave or join without changing any price."""
    bill = bill_of(tab, settings)
    found: list[AppliedDiscount] = []
    for place, discount in enumerate(tab.discounts):
        off = {line_id: line.off_minor[place] for line_id, line in bill.lines.items() if line.off_minor.get(place)}
        found += parts_of(discount, off)
    return tuple(found)


def parts_of(discount: AppliedDiscount, off_minor: Mapping[str, int]) -> Sequence[AppliedDiscount]:
    """A discount as amounts off lines, each with its share of the limit, which is enough for it if the whole was."""
    limit = discount.limit_minor
    amounts = list(off_minor.values())
    limits = [None] * len(amounts) if limit is None or not amounts else distribute(limit, amounts)
    return [
        replace(discount, line_id=line_id, ppm=None, amount_minor=off, limit_minor=share)
        for (line_id, off), share in zip(off_minor.items(), limits, strict=True)
    ]
