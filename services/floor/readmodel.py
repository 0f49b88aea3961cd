"""The floors of a tenant in SQL, for lists and reports: tables, tickets, reservations, the waitlist and turns."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from holdfast.sql import Listing, Projection, StoredEvent
from services.floor.domain_events import FloorEvent
from services.floor.readmodel_guests import follow_guests
from services.floor.readmodel_lists import LISTS, list_of_tables
from services.floor.readmodel_room import follow_room
from services.floor.readmodel_tables import floor_tables, floors, reservations, tickets, turns, waiting
from services.floor.readmodel_tickets import follow_tickets
from services.floor.readmodel_turns import follow_turns

FOLLOWERS: Final = (follow_room, follow_tickets, follow_guests, follow_turns)


class Floors(Projection[FloorEvent]):
    """Rows of all that stands on a floor now, and of all that has been there."""

    name = "floors"
    purpose = "floor"
    tables = (floors, floor_tables, tickets, reservations, waiting, turns)
    listing = list_of_tables
    lists: ClassVar[Mapping[str, Listing[Any]]] = LISTS

    def apply(self, connection: Connection, stored: StoredEvent[FloorEvent], /) -> None:
        """Write what one event changes in each of the tables."""
        for follow in FOLLOWERS:
            follow(connection, stored)
