"""The seller's side of a lot: creating, cancelling, pausing and changing it."""

from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from holdfast import Context, Forbidden, StateConflict, ValidationFailed
from holdfast.money import CURRENCIES, USUAL_DIGITS, Amount, minor, minor_digits
from services.auction import domain_commands as commands
from services.auction import domain_errors as refusals
from services.auction import domain_events as events
from services.auction.domain_eligibility import check_changeable, check_owner
from services.auction.domain_increments import DEFAULT_TABLE, TABLES, Band, Bands, TableId, check_bands
from services.auction.domain_lot import ENDED, Lot
from services.auction.domain_soft_close import SoftClose

Events = tuple[events.AuctionEvent, ...]
FURTHEST: Final = timedelta(days=366)
"""How far ahead a lot may open, and how long it may run."""


def create_lot(lot: Lot, command: commands.CreateLot, ctx: Context) -> Events:
    """Offer the lot, and open it in the same commit when its time has come."""
    if lot.status != "unwritten":
        raise StateConflict("this lot exists already; choose another id")
    if command.lot_id is not None and command.lot_id != ctx.name.id:
        raise ValidationFailed(f"lot_id: leave it out or send {ctx.name.id!r}")
    opens_at, ends_at = _checked_times(command, ctx.now)
    created = _checked_terms(command, seller=_seller(command, ctx), opens_at=opens_at, ends_at=ends_at)
    if opens_at > ctx.now:
        return (created,)
    return (created, events.LotOpened(effective_at=ctx.now, cause=ctx.cause))


def cancel_lot(lot: Lot, command: commands.CancelLot, ctx: Context) -> Events:
    """Withdraw the lot; nothing when it is withdrawn already."""
    check_owner(lot, ctx)
    if lot.status == "cancelled":
        return ()
    check_changeable(lot, ctx)
    return (events.LotCancelled(reason=command.reason),)


def relist_lot(lot: Lot, command: commands.RelistLot, ctx: Context) -> Events:
    """Let a lot that found no buyer be offered again, once, under another id."""
    check_owner(lot, ctx)
    if lot.relisted_as == command.new_lot_id:
        return ()
    if lot.relisted_as is not None or lot.status not in {"unsold", "unpaid", "cancelled"}:
        raise refusals.NotRelistable("only a lot without a buyer is listed again, and once")
    return (events.LotRelisted(new_lot_id=command.new_lot_id),)


def pause_lot(lot: Lot, command: commands.PauseLot, ctx: Context) -> Events:
    """Stop the clock; nothing when it stands already."""
    check_changeable(lot, ctx)
    if lot.paused_at is not None:
        return ()
    if lot.status == "scheduled":
        raise refusals.NotOpen(f"the lot opens at {lot.terms.opens_at.isoformat()}; pause it then")
    return (events.LotPaused(at=ctx.now, reason=command.reason),)


def resume_lot(lot: Lot, command: commands.ResumeLot, ctx: Context) -> Events:
    """Let the clock go on with a credit of time; nothing when it goes already."""
    check_owner(lot, ctx)
    if lot.status in ENDED:
        raise refusals.TooLate("the lot has ended")
    if lot.status == "scheduled":
        raise refusals.NotOpen(f"the lot opens at {lot.terms.opens_at.isoformat()}")
    if lot.paused_at is None:
        return ()
    stood = ctx.now - lot.paused_at
    credit = stood if command.credit_s is None else timedelta(seconds=command.credit_s)
    ends_at = (lot.reveal_ends_at if lot.status == "revealing" and lot.reveal_ends_at else lot.ends_at) + credit
    if ends_at <= ctx.now:
        raise ValidationFailed("credit_s: leave it out, or give enough that the end lies ahead")
    max_end = lot.terms.soft_close.max_end
    return (
        events.LotResumed(
            ends_at=ends_at,
            max_end=None if max_end is None else max_end + credit,
            clock_from=lot.clock_from + stood,
        ),
    )


def amend_description(lot: Lot, command: commands.AmendDescription, ctx: Context) -> Events:
    """Change title and description; nothing when they are so already."""
    check_changeable(lot, ctx)
    title = lot.title if command.title is None else command.title
    if (title, command.description) == (lot.title, lot.description):
        return ()
    return (events.DescriptionAmended(title=title, description=command.description),)


def change_increments(lot: Lot, command: commands.ChangeIncrements, ctx: Context) -> Events:
    """Use another table, as long as nobody has bid."""
    check_owner(lot, ctx)
    if lot.status in ENDED:
        raise refusals.TooLate("the lot has ended")
    if lot.terms.type != "english":
        raise refusals.WrongAuctionType(f"a {lot.terms.type} auction has no increments", type=lot.terms.type)
    bands = _bands(command.increments, command.table_id, lot.terms.currency)
    if bands == lot.terms.increments:
        return ()
    if len(lot.bids):
        raise refusals.HasBids("the increments are fixed from the first bid on")
    return (events.IncrementsChanged(increments=bands),)


def _seller(command: commands.CreateLot, ctx: Context) -> str:
    if command.seller_id is not None and command.seller_id != ctx.actor.user and "auctioneer" not in ctx.actor.roles:
        raise Forbidden("only an auctioneer creates lots for someone else; leave out seller_id")
    return command.seller_id or ctx.actor.user


def _checked_times(command: commands.CreateLot, now: datetime) -> tuple[datetime, datetime]:
    opens_at = now if command.opens_at is None else command.opens_at
    if opens_at > now + FURTHEST:
        raise ValidationFailed("opens_at: at most a year ahead")
    starts_at = max(opens_at, now)
    if not starts_at < command.ends_at <= starts_at + FURTHEST:
        raise ValidationFailed("ends_at: after opens_at and after now, by at most a year")
    max_end = command.soft_close.max_end
    if max_end is not None and not command.ends_at <= max_end <= command.ends_at + FURTHEST:
        raise ValidationFailed("soft_close.max_end: not before ends_at, and at most a year after it")
    return starts_at.astimezone(UTC), command.ends_at.astimezone(UTC)


def _checked_terms(
    command: commands.CreateLot, *, seller: str, opens_at: datetime, ends_at: datetime
) -> events.LotCreated:
    if command.currency not in CURRENCIES:
        raise ValidationFailed("currency: an ISO 4217 code of three capitals, such as EUR")
    start = _positive(command.start_minor, "start_minor")
    reserve = None if command.reserve_minor is None else minor(command.reserve_minor, "reserve_minor")
    buy_now = None if command.buy_now_minor is None else minor(command.buy_now_minor, "buy_now_minor")
    if reserve is not None and reserve < start:
        raise ValidationFailed("reserve_minor: at least start_minor")
    if buy_now is not None and buy_now < max(start, reserve or 0):
        raise ValidationFailed("buy_now_minor: at least start_minor and reserve_minor")
    _check_type(command, start=start)
    return events.LotCreated(
        type=command.type,
        seller=seller,
        seller_agents=command.seller_agents,
        title=command.title,
        description=command.description,
        currency=command.currency,
        start_minor=start,
        reserve_minor=reserve,
        has_reserve=reserve is not None,
        buy_now_minor=buy_now,
        opens_at=opens_at,
        ends_at=ends_at,
        increments=_lot_bands(command),
        soft_close=_utc(command.soft_close),
        schedule=command.schedule,
        reveal_s=command.reveal_s,
        payment_s=command.payment_s,
        terms_of_sale=command.terms_of_sale,
        registration_required=command.registration_required,
        relisted_from=command.relisted_from,
    )


def _check_type(command: commands.CreateLot, *, start: int) -> None:
    """Refuse settings that mean nothing in this type of auction."""
    if command.buy_now_minor is not None and command.type != "english":
        raise ValidationFailed(f"buy_now_minor: not in a {command.type} auction")
    if command.type != "english" and (command.increments is not None or command.table_id is not None):
        raise ValidationFailed(f"increments: not in a {command.type} auction")
    if (command.schedule is not None) != (command.type == "dutch"):
        raise ValidationFailed("schedule: needed in a dutch auction, and only there")
    if command.schedule is not None:
        if command.reserve_minor is not None:
            raise ValidationFailed("reserve_minor: a dutch auction has a floor_minor in its schedule instead")
        if command.schedule.floor_minor > start:
            raise ValidationFailed("schedule.floor_minor: at most start_minor")


def _lot_bands(command: commands.CreateLot) -> Bands:
    if command.type != "english":
        return ()
    return _bands(command.increments, command.table_id, command.currency)


def _bands(increments: tuple[Band, ...] | None, table_id: TableId | None, currency: str) -> Bands:
    if increments is None:
        if minor_digits(currency) != USUAL_DIGITS:
            raise ValidationFailed(f"increments: needed for {currency}, the published tables count in hundredths")
        return TABLES[table_id or DEFAULT_TABLE]
    if table_id is not None:
        raise ValidationFailed(f"increments: leave them out, or leave out table_id ({', '.join(get_args(TableId))})")
    check_bands(increments)
    return increments


def _positive(value: Amount, field: str) -> int:
    amount = minor(value, field)
    if amount < 1:
        raise ValidationFailed(f"{field}: at least 1")
    return amount


def _utc(soft_close: SoftClose) -> SoftClose:
    if soft_close.max_end is None:
        return soft_close
    return SoftClose(
        w_s=soft_close.w_s,
        x_s=soft_close.x_s,
        mode=soft_close.mode,
        max_end=soft_close.max_end.astimezone(UTC),
    )
