"""What may be asked of the reports of tills, and what their items show: drawers, reductions, flags, Z reports."""

from datetime import date, datetime
from typing import Literal

from services.pos.lists import Amount, DayFilters, Instant, Item, TaxShown

DrawerStatus = Literal["OPEN", "ENDED", "CLOSED"]
MovementKind = Literal["paid_in", "paid_out", "no_sale"]
ReductionKind = Literal["void", "comp", "discount", "gratuity"]
FlagKind = Literal[
    "oversell",
    "price_stale",
    "price_missing",
    "tab_conflict",
    "card_over_limit",
    "card_declined",
    "card_expired",
    "quarantined",
    "drawer_missing",
]
DayStatus = Literal["next", "open", "closed"]


class DrawerFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold; the day is the one on which it was counted."""

    status: DrawerStatus | None = None
    terminal: str | None = None
    opened_after: Instant | None = None
    """At this moment or later."""
    opened_before: Instant | None = None


class DrawerRow(Item, frozen=True, kw_only=True):
    """A drawer or a waiter's bank, from its opening to its count. Those that are not counted yet only managers see."""

    drawer_id: str
    terminal: str
    """Of a bank `bank:` and the waiter."""
    status: DrawerStatus
    opened_at: datetime
    opened_by: str
    opening_minor: int
    cash_sales_minor: int
    cash_refunds_minor: int
    paid_in_minor: int
    paid_out_minor: int
    expected_minor: int
    counted_minor: int | None
    over_short_minor: int | None
    """Negative when cash is missing."""
    no_sales: int
    tips_minor: int
    """What the holder of a bank was given by card."""
    ended_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    day: int | None


class MovementFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    kind: MovementKind | None = None
    terminal: str | None = None
    by: str | None = None


class MovementRow(Item, frozen=True, kw_only=True):
    """A drawer was opened for something else than a sale. The kind tells the direction of the amount."""

    seq: int
    kind: MovementKind
    terminal: str
    drawer_id: str | None
    day: int
    at: datetime
    by: str
    amount_minor: int
    reason: str
    offline: bool
    occurred_at: datetime | None


class ReductionFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    kind: ReductionKind | None = None
    by: str | None = None
    terminal: str | None = None
    reason_code: str | None = None
    tab_id: str | None = None
    sku: str | None = None
    value_above: Amount | None = None
    """In minor units."""
    after: Instant | None = None
    """At this moment or later."""
    before: Instant | None = None


class ReductionRow(Item, frozen=True, kw_only=True):
    """Something that guests did not pay for. `value_minor` is what it was worth when it was done."""

    seq: int
    kind: ReductionKind
    tab_id: str
    table_ref: str | None
    line_id: str | None
    sku: str | None
    qty_milli: int | None
    discount_id: str | None
    reason_code: str
    value_minor: int
    day: int
    at: datetime
    by: str
    terminal: str | None
    approved_by: str | None
    taken_back_at: datetime | None
    """When the discount, or the last part of it so far, was removed again."""
    taken_back_minor: int
    """What was removed of it, by what that was worth then."""


class FlagFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    kind: FlagKind | None = None
    terminal: str | None = None
    tab_id: str | None = None
    sku: str | None = None


class FlagRow(Item, frozen=True, kw_only=True):
    """Something that was done without asking and did not fit: somebody should look at it."""

    seq: int
    kind: FlagKind
    tab_id: str | None
    line_id: str | None
    sku: str | None
    payment_id: str | None
    short_milli: int | None
    """How much more was sold than was there."""
    sold_minor: int | None
    """The price at which it was sold, or what the card was to pay."""
    current_minor: int | None
    about: str | None
    moved_to: str | None
    """The tab that took it instead."""
    facts: int | None
    """How many facts of a revoked terminal are kept without effect."""
    day: int
    at: datetime
    by: str
    terminal: str | None


class ReportFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    from_date: date | None = None
    to_date: date | None = None
    """With this day."""
    status: DayStatus | None = None


class ReportRow(Item, frozen=True, kw_only=True):
    """The Z report of a business day; of a day that is not closed, how it stands.

    Figures of receipts are sums over them, less those that were reversed on this day. Tenders are without tips.
    """

    day: int
    status: DayStatus
    """`next` holds what happened before its day was opened."""
    business_date: date | None
    opened_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    currency: str
    receipts: int
    reversed: int
    first_receipt: str | None
    last_receipt: str | None
    gross_minor: int
    discount_minor: int
    comp_minor: int
    gratuity_minor: int
    """What large parties paid for service."""
    stored_minor: int
    """What was put on accounts: a liability, no revenue."""
    tax_minor: int
    tax: tuple[TaxShown, ...]
    due_minor: int
    rounding_minor: int
    tip_minor: int
    cash_minor: int
    card_minor: int
    gift_minor: int
    account_minor: int
    deposit_minor: int
    loyalty_minor: int
    refunds: int
    refunded_cash_minor: int
    refunded_card_minor: int
    refunded_gift_minor: int
    refunded_account_minor: int
    refunded_deposit_minor: int
    refunded_loyalty_minor: int
    voids: int
    void_minor: int
    pooled_minor: int
    """What of tips and gratuity was shared out among the staff."""
    drawers_counted: int
    over_short_minor: int
    paid_in_minor: int
    paid_out_minor: int
    no_sales: int
    carried_over: int | None
    """How many tabs went on into the next day."""
    agrees: bool | None
    """Whether the sum of the day's receipts is what the till itself reported when the day was closed."""


class TaxFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    tax_id: str | None = None


class TaxRow(Item, frozen=True, kw_only=True):
    """What a business day's receipts hold of one tax at one rate."""

    day: int
    tax_id: str
    ppm: int
    inclusive: bool
    minor: int
