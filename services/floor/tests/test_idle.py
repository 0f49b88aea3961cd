"""Tables that nobody looked after for too long: money is never closed by a timer."""

from holdfast.testing import Scenario
from services.floor.contract import (
    AdvanceItem,
    CancelLine,
    MoveParty,
    SetStatus,
    TableAttention,
    TableAutoClosed,
    TableStatusChanged,
    TableTouched,
    Touch,
)
from services.floor.domain_errors import TableNotSeated
from services.floor.tests.scenes import (
    EVENING,
    MINUTE,
    TILL,
    WAITER,
    empty_floor,
    line,
    order,
    posts,
    run,
    seated,
    status,
    till,
)


def paid() -> Scenario:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500), by=TILL)
    return run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)


def test_guests_who_order_nothing_are_released_after_a_quarter_of_an_hour() -> None:
    scene = seated()
    due = EVENING + 15 * MINUTE
    assert scene.alarm_at == due
    scene.wake(at=due).then_types(TableAutoClosed, TableStatusChanged)
    scene.then_includes(TableAutoClosed, party_id="p1", reason="not_ordered", effective_at=due, cause="alarm")
    assert (status(scene), scene.alarm_at) == ("AVAILABLE", None)


def test_a_moment_before_nothing_happens() -> None:
    seated().wake(at=EVENING + 15 * MINUTE - MINUTE / 60).then_nothing()


def test_a_paid_table_is_dirty_after_twenty_minutes() -> None:
    scene = paid()
    due = EVENING + 20 * MINUTE
    scene.wake(at=due).then_includes(TableAutoClosed, reason="paid", leaves="DIRTY", effective_at=due)
    assert status(scene) == "DIRTY"


def test_a_table_with_an_open_bill_is_never_closed_but_calls_for_attention_once() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500), by=TILL)
    due = EVENING + 90 * MINUTE
    scene.wake(at=due).then_types(TableAttention)
    scene.then_includes(TableAttention, balance_minor=500, idle_since=EVENING, effective_at=due)
    assert (status(scene), scene.alarm_at) == ("ORDERED", None)
    assert scene.view(WAITER)["parties"][0]["needs_attention"]


def test_without_a_till_only_what_a_waiter_set_paid_is_closed() -> None:
    scene = run(seated(payments="none"), order())
    due = EVENING + 90 * MINUTE
    scene.wake(at=due).then_types(TableAttention)
    run(scene, SetStatus(table="t1", status="PAID"))
    scene.wake(at=due + 20 * MINUTE).then_includes(TableAutoClosed, reason="paid", leaves="DIRTY")


def test_an_order_that_the_till_has_not_heard_of_is_an_open_bill() -> None:
    run(seated(), order()).wake(at=EVENING + 90 * MINUTE).then_types(TableAttention)


def test_an_order_after_the_payment_is_an_open_bill_until_the_till_has_settled_it_too() -> None:
    scene = run(paid(), order(line("l2"), order_id="o2"))
    assert status(scene) == "ORDERED"
    late = till(scene, "CLOSED", paid_minor=500, heard=posts(scene) - 1)
    run(scene, late, by=TILL)
    assert status(scene) == "ORDERED"
    scene.wake(at=EVENING + 90 * MINUTE).then_types(TableAttention)


def test_any_activity_arms_the_clock_anew() -> None:
    scene = seated().at(EVENING + 10 * MINUTE)
    scene.when(Touch(table_id="t1"), by=WAITER).then(TableTouched(party_id="p1", at=EVENING + 10 * MINUTE))
    assert scene.alarm_at == EVENING + 25 * MINUTE
    scene.when(Touch(table_id="t1"), by=WAITER).then_nothing()
    run(scene.after(MINUTE), order())
    for minutes, command in enumerate(
        (AdvanceItem(line_id="l1", to="READY"), MoveParty(party_id="p1", to_table_ids=("t2",))), start=12
    ):
        run(scene.at(EVENING + minutes * MINUTE), command)
        assert scene.alarm_at == EVENING + (minutes + 90) * MINUTE


def test_nobody_looks_after_an_empty_table() -> None:
    empty_floor().when(Touch(table_id="t1"), by=WAITER).then_rejected(TableNotSeated)


def test_a_command_that_finds_the_time_passed_records_that_first() -> None:
    scene = seated()
    due = EVENING + 15 * MINUTE
    scene.when(Touch(table_id="t1"), by=WAITER, at=due).then_rejected(TableNotSeated)
    closed = next(event for event in scene.events if isinstance(event, TableAutoClosed))
    assert (closed.effective_at, closed.cause) == (due, "lazy")


def test_guests_whose_every_line_is_cancelled_count_as_not_having_ordered() -> None:
    scene = run(seated(), order(), CancelLine(line_id="l1", reason="changed their mind"))
    run(scene, till(scene, balance_minor=0), by=TILL)
    scene.wake(at=EVENING + 15 * MINUTE).then_includes(TableAutoClosed, reason="not_ordered")
