"""Business days and their Z reports."""

from typing import Final

from holdfast import StateConflict, ValidationFailed
from holdfast.money import distribute
from services.pos import domain_errors as refusals
from services.pos import domain_money_commands as commands
from services.pos import domain_money_events as events
from services.pos.domain_banks import tips_in_banks
from services.pos.domain_draft import Draft

TABS_NAMED: Final = 20


def open_day(draft: Draft, command: commands.OpenDay) -> None:
    """Begin a day; nothing when this one is open."""
    day = draft.session.day
    if day is not None:
        if day.business_date == command.business_date:
            return
        raise StateConflict(f"close the day of {day.business_date.isoformat()} first (close_day)")
    draft.record(events.DayOpened(day=draft.session.days + 1, business_date=command.business_date))


def close_day(draft: Draft, command: commands.CloseDay) -> None:
    """End the day, with or without tabs for the next one; a payment under way always goes first."""
    day = draft.session.day
    if day is None:
        raise refusals.DayClosed("no business day is open")
    counting = {tab_id: tab for tab_id, tab in draft.session.tabs.items() if not tab.training}
    paying = [tab_id for tab_id, tab in counting.items() if tab.status == "PAYING"]
    unsettled = [*paying, *(tab_id for tab_id in counting if tab_id not in paying)]
    if paying or (unsettled and not command.carry_over):
        raise refusals.DayNotClear(
            f"{len(unsettled)} tabs are open: settle them, or carry_over those that nobody is paying",
            tabs=unsettled[:TABS_NAMED],
        )
    banks = [key for key, drawer in draft.session.drawers.items() if drawer.holder is not None]
    if banks:
        # What a bank is owed in tips is the day's that earned it, and nobody else's share of the next one.
        raise refusals.DayNotClear(f"{len(banks)} waiters have a bank still (settle_bank)", banks=banks[:TABS_NAMED])
    draft.record(
        events.DayClosed(
            z_no=day.day,
            business_date=day.business_date,
            currency=draft.settings.currency,
            totals=day.totals,
            carried_over=tuple(unsettled),
        )
    )


def pool_tips(draft: Draft, command: commands.PoolTips) -> None:
    """Share out what is left of the day's tips; nothing when this very pool was shared out."""
    day = draft.session.day
    if day is None:
        raise refusals.DayClosed("no business day is open")
    if command.pool_id in day.pools:
        return
    weights = [share.weight for share in command.shares]
    if len({share.user for share in command.shares}) < len(weights) or not any(weights):
        raise ValidationFailed("shares: each user once, and not all with a weight of 0")
    earned = day.totals.tip_minor + day.totals.gratuity_minor - day.tips_refunded_minor
    left = earned - day.totals.pooled_minor - tips_in_banks(draft)
    if left <= 0:
        raise refusals.NothingToPool("all tips of the day are shared out", left_minor=left)
    parts = zip(command.shares, distribute(left, weights), strict=True)
    shares = tuple(events.PooledShare(user=share.user, weight=share.weight, minor=minor) for share, minor in parts)
    draft.record(
        events.TipsPooled(
            pool_id=command.pool_id, minor=left, currency=draft.settings.currency, shares=shares, day=day.day
        )
    )
