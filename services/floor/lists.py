"""What may be asked of the lists of floors, and what their items show. How to reach guests stands in none of them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from services.floor.domain_commands import TableStatus
from services.floor.domain_order_events import TicketKind

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
ReservationStatus = Literal["booked", "held", "arrived", "seated", "cancelled", "no_show"]
WaitingStatus = Literal["waiting", "called", "seated", "removed", "left"]
TurnEnd = Literal["cleared", "paid", "not_ordered"]
Late = Literal["target", "alert"]


class TableFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    status: TableStatus | None = None
    section: str | None = None
    waiter: str | None = None
    late_at: Instant | None = None
    """Tables whose stage takes longer than it should at this time."""


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A table, its status, and from when on that takes too long."""

    id: str
    """The floor."""
    table_id: str
    name: str
    section: str
    max: int
    status: TableStatus
    since: datetime
    target_at: datetime | None
    alert_at: datetime | None
    party_id: str | None
    waiter_id: str | None


class TicketFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    station: str | None = None
    open: bool | None = None
    table_ref: str | None = None
    issued_after: Instant | None = None
    """At this moment or later."""
    issued_before: Instant | None = None


class TicketRow(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket of the kitchen, and how many seconds it took."""

    id: str
    ticket_id: str
    number: int
    station: str
    kind: TicketKind
    table_ref: str
    party_id: str
    items: str
    issued_at: datetime
    bumped_at: datetime | None
    seconds: int | None
    copies: int
    open: bool


class ReservationFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    status: ReservationStatus | None = None
    starts_after: Instant | None = None
    """At this moment or later."""
    starts_before: Instant | None = None


class ReservationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation and what became of it."""

    id: str
    res_id: str
    name: str
    size: int
    tables: str
    start: datetime
    end: datetime
    status: ReservationStatus


class WaitingFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    status: WaitingStatus | None = None
    joined_after: Instant | None = None
    """At this moment or later."""
    joined_before: Instant | None = None


class WaitingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A party of the waitlist: how long it was told to wait, and how long it did."""

    id: str
    party_id: str
    size: int
    joined_at: datetime
    quote_min: int
    waited_min: int | None
    error_min: int | None
    """By how much the wait was longer than quoted; negative when it was shorter."""
    skips: int
    status: WaitingStatus


class TurnFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    waiter: str | None = None
    table_ref: str | None = None
    late: Late | None = None
    """With a stage that took longer than its target, or than its alert."""
    seated_after: Instant | None = None
    """At this moment or later."""
    seated_before: Instant | None = None


class TurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """A party's turn at its table. Stages are seconds, null when one was skipped or is not over.

    `…_late` tells of each whether it took longer than the alert of that time, or than the target; null when in time.
    """

    id: str
    party_id: str
    table_ref: str
    size: int
    waiter_id: str | None
    seated_at: datetime
    left_at: datetime | None
    ended_by: TurnEnd | None
    seated_s: int | None
    """From sitting down to the first order."""
    ordered_s: int | None
    """From there until everything was served."""
    served_s: int | None
    """From there to the check."""
    check_s: int | None
    """From there until they left."""
    dirty_s: int | None
    """From there until the table was ready again."""
    seated_late: Late | None
    ordered_late: Late | None
    served_late: Late | None
    check_late: Late | None
    dirty_late: Late | None
    alerts: int
    """How many of these stages took longer than the alert of that time."""


class HeatFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    floor: str | None = None
    month: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")] | None = None
    table: str | None = None


class HeatRow(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a table was in an hour of a weekday (0 is Monday), over the whole month."""

    id: str
    table_id: str
    month: str
    """Such as `2026-01`, by the clock on the wall, as all of this."""
    weekday: int
    hour: int
    turns: int
    """Parties that sat down there."""
    covers: int
    """Their guests; those of a party at several tables are spread over them."""
    seconds: int
    """How long somebody sat there."""
