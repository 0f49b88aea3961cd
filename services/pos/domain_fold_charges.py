"""How events change what a till knows of customers' accounts."""

from collections.abc import Mapping
from typing import assert_never

from msgspec.structs import replace

from services.pos import domain_charge_events as events
from services.pos.domain_charge_terms import Charge, StoredLine, StoredState, Taken
from services.pos.domain_money_events import Refunded
from services.pos.domain_session import ClosedTab, Session, Tab
from services.pos.domain_tab_events import TabClosed
from services.pos.domain_terms import Tender


def evolve_charges(session: Session, event: events.ChargeEvent) -> Session:
    """The session after something happened to a customer's account."""
    match event:
        case events.TabCustomerSet(tab_id=tab_id, account_id=account_id):
            tab = replace(session.tabs[tab_id], customer=account_id)
            return replace(session, tabs={**session.tabs, tab_id: tab})
        case events.ValueRecallAsked(tab_id=tab_id, line_id=line_id):
            return _stored_line(session, tab_id, line_id, "asked")
        case events.ValueAnswered(tab_id=tab_id, line_id=line_id, outcome=outcome):
            return _stored_line(session, tab_id, line_id, "on" if outcome == "kept" else "off")
        case _:
            assert_never(event)


def _stored_line(session: Session, tab_id: str, line_id: str, state: StoredState) -> Session:
    closed = session.closed.get(tab_id)
    if closed is None or line_id not in closed.stored:
        return session
    stored = {**closed.stored, line_id: replace(closed.stored[line_id], state=state)}
    return replace(session, closed={**session.closed, tab_id: replace(closed, stored=stored)})


def with_charge(charges: Mapping[str, Taken], charge: Charge, tender: Tender, minor: int) -> Mapping[str, Taken]:
    """With what one more payment took from an account."""
    before = charges.get(charge.account_id, Taken(tender=tender, minor=0, quantity=0))
    after = replace(before, minor=before.minor + minor, quantity=before.quantity + charge.quantity)
    return {**charges, charge.account_id: after}


def kept(tab: Tab, event: TabClosed) -> ClosedTab:
    """What a refund needs of a tab that was closed."""
    return ClosedTab(
        receipt_no=event.receipt_no,
        closed_at=event.closed_at,
        paid_minor=event.paid.total + event.totals.tip,
        lines=event.lines,
        charges=tab.charges,
        stored={load.line_id: StoredLine(account_id=load.account_id, minor=load.minor) for load in event.loads},
        points=event.points,
        pooled_tip_minor=event.pooled_tip_minor,
        day=event.day if event.pooled_tip_minor else 0,
    )


def with_returned(tab: ClosedTab, event: Refunded) -> ClosedTab:
    """With what went back on accounts, and off them."""
    if event.points_back is not None:
        tab = replace(tab, points_returned=tab.points_returned + event.points_back.quantity)
    if event.returned is None:
        return tab
    taken = tab.charges[event.returned.account_id]
    after = replace(
        taken,
        returned_minor=taken.returned_minor + event.amount_minor,
        returned_quantity=taken.returned_quantity + event.returned.quantity,
    )
    return replace(tab, charges={**tab.charges, event.returned.account_id: after})
