"""The lists that the floor's read model answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, or_

from holdfast import Actor
from holdfast.sql import Listing
from services.floor import lists
from services.floor.domain_roles import STAFF
from services.floor.readmodel_tables import STAGES, floor_tables, heat, reservations, tickets, turns, waiting

Conditions = Sequence[ColumnElement[bool]]


def _tables(filters: lists.TableFilters, _by: Actor) -> Conditions:
    column = floor_tables.c
    late = () if filters.late_at is None else (column.alert_at <= filters.late_at,)
    return (
        *_equal(column.id, filters.floor),
        *_equal(column.status, filters.status),
        *_equal(column.section, filters.section),
        *_equal(column.waiter_id, filters.waiter),
        *late,
    )


def _tickets(filters: lists.TicketFilters, _by: Actor) -> Conditions:
    column = tickets.c
    return (
        *_equal(column.id, filters.floor),
        *_equal(column.station, filters.station),
        *_equal(column.open, filters.open),
        *_equal(column.table_ref, filters.table_ref),
        *_between(column.issued_at, filters.issued_after, filters.issued_before),
    )


def _reservations(filters: lists.ReservationFilters, _by: Actor) -> Conditions:
    column = reservations.c
    return (
        *_equal(column.id, filters.floor),
        *_equal(column.status, filters.status),
        *_between(column.start, filters.starts_after, filters.starts_before),
    )


def _waiting(filters: lists.WaitingFilters, _by: Actor) -> Conditions:
    column = waiting.c
    return (
        *_equal(column.id, filters.floor),
        *_equal(column.status, filters.status),
        *_between(column.joined_at, filters.joined_after, filters.joined_before),
    )


def _turns(filters: lists.TurnFilters, _by: Actor) -> Conditions:
    column = turns.c
    marks = [column[f"{stage}_late"] for stage in STAGES]
    late = {
        None: (),
        "target": (or_(*(mark.is_not(None) for mark in marks)),),
        "alert": (or_(*(mark == "alert" for mark in marks)),),
    }
    return (
        *late[filters.late],
        *_equal(column.table_ref, filters.table_ref),
        *_equal(column.id, filters.floor),
        *_equal(column.waiter_id, filters.waiter),
        *_between(column.seated_at, filters.seated_after, filters.seated_before),
    )


def _heat(filters: lists.HeatFilters, _by: Actor) -> Conditions:
    column = heat.c
    return (
        *_equal(column.id, filters.floor),
        *_equal(column.month, filters.month),
        *_equal(column.table_id, filters.table),
    )


def _equal(column: ColumnElement[Any], wanted: Any) -> Conditions:
    return () if wanted is None else (column == wanted,)


def _between(column: ColumnElement[Any], first: Any, end: Any) -> Conditions:
    return (*(() if first is None else (column >= first,)), *(() if end is None else (column < end,)))


list_of_tables: Final = Listing(
    table=floor_tables,
    filters=lists.TableFilters,
    row=lists.TableRow,
    sort=(floor_tables.c.id, floor_tables.c.table_id),
    where=_tables,
    roles=STAFF,
)
list_of_tickets: Final = Listing(
    table=tickets,
    filters=lists.TicketFilters,
    row=lists.TicketRow,
    sort=(tickets.c.issued_at, tickets.c.id, tickets.c.ticket_id),
    where=_tickets,
    roles=STAFF,
)
list_of_reservations: Final = Listing(
    table=reservations,
    filters=lists.ReservationFilters,
    row=lists.ReservationRow,
    sort=(reservations.c.start, reservations.c.id, reservations.c.seq),
    where=_reservations,
    roles=STAFF,
)
list_of_waiting: Final = Listing(
    table=waiting,
    filters=lists.WaitingFilters,
    row=lists.WaitingRow,
    sort=(waiting.c.joined_at, waiting.c.id, waiting.c.seq),
    where=_waiting,
    roles=STAFF,
)
list_of_turns: Final = Listing(
    table=turns,
    filters=lists.TurnFilters,
    row=lists.TurnRow,
    sort=(turns.c.seated_at, turns.c.id, turns.c.seq),
    where=_turns,
    roles=STAFF,
)
list_of_heat: Final = Listing(
    table=heat,
    filters=lists.HeatFilters,
    row=lists.HeatRow,
    sort=(heat.c.id, heat.c.month, heat.c.weekday, heat.c.hour, heat.c.table_id),
    where=_heat,
    roles=STAFF,
)
LISTS: Final[Mapping[str, Listing[Any]]] = {
    "tables": list_of_tables,
    "tickets": list_of_tickets,
    "reservations": list_of_reservations,
    "waitlist": list_of_waiting,
    "turns": list_of_turns,
}
