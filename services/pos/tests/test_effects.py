"""What floors are told of a till: how bills stand, what the till voided, what is sold out; and nothing that they said."""

from typing import Any

import pytest

from holdfast import Command, Name
from holdfast._judge import Judge
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario
from holdfast.worker import Send
from services.floor import contract as floor
from services.pos.contract import (
    BeginPayment,
    CloseTab,
    CompLine,
    FloorHeard,
    LineVoided,
    MergeTabs,
    OpenBank,
    PostCancel,
    PostedLine,
    PostMerge,
    PostMove,
    PostOrder,
    PostTable,
    PostUnmerge,
    PrintBill,
    RecordPaymentResult,
    SetEightySix,
    SettleBank,
    SplitPart,
    SplitTab,
    TabConflict,
    VoidLine,
    VoidTab,
)
from services.pos.effects import Floors
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, WAITER, balance, done, opened, paid, with_tab

FLOOR = "loc-1:floor-main"


def sent(scene: Scenario, *, after: int = 0) -> list[Send]:
    """What floors are sent for the events after this one."""
    judge = Judge(scene.entity)
    stored = [StoredEvent[Any](name=scene.name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    return [effect for each in stored[after:] for effect in Floors().react(each) if isinstance(effect, Send)]


def told(scene: Scenario, command: Command, by: Any = CASHIER) -> list[Command]:
    """What floors are told because of this command."""
    before = len(scene.log)
    done(scene.when(command, by=by))
    return [send.command for send in sent(scene, after=before)]


def post(*line_ids: str, tab_id: str = "f1", number: int = 1, sku: str = "beer") -> PostOrder:
    lines = tuple(PostedLine(line_id=line_id, sku=sku, qty_milli=2_000) for line_id in line_ids)
    return PostOrder(tab_id=tab_id, floor=FLOOR, post=number, table_ref="12", lines=lines)


def ordered(*line_ids: str) -> Scenario:
    return done(opened().when(post(*(line_ids or ("o1",))), by=SERVICE))


def standing(scene: Scenario, **fields: Any) -> floor.RecordTab:
    known: dict[str, Any] = {
        "tab_id": "f1",
        "status": "OPEN",
        "paid_minor": 0,
        "currency": "USD",
        "pos_seq": len(scene.log),
    }
    return floor.RecordTab(**{**known, **fields})


def test_an_order_is_answered_with_how_the_bill_stands_and_which_message_was_heard() -> None:
    scene = opened()
    told_ = told(scene, post("o1"), SERVICE)
    assert told_ == [standing(scene, balance_minor=1_100, heard=1, prices={"o1": 500})]
    assert sent(scene)[-1].name == Name.of("floor", "acme", FLOOR)


def test_a_message_that_changes_nothing_is_answered_too() -> None:
    scene = ordered()
    assert told(scene, post("o1", number=2), SERVICE) == [floor.RecordHeard(heard=2)]
    gone = PostTable(floor=FLOOR, post=3, tab_id="f9", table_ref="1")
    assert told(scene, gone, SERVICE) == [floor.RecordHeard(heard=3)]
    scene.then(FloorHeard(floor=FLOOR, heard=3))


def test_a_floor_that_cannot_exist_is_told_nothing_and_holds_nothing_up() -> None:
    scene = opened()
    odd = PostOrder(tab_id="f1", floor="a.b", post=1, lines=post("o1").lines)
    assert told(scene, odd, SERVICE) == []
    assert told(scene, SetEightySix(sku="beer", unavailable=True), MANAGER) == [
        floor.SetEightySix(sku="beer", unavailable=True)
    ]


def test_the_last_of_several_standings_answers() -> None:
    scene = done(ordered().when(post("p1", tab_id="f2", number=2), by=SERVICE))
    first, second = told(scene, PostMerge(floor=FLOOR, post=3, from_tab_id="f1", into_tab_id="f2"), SERVICE)
    assert isinstance(first, floor.RecordTab)
    assert isinstance(second, floor.RecordTab)
    assert {first.status, second.status} == {"OPEN", "MERGED"}
    assert (first.heard, second.heard, first.into, second.into) == (0, 3, None, None)


def test_the_bill_and_the_payment_are_told_step_by_step() -> None:
    scene = ordered()
    assert told(scene, PrintBill(tab_id="f1")) == [standing(scene, balance_minor=1_100, bill_printed=True)]
    assert told(scene, PrintBill(tab_id="f1")) == []
    begin = BeginPayment(tab_id="f1", payment_id="p1", amount_minor=1_100, tender="card")
    [paying] = told(scene, begin)
    [after] = told(scene, RecordPaymentResult(payment_id="p1", outcome="captured"))
    [closed] = told(scene, CloseTab(tab_id="f1"))
    standings = [each for each in (paying, after, closed) if isinstance(each, floor.RecordTab)]
    assert [(each.status, each.balance_minor, each.paid_minor) for each in standings] == [
        ("PAYING", 1_100, 0),
        ("PAID", 0, 1_100),
        ("CLOSED", 0, 1_100),
    ]


def test_what_the_till_makes_of_a_bill_names_the_bill_that_the_floor_knows() -> None:
    scene = ordered("o1", "o2")
    split = SplitTab(tab_id="f1", mode="lines", parts=(SplitPart(tab_id="half", line_ids=("o2",)),))
    assert {(each.tab_id, each.branch_of) for each in told(scene, split) if isinstance(each, floor.RecordTab)} == {
        ("f1", None),
        ("half", "f1"),
    }
    paid(scene, tab_id="f1")
    beside = told(scene, post("o3", number=2), SERVICE)
    assert [(each.tab_id, each.branch_of) for each in beside if isinstance(each, floor.RecordTab)] == [("f1-2", "f1")]


def test_a_merge_at_the_till_tells_where_the_lines_went() -> None:
    scene = done(ordered().when(post("p1", tab_id="f2", number=2), by=SERVICE))
    standings = told(scene, MergeTabs(from_="f1", into="f2"))
    assert [(each.tab_id, each.into) for each in standings if isinstance(each, floor.RecordTab)] == [
        ("f2", None),
        ("f1", "f2"),
    ]


def test_a_bill_that_takes_those_of_a_floor_is_told_to_it() -> None:
    scene = done(with_tab("water").when(post("o1"), by=SERVICE))
    assert [each.tab_id for each in told(scene, MergeTabs(from_="f1", into="t1")) if isinstance(each, floor.RecordTab)]
    assert told(scene, PrintBill(tab_id="t1")) != []


def test_a_void_at_the_till_reaches_the_kitchen_and_a_comp_does_not() -> None:
    scene = ordered("o1", "o2")
    void = VoidLine(line_id="o1", qty_milli=1_000, reason_code="spilled")
    assert floor.RecordVoid(line_id="o1", qty_milli=1_000, reason="spilled") in told(scene, void, MANAGER)
    comped = told(scene, CompLine(line_id="o2", reason_code="wrong"), MANAGER)
    assert not [each for each in comped if isinstance(each, floor.RecordVoid)]
    voids = told(scene, VoidTab(tab_id="f1", reason_code="guest_left"), MANAGER)
    assert [each for each in voids if isinstance(each, floor.RecordVoid)] == [
        floor.RecordVoid(line_id="o1", qty_milli=1_000, reason="guest_left"),
        floor.RecordVoid(line_id="o2", qty_milli=2_000, reason="guest_left"),
    ]


def test_a_void_of_a_share_counts_as_one_of_its_line() -> None:
    scene = done(ordered().when(SplitTab(tab_id="f1", mode="evenly", parts=(SplitPart(tab_id="half"),)), by=WAITER))
    void = VoidLine(line_id="o1.half", tab_id="half", reason_code="spilled")
    assert floor.RecordVoid(line_id="o1", qty_milli=1_000, reason="spilled") in told(scene, void, MANAGER)


def test_what_the_floor_cancelled_is_not_told_back() -> None:
    cancel = PostCancel(floor=FLOOR, post=2, tab_id="f1", line_id="o1", qty_milli=1_000)
    scene = ordered()
    assert told(scene, cancel, SERVICE) == [standing(scene, balance_minor=550, heard=2)]


def test_what_the_floor_cancelled_is_found_wherever_the_till_has_it() -> None:
    scene = done(ordered().when(SplitTab(tab_id="f1", mode="evenly", parts=(SplitPart(tab_id="half"),)), by=WAITER))
    done(scene.when(PostCancel(floor=FLOOR, post=2, tab_id="f1", line_id="o1", qty_milli=1_500), by=SERVICE))
    scene.then_includes(LineVoided, tab_id="f1", line_id="o1", qty_milli=1_000)
    scene.then_includes(LineVoided, tab_id="half", line_id="o1.half", qty_milli=500)
    scene = paid(ordered(), tab_id="f1")
    done(scene.when(post("o2", number=2), by=SERVICE))
    done(scene.when(PostCancel(floor=FLOOR, post=3, tab_id="f1", line_id="o2"), by=SERVICE))
    scene.then_includes(LineVoided, tab_id="f1-2", line_id="o2")


def test_lines_follow_to_another_table_from_wherever_the_till_has_them() -> None:
    scene = done(ordered("o1", "o2").when(post("p1", tab_id="f2", number=2), by=SERVICE))
    done(
        scene.when(SplitTab(tab_id="f1", mode="lines", parts=(SplitPart(tab_id="half", line_ids=("o2",)),)), by=WAITER)
    )
    move = PostMove(floor=FLOOR, post=3, from_tab_id="f1", to_tab_id="f2", line_ids=("o1", "o2"))
    done(scene.when(move, by=SERVICE))
    assert (balance(scene, "f1"), balance(scene, "half"), balance(scene, "f2")) == (0, 0, 3_300)


def test_a_tab_made_of_a_partys_follows_it_to_another_table() -> None:
    scene = done(ordered().when(SplitTab(tab_id="f1", mode="evenly", parts=(SplitPart(tab_id="half"),)), by=WAITER))
    done(scene.when(PostTable(floor=FLOOR, post=2, tab_id="f1", table_ref="14"), by=SERVICE))
    assert {tab["table_ref"] for tab in scene.view(MANAGER)["tabs"].values()} == {"14"}


def test_a_conflict_is_answered_as_well() -> None:
    scene = done(paid(ordered(), tab_id="f1").when(post("p1", tab_id="f2", number=2), by=SERVICE))
    merge = PostMerge(floor=FLOOR, post=3, from_tab_id="f1", into_tab_id="f2")
    assert told(scene, merge, SERVICE) == [floor.RecordHeard(heard=3)]
    scene.then(TabConflict(tab_id="f1", about="merge"), FloorHeard(floor=FLOOR, heard=3))


def test_every_floor_of_the_location_is_told_what_is_sold_out_and_what_is_back() -> None:
    scene = done(opened().when(PostOrder(tab_id="f1", floor="loc-1:roof", post=1, lines=()), by=SERVICE))
    before = len(scene.log)
    assert told(scene, SetEightySix(sku="beer"), WAITER) == [floor.SetEightySix(sku="beer")] * 2
    assert [send.name.id for send in sent(scene, after=before)] == [FLOOR, "loc-1:roof"]
    back = told(scene, SetEightySix(sku="beer", unavailable=False), WAITER)
    assert back == [floor.SetEightySix(sku="beer", unavailable=False)] * 2


def test_a_bill_of_no_floor_is_nobodys_business() -> None:
    scene = with_tab("beer")
    assert sent(scene) == []
    assert told(scene, VoidLine(line_id="l1", reason_code="wrong"), MANAGER) == []


@pytest.mark.parametrize("command", [floor.RecordTab, floor.RecordHeard, floor.RecordVoid, floor.SetEightySix])
def test_the_floor_takes_these_commands_from_a_service(command: type[Command]) -> None:
    assert command.roles is not None
    assert not command.roles.isdisjoint(Floors.actor.roles)


def test_an_unmerged_bill_gets_its_lines_back() -> None:
    scene = done(ordered().when(post("p1", tab_id="f2", number=2), by=SERVICE))
    done(scene.when(PostMerge(floor=FLOOR, post=3, from_tab_id="f1", into_tab_id="f2"), by=SERVICE))
    unmerge = PostUnmerge(floor=FLOOR, post=4, from_tab_id="f1", into_tab_id="f2", line_ids=("o1",))
    standings = told(scene, unmerge, SERVICE)
    assert {(each.tab_id, each.balance_minor) for each in standings if isinstance(each, floor.RecordTab)} == {
        ("f2", 1_100),
        ("f1", 1_100),
    }


def test_floors_are_told_which_waiters_have_a_bank_to_settle() -> None:
    scene = opened()
    assert told(scene, OpenBank(minor=100, floor=FLOOR), WAITER) == [floor.RecordBank(waiter_id="wim", is_open=True)]
    assert told(scene, SettleBank(minor=100), WAITER) == [floor.RecordBank(waiter_id="wim", is_open=False)]
