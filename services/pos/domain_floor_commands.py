"""What the floor tells the till: facts, which are recorded and flagged but not refused.

`post` numbers what a floor tells; the till says with its answer up to which number it has heard.
"""

from typing import Annotated, Final

import msgspec

from holdfast import Command
from services.pos.domain_roles import SERVICES
from services.pos.domain_terms import Course, Guests, Key, Modifier, OrderType, Part, Seat, Units, Words

LINES_AT_ONCE: Final = 500
Post = Annotated[int, msgspec.Meta(ge=0)]


class PostedLine(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A line that the kitchen already has."""

    line_id: Key
    sku: Key
    qty_milli: Units
    unit_price_minor: Units | None = None
    """That of the catalogue when left out."""
    modifiers: tuple[Modifier, ...] = ()
    """At the prices at which the item offers them, if it does; one below 0 is a manager's, and stays."""
    seat: Seat | None = None
    course: Course | None = None
    note: Words = ""


class PostOrder(Command, tag="post_order"):
    """Put an order that the kitchen has on its tab, which is opened when it is not there."""

    roles = SERVICES

    tab_id: Key
    floor: Key
    """The id of the floor, without purpose and tenant."""
    post: Post = 0
    table_ref: Key | None = None
    guest_count: Guests | None = None
    order_id: Key | None = None
    order_type: OrderType = "dine_in"
    lines: Annotated[tuple[PostedLine, ...], msgspec.Meta(max_length=LINES_AT_ONCE)] = ()


class PostCancel(Command, tag="post_cancel"):
    """Take off what the floor cancelled."""

    roles = SERVICES

    floor: Key | None = None
    post: Post = 0
    tab_id: Key
    line_id: Key
    qty_milli: Units | None = None
    """All when left out."""
    reason_code: str = ""
    by: Words | None = None
    """Who cancelled it."""
    unapproved: bool = False
    """Whether the kitchen had it, and no manager cancelled it."""


class PostMove(Command, tag="post_move"):
    """Put lines on another tab, as the floor has them on another table."""

    roles = SERVICES

    floor: Key | None = None
    post: Post = 0
    from_tab_id: Key
    to_tab_id: Key
    table_ref: Key | None = None
    line_ids: Annotated[tuple[Key, ...], msgspec.Meta(max_length=LINES_AT_ONCE)]


class PostTable(Command, tag="post_table"):
    """Follow a party to another table."""

    roles = SERVICES

    floor: Key | None = None
    post: Post = 0
    tab_id: Key
    table_ref: Key


class PostMerge(Command, tag="post_merge"):
    """Put two parties' tabs together."""

    roles = SERVICES

    floor: Key | None = None
    post: Post = 0
    from_tab_id: Key
    into_tab_id: Key


class PostUnmerge(Command, tag="post_unmerge"):
    """Undo a merge: these lines go back to a tab of their own."""

    roles = SERVICES

    floor: Key | None = None
    post: Post = 0
    from_tab_id: Key
    """The tab that was merged, and comes back."""
    into_tab_id: Key
    line_ids: Annotated[tuple[Key, ...], msgspec.Meta(max_length=LINES_AT_ONCE)]


FloorCommand = PostOrder | PostCancel | PostMove | PostTable | PostMerge | PostUnmerge
