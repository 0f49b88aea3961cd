"""What happened to tabs and their lines."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from holdfast import Event
from services.pos.domain_charge_terms import Load, Points
from services.pos.domain_tab_commands import SplitMode
from services.pos.domain_terms import (
    AppliedDiscount,
    Flow,
    Line,
    Modifier,
    OrderType,
    Part,
    SentDelta,
    SoldLine,
    StoredKind,
    TabStatus,
    Totals,
)


class OnTab(Event):
    """What happens to a tab, or to its money."""

    training: bool = False
    """Whether it is practice: it counts nowhere."""


class FactEvent(OnTab):
    """What may have been done without a connection, and is known only later."""

    offline: bool = False
    occurred_at: datetime | None = None
    """By the terminal's clock, as evidence."""


class TabOpened(FactEvent, tag="tab_opened"):
    """A tab takes lines. One that the floor opened names it."""

    tab_id: str
    opened_by: str
    name: str = ""
    guest_count: int | None = None
    table_ref: str | None = None
    order_type: OrderType = "dine_in"
    gratuity_ppm: int = 0
    """What its lines pay for service, for the party is large."""
    floor: str | None = None
    instead_of: str | None = None
    """The tab on which its lines would have gone, had it been open."""


class LineAdded(FactEvent, tag="line_added"):
    """An item is on a tab, at this price and with these taxes."""

    tab_id: str
    line_id: str
    sku: str
    qty_milli: int
    unit_price_minor: int
    price_version: int = 0
    """Of the book, or else of the catalogue."""
    price_book: str | None = None
    combo: str | None = None
    """The combo on the tab of which this is a part, at its share of the price."""
    combo_key: str = ""
    """What it has in common with the other parts of that combo, and with no other line on whichever tab."""
    combo_parts: int = 0
    """How many parts that combo has; not known of those that were added before this was told."""
    modifiers: tuple[Modifier, ...] = ()
    tax_ids: tuple[str, ...] = ()
    seat: int | None = None
    course: int | None = None
    note: str = ""
    station: str = ""
    tracked: bool = False
    sent_milli: int = 0
    firm_milli: int = 0
    """What of it counts as sold, because no hold covers it."""
    stored_value: StoredKind | None = None
    account_id: str | None = None
    """Where its price is put when its tab is closed."""


class LineQtyChanged(OnTab, tag="line_qty_changed"):
    """There is more or less of a line."""

    tab_id: str
    line_id: str
    from_: int = msgspec.field(name="from")
    to: int
    firm_milli: int
    version: int


class LineRemoved(OnTab, tag="line_removed"):
    """A line that the kitchen did not have is off its tab."""

    tab_id: str
    line_id: str


class LineVoided(OnTab, tag="line_voided"):
    """Some or all of a sent line is off its tab."""

    tab_id: str
    line_id: str
    sku: str
    qty_milli: int
    reason_code: str
    value_minor: int
    restocked: bool = False
    approved_by: str | None = None
    floor: str | None = None
    """Whose kitchen has to know; nobody's when the floor itself asked for it."""
    cancelled_by: str | None = None
    """Who did it on the floor."""
    counted_minor: int | None = None
    """What of the value counts for the limit of further voids; when left out, all of it if the kitchen had any."""


class LineComped(OnTab, tag="line_comped"):
    """A line is given away."""

    tab_id: str
    line_id: str
    reason_code: str
    value_minor: int
    approved_by: str | None = None


class DiscountApplied(OnTab, tag="discount_applied"):
    """A discount is given, in the version of this moment."""

    tab_id: str
    discount_id: str
    version: int
    line_id: str | None = None
    ppm: int | None = None
    amount_minor: int | None = None
    combinable: bool = True
    given_id: str = ""
    """By which what was given here is known, on whichever tabs its parts end up."""
    value_minor: int
    """What it takes off as the tab is now."""
    approved_by: str | None = None
    limit_minor: int | None = None
    """What it may take off when lines are added; any amount when a manager gave it."""


class DiscountRemoved(OnTab, tag="discount_removed"):
    """A discount, or the part of it that a line brought here, is taken back."""

    tab_id: str
    discount_id: str
    line_id: str | None = None
    given_id: str = ""
    value_minor: int | None = None
    """What it took off."""


class GratuityWaived(OnTab, tag="gratuity_waived"):
    """A large party pays nothing for service after all."""

    tab_id: str
    reason_code: str
    value_minor: int
    approved_by: str | None = None
    limit_minor: int | None = None
    """What it may come to when lines are added; any amount when a manager gave it."""
    waived_ppm: int | None = None
    """The rate that is not charged; when it is left out, that of the tab."""


class LinesSent(OnTab, tag="lines_sent"):
    """The kitchen has more of these lines, by this ticket."""

    tab_id: str
    ticket_id: str
    deltas: tuple[SentDelta, ...]


class BillPrinted(OnTab, tag="bill_printed"):
    """The guest has a bill over this."""

    tab_id: str
    currency: str
    totals: Totals
    table_ref: str | None = None


class TabClosed(FactEvent, tag="tab_closed"):
    """A paid tab has its receipt, and is not changed any more."""

    tab_id: str
    receipt_no: str
    series: str
    number: int
    """Without gaps in its series."""
    currency: str
    totals: Totals
    paid: Flow
    lines: dict[str, SoldLine]
    closed_at: datetime
    day: int
    table_ref: str | None = None
    awaits_card: bool = False
    """Whether the processor has yet to see a card."""
    loads: tuple[Load, ...] = ()
    """What its lines put on accounts."""
    points: Points | None = None
    """What it earned."""
    own_tip_minor: int = 0
    pooled_tip_minor: int = 0
    """What of the tip waiters with a bank keep, and what is no waiter's own."""
    held_back: bool = False
    """Whether its loads and points wait until the processor has the card."""


class SentPortion(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What the kitchen had of a line, whatever its id is."""

    line_id: str
    qty_milli: int


class TabVoided(OnTab, tag="tab_voided"):
    """A tab was given up."""

    tab_id: str
    value_minor: int
    reason_code: str = ""
    approved_by: str | None = None
    floor: str | None = None
    sent: tuple[SentPortion, ...] = ()
    """What the kitchen of that floor had of it."""
    shares: Mapping[str, int] = {}
    """What was voided of lines that were split, by what their other shares have in common with them."""


class TabReopened(OnTab, tag="tab_reopened"):
    """A tab takes lines and money again; the receipt of a closed one is reversed."""

    tab_id: str
    reason: str
    reverses: str | None = None
    """The receipt that does not count any more."""
    totals: Totals = Totals()
    """Those of that receipt."""
    paid: Flow = Flow()
    lost_payment_id: str | None = None
    """The stored payment without which it is due again."""
    lost_minor: int = 0
    lost_tip_minor: int = 0


class ChildTab(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A tab made by splitting, or what is left of the one that was split."""

    tab_id: str
    lines: dict[str, Line]
    discounts: tuple[AppliedDiscount, ...] = ()
    waived_limit_minor: int | None = None
    """Its share of what may be waived of the gratuity."""


class TabSplit(OnTab, tag="tab_split"):
    """A tab became several."""

    tab_id: str
    mode: SplitMode
    children: tuple[ChildTab, ...]
    kept: ChildTab
    rounding_delta_minor: int
    """What all of them are worth together more than the one was."""


class TabsMerged(OnTab, tag="tabs_merged"):
    """All lines of one tab are on another one."""

    from_: str = msgspec.field(name="from")
    into: str
    line_ids: tuple[str, ...]
    discounts: tuple[AppliedDiscount, ...] = ()
    """Those of the tab that stays, afterwards."""
    waived_limit_minor: int | None = None
    """What may be waived of its gratuity, afterwards; as before when it is left out."""
    gratuity_ppm: int | None = None
    """What the tab that went charged for service, or would have."""
    rounding_delta_minor: int = 0


class LinesMoved(OnTab, tag="lines_moved"):
    """Some lines of a tab are on another one."""

    from_tab_id: str
    to_tab_id: str
    line_ids: tuple[str, ...]
    from_discounts: tuple[AppliedDiscount, ...] = ()
    to_discounts: tuple[AppliedDiscount, ...] = ()
    waived_limit_minor: int | None = None
    """What may still be waived of the gratuity of the tab that they left; as before when it is left out."""
    to_waived_limit_minor: int | None = None
    """What may then be waived of the other tab's gratuity; as before when it is left out."""
    rounding_delta_minor: int = 0


class TabTransferred(OnTab, tag="tab_transferred"):
    """A tab belongs to this waiter, at this table."""

    tab_id: str
    owner: str
    table_ref: str | None = None


class TabBalanceChanged(OnTab, tag="tab_balance_changed"):
    """How a tab stands after what was just done to it: all that a floor needs to follow it."""

    tab_id: str
    status: TabStatus
    total_minor: int
    balance_minor: int
    paid_minor: int
    currency: str
    bill_printed: bool = False
    floor: str | None = None
    table_ref: str | None = None
    branch_of: str | None = None
    """The tab that the floor knows, when this one was made of it here."""
    into: str | None = None
    """Where the lines of a tab are that was merged here."""
    heard: int = 0
    """The floor's message that caused this, by its number; all before it have been heard."""
    prices: Mapping[str, int] = {}
    """What one costs of each line that the floor ordered with that, in minor units, before its wishes."""


class FloorHeard(Event, tag="floor_heard"):
    """What the floor told changed no tab."""

    floor: str
    heard: int


class PriceMissing(OnTab, tag="price_missing"):
    """The kitchen made something that the catalogue does not know: it is on the tab for nothing, for a manager to see."""

    tab_id: str
    line_id: str
    sku: str


class PriceStale(OnTab, tag="price_stale"):
    """A terminal sold at a price that was not the catalogue's any more."""

    tab_id: str
    line_id: str
    sold_minor: int
    current_minor: int


class TabConflict(OnTab, tag="tab_conflict"):
    """Something was done to a tab that it could not take any more."""

    tab_id: str
    about: Literal["lines", "cancel", "move", "merge", "payment", "drawer", "value", "discount", "gratuity", "tax"]
    moved_to: str | None = None
    """The tab that took the lines instead."""


TabEvent = (
    TabOpened
    | LineAdded
    | LineQtyChanged
    | LineRemoved
    | LineVoided
    | LineComped
    | DiscountApplied
    | DiscountRemoved
    | GratuityWaived
    | LinesSent
    | BillPrinted
    | TabClosed
    | TabVoided
    | TabReopened
    | TabSplit
    | TabsMerged
    | LinesMoved
    | TabTransferred
    | TabBalanceChanged
    | FloorHeard
    | PriceMissing
    | PriceStale
    | TabConflict
)
