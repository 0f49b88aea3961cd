"""The floors of a tenant in SQL, for lists and reports: tables, tickets, reservations, the waitlist and turns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from holdfast.sql import Listing, Projection, StoredEvent
from services.floor import domain_events as events
from services.floor.domain_events import FloorEvent
from services.floor.readmodel_guests import STANDING, WAITING, follow_guests
from services.floor.readmodel_lists import LISTS, list_of_tables
from services.floor.readmodel_room import follow_room
from services.floor.readmodel_rows import Rows, parts
from services.floor.readmodel_tables import floor_tables, floors, reservations, tickets, turns, waiting
from services.floor.readmodel_tickets import follow_tickets
from services.floor.readmodel_turns import follow_turns

Stored = StoredEvent[FloorEvent]
FOLLOWERS: Final = (follow_room, follow_tickets, follow_guests, follow_turns)


class Floors(Projection[FloorEvent]):
    """Rows of all that stands on a floor now, and of all that has been there."""

    name = "floors"
    purpose = "floor"
    tables = (floors, floor_tables, tickets, reservations, waiting, turns)
    listing = list_of_tables
    lists: ClassVar[Mapping[str, Listing[Any]]] = LISTS

    def apply(self, connection: Connection, stored: Stored, /) -> None:
        """Write what one event changes in each of the tables."""
        self.apply_all(connection, (stored,))

    def apply_all(self, connection: Connection, events_: Sequence[Stored], /) -> None:
        """Look up what these events name, follow them in memory, and write what has changed."""
        rows = Rows(connection)
        _look_up(rows, events_)
        for stored in events_:
            for follow in FOLLOWERS:
                follow(rows, stored)
        rows.write()


def _look_up(rows: Rows, events_: Sequence[Stored]) -> None:
    """Load whatever these events may change or ask for."""
    names = {stored.name for stored in events_}
    happened = [stored.event for stored in events_]
    parties = {key for event in happened for key in _named(event, "party_id", "party_ids")}
    rows.load(floors, names)
    rows.load(floor_tables, names)
    for some in parts({key for event in happened for key in _named(event, "ticket_id")}):
        rows.load(tickets, names, tickets.c.ticket_id.in_(some))
    for some in parts({key for event in happened for key in _named(event, "res_id", "reservation_id")}):
        rows.load(reservations, names, reservations.c.res_id.in_(some), reservations.c.status.in_(STANDING))
    for some in parts(parties):
        rows.load(tickets, names, tickets.c.party_id.in_(some), tickets.c.open)
        rows.load(waiting, names, waiting.c.party_id.in_(some), waiting.c.status.in_(WAITING))
        rows.load(turns, names, turns.c.party_id.in_(some), turns.c.left_at.is_(None))
    cleaned = {key for event in happened if isinstance(event, events.TableStatusChanged) for key in event.table_ids}
    for some in parts(cleaned):
        dirty = (turns.c.left_at.is_not(None), turns.c.available_at.is_(None))
        rows.load(turns, names, turns.c.table_id.in_(some), *dirty)


def _named(event: FloorEvent, *fields: str) -> Iterable[str]:
    """The ids that an event has in these fields."""
    for field in fields:
        found: str | tuple[str, ...] | None = getattr(event, field, None)
        yield from (found,) if isinstance(found, str) else found or ()
