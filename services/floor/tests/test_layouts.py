"""Layouts by the parts of a day: edited in versions, laid out by hand or by the clock, never under somebody's plate."""

from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast import NotFound, TooLarge, ValidationFailed, VersionConflict
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor import domain_layouts
from services.floor.contract import (
    ApplyLayout,
    ChangeSettings,
    ConfigureFloor,
    DayPart,
    DropLayout,
    FloorConfigured,
    LayoutBegan,
    LayoutDropped,
    LayoutSaved,
    LayoutScheduled,
    LayoutWaits,
    Reserve,
    SaveLayout,
    Settings,
)
from services.floor.tests.scenes import EVENING, HOST, HOUR, MANAGER, MINUTE, TABLES, empty_floor, run, seat

DINNER, LUNCH = TABLES[:4], TABLES
EVERY_EVENING = (DayPart(minute=19 * 60),)
SEVEN = EVENING + HOUR


def save(layout_id: str = "dinner", tables: Any = DINNER, *, version: int = 0, **more: Any) -> SaveLayout:
    return SaveLayout(layout_id=layout_id, tables=tables, expected_version=version, **more)


def kept(**more: Any) -> Scenario:
    return run(empty_floor(), save(**more), by=MANAGER)


def tables(scene: Scenario) -> list[str]:
    return [each["id"] for each in scene.view(HOST)["tables"]]


def test_a_layout_is_kept_in_versions_and_the_tables_stand_as_before() -> None:
    scene = empty_floor().when(save(), by=MANAGER)
    scene.then(LayoutSaved(layout_id="dinner", name="", tables=DINNER, begins=(), version=1))
    scene.when(save(), by=MANAGER).then_nothing()
    scene.when(save(name="Dinner"), by=MANAGER).then_rejected(VersionConflict, version=1)
    scene.when(save(name="Dinner", version=1), by=MANAGER).then_includes(LayoutSaved, version=2)
    assert tables(scene) == [table.id for table in TABLES]


def test_a_layout_has_tables_as_a_floor_has_them() -> None:
    twice = (TABLES[0], TABLES[0])
    empty_floor().when(save(tables=twice), by=MANAGER).then_rejected(ValidationFailed)


def test_a_layout_is_laid_out_by_hand_once() -> None:
    scene = kept().when(ApplyLayout(layout_id="dinner"), by=MANAGER)
    scene.then(FloorConfigured(tables=DINNER, version=2, layout_id="dinner"))
    scene.when(ApplyLayout(layout_id="dinner"), by=MANAGER).then_nothing()
    assert (tables(scene), scene.view(HOST)["layout_id"]) == ([table.id for table in DINNER], "dinner")
    run(scene, ConfigureFloor(tables=TABLES, expected_version=2), by=MANAGER)
    assert "layout_id" not in scene.view(HOST)
    scene.when(ApplyLayout(layout_id="brunch"), by=MANAGER).then_rejected(NotFound)


def test_a_table_that_is_in_use_is_not_put_away() -> None:
    scene = run(kept(), seat(table="t9", party="p1", size=5))
    scene.when(ApplyLayout(layout_id="dinner"), by=MANAGER).then_rejected(refusals.TableInUse, table_id="t9")


def test_a_dropped_layout_is_forgotten_once() -> None:
    scene = kept()
    scene.when(DropLayout(layout_id="dinner", expected_version=7), by=MANAGER).then_rejected(VersionConflict)
    drop = DropLayout(layout_id="dinner", expected_version=1)
    scene.when(drop, by=MANAGER).then(LayoutDropped(layout_id="dinner"))
    scene.when(drop, by=MANAGER).then_nothing()


def test_the_clock_lays_out_the_layout_of_the_hour_and_knows_the_next_one() -> None:
    scene = empty_floor().when(save(begins=EVERY_EVENING), by=MANAGER)
    scene.then_types(LayoutSaved, LayoutScheduled).then_includes(LayoutScheduled, starts_at=SEVEN)
    assert scene.alarm_at == SEVEN
    scene.wake(at=SEVEN + MINUTE).then_types(LayoutBegan, LayoutScheduled)
    scene.then_includes(LayoutBegan, tables=DINNER, version=2, effective_at=SEVEN, cause="alarm")
    scene.then_includes(LayoutScheduled, starts_at=SEVEN + 24 * HOUR)
    scene.wake(at=SEVEN + 24 * HOUR).then_includes(LayoutBegan, version=2)


def test_of_several_layouts_the_next_one_counts() -> None:
    scene = kept(begins=(DayPart(weekdays=(4,), minute=19 * 60),))
    run(scene, save("lunch", LUNCH, begins=(DayPart(weekdays=(5,), minute=11 * 60),)), by=MANAGER)
    scene.wake(at=SEVEN)
    assert scene.alarm_at == datetime(2026, 1, 3, 11, tzinfo=UTC)
    scene.wake(at=scene.alarm_at).then_includes(LayoutBegan, layout_id="lunch", tables=LUNCH)
    run(scene, DropLayout(layout_id="dinner", expected_version=1), by=MANAGER)
    assert scene.alarm_at == datetime(2026, 1, 10, 11, tzinfo=UTC)


def test_a_layout_waits_for_a_manager_when_it_lacks_a_table_in_use() -> None:
    scene = run(kept(begins=EVERY_EVENING), seat(table="t9", party="p1", size=5))
    run(scene, Reserve(res_id="r1", start=EVENING + 5 * HOUR, size=5, table_ids=("t9",)), by=HOST)
    scene.wake(at=SEVEN).then_includes(LayoutWaits, layout_id="dinner", table_ids=("t9",), effective_at=SEVEN)
    assert tables(scene) == [table.id for table in TABLES]


def test_a_layout_begins_by_the_clock_on_the_wall_even_when_the_clocks_change() -> None:
    """Paris goes from UTC+1 to UTC+2 on the 29th of March 2026."""
    scene = empty_floor(timezone="Europe/Paris").at(datetime(2026, 3, 28, 18, 30, tzinfo=UTC))
    run(scene, save(begins=EVERY_EVENING), by=MANAGER)
    assert scene.alarm_at == datetime(2026, 3, 29, 17, tzinfo=UTC)
    other = Settings(timezone="Asia/Tokyo")
    run(scene, ChangeSettings(settings=other, expected_version=1), by=MANAGER)
    assert scene.alarm_at == datetime(2026, 3, 29, 10, tzinfo=UTC)


def test_the_number_of_layouts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_layouts, "MAX_LAYOUTS", 1)
    kept().when(save("lunch"), by=MANAGER).then_rejected(TooLarge, maximum=1)
