"""Reservations and the waitlist as rows, with what became of them. How to reach guests is not stored."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, update

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor.readmodel_tables import reservations, waiting

_STANDING = ("booked", "held", "arrived")
_WAITING = ("waiting", "called")


def follow_guests(connection: Connection, stored: StoredEvent[events.FloorEvent]) -> None:  # noqa: C901 - one line for each event
    """Write what an event changes about guests who are expected, or wait."""
    name = stored.name
    match stored.event:
        case events.Reserved() as reserved:
            connection.execute(insert(reservations).values(tenant=name.tenant, id=name.id, **_reserved(reserved)))
        case events.ReservationHeld(res_id=res_id):
            _became(connection, name, res_id, "held")
        case events.PartyArrived(res_id=res_id):
            _became(connection, name, res_id, "arrived")
        case events.ReservationCancelled(res_id=res_id):
            _became(connection, name, res_id, "cancelled")
        case events.ReservationNoShow(res_id=res_id):
            _became(connection, name, res_id, "no_show")
        case events.PartySeated() as seated:
            _seated(connection, name, seated)
        case events.Waitlisted() as joined:
            values = {"party_id": joined.party_id, "joined_at": joined.at, "size": joined.size}
            values |= {"quote_min": joined.quote_min, "skips": 0, "status": "waiting"}
            connection.execute(insert(waiting).values(tenant=name.tenant, id=name.id, **values))
        case events.PartyNotified(party_id=party_id):
            _waits(connection, name, party_id, status="called")
        case events.PartySkipped(party_id=party_id, skips=skips, removed=removed):
            _waits(connection, name, party_id, status="removed" if removed else "waiting", skips=skips)
        case events.WaitlistLeft(party_id=party_id):
            _waits(connection, name, party_id, status="left")
        case _:
            pass


def _reserved(event: events.Reserved) -> dict[str, Any]:
    return {
        "res_id": event.res_id,
        "reserved_at": event.at,
        "name": event.name,
        "size": event.size,
        "tables": " ".join(event.table_ids),
        "start": event.start,
        "end": event.end,
        "status": "booked",
    }


def _became(connection: Connection, name: Name, res_id: str, status: str) -> None:
    row = reservations.c
    this = (row.tenant == name.tenant) & (row.id == name.id) & (row.res_id == res_id) & row.status.in_(_STANDING)
    connection.execute(update(reservations).where(this).values(status=status))


def _seated(connection: Connection, name: Name, event: events.PartySeated) -> None:
    if event.reservation_id is not None:
        _became(connection, name, event.reservation_id, "seated")
    if event.waiting_since is not None and event.quote_min is not None:
        waited = (event.at - event.waiting_since) // timedelta(minutes=1)
        error = waited - event.quote_min
        _waits(connection, name, event.party_id, status="seated", waited_min=waited, error_min=error)


def _waits(connection: Connection, name: Name, party_id: str, **values: Any) -> None:
    row = waiting.c
    this = (row.tenant == name.tenant) & (row.id == name.id) & (row.party_id == party_id) & row.status.in_(_WAITING)
    connection.execute(update(waiting).where(this).values(**values))
