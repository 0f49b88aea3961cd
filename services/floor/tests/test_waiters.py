"""Shifts, sections, hand-over, and whose turn it is."""

import pytest

from holdfast import NotFound, TooLarge, ValidationFailed
from services.floor import domain_errors as refusals
from services.floor import domain_waiters
from services.floor.contract import (
    AssignWaiter,
    BankRecorded,
    ClockIn,
    ClockOut,
    HandOver,
    PartySeated,
    RecordBank,
    TablesHandedOver,
    WaiterAssigned,
    WaiterClockedIn,
    WaiterClockedOut,
)
from services.floor.tests.scenes import (
    EVENING,
    HOST,
    MANAGER,
    TILL,
    WAITER,
    WILMA,
    clocked_in,
    empty_floor,
    run,
    seat,
    table,
)


def test_a_waiter_begins_a_shift_once() -> None:
    scene = empty_floor().when(ClockIn(), by=WAITER)
    scene.then(WaiterClockedIn(waiter_id="walt", at=EVENING))
    scene.when(ClockIn(), by=WAITER).then_nothing()


def test_a_waiter_ends_a_shift_without_parties_and_once() -> None:
    scene = clocked_in(empty_floor(), WAITER)
    run(scene, seat(waiter_id="walt"))
    scene.when(ClockOut(), by=WAITER).then_rejected(refusals.OpenTables, table_ids=["t1"])
    run(clocked_in(scene, WILMA), HandOver(from_="walt", to="wilma"))
    scene.when(ClockOut(), by=WAITER).then(WaiterClockedOut(waiter_id="walt", at=EVENING))
    scene.when(ClockOut(), by=WAITER).then_nothing()


def test_a_waiter_does_not_clock_out_before_the_bank_is_settled_at_the_till() -> None:
    scene = clocked_in(empty_floor(), WAITER).when(RecordBank(waiter_id="walt", is_open=True), by=TILL)
    scene.then(BankRecorded(waiter_id="walt", is_open=True, at=EVENING))
    scene.when(RecordBank(waiter_id="walt", is_open=True), by=TILL).then_nothing()
    assert scene.view(MANAGER)["waiters"][0]["has_bank"] is True
    scene.when(ClockOut(), by=WAITER).then_rejected(refusals.BankOpen)
    run(scene, RecordBank(waiter_id="walt", is_open=False), by=TILL)
    scene.when(ClockOut(), by=WAITER).then_includes(WaiterClockedOut, waiter_id="walt")


def test_a_table_is_served_by_its_sections_waiter_unless_it_has_its_own() -> None:
    scene = clocked_in(empty_floor(), WAITER, WILMA)
    main = AssignWaiter(section="main", waiter="walt")
    scene.when(main, by=HOST).then_includes(WaiterAssigned, section="main", waiter_id="walt")
    scene.when(main, by=HOST).then_nothing()
    run(scene, AssignWaiter(table="t2", waiter="wilma"), by=HOST)
    assert [table(scene, key).get("waiter_id") for key in ("t1", "t2", "t9")] == ["walt", "wilma", None]
    scene.when(seat(table="t2"), by=HOST).then_includes(PartySeated, waiter_id="wilma")


def test_an_assignment_reaches_the_party_at_the_table() -> None:
    scene = run(clocked_in(empty_floor(), WAITER, WILMA), seat(waiter_id="walt"))
    scene.when(AssignWaiter(table="t1", waiter="wilma"), by=HOST).then_includes(WaiterAssigned, party_ids=("p1",))
    assert table(scene)["waiter_id"] == "wilma"


def test_only_a_waiter_on_shift_gets_tables() -> None:
    scene = empty_floor()
    scene.when(AssignWaiter(section="main", waiter="walt"), by=HOST).then_rejected(refusals.NotOnShift)
    scene.when(seat(waiter_id="walt"), by=HOST).then_rejected(refusals.NotOnShift)
    scene.when(HandOver(from_="wilma", to="walt"), by=HOST).then_rejected(refusals.NotOnShift)


def test_an_assignment_names_a_section_or_a_table() -> None:
    scene = clocked_in(empty_floor(), WAITER)
    for wrong in (AssignWaiter(waiter="walt"), AssignWaiter(section="main", table="t1", waiter="walt")):
        scene.when(wrong, by=HOST).then_rejected(ValidationFailed)


def test_a_hand_over_moves_everything_in_one_event() -> None:
    scene = clocked_in(empty_floor(), WAITER, WILMA)
    run(scene, AssignWaiter(section="main", waiter="walt"), AssignWaiter(table="t9", waiter="walt"), by=HOST)
    run(scene, seat(), seat(table="t9", party="p9", size=5))
    hand_over = HandOver(from_="walt", to="wilma")
    scene.when(hand_over, by=WAITER).then(
        TablesHandedOver(
            from_waiter="walt",
            to_waiter="wilma",
            party_ids=("p1", "p9"),
            table_ids=("t9",),
            sections=("main",),
            at=EVENING,
        )
    )
    assert [table(scene, key)["waiter_id"] for key in ("t1", "t9")] == ["wilma", "wilma"]
    scene.when(hand_over, by=WAITER).then_nothing()


def test_a_section_is_assigned_that_has_tables() -> None:
    scene = clocked_in(empty_floor(), WAITER)
    scene.when(AssignWaiter(section="attic", waiter="walt"), by=HOST).then_rejected(NotFound)


def test_the_number_of_waiters_on_shift_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_waiters, "MAX_ON_SHIFT", 1)
    scene = clocked_in(empty_floor(), WAITER)
    scene.when(ClockIn(), by=WILMA).then_rejected(TooLarge, maximum=1)
    scene.when(ClockIn(), by=WAITER).then_nothing()


def test_nobody_hands_over_to_himself() -> None:
    scene = clocked_in(empty_floor(), WAITER)
    scene.when(HandOver(from_="walt", to="walt"), by=WAITER).then_rejected(ValidationFailed)


def test_the_waiter_with_the_fewest_guests_is_next() -> None:
    scene = clocked_in(empty_floor(), WAITER, WILMA)
    turns = [scene.view(HOST)["suggested_waiter"]]
    run(scene, seat(table="t4", size=4, waiter_id="walt"))
    turns.append(scene.view(HOST)["suggested_waiter"])
    run(scene, seat(table="t9", party="p2", size=6, waiter_id="wilma"))
    assert [*turns, scene.view(HOST)["suggested_waiter"]] == ["walt", "wilma", "walt"]
