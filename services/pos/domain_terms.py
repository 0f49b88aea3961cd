"""The words that commands, events and the state of a till share."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from holdfast.money import Rounding
from services.pos.domain_ids import LONGEST, LONGEST_LINE, PATTERN

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST, pattern=PATTERN)]
LineKey = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_LINE, pattern=PATTERN)]
"""A line that is on a tab: one that a terminal made, or a share of one."""
Words = Annotated[str, msgspec.Meta(max_length=500)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Milli = Annotated[int, msgspec.Meta(ge=-(10**12), le=10**12)]
"""A quantity in thousandths."""
Surcharge = Annotated[int, msgspec.Meta(ge=-(10**12), le=10**12)]
"""What a wish adds to the price of one, which may be less than nothing."""
Units = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Guests = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Seat = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Course = Annotated[int, msgspec.Meta(ge=1, le=50)]
TaxScope = Literal["PER_RATE_BUCKET", "PER_LINE"]
OrderType = Literal["dine_in", "takeaway"]
Tender = Literal["cash", "card", "gift", "account", "deposit", "loyalty"]
AccountKind = Literal["GIFT_CARD", "HOUSE", "DEPOSIT", "LOYALTY"]
StoredKind = Literal["GIFT_CARD", "DEPOSIT", "HOUSE"]
"""What a line may put its price on: a card, a deposit, or a house account that is settled."""
TabStatus = Literal["OPEN", "PAYING", "PAID", "CLOSED", "VOIDED", "MERGED"]

DAY_MINUTES: Final = 1_440
ONE: Final = 1_000
"""One piece, in thousandths."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a message or of the state."""


class Tax(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A tax by its rate in millionths, on top of prices or within them."""

    ppm: Ppm
    inclusive: bool = False
    name: Words = ""


class CashRounding(Part, frozen=True, kw_only=True, omit_defaults=True):
    """To which multiple of the minor unit cash is rounded."""

    increment_minor: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    rounding: Rounding = "HALF_UP"


class Gratuity(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What large parties pay for service: a rate of what they are charged before taxes, untaxed."""

    guests: Guests
    """From how many guests on."""
    ppm: Ppm


class Loyalty(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What guests earn and get for it, in millionths."""

    earn_ppm: Annotated[int, msgspec.Meta(ge=0, le=10**12)]
    """Points for a minor unit that was spent."""
    point_ppm: Annotated[int, msgspec.Meta(ge=0, le=10**12)] = 0
    """Minor units for a point that pays; points with 0 pay nothing."""


class Settings(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How a location does business; replaced as a whole by `configure`."""

    currency: str
    rounding: Literal["HALF_UP", "HALF_EVEN"] = "HALF_UP"
    tax_scope: TaxScope = "PER_RATE_BUCKET"
    taxes: Mapping[Key, Tax] = {}
    cash_rounding: CashRounding = CashRounding()
    hold_ttl_s: Annotated[int, msgspec.Meta(ge=60, le=3_600)] = 600
    """Of holds that name none."""
    payment_timeout_s: Annotated[int, msgspec.Meta(ge=10, le=3_600)] = 120
    reason_codes: Annotated[tuple[Key, ...], msgspec.Meta(max_length=100)] = ()
    """For voids, comps and refunds."""
    void_limit_minor: Units = 0
    """Voids and comps of sent lines above it need an approval; managers' own never do."""
    discount_limit_minor: Units = 0
    """Discounts worth more than it need an approval."""
    refund_limit_minor: Units = 0
    """Refunds above it need an approval."""
    approval_s: Annotated[int, msgspec.Meta(ge=10, le=3_600)] = 300
    """How long an approval can be used."""
    receipt_series: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,10}$")] = "A"
    refund_window_s: Annotated[int, msgspec.Meta(ge=0, le=366 * 86_400)] = 14 * 86_400
    """How long a closed tab can be refunded."""
    refundable_tabs: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 1_000
    """Of more closed tabs than this, the oldest can be refunded no longer, whatever the window says."""
    offline_card_limit_minor: Units = 10_000
    """Stored card payments above it are flagged."""
    offline_upload_s: Annotated[int, msgspec.Meta(ge=60, le=7 * 86_400)] = 86_400
    """How long a stored card payment may wait for the processor."""
    timezone: Annotated[str, msgspec.Meta(max_length=100)] = "UTC"
    """IANA name; the hours of price books are read in it."""
    gratuity: Gratuity | None = None
    bank_tips: bool = True
    """Whether a waiter with a bank keeps the tips that he was given by card; not where tips are pooled."""
    loyalty: Loyalty | None = None
    floors: Annotated[tuple[Key, ...], msgspec.Meta(max_length=50)] = ()
    """The floors, by their ids, that are told what is sold out."""


class ModifierGroup(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Wishes of which so many have to be chosen with an item."""

    id: Key
    name: Words = ""
    min: Annotated[int, msgspec.Meta(ge=0, le=50)] = 0
    max: Annotated[int, msgspec.Meta(ge=1, le=50)] = 1
    options: Annotated[Mapping[Key, Milli], msgspec.Meta(max_length=100)]
    """What each adds to the price of one, which may be less than nothing."""


class ComboSlot(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a combo, and the items of which one is chosen for it."""

    id: Key
    name: Words = ""
    skus: Annotated[tuple[Key, ...], msgspec.Meta(max_length=100)]


class Item(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is sold."""

    name: Words = ""
    price_minor: Units
    price_version: Annotated[int, msgspec.Meta(ge=1)] = 1
    tax_ids: tuple[Key, ...] = ()
    takeaway_tax_ids: tuple[Key, ...] | None = None
    """For orders to take away, when they differ."""
    tracked: bool = False
    """Whether its stock is counted."""
    weighed: bool = False
    """Whether fractions of one are sold."""
    station: str = ""
    """Where it is made; lines without one go to no printer."""
    modifier_groups: Annotated[tuple[ModifierGroup, ...], msgspec.Meta(max_length=20)] = ()
    """An item with groups takes only their wishes; one without takes any."""
    combo: Annotated[tuple[ComboSlot, ...], msgspec.Meta(max_length=20)] = ()
    """What is sold together at this price, by `add_combo`."""
    stored_value: StoredKind | None = None
    """The kind of account on which its price is put; it is untaxed, not discounted and no revenue."""


class Window(Part, frozen=True, kw_only=True, omit_defaults=True):
    """From a moment to just before another one."""

    starts_at: Moment | None = None
    ends_at: Moment | None = None

    def holds(self, now: datetime) -> bool:
        """Whether a moment lies in it."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


class Hours(Part, frozen=True, kw_only=True, omit_defaults=True):
    """From a minute of some weekdays to just before another one, by the clock on the wall."""

    weekdays: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=6)], ...], msgspec.Meta(min_length=1, max_length=7)]
    """0 is Monday. Hours past midnight belong to the day on which they began."""
    opens: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]
    closes: Annotated[int, msgspec.Meta(ge=1, le=2 * DAY_MINUTES)]

    def holds(self, local: datetime) -> bool:
        """Whether a moment, in the time of the location, lies in them."""
        minute = local.hour * 60 + local.minute
        return any(
            self.opens <= minute + days * DAY_MINUTES < self.closes and (local.weekday() - days) % 7 in self.weekdays
            for days in (0, 1)
        )


class PriceBook(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Prices that hold at some times instead of the catalogue's."""

    name: Words = ""
    version: Annotated[int, msgspec.Meta(ge=1)] = 1
    rank: Annotated[int, msgspec.Meta(ge=-1_000, le=1_000)] = 0
    """Of several that hold, the highest counts; of equal ones the first by id."""
    prices: Annotated[Mapping[Key, Units], msgspec.Meta(max_length=5_000)]
    window: Window = Window()
    hours: Annotated[tuple[Hours, ...], msgspec.Meta(max_length=50)] = ()
    """Any hour when there are none."""
    order_types: tuple[OrderType, ...] = ()
    """All when there are none."""

    def holds(self, now: datetime, local: datetime, order_type: OrderType) -> bool:
        """Whether it counts at this moment for such an order."""
        fits = not self.order_types or order_type in self.order_types
        return fits and self.window.holds(now) and (not self.hours or any(each.holds(local) for each in self.hours))


class Discount(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A discount that may be given: a rate, or an amount."""

    name: Words = ""
    version: Annotated[int, msgspec.Meta(ge=1)] = 1
    scope: Literal["item", "order"] = "order"
    ppm: Ppm | None = None
    amount_minor: Units | None = None
    window: Window = Window()
    code: str | None = None
    """What a guest must say to get it."""
    combinable: bool = True


class Modifier(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A wish that changes the price of a line."""

    id: Key
    price_minor: Surcharge = 0


class AppliedDiscount(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A discount on a tab: on one of its lines, or on all."""

    discount_id: str
    version: int
    line_id: str | None = None
    ppm: int | None = None
    amount_minor: int | None = None
    combinable: bool = True
    given_id: str = ""
    """Of the giving of which this is all, or a part."""
    limit_minor: int | None = None
    """What it may take off; any amount when a manager gave it. It is shared out with what it takes off lines that move."""


class TaxAmount(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a tab pays of one tax."""

    tax_id: str
    ppm: int
    inclusive: bool = False
    minor: int


class Totals(Part, frozen=True, kw_only=True, omit_defaults=False):
    """What a tab comes to; the fields of a receipt, each of which is always told."""

    gross: int = 0
    """Without stored value."""
    discount: int = 0
    comp: int = 0
    """The value of what was given away: neither a discount nor a void."""
    tax: tuple[TaxAmount, ...] = ()
    gratuity: int = 0
    """What a large party pays for service."""
    stored: int = 0
    """What is put on accounts: a liability, no revenue."""
    due: int = 0
    """Gross less discounts and comps, with the gratuity, stored value, and the taxes that are not in the prices."""
    rounding: int = 0
    """What cash rounding added to the due."""
    tip: int = 0
    paid: int = 0
    """Without tips: due and rounding when all is paid."""


class SentDelta(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a kitchen ticket adds to what the kitchen has already."""

    line_id: str
    sku: str
    qty_milli: int
    station: str = ""
    seat: int | None = None
    course: int | None = None
    note: str = ""


class Line(Part, frozen=True, kw_only=True, omit_defaults=True):
    """An item on a tab."""

    sku: str
    qty_milli: int
    unit_price_minor: int
    price_version: int = 0
    price_book: str | None = None
    combo: str | None = None
    """The combo on the tab of which this is a part, at its share of the price."""
    combo_key: str = ""
    combo_parts: int = 0
    modifiers: tuple[Modifier, ...] = ()
    tax_ids: tuple[str, ...] = ()
    taxes: Mapping[str, Tax] = {}
    """Those of its taxes that the location has changed since."""
    seat: int | None = None
    course: int | None = None
    note: str = ""
    station: str = ""
    tracked: bool = False
    sent_milli: int = 0
    """What the kitchen has of it."""
    firm_milli: int = 0
    """What of a tracked item counts as sold; the rest relies on holds."""
    comped: bool = False
    voided_minor: int = 0
    """What counts of the voids of it for their limit; of a share, of all shares of that line."""
    version: int = 1
    gratuity_ppm: int = 0
    """That of its tab when it was added; it goes with the line."""
    share_minor: int | None = None
    """Its price as a share of a line that was split; a line that was not is priced by its unit."""
    share_of: str | None = None
    """What all shares of one line have in common."""
    made: bool = False
    """Whether the kitchen has it though it is a share of less than a thousandth."""
    stored_value: StoredKind | None = None
    account_id: str | None = None
    """Where its price is put when its tab is closed."""

    @property
    def is_made(self) -> bool:
        """Whether the kitchen has any of it."""
        return self.made or self.sent_milli > 0


class SoldLine(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A line of a closed tab, as far as a refund needs it. An array, for there are many in the state."""

    sku: str
    qty_milli: int
    tracked: bool = False
    refunded_milli: int = 0


class Flow(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Money by how it was paid."""

    cash: int = 0
    card: int = 0
    gift: int = 0
    account: int = 0
    deposit: int = 0
    loyalty: int = 0

    def plus(self, tender: Tender, minor: int) -> "Flow":
        """With so much more of a tender."""
        return msgspec.structs.replace(self, **{tender: getattr(self, tender) + minor})

    def merged(self, other: "Flow", sign: int = 1) -> "Flow":
        """With, or for a sign of -1 without, another flow."""
        return Flow(
            cash=self.cash + sign * other.cash,
            card=self.card + sign * other.card,
            gift=self.gift + sign * other.gift,
            account=self.account + sign * other.account,
            deposit=self.deposit + sign * other.deposit,
            loyalty=self.loyalty + sign * other.loyalty,
        )

    @property
    def total(self) -> int:
        """All of it."""
        return self.cash + self.card + self.gift + self.account + self.deposit + self.loyalty


class DayTotals(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A Z report: the sum of a day's receipts, less those that were reversed, and what else was done."""

    receipts: int = 0
    reversed: int = 0
    gross_minor: int = 0
    discount_minor: int = 0
    comp_minor: int = 0
    tax: Mapping[str, int] = {}
    gratuity_minor: int = 0
    stored_minor: int = 0
    """What was put on accounts: a liability, no revenue."""
    due_minor: int = 0
    rounding_minor: int = 0
    tip_minor: int = 0
    pooled_minor: int = 0
    """What of tips and gratuity was shared out among the staff."""
    paid: Flow = Flow()
    """By receipts, without tips."""
    refunds: int = 0
    refunded: Flow = Flow()
    voids: int = 0
    void_minor: int = 0
    first_receipt: str | None = None
    last_receipt: str | None = None
