"""Merging orders into one bill, and taking them apart again."""

from typing import Any

import pytest

from holdfast import NotFound, StateConflict, ValidationFailed
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor.contract import (
    AdvanceItem,
    CancelLine,
    ClearTable,
    KitchenTicketIssued,
    LineCancelled,
    MergeOrders,
    Modifier,
    OrdersMerged,
    OrdersUnmerged,
    TabRecorded,
    Unmerge,
)
from services.floor.tests.scenes import (
    MANAGER,
    TILL,
    WAITER,
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

MERGE = MergeOrders(from_="o1", into="o2")
APART = Unmerge(order_id="o1")


def two_parties() -> Scenario:
    """Two cokes and a pie at T1, one coke at T2."""
    scene = run(seated(), seat(table="t2", party="p2"))
    run(scene, order(line("l1", qty=2000), line("l2", sku="pie")))
    return run(scene, order(line("m1"), table="t2", order_id="o2"))


def merged() -> Scenario:
    return run(two_parties(), MERGE)


def test_merged_orders_are_one_bill_and_sum_what_was_ordered_and_sent() -> None:
    scene = two_parties().when(MERGE, by=WAITER).then_types(OrdersMerged)
    scene.then_includes(OrdersMerged, line_map={"l1": "m1"}, sent_map={"m1": 3000}, party_ids=("p1",))
    shown = lines(scene, "o2")
    assert (shown["m1"]["ordered"], shown["m1"]["sent"], shown["m1"]["parts"]) == (3000, 3000, ["l1", "m1"])
    assert set(shown) == {"m1", "l2"}
    assert tab_of(scene, "p1") == tab_of(scene, "p2")


def test_merging_tells_the_kitchen_nothing() -> None:
    scene = merged()
    assert sum(isinstance(event, KitchenTicketIssued) for event in scene.events) == 2


def test_a_merge_is_made_once() -> None:
    merged().when(MERGE, by=WAITER).then_nothing()


def test_guests_of_a_merged_bill_stay_where_they_sit() -> None:
    scene = merged()
    assert [(each["party_id"], each["table_ids"]) for each in scene.view(WAITER)["parties"]] == [
        ("p1", ["t1"]),
        ("p2", ["t2"]),
    ]


@pytest.mark.parametrize(
    "difference",
    [
        {"sku": "pie"},
        {"unit_price_minor": 400},
        {"mods": (Modifier(id="ice"),)},
        {"tax_ids": ("vat",)},
        {"note": "no ice"},
        {"seat": 2},
        {"course": 1},
        {"discount_ids": ("happy",)},
    ],
)
def test_lines_that_differ_in_anything_stay_two_lines(difference: dict[str, Any]) -> None:
    alike: dict[str, Any] = {"sku": "coke", "unit_price_minor": 500}
    scene = run(
        seated(), order(line("l1", **alike)), order(line("m1", **(alike | difference)), order_id="o2"), by=MANAGER
    )
    run(scene, MERGE)
    assert set(lines(scene, "o2")) == {"l1", "m1"}


def test_taking_a_merge_apart_restores_the_split() -> None:
    before = two_parties()
    scene = merged().when(APART, by=WAITER).then_types(OrdersUnmerged)
    scene.then_includes(OrdersUnmerged, party_ids=("p1",), line_ids=("l1", "l2"))
    assert [lines(scene, key) for key in ("o1", "o2")] == [lines(before, key) for key in ("o1", "o2")]
    assert [tab_of(scene, key) for key in ("p1", "p2")] == [tab_of(before, key) for key in ("p1", "p2")]


def test_what_happened_to_a_line_while_it_was_merged_goes_home_with_it() -> None:
    scene = merged()
    scene.when(CancelLine(line_id="m1", qty=1500, reason="spilled"), by=WAITER)
    assert [(event.line_id, event.qty) for event in scene.events if isinstance(event, LineCancelled)] == [
        ("m1", 1000),
        ("l1", 500),
    ]
    run(scene, AdvanceItem(line_id="m1", to="SERVED"), order(line("l3")), APART)
    assert lines(scene, "o2")["m1"]["state"] == "CANCELLED"
    shown = lines(scene, "o1")
    assert (shown["l1"]["state"], shown["l1"]["cancelled"]) == ("SERVED", 500)
    assert set(shown) == {"l1", "l2", "l3"}


def test_what_is_not_merged_is_not_taken_apart() -> None:
    two_parties().when(APART, by=WAITER).then_rejected(refusals.NotMerged)
    run(merged(), APART).when(APART, by=WAITER).then_rejected(refusals.NotMerged)


@pytest.mark.parametrize("report", [{"status": "PAYING", "balance_minor": 5}, {"status": "OPEN", "paid_minor": 5}])
def test_a_bill_that_is_paid_or_being_paid_is_neither_merged_nor_taken_apart(report: dict[str, Any]) -> None:
    scene = two_parties()
    run(scene, till(scene, party="p2", **report), by=TILL)
    scene.when(MERGE, by=WAITER).then_rejected(refusals.PaymentInProgress, party_id="p2")
    scene = merged()
    run(scene, till(scene, party="p2", **report), by=TILL)
    scene.when(APART, by=WAITER).then_rejected(refusals.PaymentInProgress)


def test_orders_that_are_taxed_differently_keep_two_bills() -> None:
    scene = run(two_parties(), order(line("n1"), order_id="o3", order_type="takeaway"))
    scene.when(MergeOrders(from_="o3", into="o2"), by=WAITER).then_rejected(refusals.DifferentTaxMode)


def test_an_order_is_merged_with_another_one_that_exists() -> None:
    two_parties().when(MergeOrders(from_="o1", into="o1"), by=WAITER).then_rejected(ValidationFailed)
    two_parties().when(MergeOrders(from_="o1", into="o9"), by=WAITER).then_rejected(NotFound)


def test_merges_are_taken_apart_in_the_reverse_order() -> None:
    scene = run(merged(), seat(table="t4", party="p3"), order(line("n1"), table="t4", order_id="o3"))
    scene.when(MergeOrders(from_="o1", into="o3"), by=WAITER).then_rejected(StateConflict, into="o2")
    run(scene, MergeOrders(from_="o2", into="o3"))
    assert {tab_of(scene, party) for party in ("p1", "p2", "p3")} == {tab_of(scene, "p3")}
    scene.when(APART, by=WAITER).then_rejected(StateConflict)
    run(scene, Unmerge(order_id="o2"), APART)
    assert len({tab_of(scene, party) for party in ("p1", "p2", "p3")}) == 3


def test_one_payment_pays_all_tables_of_a_merged_bill() -> None:
    scene = merged()
    run(scene, till(scene, party="p2", balance_minor=1500), by=TILL)
    run(scene, till(scene, "CLOSED", party="p2", paid_minor=1500), by=TILL)
    assert (status(scene, "t1"), status(scene, "t2")) == ("PAID", "PAID")


def test_the_lines_of_those_who_stay_go_home_when_the_others_leave() -> None:
    scene = merged()
    run(scene, till(scene, party="p2", balance_minor=1500), by=TILL)
    run(scene, till(scene, "CLOSED", party="p2", paid_minor=1500), by=TILL)
    run(scene, ClearTable(table="t2"))
    assert set(lines(scene, "o1")) == {"l1", "l2"}
    scene.when(APART, by=WAITER).then_rejected(refusals.NotMerged)


@pytest.mark.parametrize(("first", "second", "stay"), [(500, 400, {"l1", "m1"}), (500, 500, {"m1"})])
def test_lines_join_only_at_the_price_that_the_till_charges_for_both(first: int, second: int, stay: set[str]) -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order())
    run(scene, till(scene, balance_minor=first, prices={"l1": first, "gone": 1}), by=TILL)
    run(scene, order(line("m1"), table="t2", order_id="o2"))
    run(scene, till(scene, party="p2", balance_minor=second, prices={"m1": second}), by=TILL)
    run(scene, MERGE)
    assert set(lines(scene, "o2")) == stay


def test_a_line_whose_price_the_till_has_not_told_joins_none_whose_price_it_has() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(), order(line("m1"), table="t2", order_id="o2"))
    run(scene, till(scene, balance_minor=500, prices={"l1": 500}), by=TILL)
    run(scene, MERGE)
    assert set(lines(scene, "o2")) == {"l1", "m1"}


def test_prices_are_noted_also_when_the_balance_stays_as_it_is() -> None:
    scene = run(seated(), order(line("l1"), line("l2")))
    run(scene, till(scene, balance_minor=500, prices={"l1": 500}), by=TILL)
    scene.when(till(scene, balance_minor=500, prices={"l2": 500}), by=TILL).then_includes(
        TabRecorded, prices={"l2": 500}
    )
    scene.when(till(scene, balance_minor=500), by=TILL).then_nothing()
