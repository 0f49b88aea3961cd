"""The evening on paper: bills, drawers and stock as the people of the demo reckon them, with arithmetic of their own.

Nothing here comes from the services: what was acknowledged is written down, and added up by hand.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from services.floor._demo.menu import CASH_STEP, DISCOUNTS, MENU, TAXES

MILLION = 1_000_000


def half_up(value: Fraction) -> int:
    """To the nearest whole number, a half upwards."""
    return (value.numerator * 2 + value.denominator) // (value.denominator * 2)


def in_coins(minor: int) -> int:
    """What an amount is in cash."""
    return half_up(Fraction(minor, CASH_STEP)) * CASH_STEP


def shared(total: int, weights: Sequence[int]) -> list[int]:
    """A total shared by weights: whole parts first, then one each by the largest remainder, the earlier one first."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [int(part) for part in exact]
    order = sorted(range(len(weights)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: total - sum(parts)]:
        parts[place] += 1
    return parts


def evenly(total: int, parts: int, place: int) -> int:
    """The part at a place of so many even ones: the cents that are left over go to the first ones."""
    return total // parts + (place < total % parts)


@dataclass(slots=True)
class Ordered:
    """A line on a bill: so many pieces of a dish."""

    sku: str
    pieces: int
    comped: bool = False
    share: int | None = None
    """What of its price is paid on this bill, when the line was shared out evenly."""

    @property
    def gross(self) -> int:
        """At the price of the menu."""
        return MENU[self.sku].price * self.pieces if self.share is None else self.share


@dataclass(slots=True)
class Receipt:
    """What a bill comes to, and how it was paid."""

    gross: int = 0
    discount: int = 0
    comp: int = 0
    tax: dict[str, int] = field(default_factory=dict[str, int])
    due: int = 0
    rounding: int = 0
    tip: int = 0
    paid: Counter[str] = field(default_factory=Counter[str])


@dataclass(slots=True)
class Bill:
    """A bill that is still open."""

    tab_id: str
    lines: dict[str, Ordered] = field(default_factory=dict[str, Ordered])
    discounts: list[str] = field(default_factory=list[str])

    def receipt(self) -> Receipt:
        """What it comes to now."""
        left = {key: 0 if line.comped else line.gross for key, line in self.lines.items()}
        for discount_id in sorted(self.discounts, key=lambda each: DISCOUNTS[each][0] == 0):
            self._take_off(left, *DISCOUNTS[discount_id])
        buckets: dict[str, Fraction] = {}
        for key, line in self.lines.items():
            tax = MENU[line.sku].tax
            if tax:
                ppm, inclusive = TAXES[tax]
                part = Fraction(left[key] * ppm, MILLION + (ppm if inclusive else 0))
                buckets[tax] = buckets.get(tax, Fraction()) + part
        tax = {key: half_up(part) for key, part in buckets.items()}
        gross = sum(line.gross for line in self.lines.values())
        comp = sum(line.gross for line in self.lines.values() if line.comped)
        on_top = sum(minor for key, minor in tax.items() if not TAXES[key][1])
        net = sum(left.values())
        return Receipt(gross=gross, discount=gross - comp - net, comp=comp, tax=tax, due=net + on_top)

    @staticmethod
    def _take_off(left: dict[str, int], ppm: int, amount: int) -> None:
        whole = sum(left.values())
        if not whole:
            return
        off = half_up(Fraction(whole * ppm, MILLION)) if ppm else min(amount, whole)
        for key, part in zip(left, shared(off, list(left.values())), strict=True):
            left[key] -= part

    @property
    def due(self) -> int:
        """What has to be paid for it."""
        return self.receipt().due

    def share_out(self, others: Sequence["Bill"]) -> None:
        """Leave an even part of every line here, and put the others on these; the sums differ by a cent at the most."""
        bills = (self, *others)
        before = 0
        for line_id, line in list(self.lines.items()):
            after = before + line.gross
            for place, bill in enumerate(bills):
                part = evenly(after, len(bills), place) - evenly(before, len(bills), place)
                key = line_id if bill is self else f"{line_id}.{bill.tab_id}"
                bill.lines[key] = Ordered(line.sku, line.pieces, share=part)
            before = after


@dataclass(slots=True)
class Drawer:
    """A cash drawer: what should be in it, and what was counted."""

    expected: int
    counted: int | None = None


@dataclass(slots=True)
class Paper:
    """Everything that was written down."""

    ordered: dict[str, Ordered] = field(default_factory=dict[str, Ordered])
    """Every line that a floor's order named, as it was ordered."""
    cancelled: Counter[str] = field(default_factory=Counter[str])
    """By line: the pieces that the waiters cancelled before they were served."""
    receipts: dict[str, Receipt] = field(default_factory=dict[str, Receipt])
    """By tab: the closed ones."""
    reversed: dict[str, Receipt] = field(default_factory=dict[str, Receipt])
    """By tab: those that count no more, since the card was not paid."""
    pooled: dict[str, int] = field(default_factory=dict[str, int])
    """By user, what each got of the tips."""
    drawers: dict[str, Drawer] = field(default_factory=dict[str, Drawer])
    stock: Counter[str] = field(default_factory=Counter[str])
    voids: int = 0
    void_minor: int = 0
    refunds: int = 0
    refunded: Counter[str] = field(default_factory=Counter[str])
    parties: dict[str, str] = field(default_factory=dict[str, str])
    """Every party that was seated and paid, with the tab that it was seated with."""
    turns: Counter[str] = field(default_factory=Counter[str])
    """What the evening was made of."""

    def order(self, bill: Bill, lines: Mapping[str, Ordered]) -> None:
        """Lines were ordered: they are on the bill, and their goods are gone."""
        for line_id, line in lines.items():
            self.ordered[line_id] = Ordered(line.sku, line.pieces)
            bill.lines[line_id] = Ordered(line.sku, line.pieces)
            self.used(line.sku, line.pieces)

    def used(self, sku: str, pieces: int) -> None:
        """Goods were made into something, or came back when `pieces` is negative."""
        if MENU[sku].tracked:
            self.stock[sku] -= pieces

    def void(self, bill: Bill, line_id: str, pieces: int) -> None:
        """So many pieces of a line are off the bill."""
        line = bill.lines[line_id]
        self.voids += 1
        self.void_minor += MENU[line.sku].price * pieces
        line.pieces -= pieces
        if not line.pieces:
            del bill.lines[line_id]

    def close(self, bill: Bill, paid: Iterable[tuple[str, int]], *, rounding: int, tip: int) -> None:
        """A bill is paid by these tenders, and has its receipt."""
        receipt = bill.receipt()
        receipt.rounding, receipt.tip = rounding, tip
        for tender, minor in paid:
            receipt.paid[tender] += minor
        self.receipts[bill.tab_id] = receipt

    def lose_card(self, bill: Bill) -> None:
        """The bank has refused the card of a closed bill: its receipt counts no more, and it is due again."""
        self.reversed[bill.tab_id] = self.receipts.pop(bill.tab_id)

    def pool(self, weights: Mapping[str, int]) -> None:
        """Share out all tips."""
        whole = sum(receipt.tip for receipt in self.receipts.values())
        self.pooled = dict(zip(weights, shared(whole, list(weights.values())), strict=True))
