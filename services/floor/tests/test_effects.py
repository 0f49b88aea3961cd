"""What the till is told of a floor: every line once, on the bill of those who sit there."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from holdfast import Actor, Command, Name
from holdfast._judge import Judge
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario
from holdfast.worker import Send
from services.floor.contract import CancelLine, ClearTable, MergeOrders, Modifier, MoveLines, MoveParty, Unmerge
from services.floor.effects import Till
from services.floor.tests.scenes import MANAGER, TILL, WAITER, line, order, run, seat, seated, tab_of, till
from services.pos import contract as pos

FLOOR = "loc-1:floor-main"


def sent(scene: Scenario, *, after: int = 0) -> list[Send]:
    """What the till is sent for the events after this one."""
    judge = Judge(scene.entity)
    stored = [StoredEvent[Any](name=scene.name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    return [effect for each in stored[after:] for effect in Till().react(each) if isinstance(effect, Send)]


def commands(scene: Scenario, *, after: int = 0) -> list[Command]:
    return [send.command for send in sent(scene, after=after)]


def two_parties() -> Scenario:
    scene = run(seated(), seat(table="t2", party="p2"))
    return run(scene, order(), order(line("m1"), table="t2", order_id="o2"))


def test_an_order_goes_on_the_partys_bill_at_the_floors_location() -> None:
    wanted = line("l1", qty=2500, unit_price_minor=450, mods=(Modifier(id="ice", price_minor=20),), seat=2)
    scene = run(seated(), order(wanted), by=MANAGER)
    [send] = sent(scene)
    assert send.name == Name.of("pos-session", "acme", "loc-1")
    assert send.command == pos.PostOrder(
        tab_id=tab_of(scene),
        floor=FLOOR,
        post=1,
        table_ref="t1",
        guest_count=2,
        order_id="o1",
        lines=(
            pos.PostedLine(
                line_id="l1",
                sku="coke",
                qty_milli=2500,
                unit_price_minor=450,
                modifiers=(pos.Modifier(id="ice", price_minor=20),),
                seat=2,
            ),
        ),
    )


def test_a_floor_may_name_another_till_or_none() -> None:
    assert [send.name.id for send in sent(run(seated(pos_location="loc-9"), order()))] == ["loc-9"]
    assert sent(run(seated(payments="none"), order())) == []


def test_a_till_that_cannot_exist_is_told_nothing() -> None:
    scene = run(seated(pos_location="l" * 100), order())
    [recorded] = [each for each in scene.log if each.type == "order_placed"]
    judge = Judge(scene.entity)
    far = Name.of("floor", "t" * 90, "floor-1")
    assert Till().react(StoredEvent[Any](name=far, position=recorded.seq, recorded=recorded, judge=judge)) == []


def test_what_is_cancelled_is_taken_off_the_bill() -> None:
    scene = run(seated(), order(line("l1", qty=2000)))
    run(scene, CancelLine(line_id="l1", qty=500, reason="spilled"))
    off = pos.PostCancel(
        floor=FLOOR, post=2, tab_id=tab_of(scene), line_id="l1", qty_milli=500, reason_code="spilled", by=WAITER.user
    )
    assert commands(scene)[1:] == [replace(off, unapproved=True)]


def cancelled(*, course: int, by: Actor) -> pos.PostCancel:
    scene = run(seated(), order(line("l1", course=course)))
    run(scene, CancelLine(line_id="l1", reason="spilled"), by=by)
    [_, told] = commands(scene)
    assert isinstance(told, pos.PostCancel)
    return told


def test_the_till_learns_who_cancelled_what_the_kitchen_had_without_a_managers_word() -> None:
    told = cancelled(course=1, by=WAITER)
    assert (told.by, told.unapproved) == (WAITER.user, True)
    assert not cancelled(course=1, by=MANAGER).unapproved
    assert not cancelled(course=2, by=WAITER).unapproved


def test_lines_follow_to_another_bill_only_when_there_is_another() -> None:
    scene = run(two_parties(), MoveLines(line_ids=("l1",), to_order="o2"))
    assert commands(scene)[2:] == [
        pos.PostMove(
            floor=FLOOR,
            post=3,
            from_tab_id=tab_of(scene),
            to_tab_id=tab_of(scene, "p2"),
            table_ref="t2",
            line_ids=("l1",),
        )
    ]
    scene = run(seated(), order(), order(line("l2"), order_id="o2"), MoveLines(line_ids=("l1",), to_order="o2"))
    assert len(commands(scene)) == 2


def test_a_bill_follows_its_party_to_another_table() -> None:
    scene = run(seated(), order(), MoveParty(party_id="p1", to_table_ids=("t4", "t5")))
    assert commands(scene)[1:] == [pos.PostTable(floor=FLOOR, post=2, tab_id=tab_of(scene), table_ref="t4")]


def test_a_merge_and_its_undoing_reach_the_till() -> None:
    scene = two_parties()
    own, other = tab_of(scene), tab_of(scene, "p2")
    run(scene, MergeOrders(from_="o1", into="o2"), order(line("l2")), Unmerge(order_id="o1"))
    merge, ordered, unmerge = commands(scene)[2:]
    assert merge == pos.PostMerge(floor=FLOOR, post=3, from_tab_id=own, into_tab_id=other)
    assert isinstance(ordered, pos.PostOrder)
    assert ordered.tab_id == other
    assert unmerge == pos.PostUnmerge(floor=FLOOR, post=5, from_tab_id=own, into_tab_id=other, line_ids=("l1", "l2"))


def test_a_merge_within_one_bill_is_no_matter_of_the_till() -> None:
    scene = run(seated(), order(), order(line("l2"), order_id="o2"))
    before = len(scene.log)
    run(scene, MergeOrders(from_="o1", into="o2"), Unmerge(order_id="o1"))
    assert commands(scene, after=before) == []


def test_an_event_is_told_the_same_however_often_it_is_delivered() -> None:
    scene = two_parties()
    assert sent(scene) == sent(scene)


@pytest.mark.parametrize(
    "command", [pos.PostOrder, pos.PostCancel, pos.PostMove, pos.PostTable, pos.PostMerge, pos.PostUnmerge]
)
def test_the_till_takes_these_commands_from_a_service(command: type[Command]) -> None:
    assert command.roles is not None
    assert not command.roles.isdisjoint(Till.actor.roles)


def test_the_till_is_told_when_guests_have_gone_who_had_a_bill() -> None:
    scene = run(seated(), order())
    tab, known = tab_of(scene), len(scene.log)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    run(scene, ClearTable(table="t1"))
    assert commands(scene, after=known) == [pos.RevokeTableCodes(tab_id=tab)]
    assert commands(run(seated(), ClearTable(table="t1"))) == []


def test_of_parties_who_pay_together_the_last_one_ends_the_codes_of_the_bill() -> None:
    scene = run(two_parties(), MergeOrders(from_="o1", into="o2"))
    shared = tab_of(scene, "p2")
    assert tab_of(scene) == shared
    run(scene, till(scene, "CLOSED", party="p2", paid_minor=500), by=TILL)
    known = len(scene.log)
    assert commands(run(scene, ClearTable(table="t1")), after=known) == []
    assert commands(run(scene, ClearTable(table="t2")), after=known) == [pos.RevokeTableCodes(tab_id=shared)]


def test_more_lines_than_a_command_takes_are_told_in_parts_of_which_the_last_has_the_number() -> None:
    scene = two_parties()
    wanted = [line(f"x{number}") for number in range(pos.LINES_AT_ONCE)]
    for first in range(0, len(wanted), 200):
        run(scene, order(*wanted[first : first + 200]))
    own, other, told = tab_of(scene), tab_of(scene, "p2"), len(scene.log)
    run(scene, MergeOrders(from_="o1", into="o2"), order(line("last")), Unmerge(order_id="o1"))
    sends = [send for send in sent(scene, after=told) if isinstance(send.command, pos.PostUnmerge)]
    parts = [send.command for send in sends if isinstance(send.command, pos.PostUnmerge)]
    assert [(len(part.line_ids), bool(part.post)) for part in parts] == [(500, False), (2, True)]
    assert [line_id for part in parts for line_id in part.line_ids] == [
        "l1",
        *(each.line_id for each in wanted),
        "last",
    ]
    assert {(part.from_tab_id, part.into_tab_id) for part in parts} == {(own, other)}
    assert len({send.step for send in sends}) == 2
    assert [msgspec.json.decode(msgspec.json.encode(part), type=pos.PostUnmerge) for part in parts] == parts
