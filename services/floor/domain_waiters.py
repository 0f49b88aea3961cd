"""Shifts, sections and who serves whom."""

from typing import Final

from holdfast import Context, NotFound, TooLarge, ValidationFailed
from services.floor import domain_commands as commands
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor.domain_floor import Floor
from services.floor.domain_lookup import table_named

Events = tuple[events.FloorEvent, ...]
MAX_ON_SHIFT: Final = 500


def clock_in(floor: Floor, command: commands.ClockIn, ctx: Context) -> Events:
    """Begin a shift; nothing when it has begun."""
    waiter = command.waiter_id or ctx.actor.user
    if waiter not in floor.shifts and len(floor.shifts) >= MAX_ON_SHIFT:
        raise TooLarge(f"{MAX_ON_SHIFT} waiters are on shift: let some clock out", maximum=MAX_ON_SHIFT)
    return () if waiter in floor.shifts else (events.WaiterClockedIn(waiter_id=waiter, at=ctx.now),)


def clock_out(floor: Floor, command: commands.ClockOut, ctx: Context) -> Events:
    """End a shift with no party left and no bank to settle; nothing when there is none."""
    waiter = command.waiter_id or ctx.actor.user
    if waiter not in floor.shifts:
        return ()
    tables = [table_id for party in floor.parties.values() if party.waiter_id == waiter for table_id in party.table_ids]
    if tables:
        raise refusals.OpenTables("hand your tables over first, with hand_over", table_ids=tables)
    if waiter in floor.banks:
        raise refusals.BankOpen("settle your bank at the till first, with settle_bank")
    return (events.WaiterClockedOut(waiter_id=waiter, at=ctx.now),)


def assign_waiter(floor: Floor, command: commands.AssignWaiter, ctx: Context) -> Events:
    """Give a section or a table to a waiter; nothing when it is his already."""
    if (command.section is None) == (command.table is None):
        raise ValidationFailed("name a section or a table, and not both")
    if command.section is not None and command.section not in _sections(floor):
        raise NotFound(f"no table of this floor is in a section {command.section!r}")
    if command.waiter is not None:
        check_on_shift(floor, command.waiter)
    assigned = events.WaiterAssigned(
        waiter_id=command.waiter,
        section=command.section,
        table_id=command.table,
        party_ids=_parties(floor, command),
        at=ctx.now,
    )
    if command.section is not None:
        unchanged = floor.sections.get(command.section) == command.waiter
    else:
        unchanged = table_named(floor, command.table or "").waiter_id == command.waiter
    return () if unchanged and not assigned.party_ids else (assigned,)


def _sections(floor: Floor) -> set[str]:
    """Those of the layout, and those that were before."""
    return {table.layout.section for table in floor.tables.values()} | floor.sections.keys()


def hand_over(floor: Floor, command: commands.HandOver, ctx: Context) -> Events:
    """Give everything of one waiter to another at once; nothing when there is nothing."""
    if command.from_ == command.to:
        raise ValidationFailed("to: name another waiter")
    check_on_shift(floor, command.to)
    handed = events.TablesHandedOver(
        from_waiter=command.from_,
        to_waiter=command.to,
        party_ids=tuple(key for key, party in floor.parties.items() if party.waiter_id == command.from_),
        table_ids=tuple(key for key, table in floor.tables.items() if table.waiter_id == command.from_),
        sections=tuple(section for section, waiter in floor.sections.items() if waiter == command.from_),
        at=ctx.now,
    )
    return (handed,) if handed.party_ids or handed.table_ids or handed.sections else ()


def waiter_of(floor: Floor, table_id: str) -> str | None:
    """Who serves a table: its own waiter, else that of its section."""
    table = table_named(floor, table_id)
    return table.waiter_id or floor.sections.get(table.layout.section)


def suggested_waiter(floor: Floor) -> str | None:
    """Whose turn it is: the waiter with the fewest guests this shift, of equals the one who began first."""
    return min(floor.shifts, key=lambda waiter: (floor.shifts[waiter].covers, floor.shifts[waiter].since), default=None)


def check_on_shift(floor: Floor, waiter: str) -> None:
    """Refuse a waiter who has not clocked in."""
    if waiter not in floor.shifts:
        raise refusals.NotOnShift(f"{waiter} has not clocked in", waiter_id=waiter)


def _parties(floor: Floor, command: commands.AssignWaiter) -> tuple[str, ...]:
    """Whom the assignment concerns already: the party at the table, or those of the section whom nobody serves."""
    if command.table is not None:
        party_id = table_named(floor, command.table).party_id
        return () if party_id is None or floor.parties[party_id].waiter_id == command.waiter else (party_id,)
    if command.waiter is None:
        return ()
    return tuple(
        party_id
        for party_id, party in floor.parties.items()
        if party.waiter_id is None and floor.tables[party.table_ids[0]].layout.section == command.section
    )
