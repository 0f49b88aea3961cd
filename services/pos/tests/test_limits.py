"""What may be taken off stays what was allowed, on whichever tabs its lines end up."""

from typing import Any

import pytest

from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseTab,
    Gratuity,
    Item,
    MergeTabs,
    MoveLines,
    OpenTab,
    PostMerge,
    PostMove,
    SetItem,
    SplitPart,
    SplitTab,
    TabConflict,
    WaiveGratuity,
)
from services.pos.domain_errors import ApprovalRequired
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, WAITER, done, opened, with_tab

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
    assert served(scene)
    for tab_id in served(scene):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))


@pytest.mark.parametrize("way", WAYS)
def test_what_a_manager_gave_has_no_limit_wherever_its_lines_go(way: Any) -> None:
    scene = discounted("water", "water", by=MANAGER)
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=4_000), by=WAITER))
    done(scene.when(way, by=WAITER))
    assert served(scene)
    for tab_id in served(scene):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))


def waived(*skus: str, limit: int = 0) -> Scenario:
    """A large party that orders more after service was waived for its first glass, with an empty tab beside it."""
    terms = Gratuity(guests=6, ppm=200_000)
    scene = opened(gratuity=terms, discount_limit_minor=limit).when(OpenTab(tab_id="t1", guest_count=8), by=WAITER)
    done(scene.when(SetItem(sku="tap", item=Item(price_minor=0)), by=MANAGER))
    done(scene.when(AddLine(tab_id="t1", line_id="l1", sku="tap"), by=WAITER))
    done(scene.when(WaiveGratuity(tab_id="t1", reason_code="wrong"), by=WAITER))
    for number, sku in enumerate(skus, start=2):
        done(scene.when(AddLine(tab_id="t1", line_id=f"l{number}", sku=sku), by=WAITER))
    return done(scene.when(OpenTab(tab_id="t2"), by=WAITER))


def paying(scene: Scenario, tab_id: str) -> BeginPayment:
    due = scene.view(MANAGER)["tabs"][tab_id]["balance_minor"]
    return BeginPayment(tab_id=tab_id, payment_id=f"p-{tab_id}", amount_minor=due, tender="card")


@pytest.mark.parametrize("way", WAYS)
def test_service_that_is_waived_beyond_its_limit_is_beyond_it_wherever_its_lines_go(way: Any) -> None:
    scene = waived("beer", "beer").when(way, by=WAITER)
    if isinstance(way, SplitTab):
        done(scene)
        for tab_id in served(scene):
            if scene.view(MANAGER)["tabs"][tab_id]["balance_minor"]:
                scene.when(paying(scene, tab_id), by=CASHIER).then_rejected(ApprovalRequired, action="gratuity")
    else:
        scene.then_rejected(ApprovalRequired, action="gratuity")
        done(scene.when(way, by=MANAGER).when(paying(scene, "t2"), by=CASHIER))


@pytest.mark.parametrize("way", WAYS)
def test_service_that_is_waived_within_its_limit_is_within_it_wherever_its_lines_go(way: Any) -> None:
    scene = done(waived("beer", "water", limit=160).when(way, by=WAITER))
    for tab_id in served(scene):
        if scene.view(MANAGER)["tabs"][tab_id]["balance_minor"]:
            done(scene.when(paying(scene, tab_id), by=CASHIER))


def test_what_is_ordered_on_a_part_of_a_tab_counts_towards_the_limit_of_its_waived_service() -> None:
    scene = done(waived("beer", "beer", limit=200).when(WAYS[3], by=WAITER))
    done(scene.when(AddLine(tab_id="p", line_id="x", sku="beer"), by=WAITER))
    scene.when(paying(scene, "p"), by=CASHIER).then_rejected(ApprovalRequired, action="gratuity", value_minor=200)


def test_service_is_not_waived_again_and_again_by_moving_lines_away() -> None:
    scene = done(waived("beer", "beer", limit=200).when(WAYS[0], by=WAITER))
    for line_id in ("x", "y"):
        done(scene.when(AddLine(tab_id="t1", line_id=line_id, sku="beer"), by=WAITER))
    scene.when(paying(scene, "t1"), by=CASHIER).then_rejected(ApprovalRequired, action="gratuity", value_minor=300)


@pytest.mark.parametrize(
    "told",
    [
        PostMerge(from_tab_id="t1", into_tab_id="t2"),
        PostMove(from_tab_id="t1", to_tab_id="t2", line_ids=("l2",)),
    ],
)
def test_waived_service_beyond_its_limit_that_the_floor_puts_elsewhere_is_flagged(told: Any) -> None:
    scene = done(waived("beer").when(told, by=SERVICE))
    scene.then_includes(TabConflict, tab_id="t1", about="gratuity")


def test_a_tab_that_the_floor_makes_of_one_without_service_pays_for_what_it_orders() -> None:
    scene = done(waived("beer").when(PostMove(from_tab_id="t1", to_tab_id="t3", line_ids=("l2",)), by=SERVICE))
    assert scene.view(MANAGER)["tabs"]["t3"]["gratuity_ppm"] == 200_000
