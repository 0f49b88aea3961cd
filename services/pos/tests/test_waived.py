"""Waived service: what may be waived is what was allowed, neither more nor less, wherever lines come from and go."""

from typing import Any

import pytest

from holdfast import Command
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    BeginPayment,
    GrantApproval,
    Gratuity,
    GratuityWaived,
    MergeTabs,
    MoveLines,
    OpenTab,
    PostedLine,
    PostMerge,
    PostMove,
    PostOrder,
    PostUnmerge,
    SplitPart,
    SplitTab,
    TabConflict,
    WaiveGratuity,
)
from services.pos.domain_errors import ApprovalRequired
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, WAITER, balance, done, opened

TERMS = Gratuity(guests=6, ppm=180_000)
WAIVE = WaiveGratuity(tab_id="t1", reason_code="spilled")
SPLIT = SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t9"),))


def seated(**parties: tuple[int, int]) -> Scenario:
    """Parties of so many guests, with so many beers each."""
    scene = opened(gratuity=TERMS)
    for tab_id, (guests, beers) in parties.items():
        done(scene.when(OpenTab(tab_id=tab_id, guest_count=guests), by=WAITER))
        for number in range(beers):
            done(scene.when(AddLine(tab_id=tab_id, line_id=f"{tab_id}-{number}", sku="beer"), by=WAITER))
    return scene


def waived(*tab_ids: str, **parties: tuple[int, int]) -> Scenario:
    scene = seated(**parties)
    for tab_id in tab_ids or ("t1",):
        done(scene.when(WaiveGratuity(tab_id=tab_id, reason_code="spilled"), by=WAITER))
    return scene


def pay(scene: Scenario, tab_id: str = "t1") -> Scenario:
    due = balance(scene, tab_id)
    begin = BeginPayment(tab_id=tab_id, payment_id=f"pay-{tab_id}", amount_minor=due, tender="card")
    return scene.when(begin, by=CASHIER)


def move(from_tab_id: str, to_tab_id: str, *line_ids: str) -> MoveLines:
    return MoveLines(from_tab_id=from_tab_id, to_tab_id=to_tab_id, line_ids=line_ids)


@pytest.mark.parametrize(
    "steps",
    [
        (SPLIT, MergeTabs(from_="t9", into="t1")),
        (SPLIT, move("t9", "t1", "t1-0.t9"), move("t1", "t9", "t1-0.t9"), MergeTabs(from_="t1", into="t9")),
        (move("t1", "t2", "t1-0", "t1-1"), move("t2", "t1", "t1-0"), MergeTabs(from_="t2", into="t1")),
    ],
)
def test_a_tab_that_is_put_together_again_is_paid_as_before_it_was_taken_apart(steps: tuple[Command, ...]) -> None:
    scene = waived(t1=(8, 5), t2=(8, 0))
    for step in steps:
        done(scene.when(step, by=WAITER))
    for tab_id, tab in scene.view(MANAGER)["tabs"].items():
        if tab["lines"]:
            done(pay(scene, tab_id))


@pytest.mark.parametrize("way", [MergeTabs(from_="t2", into="t1"), move("t2", "t1", "t2-0", "t2-1", "t2-2")])
def test_what_comes_from_a_party_that_pays_for_no_service_counts_towards_no_limit(way: Command) -> None:
    done(pay(done(waived(t1=(8, 5), t2=(2, 3)).when(way, by=WAITER))))


def test_what_a_tab_had_from_a_small_party_when_service_was_waived_counts_towards_no_limit() -> None:
    scene = done(seated(t1=(8, 1), t2=(2, 20)).when(MergeTabs(from_="t2", into="t1"), by=WAITER))
    done(pay(done(scene.when(WAIVE, by=WAITER))))


def test_tabs_that_were_waived_one_by_one_are_paid_together_and_apart_again() -> None:
    both = waived("t1", "t2", t1=(8, 5), t2=(8, 5)).when(MergeTabs(from_="t2", into="t1"), by=WAITER)
    apart = SplitTab(tab_id="t1", mode="lines", parts=(SplitPart(tab_id="t9", line_ids=("t2-0", "t2-1")),))
    scene = done(done(both).when(apart, by=WAITER))
    done(pay(done(pay(scene)), "t9"))


def test_what_is_ordered_where_waived_tabs_were_merged_still_counts_towards_the_limit() -> None:
    scene = waived("t1", "t2", t1=(8, 5), t2=(8, 5)).when(MergeTabs(from_="t2", into="t1"), by=WAITER)
    done(done(scene).when(AddLine(tab_id="t1", line_id="more", sku="beer"), by=WAITER))
    pay(scene).then_rejected(ApprovalRequired, action="gratuity", value_minor=990)


def order(tab_id: str, guests: int, *line_ids: str) -> PostOrder:
    lines = tuple(PostedLine(line_id=line_id, sku="beer", qty_milli=1_000) for line_id in line_ids)
    return PostOrder(tab_id=tab_id, floor="main", guest_count=guests, lines=lines)


def on_floor(*told: Any, waive: bool = True) -> Scenario:
    """A large party at p1 and two guests at p2, and what the floor told of them afterwards."""
    scene = done(opened(gratuity=TERMS).when(order("p1", 8, "a", "b", "c", "d", "e"), by=SERVICE))
    done(scene.when(order("p2", 2, "x", "y"), by=SERVICE))
    if waive:
        done(scene.when(WaiveGratuity(tab_id="p1", reason_code="spilled"), by=WAITER))
    for each in told:
        done(scene.when(each, by=SERVICE))
    return scene


MERGE = PostMerge(floor="main", from_tab_id="p2", into_tab_id="p1")
UNMERGE = PostUnmerge(floor="main", from_tab_id="p2", into_tab_id="p1", line_ids=("x", "y"))


def flags(scene: Scenario) -> list[str]:
    return [event.about for event in scene.events if isinstance(event, TabConflict)]


def test_a_party_that_the_floor_moved_and_moved_back_pays_without_service() -> None:
    lines = ("a", "b", "c", "d", "e")
    out = PostMove(floor="main", from_tab_id="p1", to_tab_id="p3", line_ids=lines)
    scene = on_floor(out, PostMove(floor="main", from_tab_id="p3", to_tab_id="p1", line_ids=lines))
    done(pay(scene, "p1"))


def test_small_parties_that_the_floor_merges_and_parts_cause_no_flag_and_use_up_no_limit() -> None:
    scene = on_floor(MERGE, UNMERGE)
    assert flags(scene) == []
    done(pay(scene, "p1"))


@pytest.mark.parametrize("waive", [True, False])
def test_guests_whom_the_floor_merges_and_parts_are_charged_as_before(*, waive: bool) -> None:
    scene = on_floor(MERGE, UNMERGE, order("p2", 2, "z"), waive=waive)
    assert balance(scene, "p2") == 3 * 550
    done(scene.when(order("p1", 8, "f"), by=SERVICE))
    assert balance(scene, "p1") == (6 * 550 if waive else 6 * 640)


def test_a_large_party_that_the_floor_merges_and_parts_pays_for_service_as_before() -> None:
    lines = ("a", "b", "c", "d", "e")
    away = PostMerge(floor="main", from_tab_id="p1", into_tab_id="p2")
    back = PostUnmerge(floor="main", from_tab_id="p1", into_tab_id="p2", line_ids=lines)
    scene = on_floor(away, back, order("p1", 8, "f"), order("p2", 2, "z"), waive=False)
    assert (balance(scene, "p1"), balance(scene, "p2")) == (6 * 640, 3 * 550)


def test_parties_that_were_merged_one_into_the_other_are_charged_as_before_when_all_are_parted() -> None:
    third = PostMerge(floor="main", from_tab_id="p3", into_tab_id="p2")
    again = PostUnmerge(floor="main", from_tab_id="p3", into_tab_id="p1", line_ids=("q",))
    scene = on_floor(order("p3", 6, "q"), third, MERGE, UNMERGE, again, order("p3", 6, "r"), order("p2", 2, "z"))
    assert (balance(scene, "p3"), balance(scene, "p2")) == (2 * 640, 3 * 550)


def test_to_waive_again_lifts_no_limit() -> None:
    scene = waived(t1=(8, 1), t2=(8, 1)).when(move("t2", "t1", "t2-0"), by=WAITER)
    done(done(scene).when(WAIVE, by=WAITER)).then_includes(GratuityWaived, value_minor=90, limit_minor=500)
    done(scene.when(AddLine(tab_id="t1", line_id="many", sku="beer", qty_milli=50_000), by=WAITER))
    pay(scene).then_rejected(ApprovalRequired, action="gratuity", value_minor=4_680)


def test_what_is_waived_at_twice_counts_together() -> None:
    scene = done(waived(t1=(8, 5), t2=(8, 1)).when(move("t2", "t1", "t2-0"), by=WAITER))
    scene.when(WAIVE, by=WAITER).then_rejected(ApprovalRequired, action="gratuity", value_minor=540)


def test_what_was_approved_is_not_lessened_when_service_is_waived_again() -> None:
    grant = GrantApproval(approval_id="a", action="gratuity", tab_id="t1", limit_minor=2_000)
    scene = done(seated(t1=(8, 20), t2=(8, 1)).when(grant, by=MANAGER))
    done(scene.when(WaiveGratuity(tab_id="t1", reason_code="spilled", approver="a"), by=WAITER))
    done(done(scene.when(move("t2", "t1", "t2-0"), by=WAITER)).when(WAIVE, by=WAITER))
    done(pay(scene.then_includes(GratuityWaived, limit_minor=2_000)))
