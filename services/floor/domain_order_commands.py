"""What people may ask about orders and of the kitchen."""

from typing import Annotated, Literal

import msgspec

from holdfast import Command
from services.floor import domain_errors as refusals
from services.floor.domain_roles import COOKS, SERVICE, WAITERS
from services.floor.domain_settings import Key, Label, TillKey, UserId

Quantity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
"""In thousandths: 1000 is one."""
Amount = Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Surcharge = Annotated[int, msgspec.Meta(ge=-(10**12), le=10**12)]
"""As much as the till takes."""
Course = Annotated[int, msgspec.Meta(ge=1, le=50)]
OrderType = Literal["dine_in", "takeaway"]
ItemState = Literal["NEW", "SENT", "IN_PROGRESS", "READY", "SERVED", "CANCELLED"]


class Modifier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change to an item, and what it costs on top."""

    id: TillKey
    price_minor: Surcharge = 0


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an order; `qty` is in thousandths, as all quantities are. The till fills in the price.

    Only a manager gives a price, or a wish that takes something off it.
    """

    line_id: Key
    sku: TillKey
    qty: Quantity = 1000
    unit_price_minor: Annotated[int, msgspec.Meta(ge=0, le=10**12)] | None = None
    mods: Annotated[tuple[Modifier, ...], msgspec.Meta(max_length=50)] = ()
    tax_ids: Annotated[tuple[TillKey, ...], msgspec.Meta(max_length=20)] = ()
    discount_ids: Annotated[tuple[TillKey, ...], msgspec.Meta(max_length=20)] = ()
    seat: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    course: Course | None = None
    """Without one the line goes to the kitchen at once."""
    note: Label = ""


class PlaceOrder(Command, tag="place_order"):
    """Add lines to the bill of the party at this table. Lines known already by their ids are left alone."""

    roles = WAITERS
    raises = (refusals.TableNotSeated, refusals.ItemEightySixed, refusals.DifferentTaxMode)

    order_id: Key
    table_id: Key
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(min_length=1, max_length=200)]
    order_type: OrderType = "dine_in"


class FireCourse(Command, tag="fire_course"):
    """Send the waiting lines of a course to the kitchen."""

    roles = WAITERS | COOKS
    raises = (refusals.TableNotSeated, refusals.CourseEmpty, refusals.AlreadyFired)

    table_id: Key
    course: Course


class HoldCourse(Command, tag="hold_course"):
    """Keep a course from being fired by the clock."""

    roles = WAITERS | COOKS
    raises = (refusals.TableNotSeated, refusals.CourseEmpty, refusals.AlreadyFired)

    table_id: Key
    course: Course


class AdvanceItem(Command, tag="advance_item"):
    """Move a line on: to `IN_PROGRESS`, `READY` or `SERVED`. Steps may be left out, and only a recall leads back."""

    roles = WAITERS | COOKS
    raises = (refusals.BadTransition,)

    line_id: Key
    to: ItemState


class Bump(Command, tag="bump"):
    """Take a ticket off the screen: what it asked for is ready."""

    roles = WAITERS | COOKS

    ticket_id: Key


class Recall(Command, tag="recall"):
    """Put a bumped ticket back on the screen."""

    roles = WAITERS | COOKS
    raises = (refusals.BadTransition,)

    ticket_id: Key


class ReprintTicket(Command, tag="reprint_ticket"):
    """Print a ticket once more, marked as a duplicate."""

    roles = WAITERS | COOKS

    ticket_id: Key


class CancelLine(Command, tag="cancel_line"):
    """Take (a part of) a line off; what the kitchen knows of it is cancelled there too. All of it when `qty` is left out."""

    roles = WAITERS
    raises = (refusals.AlreadyServed, refusals.ReasonRequired, refusals.PaymentInProgress)

    line_id: Key
    qty: Quantity | None = None
    reason: Label = ""


class MoveLines(Command, tag="move_lines"):
    """Move lines to another order, of the same or of another party. They keep their ids and what the kitchen knows."""

    roles = WAITERS
    raises = (refusals.PaymentInProgress, refusals.DifferentTaxMode, refusals.TableNotSeated)

    line_ids: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=200)]
    to_order: Key
    to_table: Key | None = None
    """Where the order is opened when there is none of this id yet."""


class MergeOrders(Command, tag="merge_orders"):
    """Make one order of two; when they are of two parties, they get one bill. Everyone stays seated where they are."""

    roles = WAITERS
    raises = (refusals.PaymentInProgress, refusals.DifferentTaxMode)

    from_: Key = msgspec.field(name="from")
    into: Key


class Unmerge(Command, tag="unmerge"):
    """Undo the merging of this order into another one, before it is paid."""

    roles = WAITERS
    raises = (refusals.NotMerged, refusals.PaymentInProgress)

    order_id: Key
    """The one that was merged into another."""


class RecordBank(Command, tag="record_bank"):
    """The till says that a waiter has a bank of cash now, or has settled it."""

    roles = SERVICE

    waiter_id: UserId
    is_open: bool


class SetEightySix(Command, tag="set_eighty_six"):
    """Say that an item is out, or back."""

    roles = SERVICE | COOKS | WAITERS

    sku: TillKey
    unavailable: bool = True
