"""The kitchen's tickets as rows, kept when they have left the screen."""

from collections.abc import Iterable
from typing import Any

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor import domain_order_events as order_events
from services.floor.readmodel_rows import Row, Rows
from services.floor.readmodel_tables import tickets


def follow_tickets(rows: Rows, stored: StoredEvent[events.FloorEvent]) -> None:
    """Write what an event changes about tickets; those of guests who have gone are closed, bumped or not."""
    name = stored.name
    match stored.event:
        case order_events.KitchenTicketIssued() as issued:
            rows.add(tickets, name, **_issued(issued))
        case order_events.TicketBumped(ticket_id=ticket_id, at=at):
            for row in _named(rows, name, ticket_id):
                seconds = int((at - row["issued_at"]).total_seconds())
                row.change(bumped_at=at, seconds=seconds, open=False)
        case order_events.TicketRecalled(ticket_id=ticket_id):
            for row in _named(rows, name, ticket_id):
                row.change(bumped_at=None, seconds=None, open=True)
        case order_events.TicketReprinted(ticket_id=ticket_id, copy=copies):
            for row in _named(rows, name, ticket_id):
                row.change(copies=copies)
        case events.PartyMoved(party_id=party_id, table_ref=table_ref):
            _change_open(rows, name, party_id, table_ref=table_ref)
        case events.PartyLeft(party_id=party_id) | events.TableAutoClosed(party_id=party_id):
            _change_open(rows, name, party_id, open=False)
        case _:
            pass


def _issued(event: order_events.KitchenTicketIssued) -> dict[str, Any]:
    return {
        "ticket_id": event.ticket_id,
        "number": event.number,
        "station": event.station,
        "kind": event.kind,
        "table_ref": event.table_ref,
        "party_id": event.party_id,
        "items": "; ".join(_items(event.deltas)),
        "issued_at": event.at,
        "copies": 1,
        "open": True,
    }


def _items(deltas: Iterable[order_events.LineDelta]) -> Iterable[str]:
    return (f"{delta.delta}m {delta.sku}" for delta in deltas)


def _named(rows: Rows, name: Name, ticket_id: str) -> Iterable[Row]:
    return (row for row in rows.of(tickets, name) if row["ticket_id"] == ticket_id)


def _change_open(rows: Rows, name: Name, party_id: str, **values: Any) -> None:
    for row in rows.of(tickets, name):
        if row["party_id"] == party_id and row["open"]:
            row.change(**values)
