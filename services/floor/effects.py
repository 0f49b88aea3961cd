"""What a floor causes elsewhere, after the commit: slips on the kitchen's printers, and lines on the till's bills."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from holdfast import Actor, Command, Name
from holdfast.sql import StoredEvent
from holdfast.worker import Effect, Job, Reactor, Send
from services.floor import domain_events as events
from services.floor import domain_order_events as order_events
from services.floor.domain_events import FloorEvent
from services.floor.domain_roles import MANAGERS
from services.floor.printing import KitchenPrinter, PrintedLine, Slip
from services.pos import contract as pos


class Kitchen(Reactor[FloorEvent]):
    """Prints every ticket once, copies of it on demand, and a word where guests have moved to."""

    purpose = "floor"
    name = "kitchen"

    def react(self, stored: StoredEvent[FloorEvent], /) -> Sequence[Effect]:
        """The slips that an event asks for."""
        match stored.event:
            case order_events.KitchenTicketIssued() as issued:
                return [_slip(_ticket(issued, copy=1))]
            case order_events.TicketReprinted(copy=copy) as reprinted:
                return [_slip(_ticket(reprinted, copy=copy))]
            case (
                events.PartyMoved(stations=stations, note=note) | order_events.LinesMoved(stations=stations, note=note)
            ):
                return [_slip(Slip(station=station, kind="moved", table_ref=note)) for station in stations]
            case events.PartyFlagged(stations=stations, table_ref=table_ref, allergies=allergies):
                told = Slip(station="", kind="allergies", table_ref=table_ref, allergies=allergies)
                return [_slip(replace(told, station=station)) for station in stations]
            case _:
                return []


def _slip(slip: Slip) -> Job:
    return Job(kind=KitchenPrinter.kind, payload=slip, step=f"{slip.kind}-{slip.station}")


def _ticket(ticket: order_events.KitchenTicketIssued | order_events.TicketReprinted, *, copy: int) -> Slip:
    return Slip(
        station=ticket.station,
        kind=ticket.kind,
        table_ref=ticket.table_ref,
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        copy=copy,
        allergies=ticket.allergies,
        lines=tuple(_lines(ticket.deltas)),
    )


def _lines(deltas: Iterable[order_events.LineDelta]) -> Iterable[PrintedLine]:
    for delta in deltas:
        yield PrintedLine(
            sku=delta.sku,
            delta=delta.delta,
            mods=tuple(modifier.id for modifier in delta.mods),
            seat=delta.seat,
            course=delta.course,
            note=delta.note,
        )


class Till(Reactor[FloorEvent]):
    """Tells the location's till what its guests have ordered, so that bills follow the tables.

    The kitchen cooks already when the till hears of it: what arrives there is recorded and never refused.
    """

    purpose = "floor"
    name = "till"
    actor = Actor(user="_floor", roles=("service",))

    def react(self, stored: StoredEvent[FloorEvent], /) -> Sequence[Effect]:
        """The command for the till, when the event concerns one; several for more lines than one takes."""
        till = getattr(stored.event, "till", None)
        command = None if till is None else _command(stored.event, stored.name.id, by=stored.by)
        return [] if till is None or command is None else _to(till, stored.name, command)


def _command(event: FloorEvent, floor: str, *, by: Actor) -> Command | None:  # noqa: PLR0911 - one line for each event
    match event:
        case order_events.OrderPlaced():
            return _posted(event, floor=floor)
        case order_events.LineCancelled():
            return _cancelled(event, floor=floor, by=by)
        case order_events.LinesMoved() if event.from_tab_id != event.to_tab_id:
            return _moved(event, floor=floor)
        case events.PartyMoved(tab_id=tab, to_table_ids=tables, post=post):
            return pos.PostTable(floor=floor, post=post, tab_id=tab, table_ref=tables[0])
        case order_events.OrdersMerged(from_tab_id=tab, into_tab_id=into, post=post) if tab != into:
            return pos.PostMerge(floor=floor, post=post, from_tab_id=tab, into_tab_id=into)
        case order_events.OrdersUnmerged(from_tab_id=tab, into_tab_id=into, line_ids=lines, post=post) if tab != into:
            return pos.PostUnmerge(floor=floor, post=post, from_tab_id=tab, into_tab_id=into, line_ids=lines)
        case events.PartyLeft(tab_id=tab) | events.TableAutoClosed(tab_id=tab):
            return pos.RevokeTableCodes(tab_id=tab)
        case _:
            return None


def _to(till: str, floor: Name, command: Command) -> list[Send]:
    """The command for the till; nothing for one that cannot exist, so that what comes after still arrives."""
    name = Name.or_none(pos.contract.purpose, floor.tenant, till)
    if name is None:
        return []
    if not isinstance(command, pos.PostMove | pos.PostUnmerge):
        return [Send(name=name, command=command)]
    *before, last = _in_parts(command)
    return [
        *(Send(name=name, command=part, step=f"part-{number}") for number, part in enumerate(before, start=1)),
        Send(name=name, command=last),
    ]


def _in_parts(command: pos.PostMove | pos.PostUnmerge) -> Sequence[pos.PostMove | pos.PostUnmerge]:
    """The same for so many lines at once. Only the last part has the number of the message: then all of it is done."""
    lines = command.line_ids
    parts = [lines[first : first + pos.LINES_AT_ONCE] for first in range(0, len(lines), pos.LINES_AT_ONCE)] or [lines]
    return [
        *(replace(command, line_ids=part, post=0) for part in parts[:-1]),
        replace(command, line_ids=parts[-1]),
    ]


def _posted(placed: order_events.OrderPlaced, *, floor: str) -> pos.PostOrder:
    return pos.PostOrder(
        tab_id=placed.tab_id,
        floor=floor,
        post=placed.post,
        table_ref=placed.table_id,
        guest_count=placed.guest_count,
        order_id=placed.order_id,
        order_type=placed.order_type,
        lines=tuple(
            pos.PostedLine(
                line_id=ordered.line_id,
                sku=ordered.sku,
                qty_milli=ordered.qty,
                unit_price_minor=ordered.unit_price_minor,
                modifiers=tuple(pos.Modifier(id=each.id, price_minor=each.price_minor) for each in ordered.mods),
                seat=ordered.seat,
                course=ordered.course,
                note=ordered.note,
            )
            for ordered in (each.line for each in placed.lines)
        ),
    )


def _cancelled(cancelled: order_events.LineCancelled, *, floor: str, by: Actor) -> pos.PostCancel:
    return pos.PostCancel(
        floor=floor,
        post=cancelled.post,
        tab_id=cancelled.tab_id,
        line_id=cancelled.line_id,
        qty_milli=cancelled.qty,
        reason_code=cancelled.reason,
        by=by.user,
        unapproved=cancelled.made and MANAGERS.isdisjoint(by.roles),
    )


def _moved(moved: order_events.LinesMoved, *, floor: str) -> pos.PostMove:
    return pos.PostMove(
        floor=floor,
        post=moved.post,
        from_tab_id=moved.from_tab_id,
        to_tab_id=moved.to_tab_id,
        table_ref=moved.to_table_id,
        line_ids=moved.line_ids,
    )
