"""The deadlines of a floor, of which the earliest is its alarm: idle tables, courses, reservations, called parties."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from holdfast import Context
from services.floor import domain_events as events
from services.floor import domain_layouts as layouts
from services.floor import domain_order_events as order_events
from services.floor import domain_reservations as reservations
from services.floor.domain_floor import Floor, Party, balance_of, owes
from services.floor.domain_lookup import till_left
from services.floor.domain_orders import waiting_lines
from services.floor.domain_waitlist import skipped

Kind = Literal["course", "called", "reservation", "idle", "layout"]


def next_deadline(floor: Floor) -> tuple[datetime, Kind, str] | None:
    """The earliest deadline, and whose it is; of several at once always the same one first."""
    return min(_deadlines(floor), default=None)


def on_deadline(floor: Floor, ctx: Context) -> events.FloorEvent | None:
    """What the earliest deadline causes, as of the deadline itself."""
    deadline = next_deadline(floor)
    if deadline is None:
        return None
    due, kind, key = deadline
    match kind:
        case "course":
            return _auto_fire(floor, key, ctx, due)
        case "called":
            return skipped(floor, key, ctx, due)
        case "reservation":
            return reservations.on_deadline(floor, key, ctx, due)
        case "idle":
            return _idle(floor, key, ctx, due)
        case "layout":
            return layouts.began(floor, key, ctx, due)


def _deadlines(floor: Floor) -> Iterator[tuple[datetime, Kind, str]]:
    if floor.next_layout is not None:
        yield floor.next_layout.starts_at, "layout", floor.next_layout.layout_id
    for party_id, party in floor.parties.items():
        if not party.warned:
            yield idle_at(floor, party), "idle", party_id
        if party.fires_at is not None:
            yield party.fires_at, "course", party_id
    for party_id, waiting in floor.waitlist.items():
        if waiting.arrive_by is not None:
            yield waiting.arrive_by, "called", party_id
    for res_id, reservation in floor.reservations.items():
        yield reservations.deadline_of(reservation), "reservation", res_id


def idle_at(floor: Floor, party: Party) -> datetime:
    """From when on a party counts as idle."""
    settings = floor.settings
    minutes = {"PAID": settings.idle_paid, "SEATED": settings.idle_seated}.get(party.status, settings.idle_ordered)
    return party.idle_since + timedelta(minutes=minutes)


def _idle(floor: Floor, party_id: str, ctx: Context, due: datetime) -> events.FloorEvent:
    """Close what owes nothing; for money that is open, or that nobody here knows of, call the waiter: no timer closes it."""
    party = floor.parties[party_id]
    ordered = any(line.state != "CANCELLED" for _, line in floor.lines_of(party_id))
    unknown = ordered and floor.settings.payments == "none" and party.status != "PAID"
    if unknown or owes(floor, party):
        return events.TableAttention(
            party_id=party_id,
            table_ids=party.table_ids,
            waiter_id=party.waiter_id,
            balance_minor=balance_of(floor, party),
            idle_since=party.idle_since,
            effective_at=due,
            cause=ctx.cause,
        )
    return events.TableAutoClosed(
        party_id=party_id,
        table_ids=party.table_ids,
        tab_id=party.tab_id,
        reason="paid" if ordered else "not_ordered",
        leaves="DIRTY" if ordered else "AVAILABLE",
        effective_at=due,
        cause=ctx.cause,
        till=till_left(floor, ctx, party_id),
    )


def _auto_fire(floor: Floor, party_id: str, ctx: Context, due: datetime) -> events.FloorEvent:
    course = floor.parties[party_id].next_course or 0
    return order_events.CourseAutoFired(
        party_id=party_id,
        course=course,
        line_ids=waiting_lines(floor, party_id, course),
        effective_at=due,
        cause=ctx.cause,
    )
