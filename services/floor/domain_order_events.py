"""What happened to orders and in the kitchen.

`till` names the location whose till is told of it; without one nobody is. `post` numbers what it is told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from holdfast import Event
from services.floor.domain_order_commands import ItemState, Modifier, OrderLine, OrderType

TicketKind = Literal["order", "cancel"]


class PlacedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as ordered, with the station that makes it and whether it goes there at once."""

    line: OrderLine
    station: str
    fired: bool


class OrderPlaced(Event, tag="order_placed"):
    """Lines were ordered."""

    order_id: str
    party_id: str
    tab_id: str
    table_id: str
    table_ref: str
    guest_count: int
    order_type: OrderType
    lines: tuple[PlacedLine, ...]
    till: str | None = None
    post: int = 0
    at: datetime


class LineDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By how much the kitchen has to make more, or less, of a line, in thousandths."""

    line_id: str
    sku: str
    delta: int
    mods: tuple[Modifier, ...] = ()
    seat: int | None = None
    course: int | None = None
    note: str = ""


class KitchenTicketIssued(Event, tag="kitchen_ticket_issued"):
    """A station got to know of changes: always what there is to make now less what it was told before."""

    ticket_id: str
    number: int
    station: str
    kind: TicketKind
    party_id: str
    table_ref: str
    deltas: tuple[LineDelta, ...]
    allergies: tuple[str, ...] = ()
    """What the party must not eat."""
    at: datetime


class CourseFired(Event, tag="course_fired"):
    """The waiting lines of a course go to the kitchen."""

    party_id: str
    course: int
    line_ids: tuple[str, ...]
    at: datetime


class CourseHeld(Event, tag="course_held"):
    """No clock fires this course."""

    party_id: str
    course: int
    at: datetime


class CourseScheduled(Event, tag="course_scheduled"):
    """The course before was served: this one is fired at `fires_at`, unless it is held."""

    party_id: str
    course: int
    fires_at: datetime


class CourseAutoFired(Event, tag="course_auto_fired"):
    """The clock fired a course."""

    party_id: str
    course: int
    line_ids: tuple[str, ...]
    effective_at: datetime
    cause: str


class ItemAdvanced(Event, tag="item_advanced"):
    """A line is in another state."""

    line_id: str
    party_id: str
    from_: ItemState = msgspec.field(name="from")
    to: ItemState
    at: datetime


class TicketBumped(Event, tag="ticket_bumped"):
    """A ticket is done, and these lines of it are ready."""

    ticket_id: str
    party_id: str
    line_ids: tuple[str, ...]
    at: datetime


class TicketRecalled(Event, tag="ticket_recalled"):
    """A ticket is not done after all, and these lines of it are in progress again."""

    ticket_id: str
    party_id: str
    line_ids: tuple[str, ...]
    at: datetime


class TicketReprinted(Event, tag="ticket_reprinted"):
    """A ticket is printed again; the first duplicate is copy 2."""

    ticket_id: str
    copy: int
    number: int
    station: str
    kind: TicketKind
    table_ref: str
    """Where the guests sit now."""
    deltas: tuple[LineDelta, ...]
    allergies: tuple[str, ...] = ()
    at: datetime


class LineCancelled(Event, tag="line_cancelled"):
    """So much less of a line is wanted."""

    line_id: str
    order_id: str
    party_id: str
    tab_id: str
    qty: int
    reason: str
    made: bool = False
    """Whether the kitchen had it."""
    till: str | None = None
    post: int = 0
    at: datetime


class LinesMoved(Event, tag="lines_moved"):
    """Lines belong to another order, and to another party when that is another's."""

    line_ids: tuple[str, ...]
    from_party_id: str
    to_party_id: str
    from_tab_id: str
    to_tab_id: str
    to_order: str
    order_type: OrderType
    """Of an order that is opened by this."""
    to_table_id: str
    table_ref: str
    note: str
    stations: tuple[str, ...] = ()
    """Where tickets with these lines hang."""
    till: str | None = None
    post: int = 0
    at: datetime


class Home(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a line was before a merge."""

    line_id: str
    order_id: str
    joined: str | None = None


class OrdersMerged(Event, tag="orders_merged"):
    """Two orders are one, and the bills of `party_ids` go on `into_tab_id`.

    `line_map` tells which lines are shown as one from now on, `sent_map` how much of each the kitchen knows then.
    """

    from_order: str
    into_order: str
    from_tab_id: str
    into_tab_id: str
    party_ids: tuple[str, ...]
    line_map: Mapping[str, str]
    sent_map: Mapping[str, int]
    homes: tuple[Home, ...]
    till: str | None = None
    post: int = 0
    at: datetime


class OrdersUnmerged(Event, tag="orders_unmerged"):
    """A merge is undone: `party_ids` pay on `from_tab_id` again, with these lines."""

    from_order: str
    into_order: str
    from_tab_id: str
    into_tab_id: str
    party_ids: tuple[str, ...]
    line_ids: tuple[str, ...]
    homes: tuple[Home, ...]
    till: str | None = None
    post: int = 0
    at: datetime


class EightySixChanged(Event, tag="eighty_six_changed"):
    """An item is out, or back."""

    sku: str
    unavailable: bool
    at: datetime
