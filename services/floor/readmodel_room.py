"""The tables of a room as rows: their status, who sits there, and from when on a stage takes too long."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor import domain_layout_events as layout_events
from services.floor.domain_floor import CHECKED, LONG_AGO
from services.floor.domain_settings import TableLayout, TurnTargets, target_of
from services.floor.readmodel_tables import floor_tables, floors

_targets: Final = msgspec.json.Decoder(TurnTargets)


class Latest(NamedTuple):
    """When a stage should be over, and from when on somebody is told."""

    target_at: datetime | None
    alert_at: datetime | None


def follow_room(connection: Connection, stored: StoredEvent[events.FloorEvent]) -> None:
    """Write what an event changes about tables."""
    name = stored.name
    match stored.event:
        case events.FloorConfigured(tables=layout) | layout_events.LayoutBegan(tables=layout):
            _lay_out(connection, name, layout)
        case events.SettingsChanged(settings=settings):
            _set_targets(connection, name, settings.turn_targets)
        case events.PartySeated(party_id=party_id, table_ids=table_ids, waiter_id=waiter):
            _set(connection, name, table_ids, party_id=party_id, waiter_id=waiter)
        case events.TablesLinked(party_id=party_id, table_ids=table_ids):
            _join(connection, name, party_id, table_ids)
        case events.PartyMoved(party_id=party_id, from_table_ids=before, to_table_ids=after):
            _join(connection, name, party_id, after)
            _set(connection, name, set(before) - set(after), party_id=None, waiter_id=None)
        case (
            events.TablesUnlinked(table_ids=table_ids)
            | events.PartyLeft(table_ids=table_ids)
            | events.TableAutoClosed(table_ids=table_ids)
        ):
            _set(connection, name, table_ids, party_id=None, waiter_id=None)
        case events.TableStatusChanged(table_ids=table_ids, from_=before, to=status, at=at):
            goes_on = {before, status} <= CHECKED
            latest = {} if goes_on else latest_of(targets_of(connection, name), status, at)._asdict()
            _set(connection, name, table_ids, status=status, since=at, **latest)
        case (
            events.WaiterAssigned(party_ids=party_ids, waiter_id=waiter)
            | events.TablesHandedOver(party_ids=party_ids, to_waiter=waiter)
        ):
            row = floor_tables.c
            theirs = (row.tenant == name.tenant) & (row.id == name.id) & row.party_id.in_(party_ids)
            connection.execute(update(floor_tables).where(theirs).values(waiter_id=waiter))
        case _:
            pass


def targets_of(connection: Connection, name: Name) -> TurnTargets:
    """How long stages should take on this floor now."""
    this = (floors.c.tenant == name.tenant) & (floors.c.id == name.id)
    found = connection.execute(select(floors.c.targets).where(this)).scalar_one_or_none()
    return TurnTargets() if found is None else _targets.decode(found)


def latest_of(targets: TurnTargets, status: str, since: datetime) -> Latest:
    """When a stage that began at `since` should be over; nothing for a status that is no stage."""
    target = target_of(targets, status)
    if target is None:
        return Latest(None, None)
    return Latest(since + timedelta(minutes=target.target), since + timedelta(minutes=target.alert))


def _lay_out(connection: Connection, name: Name, layout: Iterable[TableLayout]) -> None:
    row = floor_tables.c
    of_floor = (row.tenant == name.tenant) & (row.id == name.id)
    known = set(connection.execute(select(row.table_id).where(of_floor)).scalars())
    wanted = {table.id: table for table in layout}
    gone = known - wanted.keys()
    if gone:
        connection.execute(delete(floor_tables).where(of_floor & row.table_id.in_(gone)))
    for table_id, table in wanted.items():
        shown = {"name": table.name, "section": table.section, "max": table.max}
        if table_id in known:
            _set(connection, name, (table_id,), **shown)
            continue
        fresh = {"tenant": name.tenant, "id": name.id, "table_id": table_id, "status": "AVAILABLE", "since": LONG_AGO}
        connection.execute(insert(floor_tables).values(**fresh, **shown))


def _set_targets(connection: Connection, name: Name, targets: TurnTargets) -> None:
    before = targets_of(connection, name)
    this = (floors.c.tenant == name.tenant) & (floors.c.id == name.id)
    connection.execute(delete(floors).where(this))
    encoded = msgspec.json.encode(targets).decode()
    connection.execute(insert(floors).values(tenant=name.tenant, id=name.id, targets=encoded))
    row = floor_tables.c
    standing = select(row.table_id, row.status, row.target_at)
    for table_id, status, due in connection.execute(standing.where((row.tenant == name.tenant) & (row.id == name.id))):
        was = target_of(before, status)
        if was is not None and due is not None:
            began = due - timedelta(minutes=was.target)
            _set(connection, name, (table_id,), **latest_of(targets, status, began)._asdict())


def _join(connection: Connection, name: Name, party_id: str, table_ids: Iterable[str]) -> None:
    """Give a party tables, with the waiter that it has."""
    row = floor_tables.c
    theirs = (row.tenant == name.tenant) & (row.id == name.id) & (row.party_id == party_id)
    waiter = connection.execute(select(row.waiter_id).where(theirs).limit(1)).scalar_one_or_none()
    _set(connection, name, table_ids, party_id=party_id, waiter_id=waiter)


def _set(connection: Connection, floor: Name, table_ids: Iterable[str], /, **values: Any) -> None:
    row = floor_tables.c
    these: ColumnElement[bool] = (row.tenant == floor.tenant) & (row.id == floor.id) & row.table_id.in_(list(table_ids))
    connection.execute(update(floor_tables).where(these).values(**values))
