"""What something costs now: the catalogue, the price books of this hour, and the wishes that an item offers."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from holdfast import ValidationFailed, VersionConflict
from holdfast.money import minor
from services.pos import domain_errors as refusals
from services.pos import domain_till_commands as commands
from services.pos.domain_draft import Draft
from services.pos.domain_session import Session
from services.pos.domain_terms import Item, Modifier, ModifierGroup, OrderType
from services.pos.domain_till_events import PriceBookSet


class Price(NamedTuple):
    """A price, and where it stands in which version."""

    minor: int
    version: int
    book: str | None = None


def price_of(session: Session, sku: str, item: Item, order_type: OrderType, now: datetime) -> Price:
    """What an item costs at a moment: in the valid book of the highest rank that has it, or else in the catalogue."""
    local = now.astimezone(ZoneInfo(session.settings.timezone))
    ranked = [
        (-book.rank, book_id, book)
        for book_id, book in session.price_books.items()
        if sku in book.prices and book.holds(now, local, order_type)
    ]
    if not ranked:
        return Price(item.price_minor, item.price_version)
    _, book_id, book = min(ranked)
    return Price(book.prices[sku], book.version, book_id)


def taxes_of(item: Item, order_type: OrderType) -> tuple[str, ...]:
    """The taxes of an item, which may be others to take away."""
    if order_type == "takeaway" and item.takeaway_tax_ids is not None:
        return item.takeaway_tax_ids
    return item.tax_ids


def set_price_book(draft: Draft, command: commands.SetPriceBook) -> None:
    """Sell by a book from now on; lines that are on tabs keep their price."""
    known, book = draft.session.price_books.get(command.book_id), command.book
    if book == known:
        return
    if known is not None and book.version <= known.version:
        raise VersionConflict(f"book.version: {known.version + 1}, for it is at {known.version}", version=known.version)
    if any(hours.closes <= hours.opens for hours in book.hours):
        raise ValidationFailed("book.hours: closes after opens; add 1440 when it is past midnight")
    unknown = next((sku for sku in book.prices if sku not in draft.session.items), None)
    if unknown is not None:
        raise refusals.UnknownSku(f"the catalogue has no {unknown!r}; add it by set_item first", sku=unknown)
    draft.record(PriceBookSet(book_id=command.book_id, book=book))


def check_groups(groups: Sequence[ModifierGroup]) -> None:
    """Refuse groups that nobody could choose from."""
    options = [option for group in groups for option in group.options]
    if len(set(options)) < len(options) or len({group.id for group in groups}) < len(groups):
        raise ValidationFailed("item.modifier_groups: each group and each option once")
    if any(not group.min <= group.max or not group.options for group in groups):
        raise ValidationFailed("item.modifier_groups: each with options, and a max that is not below its min")


def check_modifiers(draft: Draft, item: Item, modifiers: Sequence[Modifier]) -> None:
    """Refuse wishes that the item does not offer, choices that are lacking, and prices that are a manager's to give."""
    for modifier in modifiers:
        minor(modifier.price_minor, "modifiers.price_minor")
    if not item.modifier_groups:
        if any(modifier.price_minor < 0 for modifier in modifiers) and not draft.is_manager:
            raise refusals.PriceOverrideForbidden("modifiers: only a manager makes an item cheaper")
        return
    offered = {option: price for group in item.modifier_groups for option, price in group.options.items()}
    for modifier in modifiers:
        if modifier.id not in offered:
            raise refusals.ModifierUnknown(f"modifiers: this item offers no {modifier.id!r}", id=modifier.id)
        if modifier.price_minor != offered[modifier.id] and not draft.is_manager:
            raise refusals.PriceOverrideForbidden(f"modifiers: {modifier.id!r} costs {offered[modifier.id]}")
    _check_choices(item.modifier_groups, Counter(modifier.id for modifier in modifiers))


def priced(item: Item, modifiers: Sequence[Modifier]) -> tuple[Modifier, ...]:
    """Wishes at the prices at which the item offers them; but for those with which a manager took something off."""
    offered = {option: price for group in item.modifier_groups for option, price in group.options.items()}
    return tuple(
        each if each.price_minor < 0 else replace(each, price_minor=offered.get(each.id, each.price_minor))
        for each in modifiers
    )


def _check_choices(groups: Sequence[ModifierGroup], chosen: Counter[str]) -> None:
    for group in groups:
        count = sum(chosen[option] for option in group.options)
        if not group.min <= count <= group.max:
            raise refusals.ModifiersRequired(
                f"modifiers: {group.min} to {group.max} of {', '.join(group.options)}",
                group=group.id,
                min=group.min,
                max=group.max,
                chosen=count,
            )
