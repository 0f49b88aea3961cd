"""Orders, courses, and moving lines."""

from typing import Any

import pytest

from holdfast import Forbidden, NotFound, TooLarge, ValidationFailed
from services.floor import domain_errors as refusals
from services.floor import domain_orders
from services.floor.contract import (
    AdvanceItem,
    CancelLine,
    CourseAutoFired,
    CourseFired,
    CourseHeld,
    CourseScheduled,
    EightySixChanged,
    FireCourse,
    HoldCourse,
    KitchenTicketIssued,
    LineCancelled,
    LinesMoved,
    Modifier,
    MoveLines,
    OrderPlaced,
    SetEightySix,
    TableStatusChanged,
)
from services.floor.tests.scenes import (
    COOK,
    EVENING,
    MANAGER,
    MINUTE,
    TILL,
    WAITER,
    empty_floor,
    line,
    lines,
    order,
    run,
    seat,
    seated,
    status,
    tab_of,
    till,
)

DINNER = (line("soup", sku="soup", course=1), line("steak", sku="steak", course=2), line("cake", sku="cake", course=3))


def test_an_order_goes_on_the_partys_bill_and_to_the_kitchen() -> None:
    scene = seated().when(order(line("l1", qty=2000)), by=WAITER)
    scene.then_types(OrderPlaced, KitchenTicketIssued, TableStatusChanged)
    scene.then_includes(OrderPlaced, order_id="o1", tab_id=tab_of(scene), table_ref="T1", guest_count=2)
    scene.then_includes(KitchenTicketIssued, station="kitchen", kind="order", table_ref="T1", number=1)
    assert (lines(scene)["l1"]["state"], lines(scene)["l1"]["sent"]) == ("SENT", 2000)


def test_nobody_orders_at_an_empty_table() -> None:
    empty_floor().when(order(), by=WAITER).then_rejected(refusals.TableNotSeated, table_id="t1")


def test_lines_that_are_known_are_left_alone() -> None:
    scene = run(seated(), order(line("l1")))
    scene.when(order(line("l1")), by=WAITER).then_nothing()
    scene.when(order(line("l1", qty=9000), line("l2")), by=WAITER)
    assert {key: shown["ordered"] for key, shown in lines(scene).items()} == {"l1": 1000, "l2": 1000}


def test_an_order_id_belongs_to_one_party_and_one_tax_mode() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order())
    scene.when(order(line("l2"), table="t2"), by=WAITER).then_rejected(ValidationFailed)
    takeaway = order(line("l2"), order_type="takeaway")
    scene.when(takeaway, by=WAITER).then_rejected(refusals.DifferentTaxMode, order_type="dine_in")


def test_what_the_kitchen_is_out_of_is_not_ordered() -> None:
    scene = run(seated(), SetEightySix(sku="pie"), by=WAITER)
    scene.when(order(line("l1"), line("l2", sku="pie")), by=WAITER).then_rejected(refusals.ItemEightySixed, sku="pie")
    run(scene, SetEightySix(sku="pie", unavailable=False), order(line("l2", sku="pie")))


def test_an_item_is_out_once() -> None:
    scene = empty_floor().when(SetEightySix(sku="pie"), by=TILL)
    scene.then(EightySixChanged(sku="pie", unavailable=True, at=EVENING))
    scene.when(SetEightySix(sku="pie"), by=COOK).then_nothing()
    assert scene.view(WAITER)["eighty_six"] == ["pie"]


def test_what_is_out_and_what_a_party_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_orders, "MAX_SKUS", 1)
    monkeypatch.setattr(domain_orders, "MAX_LINES", 2)
    scene = run(seated(), SetEightySix(sku="pie"), order(line("l1")))
    scene.when(SetEightySix(sku="tart"), by=COOK).then_rejected(TooLarge, maximum=1)
    scene.when(order(line("l2"), line("l3")), by=WAITER).then_rejected(TooLarge, maximum=2)
    run(scene, SetEightySix(sku="pie", unavailable=False), order(line("l1"), line("l2")))


def test_the_first_course_goes_at_once_and_the_others_wait() -> None:
    scene = run(seated(), order(*DINNER, line("wine", sku="wine")))
    assert {key: shown["state"] for key, shown in lines(scene).items()} == {
        "soup": "SENT",
        "steak": "NEW",
        "cake": "NEW",
        "wine": "SENT",
    }


def test_a_fired_course_goes_to_the_kitchen_once() -> None:
    scene = run(seated(), order(*DINNER))
    fire = FireCourse(table_id="t1", course=2)
    scene.when(fire, by=WAITER).then_types(CourseFired, KitchenTicketIssued)
    scene.then_includes(CourseFired, course=2, line_ids=("steak",))
    scene.when(fire, by=WAITER).then_rejected(refusals.AlreadyFired, course=2)


def test_an_empty_course_is_not_fired() -> None:
    scene = run(seated(), order(*DINNER))
    scene.when(FireCourse(table_id="t1", course=7), by=WAITER).then_rejected(refusals.CourseEmpty)
    empty_floor().when(FireCourse(table_id="t1", course=1), by=WAITER).then_rejected(refusals.TableNotSeated)


def test_a_line_for_a_course_that_was_fired_goes_at_once() -> None:
    scene = run(seated(), order(*DINNER), FireCourse(table_id="t1", course=2), order(line("fish", course=2)))
    assert lines(scene)["fish"]["state"] == "SENT"


def test_the_next_course_is_fired_by_the_clock_after_the_one_before_was_served() -> None:
    scene = run(seated(auto_fire=10), order(*DINNER)).at(EVENING + 20 * MINUTE)
    scene.when(AdvanceItem(line_id="soup", to="SERVED"), by=WAITER)
    due = EVENING + 30 * MINUTE
    scene.then_includes(CourseScheduled, course=2, fires_at=due)
    assert scene.alarm_at == due
    scene.wake(at=due).then_includes(CourseAutoFired, course=2, line_ids=("steak",), effective_at=due)
    scene.then_includes(KitchenTicketIssued, at=due)


def test_a_held_course_is_not_fired_by_the_clock() -> None:
    scene = run(seated(auto_fire=10), order(*DINNER), AdvanceItem(line_id="soup", to="SERVED"))
    hold = HoldCourse(table_id="t1", course=2)
    scene.when(hold, by=WAITER).then(CourseHeld(party_id="p1", course=2, at=EVENING))
    scene.when(hold, by=WAITER).then_nothing()
    scene.wake(at=EVENING + 12 * MINUTE).then_nothing()
    run(scene, FireCourse(table_id="t1", course=2))


def test_what_is_in_the_kitchen_is_not_held() -> None:
    scene = run(seated(), order(*DINNER))
    scene.when(HoldCourse(table_id="t1", course=1), by=WAITER).then_rejected(refusals.AlreadyFired)
    scene.when(HoldCourse(table_id="t1", course=9), by=WAITER).then_rejected(refusals.CourseEmpty)


def test_a_course_that_was_cancelled_meanwhile_is_not_fired() -> None:
    scene = run(seated(auto_fire=10), order(*DINNER[:2]), AdvanceItem(line_id="soup", to="SERVED"))
    run(scene, CancelLine(line_id="steak", reason="full"))
    scene.wake(at=EVENING + 12 * MINUTE).then_nothing()


def test_a_cancelled_line_is_taken_back_from_the_kitchen() -> None:
    scene = run(seated(), order(line("l1", qty=3000)))
    scene.when(CancelLine(line_id="l1", qty=1000, reason="one too many"), by=WAITER)
    scene.then_types(LineCancelled, KitchenTicketIssued)
    scene.then_includes(KitchenTicketIssued, kind="cancel")
    scene.when(CancelLine(line_id="l1", reason="they left"), by=WAITER).then_includes(LineCancelled, qty=2000)
    assert (lines(scene)["l1"]["state"], lines(scene)["l1"]["sent"], status(scene)) == ("CANCELLED", 0, "SEATED")
    scene.when(CancelLine(line_id="l1", reason="they left"), by=WAITER).then_nothing()


def test_a_line_that_waited_is_cancelled_without_the_kitchen() -> None:
    scene = run(seated(), order(*DINNER))
    scene.when(CancelLine(line_id="cake", reason="full"), by=WAITER).then_types(LineCancelled)


def test_a_line_is_cancelled_with_a_reason_and_before_it_is_served() -> None:
    scene = run(seated(), order())
    scene.when(CancelLine(line_id="l1", reason=" "), by=WAITER).then_rejected(refusals.ReasonRequired)
    too_many = CancelLine(line_id="l1", qty=2000, reason="x")
    scene.when(too_many, by=WAITER).then_rejected(ValidationFailed)
    scene.when(CancelLine(line_id="nothing", reason="x"), by=WAITER).then_rejected(NotFound)
    run(scene, AdvanceItem(line_id="l1", to="SERVED"))
    scene.when(CancelLine(line_id="l1", reason="cold"), by=WAITER).then_rejected(refusals.AlreadyServed)


def test_nothing_is_cancelled_while_the_party_pays() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, "PAYING", balance_minor=500), by=TILL)
    scene.when(CancelLine(line_id="l1", reason="x"), by=WAITER).then_rejected(refusals.PaymentInProgress)


def test_moved_lines_keep_what_the_kitchen_knows() -> None:
    scene = run(
        seated(),
        seat(table="t2", party="p2"),
        order(line("l1"), line("l2")),
        order(line("m1"), table="t2", order_id="o2"),
    )
    move = MoveLines(line_ids=("l1",), to_order="o2")
    scene.when(move, by=WAITER).then_types(LinesMoved)
    scene.then_includes(LinesMoved, from_tab_id=tab_of(scene, "p1"), to_tab_id=tab_of(scene, "p2"), note="T1→T2")
    assert lines(scene, "o2")["l1"]["sent"] == 1000
    assert set(lines(scene, "o1")) == {"l2"}
    scene.when(move, by=WAITER).then_nothing()


def test_lines_are_moved_to_an_order_that_exists_and_is_taxed_alike() -> None:
    scene = run(seated(), order(), order(line("l2"), order_id="o2", order_type="takeaway"))
    scene.when(MoveLines(line_ids=("l1",), to_order="o7"), by=WAITER).then_rejected(NotFound)
    scene.when(MoveLines(line_ids=("l1",), to_order="o2"), by=WAITER).then_rejected(refusals.DifferentTaxMode)


def test_lines_are_moved_to_guests_who_have_ordered_nothing() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(line("l1"), line("l2"), order_type="takeaway"))
    move = MoveLines(line_ids=("l1",), to_order="o2", to_table="t2")
    scene.when(move, by=WAITER).then_types(LinesMoved, TableStatusChanged)
    assert lines(scene, "o2")["l1"]["sent"] == 1000
    scene.when(move, by=WAITER).then_nothing()
    scene.when(order(line("m1"), table="t2", order_id="o2"), by=WAITER).then_rejected(refusals.DifferentTaxMode)


def test_a_new_order_for_moved_lines_is_opened_where_somebody_sits() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(line("l1"), line("l2")))
    nowhere = MoveLines(line_ids=("l1",), to_order="o2", to_table="t4")
    scene.when(nowhere, by=WAITER).then_rejected(refusals.TableNotSeated)
    others = MoveLines(line_ids=("l1",), to_order="o1", to_table="t2")
    scene.when(others, by=WAITER).then_rejected(ValidationFailed)
    run(scene, MoveLines(line_ids=("l1",), to_order="o2", to_table="t1"))
    assert (set(lines(scene, "o1")), set(lines(scene, "o2"))) == ({"l2"}, {"l1"})


@pytest.mark.parametrize("report", [{"status": "PAYING", "balance_minor": 5}, {"status": "PAID", "paid_minor": 5}])
def test_lines_do_not_leave_a_bill_that_is_paid_or_being_paid(report: dict[str, Any]) -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(), order(line("m1"), table="t2", order_id="o2"))
    run(scene, till(scene, **report), by=TILL)
    move = MoveLines(line_ids=("l1",), to_order="o2")
    scene.when(move, by=WAITER).then_rejected(refusals.PaymentInProgress, party_id="p1")


@pytest.mark.parametrize("price", [{"unit_price_minor": 0}, {"mods": (Modifier(id="less", price_minor=-1),)}])
def test_only_a_manager_gives_a_price(price: dict[str, Any]) -> None:
    cheap = order(line("l1", "steak", **price))
    seated().when(cheap, by=WAITER).then_rejected(Forbidden)
    run(seated(), cheap, by=MANAGER)


def test_a_wish_may_cost_something() -> None:
    run(seated(), order(line("l1", mods=(Modifier(id="more", price_minor=1),))))
