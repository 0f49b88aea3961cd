"""When the session next has to wake. The earliest end of a hold is kept from event to event, for there may be many."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from services.pos import domain_money_events as money
from services.pos import domain_stock_events as stock
from services.pos.domain_events import SessionEvent
from services.pos.domain_session import Hold, Session


def next_deadline(session: Session) -> datetime | None:
    """The earliest of holds, payments without an outcome, stored cards, approvals and codes at tables."""
    return min(_deadlines(session), default=None)


def _deadlines(session: Session) -> Iterator[datetime]:
    if session.holds_end_at is not None:
        yield session.holds_end_at
    yield from (each.deadline for each in session.payments.values() if each.status in {"started", "stored"})
    yield from (approval.expires_at for approval in session.approvals.values())
    yield from (code.expires_at for code in session.codes.values())


def waking(before: Session, after: Session, event: SessionEvent) -> Session:
    """`after` with the earliest end of a hold; all of them are searched only when the earliest one is gone."""
    if after.holds is before.holds:
        return after
    touched = _holds_of(before, event)
    if before.holds_end_at in _ends(before.holds[key] for key in touched if key in before.holds):
        ends_at = min(_ends(after.holds.values()), default=None)
    else:
        begun = _ends(after.holds[key] for key in touched if key in after.holds)
        ends_at = min((*begun, *(() if before.holds_end_at is None else (before.holds_end_at,))), default=None)
    return after if ends_at == after.holds_end_at else replace(after, holds_end_at=ends_at)


def _ends(holds: Iterable[Hold]) -> list[datetime]:
    return [hold.expires_at for hold in holds if not hold.pinned]


def _holds_of(session: Session, event: SessionEvent) -> tuple[str, ...]:
    """The holds that an event may begin, change or end."""
    match event:
        case (
            stock.HoldPlaced(hold_id=hold_id)
            | stock.HoldExtended(hold_id=hold_id)
            | stock.HoldReleased(hold_id=hold_id)
            | stock.HoldExpired(hold_id=hold_id)
            | stock.HoldConsumed(hold_id=hold_id)
        ):
            return (hold_id,)
        case money.PaymentStarted(holds_pinned=holds):
            return holds
        case money.PaymentFailed(tab_id=tab_id) | money.PaymentTimedOut(tab_id=tab_id):
            return session.tabs[tab_id].holds
        case _:
            return ()
