"""What a floor causes elsewhere, after the commit: slips on the kitchen's printers."""

from collections.abc import Iterable, Sequence

from holdfast.sql import StoredEvent
from holdfast.worker import Effect, Job, Reactor
from services.floor import domain_events as events
from services.floor import domain_order_events as order_events
from services.floor.domain_events import FloorEvent
from services.floor.printing import KitchenPrinter, PrintedLine, Slip


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
        lines=tuple(_lines(ticket.deltas)),
    )


def _lines(deltas: Iterable[order_events.LineDelta]) -> Iterable[PrintedLine]:
    for delta in deltas:
        yield PrintedLine(
            sku=delta.sku,
            delta_milli=delta.delta_milli,
            modifiers=tuple(modifier.id for modifier in delta.modifiers),
            seat=delta.seat,
            course=delta.course,
            note=delta.note,
        )
