"""What may be taken off stays what was allowed, on whichever tabs its lines end up."""

from typing import Any

import pytest

from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    CloseTab,
    MergeTabs,
    MoveLines,
    OpenTab,
    SplitPart,
    SplitTab,
)
from services.pos.domain_errors import ApprovalRequired
from services.pos.tests.scenes import CASHIER, MANAGER, WAITER, done, with_tab

EVERYTHING = ApplyDiscount(tab_id="t1", discount_id="everything")
WAYS = [
    MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("l2",)),
    MergeTabs(from_="t1", into="t2"),
    SplitTab(tab_id="t1", mode="evenly", parts=tuple(SplitPart(tab_id=f"p{number}") for number in range(9))),
    SplitTab(tab_id="t1", mode="lines", parts=(SplitPart(tab_id="p", line_ids=("l2",)),)),
]


def discounted(*skus: str, by: Any = WAITER) -> Scenario:
    """A tab off which everything is taken, which is 12.00 at most, with an empty one beside it."""
    scene = done(with_tab(*skus, discount_limit_minor=1_200).when(EVERYTHING, by=by))
    return done(scene.when(OpenTab(tab_id="t2"), by=WAITER))


def served(scene: Scenario) -> list[str]:
    return [tab_id for tab_id, tab in scene.view(MANAGER)["tabs"].items() if tab["lines"]]


@pytest.mark.parametrize("way", WAYS)
def test_a_discount_beyond_its_limit_is_beyond_it_wherever_its_lines_go(way: Any) -> None:
    scene = discounted("water", "water")
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=4_000), by=WAITER))
    done(scene.when(way, by=WAITER))
    tabs = served(scene)
    assert sum(each["limit_minor"] for tab in tabs for each in scene.view(MANAGER)["tabs"][tab]["discounts"]) == 1_200
    for tab_id in tabs:
        scene.when(CloseTab(tab_id=tab_id), by=CASHIER).then_rejected(ApprovalRequired, action="discount")


@pytest.mark.parametrize("way", WAYS)
def test_a_discount_within_its_limit_is_within_it_wherever_its_lines_go(way: Any) -> None:
    scene = done(discounted("water", "soup").when(way, by=WAITER))
    for tab_id in served(scene):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))


@pytest.mark.parametrize("way", WAYS)
def test_what_a_manager_gave_has_no_limit_wherever_its_lines_go(way: Any) -> None:
    scene = discounted("water", "water", by=MANAGER)
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=4_000), by=WAITER))
    done(scene.when(way, by=WAITER))
    for tab_id in served(scene):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))
