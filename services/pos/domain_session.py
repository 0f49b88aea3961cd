"""The session: what a location's till is, as its history made it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal, TypeVar

from msgspec.structs import replace

from holdfast import State
from services.pos.domain_charge_terms import Charge, Load, Points, StoredLine, Taken
from services.pos.domain_terms import (
    AppliedDiscount,
    DayTotals,
    Discount,
    Flow,
    Item,
    Line,
    OrderType,
    Part,
    PriceBook,
    Settings,
    SoldLine,
    TabStatus,
    Tender,
    Totals,
)
from services.pos.domain_till_commands import ApprovalOf

T = TypeVar("T")
GUEST_PREFIX: Final = "guest-"
"""How a guest's name begins, before the code that makes him one."""


class Tab(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A tab that is not closed yet, or whose stored card payment is still awaited."""

    owner: str
    name: str = ""
    status: TabStatus = "OPEN"
    guest_count: int | None = None
    table_ref: str | None = None
    floor: str | None = None
    branch_of: str | None = None
    """The tab that the floor knows, when this one was made of it here."""
    order_type: OrderType = "dine_in"
    training: bool = False
    gratuity_ppm: int = 0
    """Of the lines that will be added."""
    waived_ppm: int = 0
    """The gratuity that is not charged."""
    waived_limit_minor: int | None = None
    """What may be waived; any amount when a manager did so."""
    merged_ppm: Mapping[str, int] = {}
    """The gratuity of the tabs that were merged with it last, which they charge again when they are brought back."""
    lines: Mapping[str, Line] = {}
    discounts: tuple[AppliedDiscount, ...] = ()
    total_minor: int = 0
    """What it comes to, as last told."""
    paid_minor: int = 0
    """What was paid towards the total."""
    rounding_minor: int = 0
    tip_minor: int = 0
    own_tip_minor: int = 0
    """What waiters with a bank keep of tips that were paid before its receipt was reversed."""
    paid: Flow = Flow()
    """With rounding, without tips."""
    bill_printed: bool = False
    reopened: bool = False
    holds: tuple[str, ...] = ()
    """The ids of what is kept for it."""
    claims: Mapping[str, str] = {}
    """The payments by which guests pay for single lines, by line."""
    customer: str | None = None
    """The loyalty account on which it counts."""
    charges: Mapping[str, Taken] = {}
    """What was paid from accounts, by account."""


class Payment(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A payment of a tab that is still there."""

    tab_id: str
    tender: Tender
    status: Literal["started", "stored", "captured", "failed", "cancelled", "timed_out"]
    amount_minor: int
    due_minor: int
    rounding_minor: int = 0
    tip_minor: int = 0
    deadline: datetime
    """By when its outcome must be known."""
    terminal_id: str | None = None
    tips_to: str | None = None
    """The bank whose holder is owed the tip."""
    charge: Charge | None = None
    """What its account has to answer."""
    by_guest: bool = False


class Hold(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Some of an item that is kept for a tab."""

    tab_id: str
    sku: str
    qty_milli: int
    expires_at: datetime
    extended: bool = False
    pinned: bool = False
    """Whether a payment keeps it from expiring."""


class Stock(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How much of an item there is; `sold` is what open tabs have of it."""

    on_hand_milli: int = 0
    held_milli: int = 0
    sold_milli: int = 0

    @property
    def available_milli(self) -> int:
        """What can be promised to someone else; negative after sales that could not ask."""
        return self.on_hand_milli - self.held_milli - self.sold_milli


class Drawer(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The cash drawer of a terminal, or the bank of a waiter, from its opening until it is counted."""

    drawer_id: str
    holder: str | None = None
    """The waiter whose bank it is."""
    floors: tuple[str, ...] = ()
    """Those that are told of a bank."""
    opened_at: datetime | None = None
    ended: bool = False
    opening_minor: int = 0
    cash_sales_minor: int = 0
    cash_refunds_minor: int = 0
    paid_in_minor: int = 0
    paid_out_minor: int = 0
    tips_minor: int = 0
    """Those that the holder of a bank was given by card, and is owed."""

    @property
    def expected_minor(self) -> int:
        """What should be in it."""
        coming = self.opening_minor + self.cash_sales_minor + self.paid_in_minor
        return coming - self.cash_refunds_minor - self.paid_out_minor


class Terminal(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A till, tablet or telephone."""

    name: str = ""
    last_seen_at: datetime | None = None
    user: str | None = None
    """Who is signed in."""
    showing: str | None = None
    """The tab that its guest sees."""
    locked: bool = False
    revoked: bool = False
    training: bool = False
    offline_seq: int = 0
    """The last of its offline facts that is recorded."""
    quarantined: int = 0


class Approval(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a manager allowed once."""

    action: ApprovalOf
    tab_id: str
    limit_minor: int
    approved_by: str
    expires_at: datetime


class TableCode(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a guest has scanned: it shows one tab, and lets it be paid."""

    tab_id: str
    issued_by: str
    expires_at: datetime


class ClosedTab(Part, frozen=True, kw_only=True, omit_defaults=True):
    """As much of a closed tab as its refund needs."""

    receipt_no: str
    closed_at: datetime
    paid_minor: int
    refunded_minor: int = 0
    cash_refunded_minor: int = 0
    """What of that was given back in cash, before rounding."""
    pooled_tip_minor: int = 0
    """What of it is a tip that is no waiter's own."""
    day: int = 0
    lines: Mapping[str, SoldLine] = {}
    charges: Mapping[str, Taken] = {}
    """What was paid from accounts, by account."""
    stored: Mapping[str, StoredLine] = {}
    """The lines that put something on accounts."""
    points: Points | None = None
    points_returned: int = 0

    @property
    def awaits_account(self) -> bool:
        """Whether an account is asked for what a line put on it."""
        return any(each.state == "asked" for each in self.stored.values())


class Day(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The business day that is open."""

    day: int
    business_date: date
    totals: DayTotals = DayTotals()
    pools: tuple[str, ...] = ()
    """The last ids by which tips were shared out."""
    tips_refunded_minor: int = 0
    """What of its tips was given back."""


class Owed(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A closed tab whose receipt is reversed when its stored card is lost."""

    tab: Tab
    receipt_no: str
    totals: Totals
    loads: tuple[Load, ...] = ()
    """What goes on accounts when the card is settled."""
    points: Points | None = None
    """What is earned then."""


def without(mapping: Mapping[str, T], key: str) -> Mapping[str, T]:
    """A mapping without one of its keys, when it has it; copying and deleting is faster than asking of each."""
    kept = dict(mapping)
    kept.pop(key, None)
    return kept


def is_stored(session: "Session", tab_id: str, *, but: str | None = None) -> bool:
    """Whether the processor has yet to see a card of this tab, besides one of them."""
    others = (each for key, each in session.payments.items() if key != but)
    return any(each.status == "stored" and each.tab_id == tab_id for each in others)


class Session(State, omit_defaults=True):
    """The till of a location."""

    settings: Settings = Settings(currency="")
    settings_version: int = 0
    items: Mapping[str, Item] = {}
    price_books: Mapping[str, PriceBook] = {}
    discounts: Mapping[str, Discount] = {}
    stock: Mapping[str, Stock] = {}
    eighty_six: tuple[str, ...] = ()
    tabs: Mapping[str, Tab] = {}
    holds: Mapping[str, Hold] = {}
    holds_end_at: datetime | None = None
    """The earliest end of those that are not pinned."""
    expired_holds: tuple[str, ...] = ()
    """The last ones whose time was over, for those who come back to them."""
    payments: Mapping[str, Payment] = {}
    """Those of tabs that are there, and stored ones of closed tabs."""
    owed: Mapping[str, Owed] = {}
    closed: Mapping[str, ClosedTab] = {}
    """The tabs that can be refunded, in the order in which they were closed."""
    drawers: Mapping[str, Drawer] = {}
    drawers_opened: int = 0
    terminals: Mapping[str, Terminal] = {}
    approvals: Mapping[str, Approval] = {}
    codes: Mapping[str, TableCode] = {}
    """Those at tables, of tabs that are there."""
    codes_ended: tuple[str, ...] = ()
    """The last ones that count no more: passes for them may be out still, so that they never count for anybody again."""
    day: Day | None = None
    between: DayTotals = DayTotals()
    """What happened while no day was open: the next one begins with it."""
    days: int = 0
    receipts: Mapping[str, int] = {}
    """The last receipt number of each series."""
    refunds: int = 0
    flags: int = 0
    """How many conflicts were flagged so far."""

    def code_of(self, user: str) -> TableCode | None:
        """The code that a guest has."""
        return self.codes.get(user.removeprefix(GUEST_PREFIX)) if user.startswith(GUEST_PREFIX) else None

    @property
    def day_totals(self) -> DayTotals:
        """The report so far of the open day, or of what goes into the next one."""
        return self.between if self.day is None else self.day.totals

    def with_day_totals(self, totals: DayTotals) -> "Session":
        """With another report so far."""
        if self.day is None:
            return replace(self, between=totals)
        return replace(self, day=replace(self.day, totals=totals))
