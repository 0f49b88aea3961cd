"""The till as one viewer may see it: screens what is ordered, waiters prices, cashiers drawers, managers everything."""

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from holdfast import Actor
from services.pos.domain_guests import portions, taken
from services.pos.domain_roles import CASHIERS, INSIDERS, MANAGERS, SETTLERS
from services.pos.domain_session import Drawer, Session, Tab, TableCode
from services.pos.domain_stock import available
from services.pos.domain_terms import AppliedDiscount, DayTotals, Item, Line, OrderType, PriceBook, Settings, TabStatus


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of what a viewer sees."""


class LineView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a tab."""

    sku: str
    qty_milli: int
    sent_milli: int
    version: int
    seat: int | None = None
    course: int | None = None
    note: str = ""
    station: str = ""
    comped: bool = False
    unit_price_minor: int | None = None
    """With that of its modifiers; for staff."""


class TabView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A tab that is not closed. Money is for staff."""

    status: TabStatus
    owner: str
    name: str = ""
    guest_count: int | None = None
    table_ref: str | None = None
    order_type: OrderType = "dine_in"
    training: bool = False
    reopened: bool = False
    bill_printed: bool = False
    lines: Mapping[str, LineView]
    discounts: tuple[AppliedDiscount, ...] = ()
    gratuity_ppm: int = 0
    customer: str | None = None
    """The loyalty account on which it counts."""
    total_minor: int | None = None
    paid_minor: int | None = None
    balance_minor: int | None = None


class HoldView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for a tab, and until when."""

    tab_id: str
    sku: str
    qty_milli: int
    expires_at: datetime
    extended: bool = False
    pinned: bool = False


class PaymentView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A payment whose outcome is awaited."""

    tab_id: str
    tender: str
    status: str
    due_minor: int
    tip_minor: int
    deadline: datetime
    account_id: str | None = None


class DrawerView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A drawer; what should be in it is for managers, so that it is counted blindly."""

    drawer_id: str
    ended: bool
    opening_minor: int
    holder: str | None = None
    """The waiter whose bank it is."""
    expected_minor: int | None = None


class TerminalView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A terminal; last seen to the minute."""

    name: str
    last_seen_at: datetime | None
    user: str | None = None
    showing: str | None = None
    locked: bool = False
    revoked: bool = False
    training: bool = False
    offline_seq: int = 0
    quarantined: int = 0


class OfficeView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """What only managers see."""

    settings: Settings
    settings_version: int
    day_totals: DayTotals
    flags: int
    receipts: Mapping[str, int]
    refundable_tabs: int


class PortionView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """What a line has of what is due, with its taxes and service."""

    due_minor: int
    taken: bool = False
    """Whether somebody pays for it, or has paid for it."""


class SessionView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A location's till. Closed tabs are in the lists."""

    currency: str
    day: int | None = None
    business_date: date | None = None
    tabs: Mapping[str, TabView]
    items: Mapping[str, Item]
    price_books: Mapping[str, PriceBook] = {}
    available_milli: Mapping[str, int] = {}
    """Of the items whose stock is counted."""
    eighty_six: tuple[str, ...] = ()
    holds: Mapping[str, HoldView] | None = None
    payments: Mapping[str, PaymentView] | None = None
    drawers: Mapping[str, DrawerView] | None = None
    terminals: Mapping[str, TerminalView] | None = None
    office: OfficeView | None = None
    portions: Mapping[str, PortionView] | None = None
    """By line, for a guest who pays at the table."""
    code_expires_at: datetime | None = None


def view(session: Session, viewer: Actor) -> SessionView:
    """The till as this viewer may see it."""
    if INSIDERS.isdisjoint(viewer.roles):
        code = session.code_of(viewer.user)
        return _at_terminal(session, viewer.device) if code is None else _at_table(session, code)
    staff = not SETTLERS.isdisjoint(viewer.roles)
    manager = not MANAGERS.isdisjoint(viewer.roles)
    return SessionView(
        currency=session.settings.currency,
        day=None if session.day is None else session.day.day,
        business_date=None if session.day is None else session.day.business_date,
        tabs={tab_id: _tab(tab, staff=staff) for tab_id, tab in session.tabs.items()},
        items=session.items,
        price_books=session.price_books,
        available_milli={sku: available(session, sku) for sku, item in session.items.items() if item.tracked},
        eighty_six=session.eighty_six,
        holds=_holds(session) if staff else None,
        payments=_payments(session) if staff else None,
        drawers=_drawers(session, viewer),
        terminals=_terminals(session) if staff else None,
        office=_office(session) if manager else None,
    )


def _at_terminal(session: Session, device: str | None) -> SessionView:
    """The tab that a guest sees at a terminal."""
    terminal = None if device is None else session.terminals.get(device)
    return _of_guest(session, None if terminal is None or terminal.revoked else terminal.showing)


def _at_table(session: Session, code: TableCode) -> SessionView:
    """The tab of a code, and what of it is whose."""
    tab = session.tabs[code.tab_id]
    due = portions(tab, session.settings)
    claimed = frozenset(taken(session, tab))
    lines = {line_id: PortionView(due_minor=due[line_id], taken=line_id in claimed) for line_id in tab.lines}
    return msgspec.structs.replace(_of_guest(session, code.tab_id), portions=lines, code_expires_at=code.expires_at)


def _of_guest(session: Session, tab_id: str | None) -> SessionView:
    """One tab, without who works there."""
    tab = None if tab_id is None else session.tabs.get(tab_id)
    if tab_id is None or tab is None:
        return SessionView(currency=session.settings.currency, tabs={}, items={})
    ordered = {line.sku: session.items[line.sku] for line in tab.lines.values() if line.sku in session.items}
    shown = msgspec.structs.replace(_tab(tab, staff=True), owner="", name="", customer=None)
    return SessionView(currency=session.settings.currency, tabs={tab_id: shown}, items=ordered)


def _tab(tab: Tab, *, staff: bool) -> TabView:
    return TabView(
        status=tab.status,
        owner=tab.owner,
        name=tab.name,
        guest_count=tab.guest_count,
        table_ref=tab.table_ref,
        order_type=tab.order_type,
        training=tab.training,
        reopened=tab.reopened,
        bill_printed=tab.bill_printed,
        lines={line_id: _line(line, staff=staff) for line_id, line in tab.lines.items()},
        discounts=tab.discounts if staff else (),
        gratuity_ppm=tab.gratuity_ppm if staff else 0,
        customer=tab.customer if staff else None,
        total_minor=tab.total_minor if staff else None,
        paid_minor=tab.paid_minor if staff else None,
        balance_minor=tab.total_minor - tab.paid_minor if staff else None,
    )


def _line(line: Line, *, staff: bool) -> LineView:
    unit = line.unit_price_minor + sum(modifier.price_minor for modifier in line.modifiers)
    return LineView(
        sku=line.sku,
        qty_milli=line.qty_milli,
        sent_milli=line.sent_milli,
        version=line.version,
        seat=line.seat,
        course=line.course,
        note=line.note,
        station=line.station,
        comped=line.comped,
        unit_price_minor=unit if staff else None,
    )


def _holds(session: Session) -> Mapping[str, HoldView]:
    return {
        hold_id: HoldView(
            tab_id=hold.tab_id,
            sku=hold.sku,
            qty_milli=hold.qty_milli,
            expires_at=hold.expires_at,
            extended=hold.extended,
            pinned=hold.pinned,
        )
        for hold_id, hold in session.holds.items()
    }


def _payments(session: Session) -> Mapping[str, PaymentView]:
    return {
        payment_id: PaymentView(
            tab_id=payment.tab_id,
            tender=payment.tender,
            status=payment.status,
            due_minor=payment.due_minor,
            tip_minor=payment.tip_minor,
            deadline=payment.deadline,
            account_id=None if payment.charge is None else payment.charge.account_id,
        )
        for payment_id, payment in session.payments.items()
        if payment.status in {"started", "stored"}
    }


def _drawers(session: Session, viewer: Actor) -> Mapping[str, DrawerView] | None:
    """All of them for cashiers; a waiter's own bank for him."""
    cashier, manager = (not roles.isdisjoint(viewer.roles) for roles in (CASHIERS, MANAGERS))
    shown = {
        key: _drawer(drawer, manager=manager)
        for key, drawer in session.drawers.items()
        if cashier or drawer.holder == viewer.user
    }
    return shown if shown or cashier else None


def _drawer(drawer: Drawer, *, manager: bool) -> DrawerView:
    return DrawerView(
        drawer_id=drawer.drawer_id,
        ended=drawer.ended,
        opening_minor=drawer.opening_minor,
        holder=drawer.holder,
        expected_minor=drawer.expected_minor if manager else None,
    )


def _terminals(session: Session) -> Mapping[str, TerminalView]:
    return {
        terminal_id: TerminalView(
            name=terminal.name,
            last_seen_at=terminal.last_seen_at,
            user=terminal.user,
            showing=terminal.showing,
            locked=terminal.locked,
            revoked=terminal.revoked,
            training=terminal.training,
            offline_seq=terminal.offline_seq,
            quarantined=terminal.quarantined,
        )
        for terminal_id, terminal in session.terminals.items()
    }


def _office(session: Session) -> OfficeView:
    return OfficeView(
        settings=session.settings,
        settings_version=session.settings_version,
        day_totals=session.day_totals,
        flags=session.flags,
        receipts=session.receipts,
        refundable_tabs=len(session.closed),
    )
