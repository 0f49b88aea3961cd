"""What closing a tab leaves behind: a receipt number, totals of the day, less stock, and what a refund needs.

The tab itself leaves the state, which therefore does not grow with a location's years.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import takewhile

from msgspec.structs import replace

from services.pos.domain_fold_charges import kept, with_returned
from services.pos.domain_fold_stock import adjusted, settled
from services.pos.domain_money_events import Refunded
from services.pos.domain_session import ClosedTab, Drawer, Owed, Session, Tab, without
from services.pos.domain_tab_events import TabClosed, TabReopened
from services.pos.domain_terms import DayTotals, Flow, SoldLine, Tender, Totals


def closed(session: Session, event: TabClosed) -> Session:
    """Without the tab, with its receipt."""
    tab = session.tabs[event.tab_id]
    if tab.training:
        return _gone(session, event)
    session = settled(session, tab.lines.values())
    if event.awaits_card:
        owed = Owed(
            tab=replace(tab, own_tip_minor=event.own_tip_minor), receipt_no=event.receipt_no, totals=event.totals
        )
        owed = replace(owed, loads=event.loads, points=event.points) if event.held_back else owed
        session = replace(session, owed={**session.owed, event.tab_id: owed})
    closed_tabs = _refundable(session, event.tab_id, kept(tab, event))
    session = replace(_gone(session, event), closed=closed_tabs)
    return _day(session, event.totals, event.paid, receipt_no=event.receipt_no, sign=1)


def _gone(session: Session, event: TabClosed) -> Session:
    """Without the tab and its payments but stored ones, and with its number taken."""
    return replace(
        session,
        tabs=without(session.tabs, event.tab_id),
        receipts={**session.receipts, event.series: event.number},
        payments={
            key: payment
            for key, payment in session.payments.items()
            if payment.tab_id != event.tab_id or payment.status == "stored"
        },
    )


def reopened(session: Session, event: TabReopened) -> Session:
    """With the tab taking lines and money again; a reversed receipt leaves the day's totals."""
    if event.reverses is None:
        status = "PAYING" if _is_paying(session, event.tab_id) else "OPEN"
        tab = replace(_without_money(session.tabs[event.tab_id], event), status=status)
        return replace(session, tabs={**session.tabs, event.tab_id: tab})
    tab = replace(_without_money(session.owed[event.tab_id].tab, event), status="OPEN", floor=None)
    for line in tab.lines.values():
        if line.tracked:
            session = adjusted(session, line.sku, on_hand=line.qty_milli, sold=line.firm_milli)
    session = replace(
        session,
        tabs={**session.tabs, event.tab_id: tab},
        owed=without(session.owed, event.tab_id),
        closed=without(session.closed, event.tab_id),
    )
    return _day(session, event.totals, event.paid, receipt_no=None, sign=-1)


def _is_paying(session: Session, tab_id: str) -> bool:
    return any(each.status == "started" and each.tab_id == tab_id for each in session.payments.values())


def _without_money(tab: Tab, event: TabReopened) -> Tab:
    return replace(
        tab,
        reopened=True,
        paid_minor=tab.paid_minor - event.lost_minor,
        tip_minor=tab.tip_minor - event.lost_tip_minor,
        paid=tab.paid.plus("card", -event.lost_minor),
    )


def refunded(session: Session, event: Refunded) -> Session:
    """With money given back, and goods where they were taken back."""
    before = session.closed[event.tab_id]
    lines = dict(before.lines)
    for line in event.lines:
        sold = lines[line.line_id]
        lines[line.line_id] = replace(sold, refunded_milli=sold.refunded_milli + line.qty_milli)
        if line.restock and sold.tracked:
            session = adjusted(session, sold.sku, on_hand=line.qty_milli)
    cash = event.amount_minor if event.tender == "cash" else 0
    after = replace(
        with_returned(before, event),
        refunded_minor=before.refunded_minor + event.amount_minor,
        cash_refunded_minor=before.cash_refunded_minor + cash,
        lines=lines,
    )
    session = replace(session, closed={**session.closed, event.tab_id: after}, refunds=event.number)
    returned = event.amount_minor + event.rounding_minor
    if event.tender == "cash" and event.terminal_id is not None and event.terminal_id in session.drawers:
        drawer = session.drawers[event.terminal_id]
        session = with_drawer(session, event.terminal_id, cash_refunds_minor=drawer.cash_refunds_minor + returned)
    if session.day is not None and event.tip_minor:
        given_back = session.day.tips_refunded_minor + event.tip_minor
        session = replace(session, day=replace(session.day, tips_refunded_minor=given_back))
    return _refund_of_day(session, event.tender, returned)


def with_drawer(session: Session, terminal_id: str, **changes: object) -> Session:
    """With some fields of a terminal's drawer changed."""
    drawer: Drawer = replace(session.drawers[terminal_id], **changes)
    return replace(session, drawers={**session.drawers, terminal_id: drawer})


def sold_lines(tab: Tab) -> dict[str, SoldLine]:
    """A tab's lines, as its refund needs them."""
    return {line_id: SoldLine(line.sku, line.qty_milli, line.tracked) for line_id, line in tab.lines.items()}


def _refundable(session: Session, tab_id: str, tab: ClosedTab) -> Mapping[str, ClosedTab]:
    """With one more, and without the oldest when they are too old or too many; those that await a card or an account stay."""
    horizon = tab.closed_at - timedelta(seconds=session.settings.refund_window_s)
    tabs = {**session.closed, tab_id: tab}
    too_many = len(tabs) - session.settings.refundable_tabs
    old = takewhile(lambda placed: placed[0] < too_many or placed[1][1].closed_at <= horizon, enumerate(tabs.items()))
    for gone in [key for _, (key, each) in old if key not in session.owed and not each.awaits_account]:
        del tabs[gone]
    return tabs


def _refund_of_day(session: Session, tender: Tender, minor: int) -> Session:
    totals = session.day_totals
    return session.with_day_totals(
        replace(totals, refunds=totals.refunds + 1, refunded=totals.refunded.plus(tender, minor))
    )


def _day(session: Session, totals: Totals, paid: Flow, *, receipt_no: str | None, sign: int) -> Session:
    before = session.day_totals
    tax = dict(before.tax)
    for part in totals.tax:
        tax[part.tax_id] = tax.get(part.tax_id, 0) + sign * part.minor
    after = DayTotals(
        receipts=before.receipts + (receipt_no is not None),
        reversed=before.reversed + (receipt_no is None),
        gross_minor=before.gross_minor + sign * totals.gross,
        discount_minor=before.discount_minor + sign * totals.discount,
        comp_minor=before.comp_minor + sign * totals.comp,
        tax=tax,
        gratuity_minor=before.gratuity_minor + sign * totals.gratuity,
        stored_minor=before.stored_minor + sign * totals.stored,
        due_minor=before.due_minor + sign * totals.due,
        rounding_minor=before.rounding_minor + sign * totals.rounding,
        tip_minor=before.tip_minor + sign * totals.tip,
        pooled_minor=before.pooled_minor,
        paid=before.paid.merged(paid, sign),
        refunds=before.refunds,
        refunded=before.refunded,
        voids=before.voids,
        void_minor=before.void_minor,
        first_receipt=before.first_receipt or receipt_no,
        last_receipt=receipt_no or before.last_receipt,
    )
    return session.with_day_totals(after)
