"""The turns of parties at their tables as rows, with how long each stage took."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, select, update

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor.domain_settings import TurnTargets
from services.floor.readmodel_room import latest_of, targets_of
from services.floor.readmodel_tables import turns

_REACHED: Final = {"ORDERED": "ordered_at", "SERVED": "served_at", "CHECK_DROPPED": "check_at", "PAID": "check_at"}
"""Who pays without a bill had his check in that moment."""
_STAGES: Final = (
    ("seated", "seated_at", "ordered_at", "SEATED"),
    ("ordered", "ordered_at", "served_at", "ORDERED"),
    ("served", "served_at", "check_at", "SERVED"),
    ("check", "check_at", "left_at", "CHECK_DROPPED"),
    ("dirty", "left_at", "available_at", "DIRTY"),
)
"""Stage, from which moment, to which one, and the status whose target it is held against."""


def follow_turns(connection: Connection, stored: StoredEvent[events.FloorEvent]) -> None:
    """Write what an event changes about turns."""
    name = stored.name
    match stored.event:
        case events.PartySeated() as seated:
            connection.execute(insert(turns).values(tenant=name.tenant, id=name.id, **_seated(seated)))
        case events.TableStatusChanged(party_id=str() as party_id, to=status, at=at) if status in _REACHED:
            _reach(connection, name, _open(party_id), _REACHED[status], at)
        case events.TableStatusChanged(party_id=None, table_ids=table_ids, to="AVAILABLE" | "RESERVED", at=at):
            row = turns.c
            dirty = row.left_at.is_not(None) & row.available_at.is_(None) & row.table_id.in_(table_ids)
            _reach(connection, name, dirty, "available_at", at)
        case events.PartyMoved(party_id=party_id, to_table_ids=table_ids, table_ref=table_ref):
            values = {"table_id": table_ids[0], "table_ref": table_ref}
            connection.execute(update(turns).where(_of(name), _open(party_id)).values(**values))
        case events.PartyLeft(party_id=party_id, at=at):
            _leave(connection, name, party_id, at, ended_by="cleared")
        case events.TableAutoClosed(party_id=party_id, effective_at=at, reason=reason):
            _leave(connection, name, party_id, at, ended_by=reason)
        case (
            events.WaiterAssigned(party_ids=party_ids, waiter_id=waiter)
            | events.TablesHandedOver(party_ids=party_ids, to_waiter=waiter)
        ):
            theirs = turns.c.party_id.in_(party_ids) & turns.c.left_at.is_(None)
            connection.execute(update(turns).where(_of(name), theirs).values(waiter_id=waiter))
        case _:
            pass


def _seated(event: events.PartySeated) -> dict[str, Any]:
    return {
        "party_id": event.party_id,
        "seated_at": event.at,
        "table_id": event.table_ids[0],
        "table_ref": event.table_ref,
        "size": event.size,
        "waiter_id": event.waiter_id,
        "alerts": 0,
    }


def _of(name: Name) -> ColumnElement[bool]:
    return (turns.c.tenant == name.tenant) & (turns.c.id == name.id)


def _open(party_id: str) -> ColumnElement[bool]:
    return (turns.c.party_id == party_id) & turns.c.left_at.is_(None)


def _leave(connection: Connection, name: Name, party_id: str, at: datetime, *, ended_by: str) -> None:
    _reach(connection, name, _open(party_id), "left_at", at, ended_by=ended_by)


def _reach(
    connection: Connection, name: Name, which: ColumnElement[bool], moment: str, at: datetime, **values: Any
) -> None:
    """Note when a moment of turns came first, and how long the stage before it took."""
    row = turns.c
    fresh = row[moment].is_(None)
    targets = targets_of(connection, name)
    for turn in connection.execute(select(turns).where(_of(name), which, fresh)).mappings().all():
        stages = list(_stages({**turn, moment: at}, targets))
        durations = {f"{stage}_s": seconds for stage, seconds, _ in stages}
        marks = {f"{stage}_late": late for stage, _, late in stages}
        alerts = sum(late == "alert" for _, _, late in stages)
        this = (row.party_id == turn["party_id"]) & (row.seated_at == turn["seated_at"])
        changes = {moment: at, "alerts": alerts, **durations, **marks, **values}
        connection.execute(update(turns).where(_of(name), this).values(**changes))


def _stages(turn: Any, targets: TurnTargets) -> Iterable[tuple[str, int, str | None]]:
    """The stages that are over, how many seconds they took, and what they took too long for: the target, or the alert."""
    for stage, begins, ends, status in _STAGES:
        if turn[begins] is None or turn[ends] is None:
            continue
        took = turn[ends] - turn[begins]
        latest = latest_of(targets, status, turn[begins])
        late = (
            "alert"
            if _passed(latest.alert_at, turn[ends])
            else "target"
            if _passed(latest.target_at, turn[ends])
            else None
        )
        yield stage, took // timedelta(seconds=1), late


def _passed(deadline: datetime | None, at: datetime) -> bool:
    return deadline is not None and deadline <= at
