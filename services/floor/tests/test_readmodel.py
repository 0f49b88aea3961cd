"""The read model: it shows what the views show, and what has left them."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, Name
from holdfast._judge import Judge
from holdfast.sql import Listing, StoredEvent, migrate, open_database
from holdfast.sql._listing import ListQuery, read_page
from holdfast.sql._tables import metadata as shared
from holdfast.testing import Scenario
from services.floor import readmodel_lists as listings
from services.floor.contract import (
    AdvanceItem,
    Bump,
    CancelReservation,
    ChangeSettings,
    ClearTable,
    ConfigureFloor,
    HandOver,
    JoinWaitlist,
    LeaveWaitlist,
    NotifyParty,
    Recall,
    ReprintTicket,
    Reserve,
    SetStatus,
    Settings,
    Target,
    TurnTargets,
)
from services.floor.readmodel import Floors
from services.floor.readmodel_heat import Heat
from services.floor.readmodel_tables import STAGES, floor_tables, metadata, reservations, tickets, turns, waiting
from services.floor.tests.scenes import (
    EVENING,
    HOST,
    MANAGER,
    MINUTE,
    SECOND,
    TABLES,
    TILL,
    WAITER,
    WILMA,
    clocked_in,
    empty_floor,
    line,
    order,
    run,
    seat,
    seated,
    till,
)
from services.floor.tests.test_properties import DELAYS, EVENINGS, Step, busy, of_any_kind

pytest_plugins = ["holdfast.testing._databases"]

FLOOR = "loc-1:floor-main"


def project(connection: Connection, scene: Scenario, *, tenant: str = "acme", at_once: int | None = None) -> None:
    """Apply the whole log of a floor, as a projector does: all at once, or so many events."""
    judge = Judge(scene.entity)
    name = Name.of("floor", tenant, FLOOR)
    stored = [StoredEvent[Any](name=name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    size = at_once or len(stored)
    for first in range(0, len(stored), size):
        for projection in (Floors(), Heat()):
            projection.apply_all(connection, stored[first : first + size])


def rows(scene: Scenario, table: Table) -> list[dict[str, Any]]:
    """The rows of one table after the whole log of a floor, as JSON shows them."""
    return all_rows(scene)[table.name]


def all_rows(scene: Scenario, *, at_once: int | None = None) -> dict[str, list[dict[str, Any]]]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        project(connection, scene, at_once=at_once)
        found = {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in (*Floors.tables, *Heat.tables)
        }
    engine.dispose()
    return msgspec.json.decode(msgspec.json.encode(found))


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "floor", package="services.floor")
    engine = open_database(database_url, "floor")
    yield engine
    await engine.dispose()


async def store(database: AsyncEngine, scene: Scenario, *, tenant: str = "acme") -> None:
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: project(sync, scene, tenant=tenant))


async def items(database: AsyncEngine, listing: Listing[Any], tenant: str = "acme", **filters: str) -> list[Any]:
    query = ListQuery(by=Actor(user="walt", roles=("waiter",)), filters=filters)
    return list((await read_page(database, listing, tenant, query)).items)


async def test_the_migrations_make_the_tables_of_the_read_model(database: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), [shared, metadata])  # pyright: ignore[reportArgumentType] - a sequence is taken

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []


@settings(max_examples=40, deadline=None)
@for_all(
    evening=st.sampled_from(EVENINGS),
    turns_=st.lists(st.tuples(DELAYS, st.booleans(), of_any_kind()), min_size=1, max_size=12),
)
def test_rows_show_what_the_view_shows(
    evening: dict[str, Any], turns_: list[tuple[timedelta, bool, Callable[[Scenario], Step]]]
) -> None:
    scene = busy(**evening)
    for delay, wakes, turn in turns_:
        scene.after(delay)
        if wakes:
            scene.wake()
        command, by = turn(scene)
        scene.when(command, by=by)
    seen = scene.view(MANAGER)
    shown = ("status", "since", "target_at", "alert_at", "party_id")
    found = all_rows(scene)
    by_table = {row["table_id"]: {key: row[key] for key in shown} for row in found["floor_tables"]}
    assert by_table == {each["id"]: {key: each.get(key) for key in shown} for each in seen["tables"]}
    standing = {row["res_id"] for row in found["reservations"] if row["status"] in {"booked", "held", "arrived"}}
    assert standing == {each["res_id"] for each in seen["reservations"]}
    queue = {row["party_id"] for row in found["waiting"] if row["status"] in {"waiting", "called"}}
    assert queue == {each["party_id"] for each in seen["waitlist"]}
    here = {row["party_id"]: row["table_ref"] for row in found["turns"] if row["left_at"] is None}
    assert here.keys() == {each["party_id"] for each in seen["parties"]}


@settings(max_examples=15, deadline=None)
@for_all(
    evening=st.sampled_from(EVENINGS),
    turns_=st.lists(st.tuples(DELAYS, of_any_kind()), min_size=1, max_size=12),
    at_once=st.integers(1, 7),
)
def test_however_many_events_are_written_together_the_rows_are_the_same(
    evening: dict[str, Any], turns_: list[tuple[timedelta, Callable[[Scenario], Step]]], at_once: int
) -> None:
    scene = busy(**evening)
    for delay, turn in turns_:
        scene.after(delay)
        command, by = turn(scene)
        scene.when(command, by=by)
    assert all_rows(scene, at_once=at_once) == all_rows(scene)


def test_a_table_that_leaves_the_room_and_comes_back_in_one_batch_is_new() -> None:
    scene = run(empty_floor(), ConfigureFloor(tables=TABLES[1:], expected_version=1), by=MANAGER)
    run(scene, ConfigureFloor(tables=TABLES, expected_version=2), by=MANAGER)
    assert all_rows(scene, at_once=1) == all_rows(scene)


def a_turn() -> Scenario:
    """Seated, ordered after 12 min, served after 20 more, check after 50, gone after 10, clean after 6."""
    scene = seated().after(12 * MINUTE)
    run(scene, order()).after(20 * MINUTE)
    run(scene, AdvanceItem(line_id="l1", to="SERVED")).after(50 * MINUTE)
    run(scene, till(scene, balance_minor=500, bill_printed=True), by=TILL).after(10 * MINUTE)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    run(scene, ClearTable(table="t1")).after(6 * MINUTE)
    return run(scene, SetStatus(table="t1", status="AVAILABLE"))


def test_a_turn_tells_how_long_each_stage_took() -> None:
    [turn] = rows(a_turn(), turns)
    stages = [turn[f"{stage}_s"] for stage in ("seated", "ordered", "served", "check", "dirty")]
    assert stages == [12 * 60, 20 * 60, 50 * 60, 10 * 60, 6 * 60]
    assert (turn["ended_by"], turn["alerts"]) == ("cleared", 0)


def test_a_turn_tells_which_stages_took_longer_than_their_target_and_which_than_their_alert() -> None:
    [turn] = rows(a_turn(), turns)
    late = [turn[f"{stage}_late"] for stage in STAGES]
    assert late == ["target", None, "target", "target", "target"]  # 12 of 10, 20 of 25, 50 of 45, 10 of 10, 6 of 5
    slow = run(seated().after(15 * MINUTE - SECOND), order())
    assert [turn["seated_late"] for turn in rows(slow, turns)] == ["target"]
    too_slow = run(seated(idle_seated=60).after(15 * MINUTE), order())
    assert [(turn["seated_late"], turn["alerts"]) for turn in rows(too_slow, turns)] == [("alert", 1)]


def test_who_pays_without_a_bill_had_his_check_in_that_moment() -> None:
    scene = run(seated(), order(), AdvanceItem(line_id="l1", to="SERVED"))
    run(scene, till(scene, balance_minor=500), by=TILL).after(30 * MINUTE)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL).after(4 * MINUTE)
    run(scene, ClearTable(table="t1"))
    [turn] = rows(scene, turns)
    assert (turn["served_s"], turn["check_s"], turn["check_late"]) == (30 * 60, 4 * 60, None)


def test_a_stage_that_took_longer_than_its_alert_counts() -> None:
    strict = TurnTargets(seated=Target(target=5, alert=10), dirty=Target(target=2, alert=5))
    scene = seated(turn_targets=strict).after(12 * MINUTE)
    run(scene, order()).after(20 * MINUTE)
    run(scene, AdvanceItem(line_id="l1", to="SERVED"))
    [turn] = rows(scene, turns)
    assert (turn["seated_s"], turn["alerts"]) == (12 * 60, 1)


def test_an_empty_turn_ends_at_its_deadline_however_late_that_was_found() -> None:
    [turn] = rows(seated().wake(at=EVENING + 300 * MINUTE), turns)
    assert (turn["ended_by"], turn["left_at"]) == ("not_ordered", "2026-01-02T18:15:00Z")


def test_new_targets_count_from_the_check_on_for_a_table_that_has_paid() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500, bill_printed=True), by=TILL).after(7 * MINUTE)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    targets = TurnTargets(check_dropped=Target(target=20, alert=30))
    run(scene, ChangeSettings(settings=Settings(turn_targets=targets), expected_version=0), by=MANAGER)
    row = next(row for row in rows(scene, floor_tables) if row["table_id"] == "t1")
    assert (row["status"], row["alert_at"]) == ("PAID", "2026-01-02T18:30:00Z")


def test_new_targets_count_for_tables_that_stand_in_a_stage() -> None:
    targets = TurnTargets(seated=Target(target=1, alert=2))
    scene = run(seated(), ChangeSettings(settings=Settings(turn_targets=targets), expected_version=0), by=MANAGER)
    row = next(row for row in rows(scene, floor_tables) if row["table_id"] == "t1")
    assert (row["target_at"], row["alert_at"]) == ("2026-01-02T18:01:00Z", "2026-01-02T18:02:00Z")


def test_a_new_layout_adds_and_removes_rows() -> None:
    scene = run(empty_floor(), ConfigureFloor(tables=TABLES[1:], expected_version=1), by=MANAGER)
    assert [row["table_id"] for row in rows(scene, floor_tables)] == ["t2", "t4", "t5", "t9"]


def test_a_hand_over_is_seen_at_tables_and_turns() -> None:
    scene = run(clocked_in(empty_floor(), WAITER, WILMA), seat(waiter_id="walt"), HandOver(from_="walt", to="wilma"))
    row = next(row for row in rows(scene, floor_tables) if row["table_id"] == "t1")
    assert (row["waiter_id"], rows(scene, turns)[0]["waiter_id"]) == ("wilma", "wilma")


def test_a_ticket_tells_how_long_it_took_and_stays_when_its_guests_have_gone() -> None:
    scene = run(seated(payments="none"), order(line("l1"))).after(7 * MINUTE)
    ticket = scene.view(WAITER)["tickets"][0]["ticket_id"]
    run(scene, Bump(ticket_id=ticket), ReprintTicket(ticket_id=ticket))
    [row] = rows(scene, tickets)
    assert (row["seconds"], row["open"], row["copies"]) == (420, False, 2)
    run(scene, Recall(ticket_id=ticket))
    assert [row["open"] for row in rows(scene, tickets)] == [True]
    run(scene, ClearTable(table="t1"))
    assert [row["open"] for row in rows(scene, tickets)] == [False]


def test_the_accuracy_of_a_quote_is_measured_when_the_party_sits_down() -> None:
    scene = run(empty_floor(), JoinWaitlist(party="w1", size=2), JoinWaitlist(party="w2", size=2), by=HOST)
    run(scene, NotifyParty(party="w1"), LeaveWaitlist(party="w2"), by=HOST).after(9 * MINUTE)
    run(scene, seat(party="w1"))
    by_party = {row["party_id"]: row for row in rows(scene, waiting)}
    assert [by_party["w1"][key] for key in ("status", "quote_min", "waited_min", "error_min")] == ["seated", 0, 9, 9]
    assert by_party["w2"]["status"] == "left"


def test_a_reservation_tells_what_became_of_it() -> None:
    scene = empty_floor()
    for number in range(3):
        run(scene, Reserve(res_id=f"r{number}", start=EVENING + 60 * MINUTE, size=2, contact="555-0100"), by=HOST)
        if number == 0:
            run(scene, CancelReservation(res_id="r0"), by=HOST)
    run(scene.at(EVENING + 60 * MINUTE), seat(table="t1", reservation_id="r1"))
    scene.wake(at=EVENING + 75 * MINUTE)
    found = rows(scene, reservations)
    assert {row["res_id"]: row["status"] for row in found} == {"r0": "cancelled", "r1": "seated", "r2": "no_show"}
    assert "555-0100" not in str(found)


async def test_lists_are_filtered_and_another_tenants_rows_never_appear(database: AsyncEngine) -> None:
    await store(database, run(seated(), order()))
    await store(database, empty_floor(), tenant="umbra")
    occupied = await items(database, listings.list_of_tables, status="ORDERED", section="main", floor=FLOOR)
    assert [item.table_id for item in occupied] == ["t1"]
    late = await items(database, listings.list_of_tables, late_at="2026-01-02T18:30:00Z")
    assert [item.table_id for item in late] == ["t1"]
    assert len(await items(database, listings.list_of_tables, "umbra")) == len(TABLES)
    assert [item.station for item in await items(database, listings.list_of_tickets, open="true")] == ["kitchen"]
    assert await items(database, listings.list_of_tickets, station="bar") == []
    assert [item.party_id for item in await items(database, listings.list_of_turns, floor=FLOOR)] == ["p1"]
    assert await items(database, listings.list_of_turns, seated_before="2026-01-02T18:00:00Z") == []
    assert await items(database, listings.list_of_reservations, status="booked") == []
    assert await items(database, listings.list_of_waiting, status="waiting") == []


async def test_turns_are_asked_for_by_their_late_stages(database: AsyncEngine) -> None:
    await store(database, a_turn())
    on_alert = run(seated(idle_seated=60, party="slow", table="t2").after(15 * MINUTE), order(table="t2"))
    await store(database, on_alert, tenant="umbra")
    assert [turn.party_id for turn in await items(database, listings.list_of_turns, late="target")] == ["p1"]
    assert await items(database, listings.list_of_turns, late="alert") == []
    assert [turn.party_id for turn in await items(database, listings.list_of_turns, "umbra", late="alert")] == ["slow"]
    assert await items(database, listings.list_of_turns, "umbra", table_ref="T9") == []


def test_what_happens_again_under_one_id_while_time_stands_still_is_a_row_of_its_own() -> None:
    scene = empty_floor(payments="none")
    booking = Reserve(res_id="r", start=EVENING + 60 * MINUTE, size=2)
    run(scene, booking, CancelReservation(res_id="r"), booking, by=HOST)
    run(scene, *(JoinWaitlist(party="w", size=2), LeaveWaitlist(party="w")) * 2, by=HOST)
    run(scene, *(seat(), ClearTable(table="t1"), SetStatus(table="t1", status="AVAILABLE")) * 2)
    for at_once in (1, 2, None):
        found = all_rows(scene, at_once=at_once)
        assert [row["status"] for row in found["reservations"]] == ["cancelled", "booked"]
        assert [row["status"] for row in found["waiting"]] == ["left", "left"]
        assert [(row["left_at"], row["available_at"]) for row in found["turns"]] == [("2026-01-02T18:00:00Z",) * 2] * 2
