"""Orders and tickets after an event. Nothing is judged here."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, assert_never

from msgspec.structs import replace

from services.floor import domain_order_events as events
from services.floor.domain_floor import Floor, Line, Merge, Order, Ticket
from services.floor.domain_order_commands import ItemState

RECALLABLE: Final = 20
"""Bumped tickets that stay at hand."""

OrderEvent = (
    events.OrderPlaced
    | events.KitchenTicketIssued
    | events.CourseFired
    | events.CourseHeld
    | events.CourseScheduled
    | events.CourseAutoFired
    | events.ItemAdvanced
    | events.TicketBumped
    | events.TicketRecalled
    | events.TicketReprinted
    | events.LineCancelled
    | events.LinesMoved
    | events.OrdersMerged
    | events.OrdersUnmerged
    | events.EightySixChanged
)


def evolve_orders(floor: Floor, event: OrderEvent) -> Floor:  # noqa: C901, PLR0911, PLR0912 - one line for each event
    """The floor after an event about orders or the kitchen."""
    match event:
        case events.OrderPlaced():
            return _placed(floor, event)
        case events.KitchenTicketIssued():
            return _issued(floor, event)
        case events.CourseFired(party_id=party_id, course=course, line_ids=line_ids, at=at):
            return _fired(floor, party_id, course, line_ids=line_ids, at=at)
        case events.CourseAutoFired(party_id=party_id, course=course, line_ids=line_ids, effective_at=at):
            return _fired(floor, party_id, course, line_ids=line_ids, at=at)
        case events.CourseHeld(party_id=party_id, course=course, at=at):
            held = tuple(sorted({*floor.parties[party_id].held, course}))
            return active(floor, (party_id,), at, held=held, next_course=None, fires_at=None)
        case events.CourseScheduled(party_id=party_id, course=course, fires_at=fires_at):
            return with_party(floor, party_id, next_course=course, fires_at=fires_at)
        case events.ItemAdvanced(line_id=line_id, party_id=party_id, to=to, at=at):
            return active(with_lines(floor, (line_id,), state=to), (party_id,), at)
        case events.TicketBumped():
            return _bumped(floor, event)
        case events.TicketRecalled(ticket_id=ticket_id, party_id=party_id, line_ids=line_ids, at=at):
            floor = with_lines(with_ticket(floor, ticket_id, bumped_at=None), line_ids, state="IN_PROGRESS")
            return active(floor, (party_id,), at)
        case events.TicketReprinted(ticket_id=ticket_id, copy=copy):
            return with_ticket(floor, ticket_id, copies=copy)
        case events.LineCancelled():
            return _cancelled(floor, event)
        case events.LinesMoved():
            return _moved(floor, event)
        case events.OrdersMerged():
            return _merged(floor, event)
        case events.OrdersUnmerged():
            return _unmerged(floor, event)
        case events.EightySixChanged(sku=sku, unavailable=unavailable):
            others = {other for other in floor.eighty_six if other != sku}
            return replace(floor, eighty_six=tuple(sorted(others | {sku} if unavailable else others)))
        case _:
            assert_never(event)


def with_party(floor: Floor, party_id: str, **changes: Any) -> Floor:
    """The floor with a changed party; the same when it has gone."""
    party = floor.parties.get(party_id)
    if party is None:
        return floor
    return replace(floor, parties={**floor.parties, party_id: replace(party, **changes)})


def active(floor: Floor, party_ids: Iterable[str], at: datetime, **changes: Any) -> Floor:
    """The floor after activity of these parties: they are not idle."""
    for party_id in party_ids:
        floor = with_party(floor, party_id, idle_since=at, warned=False, **changes)
    return floor


def posted(floor: Floor, post: int) -> Floor:
    """The floor after a message to the till of this number; 0 is none."""
    return replace(floor, posts=max(floor.posts, post))


def with_lines(floor: Floor, line_ids: Iterable[str], **changes: Any) -> Floor:
    """The floor with changed lines."""
    changed = {line_id: replace(floor.lines[line_id], **changes) for line_id in line_ids if line_id in floor.lines}
    return replace(floor, lines={**floor.lines, **changed})


def with_ticket(floor: Floor, ticket_id: str, **changes: Any) -> Floor:
    """The floor with a changed ticket; the same when it is no longer kept."""
    ticket = floor.tickets.get(ticket_id)
    if ticket is None:
        return floor
    return replace(floor, tickets={**floor.tickets, ticket_id: replace(ticket, **changes)})


def without_party(floor: Floor, party_id: str) -> Floor:
    """The floor without a party, its orders, its tickets, and its bill when nobody else pays on it."""
    gone = floor.parties.get(party_id)
    if gone is None:
        return floor
    parties = _without(floor.parties, {party_id})
    orders = {order_id: order for order_id, order in floor.orders.items() if order.party_id != party_id}
    lines = _kept_lines(floor, party_id, orders)
    merges = {
        order_id: replace(merge, party_ids=tuple(other for other in merge.party_ids if other != party_id))
        for order_id, merge in floor.merges.items()
        if order_id in orders and merge.into_order in orders
    }
    paid_on = {tab_id for party in parties.values() for tab_id in (party.tab_id, *party.also)}
    paid_on |= {merge.from_tab_id for merge in merges.values()}
    return replace(
        floor,
        parties=parties,
        lines=lines,
        orders=orders,
        merges=merges,
        tabs={tab_id: tab for tab_id, tab in floor.tabs.items() if tab.party_tab in paid_on},
        tickets={
            ticket_id: ticket
            for ticket_id, ticket in floor.tickets.items()
            if any(delta.line_id in lines for delta in ticket.deltas)
        },
    )


def _kept_lines(floor: Floor, gone: str, orders: Mapping[str, Order]) -> dict[str, Line]:
    """The lines of all other parties; those that were merged into an order of this one go home."""
    homes = {home.line_id: home.order_id for merge in floor.merges.values() for home in merge.homes}
    first = {order.party_id: order_id for order_id, order in reversed(list(orders.items()))}
    kept = {line_id: line for line_id, line in floor.lines.items() if line.party_id != gone}
    for line_id, line in kept.items():
        home = homes.get(line_id, "")
        order_id = line.order_id if line.order_id in orders else home if home in orders else first[line.party_id]
        if order_id != line.order_id or (line.joined is not None and line.joined not in kept):
            kept[line_id] = replace(line, order_id=order_id, joined=None)
    return kept


def _placed(floor: Floor, event: events.OrderPlaced) -> Floor:
    added = {
        placed.line.line_id: Line(
            ordered=placed.line,
            order_id=event.order_id,
            party_id=event.party_id,
            station=placed.station,
            state="SENT" if placed.fired else "NEW",
        )
        for placed in event.lines
    }
    courses = {placed.line.course for placed in event.lines if placed.fired and placed.line.course is not None}
    fired = tuple(sorted({*floor.parties[event.party_id].fired, *courses}))
    order = Order(party_id=event.party_id, type=event.order_type)
    floor = replace(floor, lines={**floor.lines, **added}, orders={**floor.orders, event.order_id: order})
    floor = posted(floor, event.post)
    return active(floor, (event.party_id,), event.at, fired=fired, asked=event.post)


def _issued(floor: Floor, event: events.KitchenTicketIssued) -> Floor:
    ticket = Ticket(
        number=event.number,
        station=event.station,
        kind=event.kind,
        party_id=event.party_id,
        printed_for=event.table_ref,
        deltas=event.deltas,
        issued_at=event.at,
        allergies=event.allergies,
    )
    told = {
        delta.line_id: replace(line, sent=line.sent + delta.delta)
        for delta in event.deltas
        if (line := floor.lines.get(delta.line_id)) is not None
    }
    return replace(
        floor,
        lines={**floor.lines, **told},
        tickets={**floor.tickets, event.ticket_id: ticket},
        tickets_issued=event.number,
    )


def _fired(floor: Floor, party_id: str, course: int, *, line_ids: tuple[str, ...], at: datetime) -> Floor:
    party = floor.parties.get(party_id)
    if party is None:
        return floor
    return active(
        with_lines(floor, line_ids, state="SENT"),
        (party_id,),
        at,
        fired=tuple(sorted({*party.fired, course})),
        held=tuple(other for other in party.held if other != course),
        next_course=None,
        fires_at=None,
    )


def _bumped(floor: Floor, event: events.TicketBumped) -> Floor:
    floor = with_lines(with_ticket(floor, event.ticket_id, bumped_at=event.at), event.line_ids, state="READY")
    done = [ticket_id for ticket_id, ticket in floor.tickets.items() if ticket.bumped_at is not None]
    done.sort(key=lambda ticket_id: (floor.tickets[ticket_id].bumped_at, floor.tickets[ticket_id].number))
    floor = replace(floor, tickets=_without(floor.tickets, set(done[:-RECALLABLE])))
    return active(floor, (event.party_id,), event.at)


def _cancelled(floor: Floor, event: events.LineCancelled) -> Floor:
    line = floor.lines[event.line_id]
    cancelled = line.cancelled + event.qty
    state: ItemState = "CANCELLED" if cancelled >= line.ordered.qty else line.state
    floor = with_lines(posted(floor, event.post), (event.line_id,), cancelled=cancelled, state=state)
    return _unscheduled(active(floor, (event.party_id,), event.at), event.party_id)


def _unscheduled(floor: Floor, party_id: str) -> Floor:
    """The floor without a plan to fire a course of which nothing waits any more."""
    course = floor.parties[party_id].next_course
    waits = (line.state == "NEW" and line.ordered.course == course for _, line in floor.lines_of(party_id))
    if course is None or any(waits):
        return floor
    return with_party(floor, party_id, next_course=None, fires_at=None)


def _moved(floor: Floor, event: events.LinesMoved) -> Floor:
    if event.to_order not in floor.orders:
        opened = Order(party_id=event.to_party_id, type=event.order_type)
        floor = replace(floor, orders={**floor.orders, event.to_order: opened})
    floor = with_lines(posted(floor, event.post), event.line_ids, order_id=event.to_order, party_id=event.to_party_id)
    floor = _unscheduled(active(floor, (event.from_party_id, event.to_party_id), event.at), event.from_party_id)
    if event.from_tab_id == event.to_tab_id:
        return floor
    return with_party(floor, event.to_party_id, asked=event.post)


def _merged(floor: Floor, event: events.OrdersMerged) -> Floor:
    merge = Merge(
        into_order=event.into_order,
        from_tab_id=event.from_tab_id,
        into_tab_id=event.into_tab_id,
        party_ids=event.party_ids,
        homes=event.homes,
    )
    moved = {
        home.line_id: replace(
            floor.lines[home.line_id], order_id=event.into_order, joined=event.line_map.get(home.line_id, home.joined)
        )
        for home in event.homes
        if home.line_id in floor.lines
    }
    floor = replace(floor, lines={**floor.lines, **moved}, merges={**floor.merges, event.from_order: merge})
    return _on_tab(floor, event, event.into_tab_id, merged=True)


def _unmerged(floor: Floor, event: events.OrdersUnmerged) -> Floor:
    back = {
        home.line_id: replace(floor.lines[home.line_id], order_id=home.order_id, joined=home.joined)
        for home in event.homes
        if home.line_id in floor.lines
    }
    floor = replace(floor, lines={**floor.lines, **back}, merges=_without(floor.merges, {event.from_order}))
    return _on_tab(floor, event, event.from_tab_id, merged=False)


def _on_tab(floor: Floor, event: events.OrdersMerged | events.OrdersUnmerged, tab_id: str, *, merged: bool) -> Floor:
    """Parties pay on this tab from now on; what the till says of it is out of date."""
    floor = posted(floor, event.post)
    if not event.party_ids:
        return floor
    for party_id in event.party_ids:
        others = tuple(each for each in floor.parties[party_id].also if each != event.from_tab_id)
        also = (*others, event.from_tab_id) if merged else others
        floor = active(floor, (party_id,), event.at, tab_id=tab_id, also=also)
    for party_id, party in floor.parties.items():
        if party.tab_id == tab_id:
            floor = with_party(floor, party_id, asked=event.post)
    return floor


def _without(mapping: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}
