"""The kitchen: tickets by station, and the states of lines.

A station is always told the difference between what there is to make of a line and what it was told before. Whatever
moves, merges or repeats, the sum of what it was told is what there is to make.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from holdfast import Context
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor import domain_order_commands as commands
from services.floor import domain_order_events as order_events
from services.floor.domain_floor import Floor, Line
from services.floor.domain_lookup import parts_of, ticket_named

Events = tuple[events.FloorEvent, ...]
STEPS: Final = ("SENT", "IN_PROGRESS", "READY", "SERVED")
_OPEN: Final = ("SENT", "IN_PROGRESS")


def advance_item(floor: Floor, command: commands.AdvanceItem, ctx: Context) -> Events:
    """Move a line on, with its parts; nothing when it is so far already."""
    parts = {line_id: floor.lines[line_id] for line_id in parts_of(floor, command.line_id)}
    wanted = {line_id: line for line_id, line in parts.items() if line.state != "CANCELLED"}
    if command.to not in STEPS[1:]:
        raise refusals.BadTransition(f"a line is moved on to one of {', '.join(STEPS[1:])}")
    if not wanted:
        raise refusals.BadTransition("this line is cancelled", state="CANCELLED")
    if any(line.state == "NEW" for line in wanted.values()):
        raise refusals.BadTransition("this line waits: fire its course first", state="NEW")
    behind = {line_id: line for line_id, line in wanted.items() if _step(line) < STEPS.index(command.to)}
    if not behind and all(_step(line) > STEPS.index(command.to) for line in wanted.values()):
        state = next(iter(wanted.values())).state
        raise refusals.BadTransition(f"this line is {state} already: only a recall leads back", state=state)
    return tuple(
        order_events.ItemAdvanced(line_id=line_id, party_id=line.party_id, from_=line.state, to=command.to, at=ctx.now)
        for line_id, line in behind.items()
    )


def _step(line: Line) -> int:
    return STEPS.index(line.state)


def bump(floor: Floor, command: commands.Bump, ctx: Context) -> Events:
    """Take a ticket off the screen; nothing when it is off."""
    ticket = ticket_named(floor, command.ticket_id)
    if ticket.bumped_at is not None:
        return ()
    asked = (delta.line_id for delta in ticket.deltas if delta.delta > 0)
    ready = tuple(key for key in asked if key in floor.lines and floor.lines[key].state in _OPEN)
    return (
        order_events.TicketBumped(ticket_id=command.ticket_id, party_id=ticket.party_id, line_ids=ready, at=ctx.now),
    )


def recall(floor: Floor, command: commands.Recall, ctx: Context) -> Events:
    """Put a ticket back on the screen; nothing when it is there."""
    ticket = ticket_named(floor, command.ticket_id)
    if ticket.bumped_at is None:
        return ()
    lines = {delta.line_id: floor.lines[delta.line_id] for delta in ticket.deltas if delta.line_id in floor.lines}
    if any(line.state == "SERVED" for line in lines.values()):
        raise refusals.BadTransition("something of this ticket is served: order it anew", state="SERVED")
    back = tuple(line_id for line_id, line in lines.items() if line.state == "READY")
    return (
        order_events.TicketRecalled(ticket_id=command.ticket_id, party_id=ticket.party_id, line_ids=back, at=ctx.now),
    )


def reprint_ticket(floor: Floor, command: commands.ReprintTicket, ctx: Context) -> Events:
    """Print a ticket once more."""
    ticket = ticket_named(floor, command.ticket_id)
    return (
        order_events.TicketReprinted(
            ticket_id=command.ticket_id,
            copy=ticket.copies + 1,
            number=ticket.number,
            station=ticket.station,
            kind=ticket.kind,
            table_ref=floor.ticket_ref(ticket),
            deltas=ticket.deltas,
            allergies=floor.allergies_of(ticket),
            at=ctx.now,
        ),
    )


def stations_with(floor: Floor, line_ids: Iterable[str]) -> tuple[str, ...]:
    """The stations at which a ticket with one of these lines still hangs."""
    lines = set(line_ids)
    hanging = (ticket for ticket in floor.tickets.values() if ticket.bumped_at is None)
    return tuple(
        sorted({ticket.station for ticket in hanging if any(delta.line_id in lines for delta in ticket.deltas)})
    )


def tickets_due(floor: Floor, ctx: Context, *, at: datetime) -> Iterator[order_events.KitchenTicketIssued]:
    """What stations have to be told now: a ticket for each party and station, cancellations apart from orders."""
    told: dict[tuple[str, str, bool], list[str]] = {}
    for line_id, line in floor.lines.items():
        if line.to_send:
            told.setdefault((line.party_id, line.station, line.to_send > 0), []).append(line_id)
    for number, ((party_id, station, more), line_ids) in enumerate(told.items(), start=floor.tickets_issued + 1):
        kind: order_events.TicketKind = "order" if more else "cancel"
        yield order_events.KitchenTicketIssued(
            ticket_id=ctx.new_id(f"ticket {kind} {station} {party_id}"),
            number=number,
            station=station,
            kind=kind,
            party_id=party_id,
            table_ref=floor.table_ref(floor.parties[party_id].table_ids),
            deltas=tuple(_delta(line_id, floor.lines[line_id]) for line_id in line_ids),
            allergies=floor.parties[party_id].allergies,
            at=at,
        )


def _delta(line_id: str, line: Line) -> order_events.LineDelta:
    of = line.ordered
    return order_events.LineDelta(
        line_id=line_id,
        sku=of.sku,
        delta=line.to_send,
        mods=of.mods,
        seat=of.seat,
        course=of.course,
        note=of.note,
    )
