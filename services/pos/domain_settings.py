"""How the location does business: its settings, its catalogue and the discounts it gives."""

from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast import Name, StateConflict, ValidationFailed, VersionConflict
from holdfast.money import CURRENCIES
from services.pos import domain_till_commands as commands
from services.pos import domain_till_events as events
from services.pos.domain_combos import check_slots
from services.pos.domain_draft import Draft
from services.pos.domain_money_events import DayOpened
from services.pos.domain_prices import check_groups
from services.pos.domain_session import Session
from services.pos.domain_terms import Item, Settings

TABS_NAMED: Final = 20
CURRENCY: Final = "EUR"
"""Of a location that began with a tab, until it is configured."""


def begin_location(draft: Draft) -> None:
    """Make a location that nobody has configured yet, on its first business day."""
    draft.record(
        events.Configured(settings=Settings(currency=CURRENCY), version=1),
        DayOpened(day=1, business_date=draft.ctx.now.date()),
    )


def configure(draft: Draft, command: commands.Configure) -> None:
    """Replace the settings of the version that the sender saw; nothing when they are these."""
    version = draft.session.settings_version
    if version and command.settings == draft.settings:
        return
    if command.expected_version != version:
        raise VersionConflict(f"the settings are at version {version}; look at them again", version=version)
    _check_timezone(command.settings.timezone)
    for floor in command.settings.floors:
        check_floor(draft, floor, "settings.floors")
    if command.settings.currency not in CURRENCIES:
        raise ValidationFailed("settings.currency: an ISO 4217 code of three capitals, such as EUR")
    if command.settings.currency != draft.settings.currency and _has_prices(draft.session):
        raise StateConflict("a location keeps its currency; make another one", currency=draft.settings.currency)
    _check_rounding(draft, command.settings)
    missing = sorted(set(_taxes_in_use(draft.session)) - set(command.settings.taxes))
    if missing:
        raise ValidationFailed(f"settings.taxes: {', '.join(missing)} are still in use")
    draft.record(events.Configured(settings=command.settings, version=version + 1))


def set_item(draft: Draft, command: commands.SetItem) -> None:
    """Sell an item so from now on; lines that are on tabs keep their price."""
    known = draft.session.items.get(command.sku)
    if command.item == known:
        return
    item = command.item
    _check_taxes(draft.settings, (*item.tax_ids, *(item.takeaway_tax_ids or ())))
    check_groups(item.modifier_groups)
    check_slots(draft.session, item)
    _check_stored_value(item)
    if known is not None and item.price_version <= known.price_version:
        raise VersionConflict(
            f"item.price_version: {known.price_version + 1}, for the price is at {known.price_version}",
            version=known.price_version,
        )
    draft.record(events.ItemSet(sku=command.sku, item=item))


def set_discount(draft: Draft, command: commands.SetDiscount) -> None:
    """Give a discount so from now on; those given keep their version."""
    known = draft.session.discounts.get(command.discount_id)
    discount = command.discount
    if discount == known:
        return
    if (discount.ppm is None) == (discount.amount_minor is None):
        raise ValidationFailed("discount: either ppm or amount_minor")
    if known is not None and discount.version <= known.version:
        raise VersionConflict(
            f"discount.version: {known.version + 1}, for it is at {known.version}", version=known.version
        )
    draft.record(events.DiscountSet(discount_id=command.discount_id, discount=discount))


def check_floor(draft: Draft, floor: str, field: str) -> None:
    """Refuse an id that no floor can have: nothing that is sent there would ever arrive."""
    try:
        Name.of("floor", draft.ctx.name.tenant, floor)
    except ValidationFailed as error:
        raise ValidationFailed(f"{field}: no floor is called {floor!r}; {error.message}") from None


def _check_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationFailed("settings.timezone: an IANA name such as Europe/Paris") from None


def _check_rounding(draft: Draft, settings: Settings) -> None:
    """Refuse to add up anew what guests owe already, or have paid."""
    ordered = [tab_id for tab_id, tab in draft.session.tabs.items() if tab.lines]
    known = draft.settings
    if ordered and (settings.rounding, settings.tax_scope) != (known.rounding, known.tax_scope):
        raise StateConflict(
            f"settings: rounding and tax_scope change when nothing is on a tab; {len(ordered)} are to be settled first",
            tabs=ordered[:TABS_NAMED],
        )


def _check_taxes(settings: Settings, tax_ids: Iterable[str]) -> None:
    unknown = sorted(set(tax_ids) - set(settings.taxes))
    if unknown:
        raise ValidationFailed(f"item.tax_ids: the location has no {', '.join(unknown)}; configure it first")


def _check_stored_value(item: Item) -> None:
    """What is put on an account is sold at its price, and nothing else with it."""
    taxed = item.tax_ids or item.takeaway_tax_ids
    if item.stored_value is not None and (taxed or item.weighed or item.modifier_groups or item.combo or item.station):
        raise ValidationFailed("item.stored_value: without taxes, wishes, weights, parts and a station")


def _has_prices(session: Session) -> bool:
    """Whether any amount stands in the location's currency, or stood in it."""
    return bool(
        session.items
        or session.discounts
        or session.drawers
        or session.closed
        or any(tab.lines for tab in session.tabs.values())
    )


def _taxes_in_use(session: Session) -> Iterable[str]:
    for item in session.items.values():
        yield from (*item.tax_ids, *(item.takeaway_tax_ids or ()))
    for tab in session.tabs.values():
        for line in tab.lines.values():
            yield from line.tax_ids
