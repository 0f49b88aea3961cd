"""A restaurant floor: one entity per floor. What it may be asked, and what follows, stands here in one place.

The rules stand next to it, each file pure: `domain_tables` (who sits where), `domain_layouts` (how tables stand at which
part of the day), `domain_till` (the till's word), `domain_orders` and `domain_kitchen` (what is made for guests),
`domain_reservations`, `domain_waitlist`, `domain_waiters`, and `domain_deadlines` (what time does). The floor owns tables,
parties and the state of the kitchen; the till owns money and stock, and tells of both by commands.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from holdfast import Actor, Audience, Context, Entity
from services.floor import domain_commands as commands
from services.floor import domain_events as events
from services.floor import domain_kitchen as kitchen
from services.floor import domain_layouts as layouts
from services.floor import domain_order_events as order_events
from services.floor import domain_orders as orders
from services.floor import domain_reservations as reservations
from services.floor import domain_tables as tables
from services.floor import domain_till as till
from services.floor import domain_waiters as waiters
from services.floor import domain_waitlist as waitlist
from services.floor.domain_commands import FloorCommand
from services.floor.domain_consequences import with_consequences
from services.floor.domain_deadlines import next_deadline, on_deadline
from services.floor.domain_events import FloorEvent
from services.floor.domain_floor import Floor
from services.floor.domain_fold import evolve
from services.floor.domain_roles import BILLING, CARING, FRONT, STAFF
from services.floor.domain_seen import FloorView
from services.floor.domain_view import view

Events = tuple[FloorEvent, ...]


class RestaurantFloor(Entity[Floor, FloorCommand, FloorEvent]):
    """A floor, from its first layout on, night after night."""

    purpose = "floor"
    initial = Floor()

    def decide(self, floor: Floor, command: FloorCommand, ctx: Context, /) -> Sequence[FloorEvent]:
        """Judge a command, and add what follows from it."""
        return with_consequences(floor, judge(floor, command, ctx), ctx)

    def evolve(self, floor: Floor, event: FloorEvent, /) -> Floor:
        """Obey an event."""
        return evolve(floor, event)

    def alarm_at(self, floor: Floor, /) -> datetime | None:
        """The earliest deadline."""
        deadline = next_deadline(floor)
        return None if deadline is None else deadline[0]

    def on_alarm(self, floor: Floor, ctx: Context, /) -> Sequence[FloorEvent]:
        """What the earliest deadline causes, and what follows from that."""
        event = on_deadline(floor, ctx)
        return () if event is None else with_consequences(floor, (event,), ctx)

    def view(self, floor: Floor, viewer: Actor, /) -> FloorView:
        """The floor as staff sees it; how to reach guests is for those who meet them."""
        return view(floor, viewer)

    def audience(self, event: FloorEvent, floor: Floor, /) -> Audience | None:
        """Everyone on the floor sees every event; how to reach guests, who they are, what they must not eat and owe not all."""
        match event:
            case events.Reserved() | events.Waitlisted():
                return Audience(fields={"contact": FRONT, "vip": FRONT, "allergies": CARING})
            case events.PartySeated() | events.PartyFlagged():
                return Audience(fields={"vip": FRONT, "allergies": CARING})
            case order_events.KitchenTicketIssued() | order_events.TicketReprinted():
                return Audience(fields={"allergies": CARING})
            case events.TabRecorded():
                return Audience(fields={"balance_minor": BILLING, "paid_minor": BILLING, "prices": BILLING})
            case events.TableAttention():
                return Audience(fields={"balance_minor": BILLING})
            case _:
                return None

    def may_read(self, floor: Floor, viewer: Actor, /) -> bool:
        """Staff, and services such as the till."""
        return not STAFF.isdisjoint(viewer.roles)


def judge(floor: Floor, command: FloorCommand, ctx: Context) -> Events:  # noqa: C901, PLR0911, PLR0912 - one line for each command
    """What a command itself causes."""
    match command:
        case commands.ConfigureFloor():
            return tables.configure_floor(floor, command)
        case commands.SaveLayout():
            return layouts.save_layout(floor, command)
        case commands.DropLayout():
            return layouts.drop_layout(floor, command)
        case commands.ApplyLayout():
            return layouts.apply_layout(floor, command)
        case commands.ChangeSettings():
            return tables.change_settings(floor, command)
        case commands.SeatParty():
            return tables.seat_party(floor, command, ctx)
        case commands.FlagParty():
            return tables.flag_party(floor, command, ctx)
        case commands.MoveParty():
            return tables.move_party(floor, command, ctx)
        case commands.LinkTables():
            return tables.link_tables(floor, command, ctx)
        case commands.UnlinkTables():
            return tables.unlink_tables(floor, command, ctx)
        case commands.SetStatus():
            return tables.set_status(floor, command, ctx)
        case commands.ClearTable():
            return tables.clear_table(floor, command, ctx)
        case commands.BlockTable():
            return tables.block_table(floor, command, ctx)
        case commands.Touch():
            return tables.touch(floor, command, ctx)
        case commands.RecordTab():
            return till.record_tab(floor, command, ctx)
        case commands.RecordHeard():
            return till.record_heard(floor, command, ctx)
        case commands.RecordBank():
            return till.record_bank(floor, command, ctx)
        case commands.RecordVoid():
            return orders.record_void(floor, command, ctx)
        case commands.PlaceOrder():
            return orders.place_order(floor, command, ctx)
        case commands.FireCourse():
            return orders.fire_course(floor, command, ctx)
        case commands.HoldCourse():
            return orders.hold_course(floor, command, ctx)
        case commands.CancelLine():
            return orders.cancel_line(floor, command, ctx)
        case commands.MoveLines():
            return orders.move_lines(floor, command, ctx)
        case commands.MergeOrders():
            return orders.merge_orders(floor, command, ctx)
        case commands.Unmerge():
            return orders.unmerge(floor, command, ctx)
        case commands.SetEightySix():
            return orders.set_eighty_six(floor, command, ctx)
        case commands.AdvanceItem():
            return kitchen.advance_item(floor, command, ctx)
        case commands.Bump():
            return kitchen.bump(floor, command, ctx)
        case commands.Recall():
            return kitchen.recall(floor, command, ctx)
        case commands.ReprintTicket():
            return kitchen.reprint_ticket(floor, command, ctx)
        case commands.ClockIn():
            return waiters.clock_in(floor, command, ctx)
        case commands.ClockOut():
            return waiters.clock_out(floor, command, ctx)
        case commands.AssignWaiter():
            return waiters.assign_waiter(floor, command, ctx)
        case commands.HandOver():
            return waiters.hand_over(floor, command, ctx)
        case commands.Reserve():
            return reservations.reserve(floor, command, ctx)
        case commands.CancelReservation():
            return reservations.cancel_reservation(floor, command, ctx)
        case commands.Arrive():
            return reservations.arrive(floor, command, ctx)
        case commands.JoinWaitlist():
            return waitlist.join_waitlist(floor, command, ctx)
        case commands.NotifyParty():
            return waitlist.notify_party(floor, command, ctx)
        case commands.LeaveWaitlist():
            return waitlist.leave_waitlist(floor, command, ctx)
        case _:
            assert_never(command)
