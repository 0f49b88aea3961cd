"""The floor as a tablet shows it. Everyone on the floor sees the same, but for how to reach guests."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from holdfast import Actor
from services.floor.domain_commands import TableStatus, TabStatus
from services.floor.domain_deadlines import idle_at
from services.floor.domain_floor import Floor, Line, Party, Table, balance_of, is_paying
from services.floor.domain_order_commands import ItemState, Modifier, OrderType
from services.floor.domain_order_events import LineDelta, TicketKind
from services.floor.domain_roles import WAITERS
from services.floor.domain_settings import Settings, Shape, target_of
from services.floor.domain_waiters import suggested_waiter, waiter_of
from services.floor.domain_waitlist import next_party


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the view."""


class TableView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A table, its status, and from when on that takes too long."""

    id: str
    name: str
    min: int
    max: int
    x: int
    y: int
    shape: Shape
    section: str
    status: TableStatus
    since: datetime
    target_at: datetime | None = None
    alert_at: datetime | None = None
    reason: str = ""
    party_id: str | None = None
    waiter_id: str | None = None
    next_party: str | None = None
    """Who of the waitlist gets this table, while it is free."""


class LineView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A line as the bill shows it; after a merge one may stand for several, whose counters it sums, in thousandths."""

    line_id: str
    sku: str
    state: ItemState
    ordered: int
    sent: int
    cancelled: int
    mods: tuple[Modifier, ...] = ()
    unit_price_minor: int | None = None
    seat: int | None = None
    course: int | None = None
    note: str = ""
    parts: tuple[str, ...] = ()
    """The lines that it stands for, when there are several."""


class OrderView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """An order with its lines; `merged_into` names the order that has them now."""

    order_id: str
    party_id: str
    type: OrderType
    lines: tuple[LineView, ...]
    merged_into: str | None = None


class TabView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """What the till said of a tab."""

    tab_id: str
    status: TabStatus
    balance_minor: int
    paid_minor: int
    currency: str
    bill_printed: bool


class PartyView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """Guests at their tables, with their bill."""

    party_id: str
    size: int
    table_ids: tuple[str, ...]
    table_ref: str
    tab_id: str
    status: TableStatus
    seated_at: datetime
    until: datetime
    name: str | None = None
    waiter_id: str | None = None
    linked: tuple[str, ...] = ()
    idle_at: datetime
    needs_attention: bool = False
    balance_minor: int = 0
    paying: bool = False
    tabs: tuple[TabView, ...] = ()
    fired: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    next_course: int | None = None
    fires_at: datetime | None = None


class TicketView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A ticket; `table_ref` is where its guests sit now, `printed_for` where they sat then."""

    ticket_id: str
    number: int
    station: str
    kind: TicketKind
    table_ref: str
    printed_for: str
    deltas: tuple[LineDelta, ...]
    issued_at: datetime
    bumped_at: datetime | None = None
    copies: int = 1


class ReservationView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A reservation that stands."""

    res_id: str
    table_ids: tuple[str, ...]
    size: int
    start: datetime
    end: datetime
    hold_from: datetime
    no_show_at: datetime
    held: bool = False
    arrived_at: datetime | None = None
    name: str = ""
    contact: str | None = None
    note: str = ""


class WaitingView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A party that waits, first come first."""

    party_id: str
    size: int
    since: datetime
    quote_min: int
    name: str = ""
    contact: str | None = None
    table_id: str | None = None
    arrive_by: datetime | None = None
    skips: int = 0


class WaiterView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A waiter on shift."""

    waiter_id: str
    since: datetime
    covers: int
    open_parties: int


class FloorView(Seen, frozen=True, kw_only=True, omit_defaults=True):
    """A floor."""

    version: int
    settings_version: int
    settings: Settings
    tables: tuple[TableView, ...]
    parties: tuple[PartyView, ...]
    orders: tuple[OrderView, ...]
    tickets: tuple[TicketView, ...]
    reservations: tuple[ReservationView, ...]
    """The soonest first."""
    waitlist: tuple[WaitingView, ...]
    waiters: tuple[WaiterView, ...]
    suggested_waiter: str | None
    """Whose turn it is to get the next party."""
    sections: dict[str, str]
    eighty_six: tuple[str, ...]


def view(floor: Floor, viewer: Actor) -> FloorView:
    """The floor as this viewer may see it."""
    front = not WAITERS.isdisjoint(viewer.roles)
    return FloorView(
        version=floor.version,
        settings_version=floor.settings_version,
        settings=floor.settings,
        tables=tuple(_table(floor, table_id, table) for table_id, table in floor.tables.items()),
        parties=tuple(_party(floor, party_id, party) for party_id, party in floor.parties.items()),
        orders=tuple(_orders(floor)),
        tickets=tuple(_tickets(floor)),
        reservations=tuple(sorted(_reservations(floor, front=front), key=lambda each: (each.start, each.res_id))),
        waitlist=tuple(_waitlist(floor, front=front)),
        waiters=tuple(_waiters(floor)),
        suggested_waiter=suggested_waiter(floor),
        sections=dict(floor.sections),
        eighty_six=floor.eighty_six,
    )


def _table(floor: Floor, table_id: str, table: Table) -> TableView:
    layout = table.layout
    target = target_of(floor.settings.turn_targets, table.status)
    party = None if table.party_id is None else floor.parties[table.party_id]
    return TableView(
        id=layout.id,
        name=layout.name,
        min=layout.min,
        max=layout.max,
        x=layout.x,
        y=layout.y,
        shape=layout.shape,
        section=layout.section,
        status=table.status,
        since=table.since,
        target_at=None if target is None else table.stage_since + timedelta(minutes=target.target),
        alert_at=None if target is None else table.stage_since + timedelta(minutes=target.alert),
        reason=table.reason,
        party_id=table.party_id,
        waiter_id=waiter_of(floor, table_id) if party is None else party.waiter_id,
        next_party=next_party(floor, table_id) if table.status == "AVAILABLE" else None,
    )


def _party(floor: Floor, party_id: str, party: Party) -> PartyView:
    tabs = ((tab_id, tab) for tab_id, tab in floor.tabs.items() if tab.party_tab == party.tab_id)
    return PartyView(
        party_id=party_id,
        size=party.size,
        table_ids=party.table_ids,
        table_ref=floor.table_ref(party.table_ids),
        tab_id=party.tab_id,
        status=party.status,
        seated_at=party.seated_at,
        until=party.until,
        name=party.name,
        waiter_id=party.waiter_id,
        linked=party.linked,
        idle_at=idle_at(floor, party),
        needs_attention=party.warned,
        balance_minor=balance_of(floor, party),
        paying=is_paying(floor, party),
        tabs=tuple(
            TabView(
                tab_id=tab_id,
                status=tab.status,
                balance_minor=tab.balance_minor,
                paid_minor=tab.paid_minor,
                currency=tab.currency,
                bill_printed=tab.bill_printed,
            )
            for tab_id, tab in tabs
        ),
        fired=party.fired,
        held=party.held,
        next_course=party.next_course,
        fires_at=party.fires_at,
    )


def _orders(floor: Floor) -> Iterator[OrderView]:
    shown: dict[str, dict[str, list[str]]] = {order_id: {} for order_id in floor.orders}
    for line_id, line in floor.lines.items():
        shown.setdefault(line.order_id, {}).setdefault(floor.root_of(line_id), []).append(line_id)
    for order_id, order in floor.orders.items():
        merge = floor.merges.get(order_id)
        yield OrderView(
            order_id=order_id,
            party_id=order.party_id,
            type=order.type,
            lines=tuple(_line(floor, root, parts) for root, parts in shown[order_id].items()),
            merged_into=None if merge is None else merge.into_order,
        )


def _line(floor: Floor, root: str, parts: list[str]) -> LineView:
    lines: list[Line] = [floor.lines[part] for part in parts]
    first = floor.lines.get(root, lines[0])
    of = first.ordered
    return LineView(
        line_id=root,
        sku=of.sku,
        state=next((line for line in lines if line.state != "CANCELLED"), first).state,
        ordered=sum(line.ordered.qty for line in lines),
        sent=sum(line.sent for line in lines),
        cancelled=sum(line.cancelled for line in lines),
        mods=of.mods,
        unit_price_minor=of.unit_price_minor,
        seat=of.seat,
        course=of.course,
        note=of.note,
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _tickets(floor: Floor) -> Iterator[TicketView]:
    for ticket_id, ticket in floor.tickets.items():
        yield TicketView(
            ticket_id=ticket_id,
            number=ticket.number,
            station=ticket.station,
            kind=ticket.kind,
            table_ref=floor.ticket_ref(ticket),
            printed_for=ticket.printed_for,
            deltas=ticket.deltas,
            issued_at=ticket.issued_at,
            bumped_at=ticket.bumped_at,
            copies=ticket.copies,
        )


def _reservations(floor: Floor, *, front: bool) -> Iterator[ReservationView]:
    for res_id, reservation in floor.reservations.items():
        yield ReservationView(
            res_id=res_id,
            table_ids=reservation.table_ids,
            size=reservation.size,
            start=reservation.start,
            end=reservation.end,
            hold_from=reservation.hold_from,
            no_show_at=reservation.no_show_at,
            held=reservation.held,
            arrived_at=reservation.arrived_at,
            name=reservation.name,
            contact=reservation.contact if front else None,
            note=reservation.note,
        )


def _waitlist(floor: Floor, *, front: bool) -> Iterator[WaitingView]:
    for party_id, waiting in floor.waitlist.items():
        yield WaitingView(
            party_id=party_id,
            size=waiting.size,
            since=waiting.since,
            quote_min=waiting.quote_min,
            name=waiting.name,
            contact=waiting.contact if front else None,
            table_id=waiting.table_id,
            arrive_by=waiting.arrive_by,
            skips=waiting.skips,
        )


def _waiters(floor: Floor) -> Iterator[WaiterView]:
    for waiter_id, shift in floor.shifts.items():
        parties = sum(party.waiter_id == waiter_id for party in floor.parties.values())
        yield WaiterView(waiter_id=waiter_id, since=shift.since, covers=shift.covers, open_parties=parties)
