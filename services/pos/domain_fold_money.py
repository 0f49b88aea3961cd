"""How events change payments, drawers and business days."""

from datetime import datetime
from typing import Final, assert_never

from msgspec.structs import replace

from services.pos import domain_money_events as events
from services.pos.domain_closing import with_drawer
from services.pos.domain_fold_charges import with_charge
from services.pos.domain_fold_tabs import with_tab
from services.pos.domain_pricing import bill_of
from services.pos.domain_session import Day, Drawer, Payment, Session, Tab, is_stored, without
from services.pos.domain_terms import DayTotals

POOLS_REMEMBERED: Final = 20
Money = (
    events.PaymentStarted
    | events.PaymentCaptured
    | events.PaymentFailed
    | events.PaymentTimedOut
    | events.OfflinePaymentStored
    | events.OfflinePaymentSettled
    | events.OfflinePaymentDeclined
    | events.OfflinePaymentExpired
    | events.DrawerOpened
    | events.DrawerPaidIn
    | events.DrawerPaidOut
    | events.DrawerNoSale
    | events.DrawerEnded
    | events.DrawerClosed
    | events.DayOpened
    | events.DayClosed
    | events.TipsPooled
)


def evolve_money(session: Session, event: Money) -> Session:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """The session after something happened to its money."""
    match event:
        case events.PaymentStarted():
            return _started(session, event)
        case events.PaymentCaptured():
            return _captured(session, event)
        case events.PaymentFailed(payment_id=payment_id, cancelled=cancelled, at=at):
            return _unpinned(session, payment_id, status="cancelled" if cancelled else "failed", at=at)
        case events.PaymentTimedOut(payment_id=payment_id, effective_at=effective_at):
            return _unpinned(session, payment_id, status="timed_out", at=effective_at)
        case events.OfflinePaymentStored():
            return _stored(session, event)
        case events.OfflinePaymentSettled(payment_id=payment_id, tab_id=tab_id):
            session = _without_payment(session, payment_id)
            if is_stored(session, tab_id):
                return session
            return replace(session, owed=without(session.owed, tab_id))
        case events.OfflinePaymentDeclined(payment_id=payment_id) | events.OfflinePaymentExpired(payment_id=payment_id):
            return _without_payment(session, payment_id)
        case events.DrawerOpened():
            return _drawer_opened(session, event)
        case events.DrawerPaidIn(terminal_id=terminal_id, minor=amount):
            if terminal_id not in session.drawers:
                return session
            return with_drawer(session, terminal_id, paid_in_minor=session.drawers[terminal_id].paid_in_minor + amount)
        case events.DrawerPaidOut(terminal_id=terminal_id, minor=amount):
            if terminal_id not in session.drawers:
                return session
            return with_drawer(
                session, terminal_id, paid_out_minor=session.drawers[terminal_id].paid_out_minor + amount
            )
        case events.DrawerNoSale():
            return session
        case events.DrawerEnded(terminal_id=terminal_id):
            return with_drawer(session, terminal_id, ended=True)
        case events.DrawerClosed(terminal_id=terminal_id, tips=tips):
            session = replace(session, drawers=without(session.drawers, terminal_id))
            return _shared_out(session, tips) if tips else session
        case events.DayOpened(day=day, business_date=business_date):
            opened = Day(day=day, business_date=business_date, totals=session.between)
            return replace(session, day=opened, days=day, between=DayTotals())
        case events.DayClosed():
            return replace(session, day=None)
        case events.TipsPooled():
            return _pooled(session, event)
        case _:
            assert_never(event)


def _drawer_opened(session: Session, event: events.DrawerOpened) -> Session:
    drawer = Drawer(
        drawer_id=event.drawer_id,
        opening_minor=event.minor,
        holder=event.holder,
        floors=event.floors,
        opened_at=event.at,
    )
    drawers = {**session.drawers, event.terminal_id: drawer}
    return replace(session, drawers=drawers, drawers_opened=session.drawers_opened + 1)


def _started(session: Session, event: events.PaymentStarted) -> Session:
    payment = Payment(
        tab_id=event.tab_id,
        tender=event.tender,
        status="started",
        amount_minor=event.amount_minor,
        due_minor=event.due_minor,
        rounding_minor=event.rounding_minor,
        tip_minor=event.tip_minor,
        deadline=event.timeout_at,
        terminal_id=event.terminal_id,
        tips_to=event.tips_to,
        charge=event.charge,
        by_guest=event.by_guest,
    )
    pinned = {hold_id: replace(session.holds[hold_id], pinned=True) for hold_id in event.holds_pinned}
    session = replace(
        session,
        payments={**session.payments, event.payment_id: payment},
        holds={**session.holds, **pinned} if pinned else session.holds,
    )
    return with_tab(session, event.tab_id, status="PAYING")


def _captured(session: Session, event: events.PaymentCaptured) -> Session:
    started = session.payments.get(event.payment_id)
    if started is not None:
        done = replace(started, status="captured")
        session = replace(session, payments={**session.payments, event.payment_id: done})
    tab = session.tabs[event.tab_id]
    paid = tab.paid_minor + event.due_minor
    taken = event.due_minor + event.rounding_minor
    session = with_tab(
        session,
        event.tab_id,
        status="PAID" if _settles(session, tab, event) else "OPEN",
        paid_minor=paid,
        rounding_minor=tab.rounding_minor + event.rounding_minor,
        tip_minor=tab.tip_minor + event.tip_minor,
        paid=tab.paid.plus(event.tender, taken),
        charges=tab.charges
        if event.charge is None
        else with_charge(tab.charges, event.charge, event.tender, event.due_minor + event.tip_minor),
    )
    if event.tips_to is not None and event.tips_to in session.drawers:
        tips = session.drawers[event.tips_to].tips_minor + event.tip_minor
        session = with_drawer(session, event.tips_to, tips_minor=tips)
    if event.tender != "cash" or event.terminal_id is None or event.terminal_id not in session.drawers:
        return session
    cash = session.drawers[event.terminal_id].cash_sales_minor + taken
    return with_drawer(session, event.terminal_id, cash_sales_minor=cash)


def _settles(session: Session, tab: Tab, event: events.PaymentCaptured) -> bool:
    if event.settles is not None:
        return event.settles
    # Not the total last told: lines that came with the money have not been told yet.
    return tab.paid_minor + event.due_minor >= bill_of(tab, session.settings).due_minor


def _stored(session: Session, event: events.OfflinePaymentStored) -> Session:
    payment = Payment(
        tab_id=event.tab_id,
        tender="card",
        status="stored",
        amount_minor=event.due_minor,
        due_minor=event.due_minor,
        tip_minor=event.tip_minor,
        deadline=event.upload_by,
    )
    return replace(session, payments={**session.payments, event.payment_id: payment})


def _unpinned(session: Session, payment_id: str, *, status: str, at: datetime) -> Session:
    payment = session.payments[payment_id]
    session = replace(session, payments={**session.payments, payment_id: replace(payment, status=status)})
    freed = {
        hold_id: replace(hold, pinned=False, expires_at=max(hold.expires_at, at))
        for hold_id, hold in ((key, session.holds[key]) for key in session.tabs[payment.tab_id].holds)
        if hold.pinned
    }
    if freed:
        session = replace(session, holds={**session.holds, **freed})
    return with_tab(session, payment.tab_id, status="OPEN")


def _without_payment(session: Session, payment_id: str) -> Session:
    return replace(session, payments=without(session.payments, payment_id))


def _pooled(session: Session, event: events.TipsPooled) -> Session:
    session = _shared_out(session, event.minor)
    if session.day is None:
        return session
    pools = (*session.day.pools, event.pool_id)[-POOLS_REMEMBERED:]
    return replace(session, day=replace(session.day, pools=pools))


def _shared_out(session: Session, tips: int) -> Session:
    totals = session.day_totals
    return session.with_day_totals(replace(totals, pooled_minor=totals.pooled_minor + tips))
