"""Shares of lines that were split: nothing is lost by splitting, and limits hold for all shares of a line together."""

from typing import Any

import pytest

from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    CompLine,
    GrantApproval,
    Item,
    LinePortion,
    LineVoided,
    MergeTabs,
    OpenTab,
    PostedLine,
    PostOrder,
    Refund,
    RemoveLine,
    SendToKitchen,
    SetItem,
    SplitPart,
    SplitTab,
    TabVoided,
    VoidLine,
    VoidTab,
)
from services.pos.domain_errors import ApprovalRequired, LineSent, ReasonRequired, SplitInvalid
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, WAITER, balance, closed, done, opened, with_tab

FLOOR = "loc-1:floor-main"
COMP = CompLine(line_id="l1.c0", reason_code="wrong")


def ordered(*lines: tuple[str, str, int]) -> Scenario:
    posted = tuple(PostedLine(line_id=line_id, sku=sku, qty_milli=qty) for line_id, sku, qty in lines)
    return done(opened().when(PostOrder(tab_id="t1", floor=FLOOR, lines=posted), by=SERVICE))


def quartered() -> Scenario:
    """Four beers of 5.00 in one line that the kitchen has, of which four guests have one each."""
    scene = done(with_tab().when(AddLine(tab_id="t1", line_id="l1", sku="beer", qty_milli=4_000), by=WAITER))
    done(scene.when(SendToKitchen(tab_id="t1"), by=WAITER))
    parts = tuple(SplitPart(tab_id=f"c{number}") for number in range(3))
    return done(scene.when(SplitTab(tab_id="t1", mode="evenly", parts=parts), by=WAITER))


def sliver() -> Scenario:
    """A gramme of saffron for 100.00 that the kitchen has, of which a share of 49.00 is less than a gramme."""
    scene = done(opened().when(SetItem(sku="saffron", item=Item(price_minor=10_000_000, weighed=True)), by=MANAGER))
    done(scene.when(OpenTab(tab_id="t1"), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="l1", sku="saffron", qty_milli=1), by=WAITER))
    done(scene.when(SendToKitchen(tab_id="t1"), by=WAITER))
    part = SplitPart(tab_id="c", amount_minor=4_900)
    return done(scene.when(SplitTab(tab_id="t1", mode="amount", parts=(part,)), by=WAITER))


@pytest.mark.parametrize("lines", [("x.c", "x"), ("x", "x.c")])
def test_a_share_takes_the_place_of_no_other_line(lines: tuple[str, str]) -> None:
    scene = ordered(*((line_id, "water" if line_id == "x" else "beer", 2_000) for line_id in lines))
    portions = (LinePortion(line_id="x", qty_milli=1_000), LinePortion(line_id="x.c", qty_milli=2_000))
    split = SplitTab(tab_id="t1", mode="quantity", parts=(SplitPart(tab_id="c", lines=portions),))
    before = balance(scene)
    scene.when(split, by=WAITER).then_rejected(SplitInvalid, line_id="x.c")
    again = SplitTab(tab_id="t1", mode="quantity", parts=(SplitPart(tab_id="d", lines=portions),))
    done(scene.when(again, by=WAITER))
    assert balance(scene) + balance(scene, "d") == before


def test_voiding_shares_one_by_one_needs_the_approval_that_voiding_the_line_needs() -> None:
    scene = quartered()
    done(scene.when(VoidTab(tab_id="c0", reason_code="wrong"), by=WAITER))
    scene.then_includes(TabVoided, tab_id="c0", value_minor=500)
    scene.when(VoidTab(tab_id="c1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired, value_minor=1_000)
    scene.when(VoidLine(line_id="l1.c1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired)
    approval = GrantApproval(approval_id="a", action="void", tab_id="c1", limit_minor=1_000)
    done(scene.when(approval, by=MANAGER).when(VoidTab(tab_id="c1", reason_code="wrong", approver="a"), by=WAITER))
    done(scene.when(VoidTab(tab_id="c2", reason_code="wrong"), by=MANAGER))


def test_shares_that_are_voided_by_line_count_together_on_whichever_tab() -> None:
    scene = done(quartered().when(VoidLine(line_id="l1.c0", reason_code="wrong"), by=WAITER))
    done(scene.when(MergeTabs(from_="c1", into="c2"), by=WAITER))
    scene.when(VoidLine(line_id="l1.c1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired)
    again = SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="d"),))
    done(scene.when(again, by=WAITER))
    scene.when(VoidTab(tab_id="d", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired, value_minor=750)


def test_giving_shares_away_one_by_one_needs_the_approval_that_giving_the_line_away_needs() -> None:
    scene = done(quartered().when(COMP, by=WAITER))
    scene.when(CompLine(line_id="l1.c1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired)


def test_a_share_that_was_given_away_counts_once_when_it_is_voided() -> None:
    def halved() -> Scenario:
        """A soup of 7.33 in two shares, of which one is given away."""
        scene = done(with_tab().when(AddLine(tab_id="t1", line_id="l1", sku="soup"), by=WAITER))
        done(scene.when(SendToKitchen(tab_id="t1"), by=WAITER))
        done(scene.when(SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="c0"),)), by=WAITER))
        return done(scene.when(COMP, by=WAITER))

    done(halved().when(VoidLine(line_id="l1.c0", reason_code="wrong"), by=WAITER))
    scene = done(halved().when(VoidTab(tab_id="c0", reason_code="wrong"), by=WAITER))
    scene.when(VoidTab(tab_id="t1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired, value_minor=733)


def test_a_tab_of_which_lines_were_voided_before_is_given_up_within_the_limit_of_all() -> None:
    scene = done(with_tab().when(AddLine(tab_id="t1", line_id="l1", sku="beer", qty_milli=2_000), by=WAITER))
    done(scene.when(SendToKitchen(tab_id="t1"), by=WAITER))
    done(scene.when(VoidLine(line_id="l1", qty_milli=1_000, reason_code="wrong"), by=WAITER))
    scene.when(VoidTab(tab_id="t1", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired, value_minor=1_000)


@pytest.mark.parametrize(
    ("way", "refusal"),
    [
        (VoidTab(tab_id="c"), ReasonRequired),
        (VoidTab(tab_id="c", reason_code="wrong"), ApprovalRequired),
        (VoidLine(line_id="l1.c", reason_code="wrong"), ApprovalRequired),
        (RemoveLine(line_id="l1.c"), LineSent),
    ],
)
def test_a_share_of_less_than_a_thousandth_of_what_the_kitchen_has_is_sent(way: Any, refusal: Any) -> None:
    scene = sliver().when(way, by=WAITER).then_rejected(refusal)
    assert (balance(scene), balance(scene, "c")) == (5_100, 4_900)


def test_a_share_of_less_than_a_thousandth_can_be_voided() -> None:
    scene = sliver().when(VoidLine(line_id="l1.c", reason_code="wrong"), by=MANAGER)
    scene.then_includes(LineVoided, line_id="l1.c", qty_milli=0, value_minor=4_900, floor=None)
    assert balance(done(scene), "c") == 0
    done(sliver().when(VoidTab(tab_id="c", reason_code="wrong"), by=MANAGER)).then_includes(
        TabVoided, value_minor=4_900
    )


def test_refunds_of_a_tab_count_together() -> None:
    scene = closed("beer", "beer", "beer", "beer", "beer")
    part = Refund(tab_id="t1", amount_minor=1_500, tender="card", reason_code="wrong")
    done(scene.when(part, by=CASHIER))
    rest = Refund(tab_id="t1", amount_minor=1_250, tender="card", reason_code="wrong", approver="a")
    scene.when(rest, by=CASHIER).then_rejected(ApprovalRequired, action="refund", value_minor=2_750)
    approval = GrantApproval(approval_id="a", action="refund", tab_id="t1", limit_minor=2_750)
    done(scene.when(approval, by=MANAGER).when(rest, by=CASHIER))
