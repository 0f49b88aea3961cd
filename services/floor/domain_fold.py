"""The floor after an event. Nothing is judged here."""

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec.structs import replace

from services.floor import domain_events as events
from services.floor import domain_layout_events as layout_events
from services.floor.domain_floor import (
    CHECKED,
    Floor,
    Layout,
    NextLayout,
    Party,
    Reservation,
    Shift,
    Tab,
    Table,
    Waiting,
)
from services.floor.domain_fold_orders import OrderEvent, active, evolve_orders, posted, with_party, without_party


def evolve(floor: Floor, event: events.FloorEvent) -> Floor:  # noqa: C901, PLR0911, PLR0912 - one line for each event
    """The floor after an event."""
    match event:
        case events.FloorConfigured():
            return _configured(floor, event)
        case (
            layout_events.LayoutSaved()
            | layout_events.LayoutDropped()
            | layout_events.LayoutScheduled()
            | layout_events.LayoutBegan()
            | layout_events.LayoutWaits()
        ):
            return _layouts(floor, event)
        case events.SettingsChanged(settings=settings, version=version):
            return replace(floor, settings=settings, settings_version=version, next_layout=None)
        case events.PartySeated():
            return _seated(floor, event)
        case events.PartyFlagged(party_id=party_id, vip=vip, allergies=allergies, at=at):
            return active(floor, (party_id,), at, vip=vip, allergies=allergies)
        case events.PartyMoved():
            return _moved(floor, event)
        case events.TablesLinked():
            return _linked(floor, event)
        case events.TablesUnlinked(party_id=party_id, table_ids=table_ids, at=at):
            party = floor.parties[party_id]
            kept = {"table_ids": _less(party.table_ids, table_ids), "linked": _less(party.linked, table_ids)}
            return active(_with_tables(floor, table_ids, base="DIRTY", party_id=None), (party_id,), at, **kept)
        case events.TableStatusChanged():
            return _status_changed(floor, event)
        case events.TableTouched(party_id=party_id, at=at):
            return active(floor, (party_id,), at)
        case (
            events.PartyLeft(party_id=party_id, table_ids=table_ids, leaves=leaves)
            | events.TableAutoClosed(party_id=party_id, table_ids=table_ids, leaves=leaves)
        ):
            return without_party(_with_tables(floor, table_ids, base=leaves, party_id=None), party_id)
        case events.TableAttention(party_id=party_id):
            return with_party(floor, party_id, warned=True)
        case events.TabRecorded():
            return _tab_recorded(floor, event)
        case events.TillHeard(post=post):
            return replace(floor, heard=post)
        case events.BankRecorded(waiter_id=waiter, is_open=is_open):
            others = tuple(each for each in floor.banks if each != waiter)
            return replace(floor, banks=(*others, waiter) if is_open else others)
        case events.WaiterClockedIn() | events.WaiterClockedOut() | events.WaiterAssigned() | events.TablesHandedOver():
            return _waiters(floor, event)
        case (
            events.Reserved()
            | events.ReservationHeld()
            | events.ReservationCancelled()
            | events.PartyArrived()
            | events.ReservationNoShow()
        ):
            return _reservations(floor, event)
        case events.Waitlisted() | events.PartyNotified() | events.PartySkipped() | events.WaitlistLeft():
            return _waitlist(floor, event)
        case _:
            order_event: OrderEvent = event
            return evolve_orders(floor, order_event)


def _configured(floor: Floor, event: events.FloorConfigured | layout_events.LayoutBegan) -> Floor:
    tables = {
        layout.id: replace(known, layout=layout) if (known := floor.tables.get(layout.id)) else Table(layout=layout)
        for layout in event.tables
    }
    return replace(floor, tables=tables, version=event.version, layout_id=event.layout_id)


def _layouts(
    floor: Floor,
    event: layout_events.LayoutSaved
    | layout_events.LayoutDropped
    | layout_events.LayoutScheduled
    | layout_events.LayoutBegan
    | layout_events.LayoutWaits,
) -> Floor:
    match event:
        case layout_events.LayoutSaved(layout_id=layout_id, name=name, tables=tables, begins=begins, version=version):
            layout = Layout(name=name, tables=tables, begins=begins, version=version)
            return replace(floor, layouts={**floor.layouts, layout_id: layout}, next_layout=None)
        case layout_events.LayoutDropped(layout_id=layout_id):
            return replace(floor, layouts=_without(floor.layouts, layout_id), next_layout=None)
        case layout_events.LayoutScheduled(layout_id=layout_id, starts_at=starts_at):
            return replace(floor, next_layout=NextLayout(layout_id=layout_id, starts_at=starts_at))
        case layout_events.LayoutBegan():
            return replace(_configured(floor, event), next_layout=None)
        case layout_events.LayoutWaits():
            return replace(floor, next_layout=None)
        case _:
            assert_never(event)


def _seated(floor: Floor, event: events.PartySeated) -> Floor:
    party = Party(
        size=event.size,
        table_ids=event.table_ids,
        tab_id=event.tab_id,
        seated_at=event.at,
        until=event.until,
        name=event.name,
        waiter_id=event.waiter_id,
        idle_since=event.at,
        vip=event.vip,
        allergies=event.allergies,
    )
    shift = None if event.waiter_id is None else floor.shifts.get(event.waiter_id)
    shifts = {**floor.shifts}
    if event.waiter_id is not None and shift is not None:
        shifts[event.waiter_id] = replace(shift, covers=shift.covers + event.size)
    return replace(
        _with_tables(floor, event.table_ids, party_id=event.party_id, base="AVAILABLE"),
        parties={**floor.parties, event.party_id: party},
        shifts=shifts,
        reservations=_without(floor.reservations, event.reservation_id),
        waitlist=_without(floor.waitlist, event.party_id),
    )


def _moved(floor: Floor, event: events.PartyMoved) -> Floor:
    left = _less(event.from_table_ids, event.to_table_ids)
    floor = _with_tables(floor, left, base="DIRTY", party_id=None)
    floor = _with_tables(floor, event.to_table_ids, base="AVAILABLE", party_id=event.party_id)
    floor = posted(floor, event.post)
    return active(floor, (event.party_id,), event.at, table_ids=event.to_table_ids, linked=())


def _linked(floor: Floor, event: events.TablesLinked) -> Floor:
    party = floor.parties[event.party_id]
    floor = _with_tables(floor, event.table_ids, base="AVAILABLE", party_id=event.party_id)
    together = {"table_ids": (*party.table_ids, *event.table_ids), "linked": (*party.linked, *event.table_ids)}
    return active(floor, (event.party_id,), event.at, **together)


def _status_changed(floor: Floor, event: events.TableStatusChanged) -> Floor:
    changes: dict[str, Any] = {"status": event.to, "since": event.at, "reason": event.reason}
    if event.party_id is None and event.to in {"AVAILABLE", "DIRTY", "BLOCKED"}:
        changes["base"] = event.to
    if not {event.from_, event.to} <= CHECKED:
        changes["stage_since"] = event.at
    floor = _with_tables(floor, event.table_ids, **changes)
    if event.party_id is None:
        return floor
    if event.cause == "derived":
        return with_party(floor, event.party_id, status=event.to, derived=event.to)
    return active(floor, (event.party_id,), event.at, status=event.to)


def _tab_recorded(floor: Floor, event: events.TabRecorded) -> Floor:
    tab = Tab(
        party_tab=event.party_tab,
        status=event.status,
        balance_minor=event.balance_minor,
        paid_minor=event.paid_minor,
        currency=event.currency,
        bill_printed=event.bill_printed,
        pos_seq=event.pos_seq,
    )
    priced = {
        key: replace(floor.lines[key], price_minor=minor) for key, minor in event.prices.items() if key in floor.lines
    }
    floor = replace(floor, tabs={**floor.tabs, event.tab_id: tab}, lines={**floor.lines, **priced})
    theirs = {key: party for key, party in floor.parties.items() if event.party_tab in (party.tab_id, *party.also)}
    for party_id, party in theirs.items():
        if event.into is not None and event.into not in (party.tab_id, *party.also):
            floor = with_party(floor, party_id, also=(*party.also, event.into))
    return active(floor, theirs, event.at)


def _waiters(
    floor: Floor,
    event: events.WaiterClockedIn | events.WaiterClockedOut | events.WaiterAssigned | events.TablesHandedOver,
) -> Floor:
    match event:
        case events.WaiterClockedIn(waiter_id=waiter, at=at):
            return replace(floor, shifts={**floor.shifts, waiter: Shift(since=at)})
        case events.WaiterClockedOut(waiter_id=waiter):
            tables = [table_id for table_id, table in floor.tables.items() if table.waiter_id == waiter]
            return replace(
                _with_tables(floor, tables, waiter_id=None),
                shifts=_without(floor.shifts, waiter),
                sections={section: other for section, other in floor.sections.items() if other != waiter},
            )
        case events.WaiterAssigned(waiter_id=waiter, section=section, table_id=table_id, party_ids=party_ids):
            if section is not None:
                sections = _without(floor.sections, section)
                floor = replace(floor, sections=sections if waiter is None else {**sections, section: waiter})
            if table_id is not None:
                floor = _with_tables(floor, (table_id,), waiter_id=waiter)
            return _served_by(floor, party_ids, waiter)
        case events.TablesHandedOver(to_waiter=to, party_ids=party_ids, table_ids=table_ids, sections=sections):
            floor = replace(floor, sections={**floor.sections, **dict.fromkeys(sections, to)})
            return _served_by(_with_tables(floor, table_ids, waiter_id=to), party_ids, to)
        case _:
            assert_never(event)


def _served_by(floor: Floor, party_ids: Iterable[str], waiter: str | None) -> Floor:
    for party_id in party_ids:
        floor = with_party(floor, party_id, waiter_id=waiter)
    return floor


def _reservations(
    floor: Floor,
    event: events.Reserved
    | events.ReservationHeld
    | events.ReservationCancelled
    | events.PartyArrived
    | events.ReservationNoShow,
) -> Floor:
    match event:
        case events.Reserved():
            reservation = Reservation(
                table_ids=event.table_ids,
                size=event.size,
                start=event.start,
                end=event.end,
                hold_from=event.hold_from,
                no_show_at=event.no_show_at,
                name=event.name,
                contact=event.contact,
                note=event.note,
                vip=event.vip,
                allergies=event.allergies,
            )
            return replace(floor, reservations={**floor.reservations, event.res_id: reservation})
        case events.ReservationHeld(res_id=res_id):
            return _with_reservation(floor, res_id, held=True)
        case events.PartyArrived(res_id=res_id, at=at):
            return _with_reservation(floor, res_id, held=True, arrived_at=at)
        case events.ReservationCancelled(res_id=res_id) | events.ReservationNoShow(res_id=res_id):
            return replace(floor, reservations=_without(floor.reservations, res_id))
        case _:
            assert_never(event)


def _with_reservation(floor: Floor, res_id: str, **changes: Any) -> Floor:
    changed = replace(floor.reservations[res_id], **changes)
    return replace(floor, reservations={**floor.reservations, res_id: changed})


def _waitlist(
    floor: Floor, event: events.Waitlisted | events.PartyNotified | events.PartySkipped | events.WaitlistLeft
) -> Floor:
    match event:
        case events.Waitlisted(party_id=party_id):
            waiting = Waiting(
                size=event.size,
                quote_min=event.quote_min,
                since=event.at,
                name=event.name,
                contact=event.contact,
                vip=event.vip,
                allergies=event.allergies,
            )
        case events.PartyNotified(party_id=party_id, table_id=table_id, arrive_by=arrive_by):
            waiting = replace(floor.waitlist[party_id], table_id=table_id, arrive_by=arrive_by)
        case events.PartySkipped(party_id=party_id, skips=skips, removed=False):
            waiting = replace(floor.waitlist[party_id], table_id=None, arrive_by=None, skips=skips)
        case events.PartySkipped(party_id=party_id) | events.WaitlistLeft(party_id=party_id):
            return replace(floor, waitlist=_without(floor.waitlist, party_id))
        case _:
            assert_never(event)
    return replace(floor, waitlist={**floor.waitlist, party_id: waiting})


def _with_tables(floor: Floor, table_ids: Iterable[str], **changes: Any) -> Floor:
    changed = {key: replace(floor.tables[key], **changes) for key in table_ids if key in floor.tables}
    return replace(floor, tables={**floor.tables, **changed})


def _less(ids: tuple[str, ...], gone: Iterable[str]) -> tuple[str, ...]:
    dropped = set(gone)
    return tuple(id_ for id_ in ids if id_ not in dropped)


def _without(mapping: Any, key: str | None) -> dict[str, Any]:
    return {other: value for other, value in mapping.items() if other != key}
