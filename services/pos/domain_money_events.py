"""What happened to payments, refunds, drawers and business days."""

from datetime import date, datetime
from typing import Literal

from holdfast import Event
from services.pos.domain_charge_terms import Charge, Load, Points, Returned
from services.pos.domain_money_commands import RefundLine
from services.pos.domain_tab_events import FactEvent, OnTab
from services.pos.domain_terms import DayTotals, Part, Tender


class PaymentStarted(OnTab, tag="payment_started"):
    """A payment is under way; until its outcome or `timeout_at`, what the tab holds does not expire."""

    payment_id: str
    tab_id: str
    tender: Tender
    amount_minor: int
    due_minor: int
    """What it takes off the balance."""
    rounding_minor: int = 0
    """What cash rounding adds to that."""
    tip_minor: int = 0
    currency: str
    holds_pinned: tuple[str, ...] = ()
    timeout_at: datetime
    terminal_id: str | None = None
    tips_to: str | None = None
    """The bank whose holder is owed the tip."""
    charge: Charge | None = None
    """What a customer's account is asked for."""
    by_guest: bool = False
    """Whether a guest began it at his table: any of the staff may give it up for him."""


class PaymentCaptured(FactEvent, tag="payment_captured"):
    """The money is there."""

    settles: bool | None = None
    """Whether all is paid with it; where an older log does not say so, the prices of now do."""
    payment_id: str
    tab_id: str
    tender: Tender
    due_minor: int
    rounding_minor: int = 0
    tip_minor: int = 0
    change_minor: int = 0
    processor_ref: str = ""
    terminal_id: str | None = None
    tips_to: str | None = None
    """The bank whose holder is owed the tip."""
    charge: Charge | None = None


class PaymentFailed(OnTab, tag="payment_failed"):
    """The payment was declined, or given up."""

    payment_id: str
    tab_id: str
    cancelled: bool = False
    processor_ref: str = ""
    at: datetime
    reason: str = ""
    """Why a customer's account declined it."""
    available: int = 0
    """What that account has."""
    charge: Charge | None = None


class PaymentTimedOut(OnTab, tag="payment_timed_out"):
    """Nobody told the outcome in time."""

    payment_id: str
    tab_id: str
    effective_at: datetime
    cause: str
    charge: Charge | None = None


class OfflinePaymentStored(FactEvent, tag="offline_payment_stored"):
    """A card was taken without the processor, who has to see it before `upload_by`."""

    payment_id: str
    tab_id: str
    due_minor: int
    tip_minor: int = 0
    currency: str
    upload_by: datetime
    over_limit: bool = False


class OfflinePaymentSettled(OnTab, tag="offline_payment_settled"):
    """The processor has taken a stored card. With the last one of a check goes what was held back of it."""

    payment_id: str
    tab_id: str
    processor_ref: str = ""
    currency: str = ""
    loads: tuple[Load, ...] = ()
    points: Points | None = None


class OfflinePaymentDeclined(OnTab, tag="offline_payment_declined"):
    """The processor has refused a stored card: its check is open again."""

    payment_id: str
    tab_id: str
    processor_ref: str = ""


class OfflinePaymentExpired(OnTab, tag="offline_payment_expired"):
    """A stored card was not settled in time: its check is open again."""

    payment_id: str
    tab_id: str
    effective_at: datetime
    cause: str


class Refunded(Event, tag="refunded"):
    """Money of a closed tab was given back."""

    refund_no: str
    number: int
    """Without gaps."""
    tab_id: str
    receipt_no: str
    amount_minor: int
    rounding_minor: int = 0
    tender: Tender
    currency: str
    reason_code: str
    lines: tuple[RefundLine, ...] = ()
    terminal_id: str | None = None
    approved_by: str | None = None
    returned: Returned | None = None
    """What goes back on the account that paid."""
    points_back: Returned | None = None
    """The points that are taken back."""
    tip_minor: int = 0
    """What of it is taken off the tips of the day, which nobody shares any more."""


class DrawerOpened(Event, tag="drawer_opened"):
    """A terminal takes cash, or a waiter does."""

    terminal_id: str
    """For a waiter's bank its name, which no terminal has: `bank:` and the waiter."""
    drawer_id: str
    minor: int
    holder: str | None = None
    """The waiter whose bank it is."""
    floors: tuple[str, ...] = ()
    """Those that are told of the bank."""
    at: datetime | None = None
    """Told since late facts are compared with it."""


class DrawerPaidIn(FactEvent, tag="drawer_paid_in"):
    """Cash was put in that is no sale."""

    terminal_id: str
    minor: int
    """Never negative: the type tells the direction."""
    reason: str


class DrawerPaidOut(FactEvent, tag="drawer_paid_out"):
    """Cash was taken out that is no refund."""

    terminal_id: str
    minor: int
    """Never negative: the type tells the direction."""
    reason: str


class DrawerNoSale(FactEvent, tag="drawer_no_sale"):
    """The drawer was opened without a sale."""

    terminal_id: str
    reason: str


class DrawerMissing(Event, tag="drawer_missing"):
    """What a terminal did at its drawer without a connection is in no count: it had none that was open."""

    terminal_id: str


class DrawerQuestioned(Event, tag="drawer_questioned"):
    """What a terminal did at its drawer without a connection counts, but would not have been allowed with one."""

    terminal_id: str
    about: Literal["role", "reason", "amount", "time"]
    """Whoever told it is no cashier; no reason; more than there was; before this drawer was opened."""


class DrawerEnded(Event, tag="drawer_ended"):
    """The drawer takes no more cash and waits to be counted."""

    terminal_id: str
    drawer_id: str


class DrawerClosed(Event, tag="drawer_closed"):
    """The drawer was counted; `over_short` is negative when cash is missing."""

    terminal_id: str
    drawer_id: str
    opening: int
    cash_sales: int
    cash_refunds: int
    paid_in: int
    paid_out: int
    expected: int
    counted: int
    over_short: int
    holder: str | None = None
    """The waiter whose bank it was."""
    floors: tuple[str, ...] = ()
    tips: int = 0
    """What of it is the waiter's own: the tips that were given by card."""
    owed: int = 0
    """What a waiter hands over, from what should be there; below 0 the house pays it out."""


class DayOpened(Event, tag="day_opened"):
    """A business day began."""

    day: int
    business_date: date


class DayClosed(Event, tag="day_closed"):
    """A business day ended with this Z report."""

    z_no: int
    business_date: date
    currency: str
    totals: DayTotals
    carried_over: tuple[str, ...] = ()
    """Tabs that the next day goes on with."""


class PooledShare(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody gets."""

    user: str
    weight: int
    minor: int


class TipsPooled(Event, tag="tips_pooled"):
    """Tips were shared out; the parts sum to the whole."""

    pool_id: str
    minor: int
    currency: str
    shares: tuple[PooledShare, ...]
    day: int


MoneyEvent = (
    PaymentStarted
    | PaymentCaptured
    | PaymentFailed
    | PaymentTimedOut
    | OfflinePaymentStored
    | OfflinePaymentSettled
    | OfflinePaymentDeclined
    | OfflinePaymentExpired
    | Refunded
    | DrawerOpened
    | DrawerPaidIn
    | DrawerPaidOut
    | DrawerNoSale
    | DrawerMissing
    | DrawerQuestioned
    | DrawerEnded
    | DrawerClosed
    | DayOpened
    | DayClosed
    | TipsPooled
)
