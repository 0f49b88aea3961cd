"""What may be asked of the lists of tills, and what their items show: tabs, lines, receipts, refunds, payments, stock."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from holdfast.money import MAX_MINOR
from services.pos.domain_terms import OrderType, TabStatus, Tender

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Day = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Amount = Annotated[int, msgspec.Meta(ge=-MAX_MINOR, le=MAX_MINOR)]
"""Minor units or thousandths."""
PaymentStatus = Literal["started", "captured", "failed", "cancelled", "timed_out", "stored", "declined", "expired"]


class Filters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    location: str | None = None


class DayFilters(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    day: Day | None = None
    business_date: date | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a list; `id` is the location."""

    id: str


class TabFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold; the day is the one on which it was opened."""

    status: TabStatus | None = None
    tab_id: str | None = None
    table_ref: str | None = None
    opened_by: str | None = None
    owner: str | None = None
    terminal: str | None = None
    opened_after: Instant | None = None
    """At this moment or later."""
    opened_before: Instant | None = None


class TabRow(Item, frozen=True, kw_only=True):
    """A tab, open or not."""

    tab_id: str
    status: TabStatus
    day: int
    """The business day, by its number, on which it was opened."""
    opened_at: datetime
    opened_by: str
    owner: str
    terminal: str | None
    name: str
    guest_count: int | None
    table_ref: str | None
    order_type: OrderType
    currency: str
    total_minor: int
    paid_minor: int
    balance_minor: int
    bill_printed: bool
    reopened: bool
    offline: bool
    came_from: str | None
    """The tab of which it was split off, or beside which it was opened."""
    merged_into: str | None
    receipt_no: str | None
    ended_at: datetime | None


class LineFilters(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    tab_id: str | None = None
    receipt_no: str | None = None
    sku: str | None = None
    added_by: str | None = None
    added_after: Instant | None = None
    """At this moment or later."""
    added_before: Instant | None = None


class LineRow(Item, frozen=True, kw_only=True):
    """An item on a tab, with its receipt when the tab is closed."""

    tab_id: str
    line_id: str
    sku: str
    qty_milli: int
    unit_price_minor: int
    """With that of its modifiers."""
    share_minor: int | None
    """Its price as a share of a line that was split."""
    modifiers: str
    seat: int | None
    course: int | None
    note: str
    sent_milli: int
    refunded_milli: int
    comped: bool
    added_at: datetime
    added_by: str
    terminal: str | None
    offline: bool
    receipt_no: str | None


class TaxShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was paid of one tax at one rate."""

    tax_id: str
    ppm: int
    inclusive: bool = False
    minor: int


class ReceiptFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    series: str | None = None
    receipt_no: str | None = None
    tab_id: str | None = None
    terminal: str | None = None
    closed_by: str | None = None
    reversed: bool | None = None
    closed_after: Instant | None = None
    """At this moment or later."""
    closed_before: Instant | None = None


class ReceiptRow(Item, frozen=True, kw_only=True):
    """A receipt. `number` has no gaps in its series."""

    series: str
    number: int
    receipt_no: str
    tab_id: str
    day: int
    closed_at: datetime
    closed_by: str
    terminal: str | None
    table_ref: str | None
    currency: str
    gross_minor: int
    discount_minor: int
    comp_minor: int
    gratuity_minor: int
    """What a large party paid for service."""
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
    refunded_minor: int
    offline: bool
    occurred_at: datetime | None
    """When it happened by the clock of a terminal that had no connection."""
    reversed_day: int | None
    """The business day whose report lost it, because its card was not paid after all."""
    reversed_at: datetime | None


class RefundFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    receipt_no: str | None = None
    tender: Tender | None = None
    by: str | None = None
    reason_code: str | None = None


class RefundedLine(msgspec.Struct, frozen=True, kw_only=True):
    """Some or all of a sold line that came back."""

    line_id: str
    qty_milli: int
    restock: bool = False


class RefundRow(Item, frozen=True, kw_only=True):
    """Money that was given back. `number` has no gaps in its location."""

    number: int
    refund_no: str
    receipt_no: str
    tab_id: str
    day: int
    at: datetime
    by: str
    approved_by: str | None
    terminal: str | None
    tender: Tender
    currency: str
    amount_minor: int
    rounding_minor: int
    reason_code: str
    lines: tuple[RefundedLine, ...]


class PaymentFilters(DayFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    tab_id: str | None = None
    tender: Tender | None = None
    status: PaymentStatus | None = None
    terminal: str | None = None
    begun_by: str | None = None
    offline: bool | None = None
    begun_after: Instant | None = None
    """At this moment or later."""
    begun_before: Instant | None = None


class PaymentRow(Item, frozen=True, kw_only=True):
    """A payment and its outcome. A stored card has still to be seen by its processor."""

    payment_id: str
    tab_id: str
    tender: Tender
    status: PaymentStatus
    day: int
    currency: str
    due_minor: int
    rounding_minor: int
    tip_minor: int
    change_minor: int
    processor_ref: str
    begun_at: datetime
    begun_by: str
    terminal: str | None
    offline: bool
    over_limit: bool
    upload_by: datetime | None
    ended_at: datetime | None


class StockFilters(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    sku: str | None = None
    tracked: bool | None = None
    eighty_six: bool | None = None
    available_below: Amount | None = None
    """In thousandths."""


class StockRow(Item, frozen=True, kw_only=True):
    """An item of the catalogue: what is there, kept, sold on tabs that are not closed, and left. In thousandths."""

    sku: str
    name: str
    tracked: bool
    price_minor: int
    on_hand_milli: int
    held_milli: int
    sold_milli: int
    available_milli: int
    """Below zero after sales that could not ask."""
    eighty_six: bool
