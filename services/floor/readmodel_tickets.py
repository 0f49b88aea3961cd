"""The kitchen's tickets as rows, kept when they have left the screen."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select, update

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor import domain_order_events as order_events
from services.floor.readmodel_tables import tickets


def follow_tickets(connection: Connection, stored: StoredEvent[events.FloorEvent]) -> None:
    """Write what an event changes about tickets; those of guests who have gone are closed, bumped or not."""
    name = stored.name
    match stored.event:
        case order_events.KitchenTicketIssued() as issued:
            connection.execute(insert(tickets).values(tenant=name.tenant, id=name.id, **_issued(issued)))
        case order_events.TicketBumped(ticket_id=ticket_id, at=at):
            row = tickets.c
            found = select(row.issued_at).where(_this(name, ticket_id))
            issued_at = connection.execute(found).scalar_one()
            seconds = int((at - issued_at).total_seconds())
            _set(connection, name, ticket_id, bumped_at=at, seconds=seconds, open=False)
        case order_events.TicketRecalled(ticket_id=ticket_id):
            _set(connection, name, ticket_id, bumped_at=None, seconds=None, open=True)
        case order_events.TicketReprinted(ticket_id=ticket_id, copy=copies):
            _set(connection, name, ticket_id, copies=copies)
        case events.PartyMoved(party_id=party_id, table_ref=table_ref):
            _set_open(connection, name, party_id, table_ref=table_ref)
        case events.PartyLeft(party_id=party_id) | events.TableAutoClosed(party_id=party_id):
            _set_open(connection, name, party_id, open=False)
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


def _this(name: Name, ticket_id: str) -> Any:
    return (tickets.c.tenant == name.tenant) & (tickets.c.id == name.id) & (tickets.c.ticket_id == ticket_id)


def _set(connection: Connection, name: Name, ticket_id: str, **values: Any) -> None:
    connection.execute(update(tickets).where(_this(name, ticket_id)).values(**values))


def _set_open(connection: Connection, name: Name, party_id: str, **values: Any) -> None:
    row = tickets.c
    theirs = (row.tenant == name.tenant) & (row.id == name.id) & (row.party_id == party_id) & row.open
    connection.execute(update(tickets).where(theirs).values(**values))
