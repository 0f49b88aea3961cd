"""The tables of a room as rows: their status, who sits there, and from when on a stage takes too long."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor import domain_layout_events as layout_events
from services.floor.domain_floor import CHECKED, LONG_AGO
from services.floor.domain_settings import TableLayout, TurnTargets, target_of
from services.floor.readmodel_rows import Rows
from services.floor.readmodel_tables import floor_tables, floors

_targets: Final = msgspec.json.Decoder(TurnTargets)


class Latest(NamedTuple):
    """When a stage should be over, and from when on somebody is told."""

    target_at: datetime | None
    alert_at: datetime | None


def follow_room(rows: Rows, stored: StoredEvent[events.FloorEvent]) -> None:  # noqa: C901 - one line for each event
    """Write what an event changes about tables."""
    name = stored.name
    match stored.event:
        case events.FloorConfigured(tables=layout) | layout_events.LayoutBegan(tables=layout):
            _lay_out(rows, name, layout)
        case events.SettingsChanged(settings=settings):
            _set_targets(rows, name, settings.turn_targets)
        case events.PartySeated(party_id=party_id, table_ids=table_ids, waiter_id=waiter):
            _set(rows, name, table_ids, party_id=party_id, waiter_id=waiter)
        case events.TablesLinked(party_id=party_id, table_ids=table_ids):
            _join(rows, name, party_id, table_ids)
        case events.PartyMoved(party_id=party_id, from_table_ids=before, to_table_ids=after):
            _join(rows, name, party_id, after)
            _set(rows, name, set(before) - set(after), party_id=None, waiter_id=None)
        case (
            events.TablesUnlinked(table_ids=table_ids)
            | events.PartyLeft(table_ids=table_ids)
            | events.TableAutoClosed(table_ids=table_ids)
        ):
            _set(rows, name, table_ids, party_id=None, waiter_id=None)
        case events.TableStatusChanged(table_ids=table_ids, from_=before, to=status, at=at):
            goes_on = {before, status} <= CHECKED
            latest = {} if goes_on else latest_of(targets_of(rows, name), status, at)._asdict()
            _set(rows, name, table_ids, status=status, since=at, **latest)
        case (
            events.WaiterAssigned(party_ids=party_ids, waiter_id=waiter)
            | events.TablesHandedOver(party_ids=party_ids, to_waiter=waiter)
        ):
            for row in rows.of(floor_tables, name):
                if row["party_id"] in party_ids:
                    row.change(waiter_id=waiter)
        case _:
            pass


def targets_of(rows: Rows, name: Name) -> TurnTargets:
    """How long stages should take on this floor now."""
    found = rows.of(floors, name)
    return _targets.decode(found[0]["targets"]) if found else TurnTargets()


def latest_of(targets: TurnTargets, status: str, since: datetime) -> Latest:
    """When a stage that began at `since` should be over; nothing for a status that is no stage."""
    target = target_of(targets, status)
    if target is None:
        return Latest(None, None)
    return Latest(since + timedelta(minutes=target.target), since + timedelta(minutes=target.alert))


def _lay_out(rows: Rows, name: Name, layout: Iterable[TableLayout]) -> None:
    known = {row["table_id"]: row for row in rows.of(floor_tables, name)}
    wanted = {table.id: table for table in layout}
    for gone in known.keys() - wanted.keys():
        known[gone].gone = True
    for table_id, table in wanted.items():
        shown = {"name": table.name, "section": table.section, "max": table.max}
        if table_id in known:
            known[table_id].change(**shown)
        else:
            rows.add(floor_tables, name, table_id=table_id, status="AVAILABLE", since=LONG_AGO, **shown)


def _set_targets(rows: Rows, name: Name, targets: TurnTargets) -> None:
    before = targets_of(rows, name)
    for row in rows.of(floors, name):
        row.gone = True
    rows.add(floors, name, targets=msgspec.json.encode(targets).decode())
    for row in rows.of(floor_tables, name):
        was = target_of(before, row["status"])
        if was is not None and row["target_at"] is not None:
            began = row["target_at"] - timedelta(minutes=was.target)
            row.change(**latest_of(targets, row["status"], began)._asdict())


def _join(rows: Rows, name: Name, party_id: str, table_ids: Iterable[str]) -> None:
    """Give a party tables, with the waiter that it has."""
    theirs = (row["waiter_id"] for row in rows.of(floor_tables, name) if row["party_id"] == party_id)
    _set(rows, name, table_ids, party_id=party_id, waiter_id=next(theirs, None))


def _set(rows: Rows, floor: Name, table_ids: Iterable[str], /, **values: Any) -> None:
    these = set(table_ids)
    for row in rows.of(floor_tables, floor):
        if row["table_id"] in these:
            row.change(**values)
