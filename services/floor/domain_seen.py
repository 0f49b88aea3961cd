"""What a tablet is shown of a floor, part by part."""

from datetime import datetime

import msgspec

from services.floor.domain_commands import TableStatus, TabStatus
from services.floor.domain_order_commands import ItemState, Modifier, OrderType
from services.floor.domain_order_events import LineDelta, TicketKind
from services.floor.domain_settings import DayPart, Settings, Shape, TableLayout


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the view."""


class TableView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A table, its status, and from when on that takes too long."""

    id: str
    name: str
    min: int
    max: int
    x: int
    y: int
    shape: Shape
    section: str
    status: TableStatus
    since: datetime
    target_at: datetime | None = None
    alert_at: datetime | None = None
    reason: str = ""
    party_id: str | None = None
    waiter_id: str | None = None
    next_party: str | None = None
    """Who of the waitlist gets this table, while it is free."""


class LineView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A line as the bill shows it; after a merge one may stand for several, whose counters it sums, in thousandths."""

    line_id: str
    sku: str
    state: ItemState
    ordered: int
    sent: int
    cancelled: int
    mods: tuple[Modifier, ...] = ()
    unit_price_minor: int | None = None
    seat: int | None = None
    course: int | None = None
    note: str = ""
    parts: tuple[str, ...] = ()
    """The lines that it stands for, when there are several."""


class OrderView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """An order with its lines; `merged_into` names the order that has them now."""

    order_id: str
    party_id: str
    type: OrderType
    lines: tuple[LineView, ...]
    merged_into: str | None = None


class TabView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """What the till said of a tab."""

    tab_id: str
    status: TabStatus
    currency: str
    bill_printed: bool
    balance_minor: int | None = None
    """With what was paid, for those who meet guests, and for services."""
    paid_minor: int | None = None


class PartyView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """Guests at their tables, with their bill."""

    party_id: str
    size: int
    table_ids: tuple[str, ...]
    table_ref: str
    tab_id: str
    status: TableStatus
    seated_at: datetime
    until: datetime
    name: str | None = None
    waiter_id: str | None = None
    linked: tuple[str, ...] = ()
    idle_at: datetime
    needs_attention: bool = False
    balance_minor: int = 0
    """Shown to those who see those of its tabs."""
    paying: bool = False
    tabs: tuple[TabView, ...] = ()
    fired: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    next_course: int | None = None
    fires_at: datetime | None = None
    vip: bool = False
    """Shown to those who meet guests."""
    allergies: tuple[str, ...] = ()
    """Shown to those, and to the kitchen."""


class TicketView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A ticket; `table_ref` is where its guests sit now, `printed_for` where they sat then."""

    ticket_id: str
    number: int
    station: str
    kind: TicketKind
    table_ref: str
    printed_for: str
    deltas: tuple[LineDelta, ...]
    issued_at: datetime
    bumped_at: datetime | None = None
    copies: int = 1
    allergies: tuple[str, ...] = ()
    """What its guests must not eat, as it is known now."""


class ReservationView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A reservation that stands."""

    res_id: str
    table_ids: tuple[str, ...]
    size: int
    start: datetime
    end: datetime
    hold_from: datetime
    no_show_at: datetime
    held: bool = False
    arrived_at: datetime | None = None
    name: str = ""
    contact: str | None = None
    note: str = ""
    vip: bool = False
    allergies: tuple[str, ...] = ()


class WaitingView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A party that waits, first come first."""

    party_id: str
    size: int
    since: datetime
    quote_min: int
    name: str = ""
    contact: str | None = None
    vip: bool = False
    allergies: tuple[str, ...] = ()
    table_id: str | None = None
    arrive_by: datetime | None = None
    skips: int = 0


class WaiterView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A waiter on shift."""

    waiter_id: str
    since: datetime
    covers: int
    open_parties: int
    has_bank: bool = False
    """Whether he has cash of the house to settle at the till before he can clock out."""


class LayoutView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A layout that is kept, and when the clock lays it out."""

    layout_id: str
    name: str
    version: int
    tables: tuple[TableLayout, ...]
    begins: tuple[DayPart, ...] = ()
    starts_at: datetime | None = None
    """When it is the next one."""


class FloorView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A floor."""

    version: int
    layout_id: str | None = None
    """The layout that the tables stand in."""
    layouts: tuple[LayoutView, ...] = ()
    settings_version: int
    settings: Settings
    tables: tuple[TableView, ...]
    parties: tuple[PartyView, ...]
    orders: tuple[OrderView, ...]
    tickets: tuple[TicketView, ...]
    reservations: tuple[ReservationView, ...]
    """The soonest first."""
    waitlist: tuple[WaitingView, ...]
    waiters: tuple[WaiterView, ...]
    suggested_waiter: str | None
    """Whose turn it is to get the next party."""
    sections: dict[str, str]
    eighty_six: tuple[str, ...]
