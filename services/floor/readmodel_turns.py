"""The turns of parties at their tables as rows, with how long each stage took."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from holdfast import Name
from holdfast.sql import StoredEvent
from services.floor import domain_events as events
from services.floor.domain_settings import TurnTargets
from services.floor.readmodel_room import latest_of, targets_of
from services.floor.readmodel_rows import Row, Rows
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


def follow_turns(rows: Rows, stored: StoredEvent[events.FloorEvent]) -> None:
    """Write what an event changes about turns."""
    name = stored.name
    match stored.event:
        case events.PartySeated() as seated:
            rows.add(turns, name, seq=stored.seq, **_seated(seated))
        case events.TableStatusChanged(party_id=str() as party_id, to=status, at=at) if status in _REACHED:
            _reach(rows, name, _open(rows, name, (party_id,)), _REACHED[status], at)
        case events.TableStatusChanged(party_id=None, table_ids=table_ids, to="AVAILABLE" | "RESERVED", at=at):
            dirty = (row for row in rows.of(turns, name) if row["left_at"] is not None and row["table_id"] in table_ids)
            _reach(rows, name, dirty, "available_at", at)
        case events.PartyMoved(party_id=party_id, to_table_ids=table_ids, table_ref=table_ref):
            for row in _open(rows, name, (party_id,)):
                row.change(table_id=table_ids[0], table_ref=table_ref)
        case events.PartyLeft(party_id=party_id, at=at):
            _reach(rows, name, _open(rows, name, (party_id,)), "left_at", at, ended_by="cleared")
        case events.TableAutoClosed(party_id=party_id, effective_at=at, reason=reason):
            _reach(rows, name, _open(rows, name, (party_id,)), "left_at", at, ended_by=reason)
        case (
            events.WaiterAssigned(party_ids=party_ids, waiter_id=waiter)
            | events.TablesHandedOver(party_ids=party_ids, to_waiter=waiter)
        ):
            for row in _open(rows, name, party_ids):
                row.change(waiter_id=waiter)
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


def _open(rows: Rows, name: Name, party_ids: Iterable[str]) -> Iterator[Row]:
    parties = set(party_ids)
    return (row for row in rows.of(turns, name) if row["left_at"] is None and row["party_id"] in parties)


def _reach(rows: Rows, name: Name, these: Iterable[Row], moment: str, at: datetime, **values: Any) -> None:
    """Note when a moment of turns came first, and how long the stage before it took."""
    targets = targets_of(rows, name)
    for row in these:
        if row[moment] is not None:
            continue
        stages = list(_stages({**row.values, moment: at}, targets))
        durations = {f"{stage}_s": seconds for stage, seconds, _ in stages}
        marks = {f"{stage}_late": late for stage, _, late in stages}
        alerts = sum(late == "alert" for _, _, late in stages)
        row.change(**{moment: at, "alerts": alerts, **durations, **marks, **values})


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
