"""Reservations: tables kept for `[start, end)`, held from a while before, and free again when nobody comes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast import Context, NotFound, TooLarge, ValidationFailed
from services.floor import domain_commands as commands
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor.domain_floor import Floor, Reservation
from services.floor.domain_lookup import check_distinct, table_named
from services.floor.domain_settings import on_slot, open_during, stay_of

Events = tuple[events.FloorEvent, ...]
MAX_RESERVATIONS: Final = 2_000
FURTHEST: Final = timedelta(days=366)
QUARTER: Final = timedelta(minutes=15)
SEARCHED: Final = 96
"""So many quarters of an hour are looked through for the next time that is free."""


def reserve(floor: Floor, command: commands.Reserve, ctx: Context) -> Events:
    """Keep tables; nothing when this reservation stands already."""
    start = command.start.astimezone(UTC)
    known = floor.reservations.get(command.res_id)
    if known is not None:
        if (known.start, known.size) == (start, command.size):
            return ()
        raise ValidationFailed("res_id: this one is used; cancel it first, or choose another id")
    if len(floor.reservations) >= MAX_RESERVATIONS:
        raise TooLarge(
            f"this floor keeps {MAX_RESERVATIONS} reservations at most: cancel some", maximum=MAX_RESERVATIONS
        )
    end = start + stay_of(floor.settings, command.size)
    _check_time(floor, start, end, ctx)
    table_ids = _tables(floor, command, start, now=ctx.now)
    hold_from = max(ctx.now, start - timedelta(minutes=floor.settings.hold_before))
    reserved = events.Reserved(
        res_id=command.res_id,
        table=table_ids[0] if len(table_ids) == 1 else None,
        table_ids=table_ids,
        size=command.size,
        start=start,
        end=end,
        hold_from=hold_from,
        no_show_at=start + timedelta(minutes=floor.settings.grace),
        name=command.name,
        contact=command.contact,
        note=command.note,
        vip=command.vip,
        allergies=command.allergies,
        at=ctx.now,
    )
    if hold_from > ctx.now:
        return (reserved,)
    held = events.ReservationHeld(res_id=command.res_id, table_ids=table_ids, effective_at=ctx.now, cause=ctx.cause)
    return (reserved, held)


def cancel_reservation(floor: Floor, command: commands.CancelReservation, ctx: Context) -> Events:
    """Give its tables free; nothing when it does not stand any more."""
    if command.res_id not in floor.reservations:
        return ()
    return (events.ReservationCancelled(res_id=command.res_id, reason=command.reason, at=ctx.now),)


def arrive(floor: Floor, command: commands.Arrive, ctx: Context) -> Events:
    """Note that the guests are here; nothing when that is known."""
    reservation = floor.reservations.get(command.res_id)
    if reservation is None:
        raise NotFound("this reservation has lapsed, was cancelled, or is seated")
    return () if reservation.arrived_at else (events.PartyArrived(res_id=command.res_id, at=ctx.now),)


def deadline_of(reservation: Reservation) -> datetime:
    """When something next happens to it by itself."""
    if reservation.arrived_at is not None:
        return max(reservation.end, reservation.arrived_at + QUARTER)
    return reservation.no_show_at if reservation.held else reservation.hold_from


def on_deadline(floor: Floor, res_id: str, ctx: Context, due: datetime) -> events.FloorEvent:
    """Hold the tables, or give them free again."""
    reservation = floor.reservations[res_id]
    if not reservation.held:
        return events.ReservationHeld(res_id=res_id, table_ids=reservation.table_ids, effective_at=due, cause=ctx.cause)
    return events.ReservationNoShow(
        res_id=res_id,
        table_ids=reservation.table_ids,
        arrived=reservation.arrived_at is not None,
        effective_at=due,
        cause=ctx.cause,
    )


def _check_time(floor: Floor, start: datetime, end: datetime, ctx: Context) -> None:
    earliest = ctx.now + timedelta(minutes=floor.settings.lead_time)
    if start < earliest:
        raise refusals.LeadTime("start: reserve further ahead", earliest=earliest)
    if start > ctx.now + FURTHEST:
        raise ValidationFailed("start: at most a year ahead")
    if not on_slot(floor.settings, start):
        raise ValidationFailed(f"start: every {floor.settings.slot} minutes from local midnight on")
    if not open_during(floor.settings, start, end):
        raise refusals.OutOfHours("start: the stay must lie within the opening hours", start=start, end=end)


def _tables(floor: Floor, command: commands.Reserve, start: datetime, *, now: datetime) -> tuple[str, ...]:
    """The tables for a reservation, or a refusal that tells when there are some."""
    check_distinct(command.table_ids, "table_ids")
    most = sum(table_named(floor, table_id).layout.max for table_id in command.table_ids)
    if command.table_ids and command.size > most:
        raise refusals.OverCapacity(f"at most {most} guests fit: add a table", maximum=most)
    if not _in_pace(floor, start, command.size):
        raise refusals.PacingLimit(
            f"at most {floor.settings.max_covers_per_quarter} guests arrive in a quarter of an hour: come later",
            next_at=_next_start(floor, command, start, now=now),
        )
    table_ids = _free_then(floor, command, start, now=now)
    if table_ids is None:
        named = "a table is taken then: leave table_ids out, or choose another time"
        any_ = "no table is free for so many guests then: choose another time"
        next_at = _next_start(floor, command, start, now=now)
        raise refusals.NoCapacity(named if command.table_ids else any_, next_at=next_at)
    return table_ids


def _free_then(floor: Floor, command: commands.Reserve, start: datetime, *, now: datetime) -> tuple[str, ...] | None:
    """The named tables, or the smallest that fit, if they are free for the whole stay."""
    end = start + stay_of(floor.settings, command.size)
    wanted = (command.table_ids,) if command.table_ids else _candidates(floor, command.size)
    taken = _taken(floor, start, end, now=now)
    return next((table_ids for table_ids in wanted if taken.isdisjoint(table_ids)), None)


def _next_start(floor: Floor, command: commands.Reserve, start: datetime, *, now: datetime) -> datetime | None:
    """The next quarter of an hour at which this reservation would be taken."""
    stay = stay_of(floor.settings, command.size)
    for number in range(1, SEARCHED + 1):
        then = _quarter(start) + number * QUARTER
        fits = on_slot(floor.settings, then) and open_during(floor.settings, then, then + stay)
        if fits and _in_pace(floor, then, command.size) and _free_then(floor, command, then, now=now) is not None:
            return then
    return None


def _in_pace(floor: Floor, start: datetime, size: int) -> bool:
    """Whether the kitchen can take in so many more guests in this quarter of an hour."""
    most = floor.settings.max_covers_per_quarter
    if most is None:
        return True
    quarter = _quarter(start)
    return size + sum(other.size for other in floor.reservations.values() if _quarter(other.start) == quarter) <= most


def _quarter(moment: datetime) -> datetime:
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def _candidates(floor: Floor, size: int) -> Iterable[tuple[str, ...]]:
    """Tables for so many guests: single ones first, then combinations, the ones with the fewest seats first."""
    single = [
        (table.layout.max, (table_id,))
        for table_id, table in floor.tables.items()
        if table.layout.min <= size <= table.layout.max
    ]
    combined = [
        (sum(floor.tables[table_id].layout.max for table_id in table_ids), table_ids)
        for table_ids in floor.settings.combinations
        if all(table_id in floor.tables for table_id in table_ids)
    ]
    fitting = [(seats, table_ids) for seats, table_ids in combined if seats >= size]
    return (table_ids for _, table_ids in (*sorted(single), *sorted(fitting)))


def _taken(floor: Floor, start: datetime, end: datetime, *, now: datetime) -> set[str]:
    """The tables at which something overlaps `[start, end)`, with the buffer after each stay, and those out of use."""
    buffer = timedelta(minutes=floor.settings.buffer)
    stays = [(other.start, other.end, other.table_ids) for other in floor.reservations.values()]
    stays += [(now, party.until, party.table_ids) for party in floor.parties.values()]
    taken = {table_id for table_id, table in floor.tables.items() if table.base == "BLOCKED"}
    for since, until, table_ids in stays:
        if start < until + buffer and since < end + buffer:
            taken.update(table_ids)
    return taken
