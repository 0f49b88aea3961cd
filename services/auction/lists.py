"""What may be asked of the list of lots, and what everyone in a tenant sees of a lot there."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from services.auction.domain_commands import LotType
from services.auction.domain_events import Result

ShownStatus = Literal[
    "scheduled", "open", "paused", "revealing", "sold", "offered", "settled", "unsold", "unpaid", "cancelled"
]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class LotFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    status: ShownStatus | None = None
    type: LotType | None = None
    seller: str | None = None
    ends_before: Instant | None = None
    ends_after: Instant | None = None
    """At this moment or later."""


class LotRow(msgspec.Struct, frozen=True, kw_only=True):
    """A lot in a list, by what is public in its view; who leads, and at which maximum, is not in it."""

    id: str
    seq: int
    """That of the lot's last event that the list knows."""
    status: ShownStatus
    type: LotType
    title: str
    seller: str
    currency: str
    price_minor: int | None
    bid_count: int
    has_reserve: bool
    reserve_met: bool
    opens_at: datetime
    ends_at: datetime
    result: Result | None
