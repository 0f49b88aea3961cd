"""Every code by which a floor refuses a command, with what it tells, each seen through `decide`."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from holdfast import Actor, Command, Rejected
from holdfast.testing import Scenario
from services.floor import domain_errors
from services.floor.contract import (
    AdvanceItem,
    AssignWaiter,
    BlockTable,
    CancelLine,
    ClearTable,
    ClockOut,
    ConfigureFloor,
    FireCourse,
    Hours,
    MergeOrders,
    MoveParty,
    RecordBank,
    Reserve,
    SetEightySix,
    Unmerge,
    contract,
)
from services.floor.tests.scenes import (
    EVENING,
    HOST,
    HOUR,
    MANAGER,
    MINUTE,
    TABLES,
    TILL,
    WAITER,
    clocked_in,
    empty_floor,
    line,
    order,
    run,
    seat,
    seated,
    till,
)

OF_THE_SPECIFICATION = {
    *("TABLE_IN_USE", "VERSION_CONFLICT", "TABLE_OCCUPIED", "TABLE_BLOCKED", "OVER_CAPACITY", "RESERVED_SOON"),
    *("TABLE_NOT_SEATED", "ITEM_86", "COURSE_EMPTY", "ALREADY_FIRED", "BAD_TRANSITION", "ALREADY_SERVED"),
    *("REASON_REQUIRED", "PAYMENT_IN_PROGRESS", "DIFFERENT_TAX_MODE", "NOT_MERGED", "NOT_ON_SHIFT", "OPEN_TABLES"),
    *("BALANCE_DUE", "NO_CAPACITY", "LEAD_TIME", "OUT_OF_HOURS"),
}
BESIDE_IT = {"PACING_LIMIT", "BANK_OPEN"}
"""Codes of what floors do beyond the specification."""


class Refused(NamedTuple):
    """What is refused with a code, and what the refusal tells."""

    code: str
    status: int
    scene: Callable[[], Scenario]
    command: Command
    by: Actor = WAITER
    details: dict[str, Any] = {}  # noqa: RUF012 - never written


def blocked() -> Scenario:
    return run(empty_floor(), BlockTable(table="t1", reason="wobbles"), by=HOST)


def with_a_bank() -> Scenario:
    return run(clocked_in(empty_floor(), WAITER), RecordBank(waiter_id="walt", is_open=True), by=TILL)


def reserved() -> Scenario:
    """T1 is kept for guests who come in twenty minutes."""
    soon = Reserve(res_id="r1", start=EVENING + 20 * MINUTE, size=2, table_ids=("t1",))
    return run(empty_floor(), soon, by=HOST)


def ordered() -> Scenario:
    return run(seated(), order(line("l1"), line("steak", course=2)))


def served() -> Scenario:
    return run(ordered(), AdvanceItem(line_id="l1", to="SERVED"))


def paying() -> Scenario:
    scene = ordered()
    return run(scene, till(scene, "PAYING", balance_minor=500), by=TILL)


def owing() -> Scenario:
    scene = ordered()
    return run(scene, till(scene, balance_minor=1250), by=TILL)


def two_kinds() -> Scenario:
    return run(ordered(), order(line("m1"), order_id="o2", order_type="takeaway"))


def served_by_walt() -> Scenario:
    return run(clocked_in(empty_floor(), WAITER), seat(waiter_id="walt"))


def without_pie() -> Scenario:
    return run(seated(), SetEightySix(sku="pie"))


def on_saturdays() -> Scenario:
    return empty_floor(opening_hours=(Hours(weekday=5, opens=600, closes=1380),))


TABLE = (
    Refused("TABLE_IN_USE", 409, seated, ConfigureFloor(tables=TABLES[1:], expected_version=1), MANAGER),
    Refused(
        "VERSION_CONFLICT",
        412,
        seated,
        ConfigureFloor(tables=TABLES[1:], expected_version=0),
        MANAGER,
        {"version": 1},
    ),
    Refused("TABLE_OCCUPIED", 409, seated, seat(party="p2"), WAITER, {"table_id": "t1", "party_id": "p1"}),
    Refused("TABLE_BLOCKED", 409, blocked, seat(), WAITER, {"table_id": "t1"}),
    Refused("OVER_CAPACITY", 422, empty_floor, seat(size=3), WAITER, {"maximum": 2}),
    Refused("RESERVED_SOON", 409, reserved, seat(), WAITER, {"at": EVENING + 20 * MINUTE}),
    Refused("TABLE_NOT_SEATED", 409, empty_floor, order(), WAITER, {"table_id": "t1"}),
    Refused("ITEM_86", 409, without_pie, order(line("l1", sku="pie")), WAITER, {"sku": "pie"}),
    Refused("COURSE_EMPTY", 409, ordered, FireCourse(table_id="t1", course=3), WAITER, {"course": 3}),
    Refused(
        "ALREADY_FIRED",
        409,
        lambda: run(ordered(), FireCourse(table_id="t1", course=2)),
        FireCourse(table_id="t1", course=2),
        WAITER,
        {"course": 2},
    ),
    Refused("BAD_TRANSITION", 409, served, AdvanceItem(line_id="l1", to="READY"), WAITER, {"state": "SERVED"}),
    Refused("ALREADY_SERVED", 409, served, CancelLine(line_id="l1", reason="cold"), WAITER, {"line_id": "l1"}),
    Refused("REASON_REQUIRED", 422, ordered, CancelLine(line_id="l1")),
    Refused("PAYMENT_IN_PROGRESS", 409, paying, MoveParty(party_id="p1", to_table_ids=("t2",))),
    Refused("DIFFERENT_TAX_MODE", 409, two_kinds, MergeOrders(from_="o1", into="o2")),
    Refused("NOT_MERGED", 409, ordered, Unmerge(order_id="o1")),
    Refused(
        "NOT_ON_SHIFT",
        409,
        empty_floor,
        AssignWaiter(section="main", waiter="walt"),
        HOST,
        {"waiter_id": "walt"},
    ),
    Refused("OPEN_TABLES", 409, served_by_walt, ClockOut(), WAITER, {"table_ids": ["t1"]}),
    Refused("BANK_OPEN", 409, with_a_bank, ClockOut()),
    Refused("BALANCE_DUE", 409, owing, ClearTable(table="t1"), WAITER, {"balance_minor": 1250}),
    Refused("NO_CAPACITY", 409, empty_floor, Reserve(res_id="r1", start=EVENING + HOUR, size=40), HOST),
    Refused(
        "PACING_LIMIT",
        409,
        lambda: empty_floor(max_covers_per_quarter=1),
        Reserve(res_id="r1", start=EVENING + HOUR, size=2),
        HOST,
        {"next_at": None},
    ),
    Refused(
        "LEAD_TIME",
        422,
        lambda: empty_floor(lead_time=60),
        Reserve(res_id="r1", start=EVENING + 30 * MINUTE, size=2),
        HOST,
        {"earliest": EVENING + HOUR},
    ),
    Refused(
        "OUT_OF_HOURS",
        422,
        on_saturdays,
        Reserve(res_id="r1", start=EVENING + timedelta(days=2), size=2),
        HOST,
        {"start": EVENING + timedelta(days=2), "end": EVENING + timedelta(days=2, minutes=90)},
    ),
)


@pytest.mark.parametrize("refused", TABLE, ids=[each.code for each in TABLE])
def test_a_refusal_has_its_code_its_status_and_says_what_is_in_the_way(refused: Refused) -> None:
    scene = refused.scene()
    before = len(scene.log)
    scene.when(refused.command, by=refused.by)
    refusal = scene.refusal
    assert refusal is not None
    assert (refusal.code, refusal.status) == (refused.code, refused.status)
    assert {key: refusal.details.get(key) for key in refused.details} == refused.details
    assert re.search(r"\w{3}", refusal.message)
    assert len(scene.log) == before


@pytest.mark.parametrize("refused", TABLE, ids=[each.code for each in TABLE])
def test_a_command_declares_the_codes_that_it_is_refused_with(refused: Refused) -> None:
    declared = {kind.code for kind in refused.command.raises} | {"VERSION_CONFLICT"}
    assert refused.code in declared


def test_the_codes_of_the_specification_are_those_that_are_declared_and_those_that_are_tested() -> None:
    declared = {
        kind.code for kind in vars(domain_errors).values() if isinstance(kind, type) and issubclass(kind, Rejected)
    } - {Rejected.code}
    tested = {each.code for each in TABLE}
    assert tested == OF_THE_SPECIFICATION | BESIDE_IT
    assert declared | {"VERSION_CONFLICT"} == tested
    assert set(contract.codes) | {"VERSION_CONFLICT"} == tested
