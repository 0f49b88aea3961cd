"""The waitlist: whoever fits a free table first gets it, and hears beforehand how long that will take."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from holdfast import Context, NotFound, TooLarge, ValidationFailed
from services.floor import domain_commands as commands
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor.domain_floor import Floor, Table
from services.floor.domain_lookup import table_named
from services.floor.domain_settings import stay_of

Events = tuple[events.FloorEvent, ...]
MAX_WAITING: Final = 200
SKIPS: Final = 2
"""So often a party may stay away when it is called."""
ROUNDING_MIN: Final = 5
NOBODY_KNOWS_MIN: Final = 180
"""What a party is told for which this floor has no table."""


def join_waitlist(floor: Floor, command: commands.JoinWaitlist, ctx: Context) -> Events:
    """Let a party wait; nothing when it does already."""
    if command.party in floor.waitlist:
        return ()
    if command.party in floor.parties:
        raise ValidationFailed("party: this one sits already; choose another id")
    if len(floor.waitlist) >= MAX_WAITING:
        raise TooLarge(f"{MAX_WAITING} parties wait: turn guests away for now", maximum=MAX_WAITING)
    return (
        events.Waitlisted(
            party_id=command.party,
            size=command.size,
            quote_min=quote_min(floor, command.size, ctx.now),
            name=command.name,
            contact=command.contact,
            vip=command.vip,
            allergies=command.allergies,
            at=ctx.now,
        ),
    )


def notify_party(floor: Floor, command: commands.NotifyParty, ctx: Context) -> Events:
    """Call a party to a table; nothing when it is called already."""
    party_id = command.party
    if party_id is None and command.table is None:
        raise ValidationFailed("name a party, a table, or both")
    if party_id is not None:
        if party_id not in floor.waitlist:
            raise NotFound(f"no party {party_id!r} waits")
        if floor.waitlist[party_id].table_id is not None:
            return ()
    if command.table is None:
        table_id = next((key for key in _free_tables(floor) if _fits(floor, key, party_id or "")), None)
    else:
        table_named(floor, command.table)
        table_id = command.table if command.table in _free_tables(floor) else None
    if table_id is None:
        raise refusals.NoCapacity("no such table is free: wait until one is, and clean")
    party_id = party_id or next_party(floor, table_id)
    if party_id is None or not _fits(floor, table_id, party_id):
        raise refusals.NoCapacity(f"nobody who waits fits {table_id}", table_id=table_id)
    arrive_by = ctx.now + timedelta(minutes=floor.settings.arrive_by)
    return (events.PartyNotified(party_id=party_id, table_id=table_id, arrive_by=arrive_by, at=ctx.now),)


def leave_waitlist(floor: Floor, command: commands.LeaveWaitlist, ctx: Context) -> Events:
    """Strike a party off; nothing when it does not wait."""
    if command.party not in floor.waitlist:
        return ()
    return (events.WaitlistLeft(party_id=command.party, at=ctx.now),)


def skipped(floor: Floor, party_id: str, ctx: Context, due: datetime) -> events.PartySkipped:
    """A party that was called did not come."""
    waiting = floor.waitlist[party_id]
    skips = waiting.skips + 1
    return events.PartySkipped(
        party_id=party_id,
        table_id=waiting.table_id or "",
        skips=skips,
        removed=skips >= SKIPS,
        effective_at=due,
        cause=ctx.cause,
    )


def next_party(floor: Floor, table_id: str) -> str | None:
    """Who gets a free table: of those whom it fits, the one who has waited longest and is not called elsewhere."""
    return next(
        (key for key, waiting in floor.waitlist.items() if waiting.table_id is None and _fits(floor, table_id, key)),
        None,
    )


def quote_min(floor: Floor, size: int, now: datetime) -> int:
    """How many minutes a party of this size will wait, from when tables become free and who waits before it."""
    free_at = sorted(
        (_free_at(floor, table_id, now), table_id)
        for table_id, table in floor.tables.items()
        if table.layout.min <= size <= table.layout.max and table.base != "BLOCKED"
    )
    if not free_at:
        return NOBODY_KNOWS_MIN
    before = sum(
        any(_takes(floor.tables[table_id], waiting.size) for _, table_id in free_at)
        for waiting in floor.waitlist.values()
        if waiting.table_id is None
    )
    rounds, place = divmod(before, len(free_at))
    wait = free_at[place][0] - now + rounds * stay_of(floor.settings, size)
    return -(-wait // timedelta(minutes=ROUNDING_MIN)) * ROUNDING_MIN


def _free_at(floor: Floor, table_id: str, now: datetime) -> datetime:
    """When a table is free at the earliest: now, when its party is expected to leave, or after who it is kept for."""
    party_id = floor.tables[table_id].party_id
    until = now if party_id is None else max(now, floor.parties[party_id].until)
    for waiting in floor.waitlist.values():
        if waiting.table_id == table_id:
            until = max(until, now + stay_of(floor.settings, waiting.size))
    for reservation in floor.reservations.values():
        if reservation.held and table_id in reservation.table_ids:
            until = max(until, reservation.end)
    return until


def _free_tables(floor: Floor) -> Iterator[str]:
    return (table_id for table_id, table in floor.tables.items() if table.status == "AVAILABLE")


def _fits(floor: Floor, table_id: str, party_id: str) -> bool:
    return _takes(floor.tables[table_id], floor.waitlist[party_id].size)


def _takes(table: Table, size: int) -> bool:
    return table.layout.min <= size <= table.layout.max
