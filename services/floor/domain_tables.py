"""Tables and the parties at them: layout, seating, moving, linking, status, and the till's word on their bills."""

from collections.abc import Iterable
from typing import Final

from holdfast import Context, StateConflict, TooLarge, ValidationFailed, VersionConflict
from services.floor import domain_commands as commands
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor.domain_floor import Floor, Reservation, Table, balance_of, is_paying, owes
from services.floor.domain_kitchen import stations_with
from services.floor.domain_layouts import check_not_in_use
from services.floor.domain_lookup import (
    check_distinct,
    may_force,
    party_at,
    party_named,
    post_of,
    table_named,
    till_left,
    till_of,
)
from services.floor.domain_settings import MAX_ALLERGIES, check_layout, check_settings, stay_of
from services.floor.domain_waiters import check_on_shift, waiter_of

Events = tuple[events.FloorEvent, ...]
OCCUPIED: Final = ("SEATED", "ORDERED", "SERVED", "CHECK_DROPPED", "PAID")


def configure_floor(floor: Floor, command: commands.ConfigureFloor) -> Events:
    """Set the tables; nothing when they stand so already."""
    if floor.version and command.tables == tuple(table.layout for table in floor.tables.values()):
        return ()
    _check_version(floor.version, command.expected_version)
    check_layout(command.tables)
    check_not_in_use(floor, command.tables)
    return (events.FloorConfigured(tables=command.tables, version=floor.version + 1),)


def change_settings(floor: Floor, command: commands.ChangeSettings) -> Events:
    """Replace the settings; nothing when they are so already."""
    if command.settings == floor.settings:
        return ()
    _check_version(floor.settings_version, command.expected_version)
    check_settings(command.settings)
    return (events.SettingsChanged(settings=command.settings, version=floor.settings_version + 1),)


def seat_party(floor: Floor, command: commands.SeatParty, ctx: Context) -> Events:
    """Seat a party; nothing when it sits there already."""
    check_distinct(command.table_ids, "table_ids")
    known = floor.parties.get(command.party_id)
    if known is not None:
        if known.table_ids == command.table_ids and known.size == command.size:
            return ()
        raise StateConflict("this party sits already: move it, or choose another party_id", table_ids=known.table_ids)
    force = may_force(ctx, asked=command.force)
    reservation = _expected(floor, command)
    waiting = floor.waitlist.get(command.party_id)
    known_as = [each for each in (command, reservation, waiting) if each is not None]
    _check_free(floor, command.table_ids, ctx, party_id=command.party_id, res_id=command.reservation_id, force=force)
    _check_size(floor, command.table_ids, command.size, force=force)
    if command.waiter_id is not None:
        check_on_shift(floor, command.waiter_id)
    return (
        events.PartySeated(
            party_id=command.party_id,
            table_ids=command.table_ids,
            table_ref=floor.table_ref(command.table_ids),
            size=command.size,
            tab_id=ctx.new_id("tab"),
            until=ctx.now + stay_of(floor.settings, command.size),
            at=ctx.now,
            waiter_id=command.waiter_id or waiter_of(floor, command.table_ids[0]),
            name=command.name or (reservation.name if reservation else None) or (waiting.name if waiting else None),
            reservation_id=command.reservation_id,
            waiting_since=None if waiting is None else waiting.since,
            quote_min=None if waiting is None else waiting.quote_min,
            forced=force,
            vip=any(each.vip for each in known_as),
            allergies=_together(each.allergies for each in known_as),
        ),
    )


def flag_party(floor: Floor, command: commands.FlagParty, ctx: Context) -> Events:
    """Note who a party is and what it must not eat; nothing when that is known."""
    party = party_named(floor, command.party_id)
    dropped = set(command.drop_allergies)
    kept = (allergy for allergy in (*party.allergies, *command.add_allergies) if allergy not in dropped)
    allergies = _together([kept])
    vip = party.vip if command.vip is None else command.vip
    if (vip, allergies) == (party.vip, party.allergies):
        return ()
    lines = [line_id for line_id, _ in floor.lines_of(command.party_id)] if allergies != party.allergies else []
    return (
        events.PartyFlagged(
            party_id=command.party_id,
            vip=vip,
            allergies=allergies,
            table_ref=floor.table_ref(party.table_ids),
            stations=stations_with(floor, lines),
            at=ctx.now,
        ),
    )


def _together(allergies: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """All of them, each once."""
    all_ = tuple(dict.fromkeys(allergy for each in allergies for allergy in each))
    if len(all_) > MAX_ALLERGIES:
        raise TooLarge(f"at most {MAX_ALLERGIES} allergies: write the rest into notes", maximum=MAX_ALLERGIES)
    return all_


def move_party(floor: Floor, command: commands.MoveParty, ctx: Context) -> Events:
    """Give a party other tables; nothing when it has them already."""
    party = party_named(floor, command.party_id)
    check_distinct(command.to_table_ids, "to_table_ids")
    if party.table_ids == command.to_table_ids:
        return ()
    if is_paying(floor, party):
        raise refusals.PaymentInProgress("the party is paying: wait for the outcome, or cancel the payment at the till")
    force = may_force(ctx, asked=command.force)
    added = [table_id for table_id in command.to_table_ids if table_id not in party.table_ids]
    _check_free(floor, added, ctx, party_id=command.party_id, force=force)
    _check_size(floor, command.to_table_ids, party.size, force=force)
    before, after = floor.table_ref(party.table_ids), floor.table_ref(command.to_table_ids)
    return (
        events.PartyMoved(
            party_id=command.party_id,
            tab_id=party.tab_id,
            from_table_ids=party.table_ids,
            to_table_ids=command.to_table_ids,
            table_ref=after,
            note=f"{before}→{after}",
            stations=stations_with(floor, (line_id for line_id, _ in floor.lines_of(command.party_id))),
            till=till_of(floor, ctx),
            post=post_of(floor, ctx),
            at=ctx.now,
        ),
    )


def link_tables(floor: Floor, command: commands.LinkTables, ctx: Context) -> Events:
    """Add tables to a party; nothing when it has them all."""
    party = party_named(floor, command.party_id)
    check_distinct(command.table_ids, "table_ids")
    added = tuple(table_id for table_id in command.table_ids if table_id not in party.table_ids)
    if not added:
        return ()
    _check_free(floor, added, ctx, party_id=command.party_id)
    return (events.TablesLinked(party_id=command.party_id, table_ids=added, at=ctx.now),)


def unlink_tables(floor: Floor, command: commands.UnlinkTables, ctx: Context) -> Events:
    """Take tables from a party; it keeps at least one."""
    party = party_named(floor, command.party_id)
    check_distinct(command.table_ids, "table_ids")
    if not set(command.table_ids) <= set(party.table_ids):
        raise refusals.NotMerged("the party does not have all of these tables", table_ids=party.table_ids)
    if set(command.table_ids) == set(party.table_ids):
        raise ValidationFailed("table_ids: leave the party one of its tables, or clear the table when it has gone")
    return (events.TablesUnlinked(party_id=command.party_id, table_ids=command.table_ids, at=ctx.now),)


def set_status(floor: Floor, command: commands.SetStatus, ctx: Context) -> Events:
    """Set a status by hand; nothing when it is so already."""
    table = table_named(floor, command.table)
    if command.status == table.status:
        return ()
    if table.party_id is not None:
        return _set_stage(floor, table.party_id, command, ctx)
    if command.status not in {"AVAILABLE", "DIRTY"}:
        raise refusals.BadTransition(_INSTEAD.get(command.status, "seat a party first"), status=table.status)
    return (_by_hand((command.table,), table, command.status, ctx=ctx, reason=command.reason),)


_INSTEAD: Final = {"BLOCKED": "block the table with block_table", "RESERVED": "reserve the table"}


def _set_stage(floor: Floor, party_id: str, command: commands.SetStatus, ctx: Context) -> Events:
    party, table = floor.parties[party_id], floor.tables[command.table]
    if command.status == "DIRTY":
        return clear_table(floor, commands.ClearTable(table=command.table), ctx)
    if command.status not in OCCUPIED:
        raise refusals.BadTransition("a party sits there: move it or clear the table", status=table.status)
    if command.status == "PAID":
        _check_paid(floor, party_id)
    return (_by_hand(party.table_ids, table, command.status, ctx=ctx, party_id=party_id, reason=command.reason),)


def clear_table(floor: Floor, command: commands.ClearTable, ctx: Context) -> Events:
    """Let a party go; nothing when nobody sits there."""
    party_id = table_named(floor, command.table).party_id
    if party_id is None:
        return ()
    _check_paid(floor, party_id)
    party = floor.parties[party_id]
    left = events.PartyLeft(
        party_id=party_id,
        table_ids=party.table_ids,
        tab_id=party.tab_id,
        leaves="DIRTY",
        at=ctx.now,
        till=till_left(floor, ctx, party_id),
    )
    return (left,)


def block_table(floor: Floor, command: commands.BlockTable, ctx: Context) -> Events:
    """Take a table out of use; nothing when it is already."""
    table = table_named(floor, command.table)
    if table.status == "BLOCKED":
        return ()
    if not command.reason.strip():
        raise refusals.ReasonRequired("reason: say why the table is blocked")
    if table.status not in {"AVAILABLE", "DIRTY"}:
        raise refusals.BadTransition("only an available or a dirty table is blocked", status=table.status)
    return (_by_hand((command.table,), table, "BLOCKED", ctx=ctx, reason=command.reason),)


def touch(floor: Floor, command: commands.Touch, ctx: Context) -> Events:
    """Note that somebody looked after the table."""
    party_id = party_at(floor, command.table_id)
    if floor.parties[party_id].idle_since == ctx.now:
        return ()
    return (events.TableTouched(party_id=party_id, at=ctx.now),)


def _check_version(current: int, expected: int) -> None:
    if expected != current:
        raise VersionConflict(
            f"this was changed meanwhile: read the floor again, and send expected_version {current}", version=current
        )


def _expected(floor: Floor, command: commands.SeatParty) -> Reservation | None:
    if command.reservation_id is None:
        return None
    reservation = floor.reservations.get(command.reservation_id)
    if reservation is None:
        raise StateConflict("this reservation has lapsed or was cancelled: seat the party without it")
    return reservation


def _check_free(
    floor: Floor,
    table_ids: Iterable[str],
    ctx: Context,
    *,
    party_id: str,
    res_id: str | None = None,
    force: bool = False,
) -> None:
    """Refuse tables that somebody has, or that are kept for somebody else."""
    for table_id in table_ids:
        table = table_named(floor, table_id)
        if table.party_id is not None and table.party_id != party_id:
            raise refusals.TableOccupied(f"a party sits at {table_id}", table_id=table_id, party_id=table.party_id)
        if table.base == "BLOCKED":
            raise refusals.TableBlocked(f"{table_id} is out of use: {table.reason}", table_id=table_id)
        if table.base == "DIRTY":
            raise refusals.BadTransition(f"{table_id} is dirty: set it AVAILABLE when it is clean", status="DIRTY")
        if not force:
            _check_not_kept(floor, table_id, ctx, party_id=party_id, res_id=res_id)


def _check_not_kept(floor: Floor, table_id: str, ctx: Context, *, party_id: str, res_id: str | None) -> None:
    for other, reservation in floor.reservations.items():
        kept = reservation.held or reservation.hold_from <= ctx.now
        if kept and other != res_id and table_id in reservation.table_ids:
            raise refusals.ReservedSoon(f"{table_id} is reserved: choose another table", at=reservation.start)
    for other, waiting in floor.waitlist.items():
        if waiting.table_id == table_id and other != party_id:
            raise refusals.ReservedSoon(f"a party was called to {table_id}: choose another table", at=waiting.arrive_by)


def _check_size(floor: Floor, table_ids: Iterable[str], size: int, *, force: bool) -> None:
    most = sum(floor.tables[table_id].layout.max for table_id in table_ids)
    if size > most and not force:
        raise refusals.OverCapacity(f"at most {most} guests fit: add a table, or let a manager force it", maximum=most)


def _check_paid(floor: Floor, party_id: str) -> None:
    party = floor.parties[party_id]
    if owes(floor, party):
        due = balance_of(floor, party)
        raise refusals.BalanceDue("the bill is open: let them pay at the till first", balance_minor=due)


def _by_hand(
    table_ids: tuple[str, ...],
    table: Table,
    to: commands.TableStatus,
    *,
    ctx: Context,
    party_id: str | None = None,
    reason: str = "",
) -> events.TableStatusChanged:
    return events.TableStatusChanged(
        table_ids=table_ids, party_id=party_id, from_=table.status, to=to, cause="manual", reason=reason, at=ctx.now
    )
