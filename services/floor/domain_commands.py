"""What people may ask of a floor."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from holdfast import Command
from services.floor import domain_errors as refusals
from services.floor.domain_order_commands import (
    AdvanceItem,
    Amount,
    Bump,
    CancelLine,
    FireCourse,
    HoldCourse,
    MergeOrders,
    MoveLines,
    PlaceOrder,
    Quantity,
    Recall,
    RecordBank,
    ReprintTicket,
    SetEightySix,
    Unmerge,
)
from services.floor.domain_roles import HOSTS, MANAGERS, SERVICE, WAITERS
from services.floor.domain_settings import (
    MAX_TABLES,
    Allergies,
    Covers,
    DayPart,
    Key,
    Label,
    Moment,
    Settings,
    TableLayout,
    TillKey,
    UserId,
)

Version = Annotated[int, msgspec.Meta(ge=0)]
Heard = Annotated[int, msgspec.Meta(ge=0)]
"""The number of the newest message of this floor that the till has dealt with."""
Tables = Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=50)]
TableStatus = Literal[
    "AVAILABLE", "RESERVED", "SEATED", "ORDERED", "SERVED", "CHECK_DROPPED", "PAID", "DIRTY", "BLOCKED"
]
TabStatus = Literal["OPEN", "PAYING", "PAID", "CLOSED", "VOIDED", "MERGED", "REOPENED"]

_TAKING_TABLES = (refusals.TableOccupied, refusals.TableBlocked, refusals.BadTransition, refusals.ReservedSoon)


class ConfigureFloor(Command, tag="configure_floor"):
    """Set the tables; the first one opens the floor, with `expected_version` 0."""

    roles = MANAGERS
    creates = True
    raises = (refusals.TableInUse,)

    tables: Annotated[tuple[TableLayout, ...], msgspec.Meta(max_length=MAX_TABLES)]
    expected_version: Version


class SaveLayout(Command, tag="save_layout"):
    """Keep a layout under a name, with the parts of the day at which the clock lays it out; `expected_version` 0 is a new one."""

    roles = MANAGERS

    layout_id: Key
    name: Label = ""
    tables: Annotated[tuple[TableLayout, ...], msgspec.Meta(max_length=MAX_TABLES)]
    begins: Annotated[tuple[DayPart, ...], msgspec.Meta(max_length=20)] = ()
    expected_version: Version


class DropLayout(Command, tag="drop_layout"):
    """Keep a layout no longer; the tables stand as they do."""

    roles = MANAGERS

    layout_id: Key
    expected_version: Version


class ApplyLayout(Command, tag="apply_layout"):
    """Set the tables as a layout has them, now."""

    roles = MANAGERS
    raises = (refusals.TableInUse,)

    layout_id: Key


class ChangeSettings(Command, tag="change_settings"):
    """Replace all settings; what stands already, such as a reservation's times, stays as it was promised."""

    roles = MANAGERS

    settings: Settings
    expected_version: Version


class SeatParty(Command, tag="seat_party"):
    """Seat a party, from the door, the waitlist (by its `party_id`) or a reservation. `force` is for managers."""

    roles = WAITERS
    raises = (*_TAKING_TABLES, refusals.OverCapacity, refusals.NotOnShift)

    party_id: Key
    table_ids: Tables
    size: Covers
    waiter_id: UserId | None = None
    """The waiter of the table when left out."""
    name: Label | None = None
    reservation_id: Key | None = None
    force: bool = False
    vip: bool = False
    allergies: Allergies = ()
    """Added to those of the reservation, or of the waitlist."""


class FlagParty(Command, tag="flag_party"):
    """Note whom a party is, and what it must not eat; what is left out stays. The kitchen hears of allergies at once."""

    roles = WAITERS

    party_id: Key
    vip: bool | None = None
    add_allergies: Allergies = ()
    drop_allergies: Allergies = ()


class MoveParty(Command, tag="move_party"):
    """Give a party other tables; it may keep some of its own."""

    roles = WAITERS
    raises = (*_TAKING_TABLES, refusals.PaymentInProgress, refusals.OverCapacity)

    party_id: Key
    to_table_ids: Tables
    force: bool = False


class LinkTables(Command, tag="link_tables"):
    """Add tables to those of a party, until it leaves."""

    roles = WAITERS
    raises = _TAKING_TABLES

    party_id: Key
    table_ids: Tables


class UnlinkTables(Command, tag="unlink_tables"):
    """Take tables from a party, which keeps at least one."""

    roles = WAITERS
    raises = (refusals.NotMerged,)

    party_id: Key
    table_ids: Tables


class ClockIn(Command, tag="clock_in"):
    """Begin a shift; the sender's when `waiter_id` is left out."""

    roles = WAITERS

    waiter_id: UserId | None = None


class ClockOut(Command, tag="clock_out"):
    """End a shift, with no party left and no bank to settle."""

    roles = WAITERS
    raises = (refusals.OpenTables, refusals.BankOpen)

    waiter_id: UserId | None = None


class AssignWaiter(Command, tag="assign_waiter"):
    """Give a section, or a single table in spite of its section, to a waiter; to nobody when `waiter` is null."""

    roles = HOSTS
    raises = (refusals.NotOnShift,)

    section: Key | None = None
    table: Key | None = None
    waiter: UserId | None = None


class HandOver(Command, tag="hand_over"):
    """Give all parties, sections and tables of one waiter to another, at once."""

    roles = WAITERS
    raises = (refusals.NotOnShift,)

    from_: UserId = msgspec.field(name="from")
    to: UserId


class SetStatus(Command, tag="set_status"):
    """Set a status by hand. It stands until the next fact, such as an order or a payment, says otherwise."""

    roles = WAITERS
    raises = (refusals.BalanceDue, refusals.BadTransition)

    table: Key
    status: TableStatus
    reason: Label = ""


class ClearTable(Command, tag="clear_table"):
    """The party has left: its tables are dirty now, and no longer linked."""

    roles = WAITERS
    raises = (refusals.BalanceDue,)

    table: Key


class BlockTable(Command, tag="block_table"):
    """Take a table out of use that nobody sits at."""

    roles = HOSTS
    raises = (refusals.BadTransition, refusals.ReasonRequired)

    table: Key
    reason: Label


class Touch(Command, tag="touch"):
    """Somebody looked after the table: it is not idle."""

    roles = WAITERS
    raises = (refusals.TableNotSeated,)

    table_id: Key


class RecordTab(Command, tag="record_tab"):
    """What the till says of a tab; an older report than the newest known is left alone."""

    roles = SERVICE

    tab_id: TillKey
    status: TabStatus
    balance_minor: Amount
    paid_minor: Amount = 0
    currency: Annotated[str, msgspec.Meta(max_length=3)] = ""
    bill_printed: bool = False
    pos_seq: Annotated[int, msgspec.Meta(ge=0)]
    branch_of: TillKey | None = None
    """The tab that the floor opened, when the till made this one of it."""
    into: TillKey | None = None
    """Where the lines of a tab are that the till merged."""
    heard: Heard = 0
    prices: Annotated[Mapping[TillKey, Amount], msgspec.Meta(max_length=500)] = {}
    """What one costs of each line that it put on the tab with this, before its wishes."""


class RecordHeard(Command, tag="record_heard"):
    """The till has done what the floor told it up to this number."""

    roles = SERVICE

    heard: Heard


class RecordVoid(Command, tag="record_void"):
    """The till has voided so much of a line: what is not served of it is not wanted any more."""

    roles = SERVICE

    line_id: Key
    qty_milli: Quantity
    reason: Label = ""


class Reserve(Command, tag="reserve"):
    """Keep tables for a party: the named ones, or the smallest that fit."""

    roles = HOSTS
    raises = (
        refusals.NoCapacity,
        refusals.PacingLimit,
        refusals.LeadTime,
        refusals.OutOfHours,
        refusals.OverCapacity,
    )

    res_id: Key
    start: Moment
    size: Covers
    table_ids: Annotated[tuple[Key, ...], msgspec.Meta(max_length=50)] = ()
    name: Label = ""
    contact: Label = ""
    """Not shown to the kitchen."""
    note: Label = ""
    vip: bool = False
    allergies: Allergies = ()


class CancelReservation(Command, tag="cancel_reservation"):
    """Give the tables of a reservation free."""

    roles = HOSTS

    res_id: Key
    reason: Label = ""


class Arrive(Command, tag="arrive"):
    """The guests of a reservation are here; seat them with its id."""

    roles = HOSTS

    res_id: Key


class JoinWaitlist(Command, tag="join_waitlist"):
    """Wait for a table; the answer quotes how long that will take."""

    roles = HOSTS

    party: Key
    size: Covers
    name: Label = ""
    contact: Label = ""
    vip: bool = False
    allergies: Allergies = ()


class NotifyParty(Command, tag="notify_party"):
    """Call a party to a table that is free for it: the first one that fits when `party` or `table` is left out."""

    roles = HOSTS
    raises = (refusals.NoCapacity,)

    party: Key | None = None
    table: Key | None = None


class LeaveWaitlist(Command, tag="leave_waitlist"):
    """A party does not wait any longer."""

    roles = HOSTS

    party: Key


FloorCommand = (
    ConfigureFloor
    | SaveLayout
    | DropLayout
    | ApplyLayout
    | ChangeSettings
    | SeatParty
    | FlagParty
    | PlaceOrder
    | FireCourse
    | HoldCourse
    | AdvanceItem
    | Bump
    | Recall
    | ReprintTicket
    | CancelLine
    | MoveParty
    | MoveLines
    | MergeOrders
    | Unmerge
    | LinkTables
    | UnlinkTables
    | ClockIn
    | ClockOut
    | AssignWaiter
    | HandOver
    | SetStatus
    | ClearTable
    | BlockTable
    | Touch
    | RecordTab
    | RecordHeard
    | RecordBank
    | RecordVoid
    | SetEightySix
    | Reserve
    | CancelReservation
    | Arrive
    | JoinWaitlist
    | NotifyParty
    | LeaveWaitlist
)
