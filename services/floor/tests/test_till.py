"""What the till says of bills."""

import msgspec
import pytest
from msgspec.structs import replace

from services.floor.contract import (
    AdvanceItem,
    CancelLine,
    ClearTable,
    KitchenTicketIssued,
    LineCancelled,
    MergeOrders,
    PlaceOrder,
    RecordHeard,
    RecordTab,
    RecordVoid,
    SetEightySix,
    TableStatusChanged,
    TabRecorded,
    TillHeard,
    Unmerge,
)
from services.floor.tests.scenes import TILL, WAITER, line, order, posts, run, seat, seated, status, tab_of, till


def test_a_report_is_recorded_and_changes_the_status() -> None:
    scene = run(seated(), order())
    scene.when(till(scene, balance_minor=500, bill_printed=True), by=TILL)
    scene.then_types(TabRecorded, TillHeard, TableStatusChanged).then_includes(TableStatusChanged, to="CHECK_DROPPED")
    shown = scene.view(WAITER)["parties"][0]
    assert (shown["balance_minor"], shown["tabs"][0]["currency"]) == (500, "EUR")


def test_an_older_report_is_left_alone() -> None:
    scene = run(seated(), order())
    old = till(scene, balance_minor=500)
    run(scene, till(scene, balance_minor=900, pos_seq=old.pos_seq + 1), by=TILL)
    scene.when(old, by=TILL).then_nothing()
    assert scene.view(WAITER)["parties"][0]["balance_minor"] == 900


def test_a_report_that_says_nothing_new_changes_nothing() -> None:
    scene = run(seated(), order())
    report = till(scene, balance_minor=500)
    run(scene, report, by=TILL)
    scene.when(replace(report, pos_seq=report.pos_seq + 9), by=TILL).then_nothing()


def test_a_report_on_a_bill_of_nobody_here_is_left_alone() -> None:
    seated().when(RecordTab(tab_id="other", status="OPEN", balance_minor=5, pos_seq=9), by=TILL).then_nothing()


def test_a_bill_that_the_till_branched_off_counts_for_the_party() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500), by=TILL)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    run(scene, order(line("l2"), order_id="o2"))
    told = {"tab_id": "beside", "branch_of": tab_of(scene), "heard": posts(scene)}
    branch = msgspec.convert({**told, "status": "OPEN", "balance_minor": 300, "pos_seq": 9_000}, RecordTab)
    run(scene, branch, by=TILL)
    assert (status(scene), scene.view(WAITER)["parties"][0]["balance_minor"]) == ("ORDERED", 300)
    run(scene, replace(branch, status="CLOSED", balance_minor=0, pos_seq=9_001), by=TILL)
    assert status(scene) == "PAID"


@pytest.mark.parametrize("status_", ["VOIDED", "REOPENED"])
def test_a_bill_that_is_not_settled_is_not_paid(status_: str) -> None:
    scene = run(seated(), order())
    run(scene, till(scene, status_), by=TILL)
    assert status(scene) == "ORDERED"


def test_only_a_service_reports_bills() -> None:
    scene = seated()
    scene.when(till(scene), by=WAITER)
    assert scene.refusal is not None
    assert scene.refusal.code == "FORBIDDEN"


def test_a_report_that_knows_nothing_of_the_newest_order_pays_no_table() -> None:
    scene = run(seated(), order())
    run(scene, order(line("l2"), order_id="o2"))
    scene.when(till(scene, "CLOSED", paid_minor=500, heard=1), by=TILL).then_includes(TabRecorded, status="CLOSED")
    assert status(scene) == "ORDERED"
    scene.when(ClearTable(table="t1"), by=WAITER)
    assert scene.refusal is not None
    assert scene.refusal.code == "BALANCE_DUE"
    scene.when(RecordHeard(heard=2), by=TILL).then_types(TillHeard, TableStatusChanged)
    assert status(scene) == "PAID"
    scene.when(RecordHeard(heard=2), by=TILL).then_nothing()
    scene.when(RecordHeard(heard=1), by=TILL).then_nothing()


def test_each_message_to_the_till_has_a_number_and_a_floor_without_a_till_sends_none() -> None:
    scene = run(seated(), order(line("l1", qty=2000)), order(line("l2"), order_id="o2"))
    run(scene, CancelLine(line_id="l1", qty=1000, reason="spilled"), CancelLine(line_id="l1", reason="spilled"))
    assert [getattr(event, "post", None) for event in scene.events if hasattr(event, "post")] == [1, 2, 3, 4]
    assert posts(run(seated(payments="none"), order())) == 0


def test_what_the_till_voids_is_cancelled_in_the_kitchen_and_not_told_to_the_till() -> None:
    scene = run(seated(), order(line("l1", qty=2000)))
    scene.when(RecordVoid(line_id="l1", qty_milli=1000, reason="spilled"), by=TILL)
    scene.then_includes(LineCancelled, line_id="l1", qty=1000, reason="spilled", till=None, post=0)
    scene.then_includes(KitchenTicketIssued, kind="cancel")
    scene.when(RecordVoid(line_id="l1", qty_milli=9000), by=TILL).then_includes(LineCancelled, qty=1000)
    scene.when(RecordVoid(line_id="l1", qty_milli=1000), by=TILL).then_nothing()


def test_what_is_served_stays_when_the_till_voids_it_and_what_nobody_ordered_too() -> None:
    scene = run(seated(), order(), AdvanceItem(line_id="l1", to="SERVED"))
    scene.when(RecordVoid(line_id="l1", qty_milli=1000), by=TILL).then_nothing()
    scene.when(RecordVoid(line_id="l9", qty_milli=1000), by=TILL).then_nothing()


def test_a_party_whose_bill_the_till_put_on_another_one_has_paid_when_that_is_paid() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(), order(line("m1"), table="t2", order_id="o2"))
    other = tab_of(scene, "p2")
    run(scene, till(scene, balance_minor=500, party="p2"), till(scene, "MERGED", into=other), by=TILL)
    assert (status(scene), status(scene, "t2")) == ("ORDERED", "ORDERED")
    run(scene, till(scene, "PAID", party="p2", paid_minor=900, pos_seq=999), by=TILL)
    assert (status(scene), status(scene, "t2")) == ("PAID", "PAID")


def test_a_tab_that_the_till_could_not_merge_any_more_keeps_its_table_open() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(), order(line("m1"), table="t2", order_id="o2"))
    own = till(scene, "PAYING", balance_minor=500)
    run(scene, MergeOrders(from_="o1", into="o2"))
    run(scene, replace(own, heard=posts(scene)), till(scene, "PAID", party="p2", pos_seq=999), by=TILL)
    assert (status(scene), status(scene, "t2")) == ("ORDERED", "PAID")
    run(scene, replace(own, status="CLOSED", balance_minor=0, pos_seq=1000), by=TILL)
    assert status(scene) == "PAID"


def test_undoing_a_merge_leaves_each_with_its_own_bill() -> None:
    scene = run(seated(), seat(table="t2", party="p2"), order(), order(line("m1"), table="t2", order_id="o2"))
    own = tab_of(scene)
    run(scene, MergeOrders(from_="o1", into="o2"), Unmerge(order_id="o1"))
    run(scene, till(scene, "PAID", party="p2", pos_seq=998), till(scene, "PAID", pos_seq=999), by=TILL)
    assert tab_of(scene) == own
    assert (status(scene), status(scene, "t2")) == ("PAID", "PAID")


def test_the_ids_of_the_till_may_have_dots() -> None:
    scene = run(seated(), order(line("l1", "beer.05", tax_ids=("vat.20",))))
    told = {"tab_id": "half.2", "branch_of": tab_of(scene), "into": "tab.1", "heard": posts(scene)}
    branch = msgspec.convert({**told, "status": "OPEN", "balance_minor": 300, "pos_seq": 9_000}, RecordTab)
    run(scene, branch, msgspec.convert({"sku": "beer.05"}, SetEightySix), by=TILL)
    assert scene.view(WAITER)["parties"][0]["balance_minor"] == 300
    assert msgspec.convert(msgspec.to_builtins(order(line("l1", "beer.05"))), PlaceOrder).lines[0].sku == "beer.05"
