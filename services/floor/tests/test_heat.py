"""How busy tables are by the hour: of every stay, each second counts in the hour of the wall's clock that it was in."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from holdfast import Name
from holdfast._judge import Judge
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario
from services.floor.contract import ClearTable, LinkTables, MoveParty, UnlinkTables
from services.floor.readmodel_heat import Heat, hours_of
from services.floor.readmodel_tables import heat, heat_stays, metadata
from services.floor.tests.scenes import EVENING, MINUTE, WAITER, empty_floor, run, seat, seated

FRIDAY = ("2026-01", 4)


def heat_of(scene: Scenario) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Turns, covers and seconds by table and hour of the Friday evening of the scenes."""
    judge = Judge(scene.entity)
    name = Name.of("floor", "acme", "f1")
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        stored = [StoredEvent[Any](name=name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
        Heat().apply_all(connection, stored)
        rows = connection.execute(select(heat)).mappings().all()
        sitting = connection.execute(select(heat_stays.c.table_id)).scalars().all()
    engine.dispose()
    assert {each["id"] for each in scene.view(WAITER)["tables"] if "party_id" in each} == set(sitting)
    return {
        (row["table_id"], row["hour"]): (row["turns"], row["covers"], row["seconds"])
        for row in rows
        if (row["month"], row["weekday"]) == FRIDAY
    }


def test_a_stay_counts_where_it_began_and_warms_every_hour_that_it_lasts() -> None:
    scene = run(seated().at(EVENING + 10 * MINUTE), seat(table="t2", party="p2"))
    run(scene.at(EVENING + 14 * MINUTE), ClearTable(table="t1"))
    scene.wake(at=EVENING + 500 * MINUTE)
    assert heat_of(scene) == {("t1", 18): (1, 2, 14 * 60), ("t2", 18): (1, 2, 15 * 60)}
    late = run(empty_floor().at(EVENING + 55 * MINUTE), seat())
    assert heat_of(late.wake(at=EVENING + 100 * MINUTE)) == {("t1", 18): (1, 2, 300), ("t1", 19): (0, 0, 600)}


def test_a_stay_is_counted_at_the_tables_where_it_was() -> None:
    scene = run(seated().at(EVENING + 5 * MINUTE), MoveParty(party_id="p1", to_table_ids=("t4",)))
    run(scene.at(EVENING + 9 * MINUTE), LinkTables(party_id="p1", table_ids=("t5",)))
    run(scene.at(EVENING + 11 * MINUTE), UnlinkTables(party_id="p1", table_ids=("t5",)))
    run(scene.at(EVENING + 12 * MINUTE), ClearTable(table="t4"))
    assert heat_of(scene) == {("t1", 18): (1, 2, 300), ("t4", 18): (0, 0, 420), ("t5", 18): (0, 0, 120)}


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    scene = run(empty_floor(timezone="Asia/Kathmandu"), seat(), ClearTable(table="t1"))
    assert heat_of(scene) == {("t1", 23): (1, 2, 0)}


@settings(deadline=None)
@for_all(
    since=st.datetimes(timezones=st.just(ZoneInfo("UTC"))),
    seconds=st.integers(0, 300_000),
    zone=st.sampled_from(["UTC", "Europe/Paris", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_the_hours_of_a_stay_sum_up_to_it(since: Any, seconds: int, zone: str) -> None:
    if since.year < 1990 or since.year > 2100:
        since = since.replace(year=2026, day=1)
    since = since.replace(microsecond=0)
    hours = list(hours_of(since, since + seconds * MINUTE / 60, ZoneInfo(zone)))
    assert sum(each for _, each in hours) == seconds
    assert all(0 < each <= 3600 for _, each in hours)
