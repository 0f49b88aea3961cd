"""What the till says of bills."""

import pytest
from msgspec.structs import replace

from services.floor.contract import RecordTab, TableStatusChanged, TabRecorded
from services.floor.tests.scenes import TILL, WAITER, line, order, run, seated, status, tab_of, till


def test_a_report_is_recorded_and_changes_the_status() -> None:
    scene = run(seated(), order())
    scene.when(till(scene, balance_minor=500, bill_printed=True), by=TILL)
    scene.then_types(TabRecorded, TableStatusChanged).then_includes(TableStatusChanged, to="CHECK_DROPPED")
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
    branch = RecordTab(tab_id=f"{tab_of(scene)}-2", status="OPEN", balance_minor=300, pos_seq=9_000)
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
