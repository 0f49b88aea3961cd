"""Stock and the holds on it as rows: on hand, held, sold on open tabs, and what is left."""

from typing import Any

from sqlalchemy import Connection, delete, select

from holdfast import Name
from services.pos import domain_stock_events as events
from services.pos.domain_money_events import PaymentFailed, PaymentTimedOut
from services.pos.domain_till_events import ItemSet
from services.pos.readmodel_rows import Stored, add, change, more, of, put
from services.pos.readmodel_tables import holds, stock


def follow_stock(connection: Connection, stored: Stored) -> None:
    """Write what an event changes about items and holds; what lines do to them is in `readmodel_lines`."""
    name = stored.name
    match stored.event:
        case ItemSet() as item_set:
            _set_item(connection, name, item_set)
        case events.StockAdjusted(sku=sku, delta_milli=delta):
            adjust(connection, name, sku, on_hand=delta)
        case events.HoldPlaced() as placed:
            kept = {"hold_id": placed.hold_id, "tab_id": placed.tab_id, "sku": placed.sku}
            add(connection, holds, name, qty_milli=placed.qty_milli, expires_at=placed.expires_at, **kept)
            adjust(connection, name, placed.sku, held=placed.qty_milli)
        case events.HoldExtended(hold_id=hold_id, expires_at=expires_at):
            put(connection, holds, name, {"hold_id": hold_id}, expires_at=expires_at)
        case (
            events.HoldReleased(hold_id=hold_id)
            | events.HoldExpired(hold_id=hold_id)
            | events.HoldConsumed(hold_id=hold_id)
        ):
            _end_hold(connection, name, hold_id)
        case PaymentFailed(tab_id=tab_id, at=at) | PaymentTimedOut(tab_id=tab_id, effective_at=at):
            # What the payment kept beyond its time is over now.
            kept_too_long = (holds.c.tab_id == tab_id, holds.c.expires_at < at)
            change(connection, holds, name, *kept_too_long, expires_at=at)
        case events.ItemEightySixed(sku=sku):
            put(connection, stock, name, {"sku": sku}, eighty_six=True)
        case events.ItemBack(sku=sku):
            put(connection, stock, name, {"sku": sku}, eighty_six=False)
        case _:
            pass


def adjust(connection: Connection, name: Name, sku: str, *, on_hand: int = 0, held: int = 0, sold: int = 0) -> None:
    """Have so much more of an item on hand, held and sold."""
    if on_hand or held or sold:
        amounts = {"on_hand_milli": on_hand, "held_milli": held, "sold_milli": sold}
        changed = more(**amounts, available_milli=on_hand - held - sold)
        put(connection, stock, name, {"sku": sku}, **changed)


def _set_item(connection: Connection, name: Name, event: ItemSet) -> None:
    this = stock.c.sku == event.sku
    shown: dict[str, Any] = {
        "name": event.item.name,
        "tracked": event.item.tracked,
        "price_minor": event.item.price_minor,
    }
    if connection.execute(select(stock.c.sku).where(of(stock, name), this)).one_or_none() is not None:
        change(connection, stock, name, this, **shown)
        return
    nothing = dict.fromkeys(("on_hand_milli", "held_milli", "sold_milli", "available_milli"), 0)
    add(connection, stock, name, sku=event.sku, eighty_six=False, **shown, **nothing)


def _end_hold(connection: Connection, name: Name, hold_id: str) -> None:
    this = of(holds, name) & (holds.c.hold_id == hold_id)
    hold = connection.execute(select(holds.c.sku, holds.c.qty_milli).where(this)).one()
    connection.execute(delete(holds).where(this))
    adjust(connection, name, hold.sku, held=-hold.qty_milli)
