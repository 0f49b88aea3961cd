"""The floor as a tablet shows it. Everyone on the floor sees the same, but for how to reach guests and what they owe."""

from collections.abc import Iterator
from datetime import timedelta

from holdfast import Actor
from services.floor.domain_deadlines import idle_at
from services.floor.domain_floor import Floor, Line, Party, Table, balance_of, is_paying
from services.floor.domain_roles import COOKS, SERVICE, WAITERS
from services.floor.domain_seen import (
    FloorView,
    LayoutView,
    LineView,
    OrderView,
    PartyView,
    ReservationView,
    TableView,
    TabView,
    TicketView,
    WaiterView,
    WaitingView,
)
from services.floor.domain_settings import target_of
from services.floor.domain_waiters import suggested_waiter, waiter_of
from services.floor.domain_waitlist import next_party


def view(floor: Floor, viewer: Actor) -> FloorView:
    """The floor as this viewer may see it."""
    front = not WAITERS.isdisjoint(viewer.roles)
    caring = not (WAITERS | COOKS).isdisjoint(viewer.roles)
    billing = front or not SERVICE.isdisjoint(viewer.roles)
    return FloorView(
        version=floor.version,
        layout_id=floor.layout_id,
        layouts=tuple(_layouts(floor)),
        settings_version=floor.settings_version,
        settings=floor.settings,
        tables=tuple(_table(floor, table_id, table) for table_id, table in floor.tables.items()),
        parties=tuple(
            _party(floor, party_id, party, front=front, caring=caring, billing=billing)
            for party_id, party in floor.parties.items()
        ),
        orders=tuple(_orders(floor)),
        tickets=tuple(_tickets(floor, caring=caring)),
        reservations=tuple(
            sorted(_reservations(floor, front=front, caring=caring), key=lambda each: (each.start, each.res_id))
        ),
        waitlist=tuple(_waitlist(floor, front=front, caring=caring)),
        waiters=tuple(_waiters(floor)),
        suggested_waiter=suggested_waiter(floor),
        sections=dict(floor.sections),
        eighty_six=floor.eighty_six,
    )


def _layouts(floor: Floor) -> Iterator[LayoutView]:
    for layout_id, layout in floor.layouts.items():
        following = floor.next_layout is not None and floor.next_layout.layout_id == layout_id
        yield LayoutView(
            layout_id=layout_id,
            name=layout.name,
            version=layout.version,
            tables=layout.tables,
            begins=layout.begins,
            starts_at=floor.next_layout.starts_at if floor.next_layout is not None and following else None,
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


def _party(floor: Floor, party_id: str, party: Party, *, front: bool, caring: bool, billing: bool) -> PartyView:
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
        balance_minor=balance_of(floor, party) if billing else 0,
        paying=is_paying(floor, party),
        tabs=tuple(
            TabView(
                tab_id=tab_id,
                status=tab.status,
                balance_minor=tab.balance_minor if billing else None,
                paid_minor=tab.paid_minor if billing else None,
                currency=tab.currency,
                bill_printed=tab.bill_printed,
            )
            for tab_id, tab in tabs
        ),
        fired=party.fired,
        held=party.held,
        next_course=party.next_course,
        fires_at=party.fires_at,
        vip=front and party.vip,
        allergies=party.allergies if caring else (),
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


def _tickets(floor: Floor, *, caring: bool) -> Iterator[TicketView]:
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
            allergies=floor.allergies_of(ticket) if caring else (),
        )


def _reservations(floor: Floor, *, front: bool, caring: bool) -> Iterator[ReservationView]:
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
            vip=front and reservation.vip,
            allergies=reservation.allergies if caring else (),
        )


def _waitlist(floor: Floor, *, front: bool, caring: bool) -> Iterator[WaitingView]:
    for party_id, waiting in floor.waitlist.items():
        yield WaitingView(
            party_id=party_id,
            size=waiting.size,
            since=waiting.since,
            quote_min=waiting.quote_min,
            name=waiting.name,
            contact=waiting.contact if front else None,
            vip=front and waiting.vip,
            allergies=waiting.allergies if caring else (),
            table_id=waiting.table_id,
            arrive_by=waiting.arrive_by,
            skips=waiting.skips,
        )


def _waiters(floor: Floor) -> Iterator[WaiterView]:
    for waiter_id, shift in floor.shifts.items():
        parties = sum(party.waiter_id == waiter_id for party in floor.parties.values())
        yield WaiterView(
            waiter_id=waiter_id,
            since=shift.since,
            covers=shift.covers,
            open_parties=parties,
            has_bank=waiter_id in floor.banks,
        )
