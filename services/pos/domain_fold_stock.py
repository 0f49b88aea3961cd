"""How events move stock: on hand, held for tabs, sold by open tabs."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from services.pos.domain_session import Hold, Session, Stock, without
from services.pos.domain_stock_events import HoldConsumed, HoldPlaced
from services.pos.domain_terms import Line

EXPIRED_REMEMBERED: Final = 50


def adjusted(session: Session, sku: str, *, on_hand: int = 0, held: int = 0, sold: int = 0) -> Session:
    """With so much more of an item on hand, held and sold."""
    if not (on_hand or held or sold):
        return session
    before = session.stock.get(sku, Stock())
    after = Stock(
        on_hand_milli=before.on_hand_milli + on_hand,
        held_milli=before.held_milli + held,
        sold_milli=before.sold_milli + sold,
    )
    return replace(session, stock={**session.stock, sku: after})


def hold_placed(session: Session, event: HoldPlaced) -> Session:
    """With this kept for a tab."""
    hold = Hold(tab_id=event.tab_id, sku=event.sku, qty_milli=event.qty_milli, expires_at=event.expires_at)
    tab = session.tabs[event.tab_id]
    placed = replace(
        session,
        holds={**session.holds, event.hold_id: hold},
        tabs={**session.tabs, event.tab_id: replace(tab, holds=(*tab.holds, event.hold_id))},
    )
    return adjusted(placed, event.sku, held=event.qty_milli)


def hold_gone(session: Session, hold_id: str) -> Session:
    """Without a hold."""
    hold = session.holds[hold_id]
    tab = session.tabs[hold.tab_id]
    freed = replace(tab, holds=tuple(other for other in tab.holds if other != hold_id))
    session = replace(session, holds=without(session.holds, hold_id), tabs={**session.tabs, hold.tab_id: freed})
    return adjusted(session, hold.sku, held=-hold.qty_milli)


def hold_expired(session: Session, hold_id: str) -> Session:
    """Without a hold, of which is known for a while that its time was over."""
    remembered = (*session.expired_holds, hold_id)[-EXPIRED_REMEMBERED:]
    return replace(hold_gone(session, hold_id), expired_holds=remembered)


def consumed(session: Session, event: HoldConsumed) -> Session:
    """Without a hold, and with the tab's lines counting as sold instead, the first ones first."""
    session = hold_gone(session, event.hold_id)
    tab = session.tabs[event.tab_id]
    left = event.qty_milli
    lines = dict(tab.lines)
    for line_id, line in tab.lines.items():
        if left and line.tracked and line.sku == event.sku and line.firm_milli < line.qty_milli:
            firmed = min(left, line.qty_milli - line.firm_milli)
            lines[line_id] = replace(line, firm_milli=line.firm_milli + firmed)
            left -= firmed
    session = replace(session, tabs={**session.tabs, event.tab_id: replace(tab, lines=lines)})
    return adjusted(session, event.sku, sold=event.qty_milli - left)


def unsold(session: Session, line: Line, qty_milli: int) -> Session:
    """With so much of a line not sold after all."""
    return adjusted(session, line.sku, sold=-min(qty_milli, line.firm_milli))


def settled(session: Session, lines: Iterable[Line]) -> Session:
    """With the goods of these lines gone for good."""
    for line in lines:
        if line.tracked:
            session = adjusted(session, line.sku, on_hand=-line.qty_milli, sold=-line.firm_milli)
    return session
