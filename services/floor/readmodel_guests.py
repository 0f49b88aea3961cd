"""Reservations and the waitlist as rows, with what became of them. How to reach guests is not stored."""

from datetime import timedelta
from typing import Any, Final

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor.readmodel_rows import Rows
from services.floor.readmodel_tables import reservations, waiting

STANDING: Final = ("booked", "held", "arrived")
WAITING: Final = ("waiting", "called")


def follow_guests(rows: Rows, stored: StoredEvent[events.FloorEvent]) -> None:  # noqa: C901 - one line for each event
    """Write what an event changes about guests who are expected, or wait."""
    name = stored.name
    match stored.event:
        case events.Reserved() as reserved:
            rows.add(reservations, name, seq=stored.seq, **_reserved(reserved))
        case events.ReservationHeld(res_id=res_id):
            _became(rows, name, res_id, "held")
        case events.PartyArrived(res_id=res_id):
            _became(rows, name, res_id, "arrived")
        case events.ReservationCancelled(res_id=res_id):
            _became(rows, name, res_id, "cancelled")
        case events.ReservationNoShow(res_id=res_id):
            _became(rows, name, res_id, "no_show")
        case events.PartySeated() as seated:
            _seated(rows, name, seated)
        case events.Waitlisted() as joined:
            values = {"party_id": joined.party_id, "seq": stored.seq, "joined_at": joined.at, "size": joined.size}
            rows.add(waiting, name, **values, quote_min=joined.quote_min, skips=0, status="waiting")
        case events.PartyNotified(party_id=party_id):
            _waits(rows, name, party_id, status="called")
        case events.PartySkipped(party_id=party_id, skips=skips, removed=removed):
            _waits(rows, name, party_id, status="removed" if removed else "waiting", skips=skips)
        case events.WaitlistLeft(party_id=party_id):
            _waits(rows, name, party_id, status="left")
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


def _became(rows: Rows, name: Name, res_id: str, status: str) -> None:
    for row in rows.of(reservations, name):
        if row["res_id"] == res_id and row["status"] in STANDING:
            row.change(status=status)


def _seated(rows: Rows, name: Name, event: events.PartySeated) -> None:
    if event.reservation_id is not None:
        _became(rows, name, event.reservation_id, "seated")
    if event.waiting_since is not None and event.quote_min is not None:
        waited = (event.at - event.waiting_since) // timedelta(minutes=1)
        error = waited - event.quote_min
        _waits(rows, name, event.party_id, status="seated", waited_min=waited, error_min=error)


def _waits(rows: Rows, name: Name, party_id: str, **values: Any) -> None:
    for row in rows.of(waiting, name):
        if row["party_id"] == party_id and row["status"] in WAITING:
            row.change(**values)
