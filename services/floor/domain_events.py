"""What happened on a floor.

Events carry what was decided, and `at`: when it counts as done. Deadlines have `effective_at` in its place, and `cause`
tells how they were found. Prices stand in the till's log; here they only tell which lines are alike.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from holdfast import Event
from services.floor.domain_commands import TableStatus, TabStatus
from services.floor.domain_layout_events import (
    LayoutBegan,
    LayoutDropped,
    LayoutSaved,
    LayoutScheduled,
    LayoutWaits,
)
from services.floor.domain_order_events import (
    CourseAutoFired,
    CourseFired,
    CourseHeld,
    CourseScheduled,
    EightySixChanged,
    ItemAdvanced,
    KitchenTicketIssued,
    LineCancelled,
    LinesMoved,
    OrderPlaced,
    OrdersMerged,
    OrdersUnmerged,
    TicketBumped,
    TicketRecalled,
    TicketReprinted,
)
from services.floor.domain_settings import Settings, TableLayout

Leaves = Literal["AVAILABLE", "DIRTY"]


class FloorConfigured(Event, tag="floor_configured"):
    """The tables are these now."""

    tables: tuple[TableLayout, ...]
    version: int
    layout_id: str | None = None
    """The layout that they were taken from, when one was."""


class SettingsChanged(Event, tag="settings_changed"):
    """The floor is run like this now."""

    settings: Settings
    version: int


class PartySeated(Event, tag="party_seated"):
    """A party sits down; all its orders go on `tab_id`. It is expected to stay until `until`."""

    party_id: str
    table_ids: tuple[str, ...]
    table_ref: str
    size: int
    tab_id: str
    until: datetime
    at: datetime
    waiter_id: str | None = None
    name: str | None = None
    reservation_id: str | None = None
    waiting_since: datetime | None = None
    """For a party of the waitlist, with the wait that it was told."""
    quote_min: int | None = None
    forced: bool = False
    vip: bool = False
    allergies: tuple[str, ...] = ()


class PartyFlagged(Event, tag="party_flagged"):
    """Who a party is, and what it must not eat, as it stands now."""

    party_id: str
    vip: bool
    allergies: tuple[str, ...]
    table_ref: str
    stations: tuple[str, ...] = ()
    """Where tickets of the party hang, when they have to hear of it."""
    at: datetime


class PartyMoved(Event, tag="party_moved"):
    """A party sits elsewhere; `note` tells the kitchen, for which nothing else changes."""

    party_id: str
    tab_id: str
    from_table_ids: tuple[str, ...]
    to_table_ids: tuple[str, ...]
    table_ref: str
    note: str
    stations: tuple[str, ...] = ()
    """Where tickets of the party hang."""
    till: str | None = None
    post: int = 0
    """Its number among what the till is told."""
    at: datetime


class TablesLinked(Event, tag="tables_linked"):
    """A party has these tables too."""

    party_id: str
    table_ids: tuple[str, ...]
    at: datetime


class TablesUnlinked(Event, tag="tables_unlinked"):
    """A party has these tables no more."""

    party_id: str
    table_ids: tuple[str, ...]
    at: datetime


class TableStatusChanged(Event, tag="table_status_changed"):
    """The status of tables, `derived` from what happened or set by hand (`manual`)."""

    table_ids: tuple[str, ...]
    party_id: str | None = None
    from_: TableStatus = msgspec.field(name="from")
    to: TableStatus
    cause: Literal["derived", "manual"]
    reason: str = ""
    at: datetime


class TableTouched(Event, tag="table_touched"):
    """Somebody looked after a party."""

    party_id: str
    at: datetime


class PartyLeft(Event, tag="party_left"):
    """A party has gone, and left its tables like this."""

    party_id: str
    table_ids: tuple[str, ...]
    tab_id: str
    leaves: Leaves
    at: datetime
    till: str | None = None
    """The till that is told of it, when it was told of something before."""


class TableAutoClosed(Event, tag="table_auto_closed"):
    """Idle for too long with nothing to pay: `paid`, or nothing was ever ordered."""

    party_id: str
    table_ids: tuple[str, ...]
    tab_id: str
    reason: Literal["paid", "not_ordered"]
    leaves: Leaves
    effective_at: datetime
    cause: str
    till: str | None = None
    """The till that is told of it, when it was told of something before."""


class TableAttention(Event, tag="table_attention"):
    """Idle for too long with an open bill: for the waiter and the managers, since no timer closes money."""

    party_id: str
    table_ids: tuple[str, ...]
    waiter_id: str | None
    balance_minor: int
    idle_since: datetime
    effective_at: datetime
    cause: str


class TabRecorded(Event, tag="tab_recorded"):
    """The till's word on a tab; `party_tab` is the one that the floor opened, from which the till may branch off others."""

    tab_id: str
    party_tab: str
    status: TabStatus
    balance_minor: int
    paid_minor: int
    currency: str
    bill_printed: bool
    pos_seq: int
    into: str | None = None
    """Where its lines are, when the till merged it."""
    prices: Mapping[str, int] = {}
    """What one costs of these lines, before its wishes."""
    at: datetime


class TillHeard(Event, tag="till_heard"):
    """The till has dealt with what it was told up to this number."""

    post: int
    at: datetime


class BankRecorded(Event, tag="bank_recorded"):
    """A waiter has a bank of cash at the till, or has settled it."""

    waiter_id: str
    is_open: bool
    at: datetime


class WaiterClockedIn(Event, tag="waiter_clocked_in"):
    """A shift began."""

    waiter_id: str
    at: datetime


class WaiterClockedOut(Event, tag="waiter_clocked_out"):
    """A shift ended."""

    waiter_id: str
    at: datetime


class WaiterAssigned(Event, tag="waiter_assigned"):
    """A section or a table has this waiter, and so have the parties there that are named."""

    waiter_id: str | None
    section: str | None = None
    table_id: str | None = None
    party_ids: tuple[str, ...] = ()
    at: datetime


class TablesHandedOver(Event, tag="tables_handed_over"):
    """All that was one waiter's is another's."""

    from_waiter: str
    to_waiter: str
    party_ids: tuple[str, ...]
    table_ids: tuple[str, ...]
    sections: tuple[str, ...]
    at: datetime


class Reserved(Event, tag="reserved"):
    """Tables are kept for `[start, end)`, held from `hold_from` on, and free again at `no_show_at` if nobody comes."""

    res_id: str
    table: str | None = None
    """The table, when one is enough."""
    table_ids: tuple[str, ...]
    size: int
    start: datetime
    end: datetime
    hold_from: datetime
    no_show_at: datetime
    name: str = ""
    contact: str = ""
    note: str = ""
    vip: bool = False
    allergies: tuple[str, ...] = ()
    at: datetime


class ReservationHeld(Event, tag="reservation_held"):
    """The tables are kept from others from now on."""

    res_id: str
    table_ids: tuple[str, ...]
    effective_at: datetime
    cause: str


class ReservationCancelled(Event, tag="reservation_cancelled"):
    """Somebody gave the tables free."""

    res_id: str
    reason: str
    at: datetime


class PartyArrived(Event, tag="party_arrived"):
    """The guests of a reservation are here."""

    res_id: str
    at: datetime


class ReservationNoShow(Event, tag="reservation_no_show"):
    """Nobody came within the grace, or those who came were not seated before the end of their time."""

    res_id: str
    table_ids: tuple[str, ...]
    arrived: bool
    effective_at: datetime
    cause: str


class Waitlisted(Event, tag="waitlisted"):
    """A party waits, and was told how long."""

    party_id: str
    size: int
    quote_min: int
    name: str = ""
    contact: str = ""
    vip: bool = False
    allergies: tuple[str, ...] = ()
    at: datetime


class PartyNotified(Event, tag="party_notified"):
    """A party was called to a table, which is kept for it until `arrive_by`."""

    party_id: str
    table_id: str
    arrive_by: datetime
    at: datetime


class PartySkipped(Event, tag="party_skipped"):
    """A party that was called did not come; the second time it is `removed`."""

    party_id: str
    table_id: str
    skips: int
    removed: bool
    effective_at: datetime
    cause: str


class WaitlistLeft(Event, tag="waitlist_left"):
    """A party does not wait any longer."""

    party_id: str
    at: datetime


FloorEvent = (
    FloorConfigured
    | LayoutSaved
    | LayoutDropped
    | LayoutScheduled
    | LayoutBegan
    | LayoutWaits
    | SettingsChanged
    | PartySeated
    | PartyFlagged
    | PartyMoved
    | TablesLinked
    | TablesUnlinked
    | TableStatusChanged
    | TableTouched
    | PartyLeft
    | TableAutoClosed
    | TableAttention
    | TabRecorded
    | TillHeard
    | BankRecorded
    | OrderPlaced
    | KitchenTicketIssued
    | CourseFired
    | CourseHeld
    | CourseScheduled
    | CourseAutoFired
    | ItemAdvanced
    | TicketBumped
    | TicketRecalled
    | TicketReprinted
    | LineCancelled
    | LinesMoved
    | OrdersMerged
    | OrdersUnmerged
    | EightySixChanged
    | WaiterClockedIn
    | WaiterClockedOut
    | WaiterAssigned
    | TablesHandedOver
    | Reserved
    | ReservationHeld
    | ReservationCancelled
    | PartyArrived
    | ReservationNoShow
    | Waitlisted
    | PartyNotified
    | PartySkipped
    | WaitlistLeft
)
