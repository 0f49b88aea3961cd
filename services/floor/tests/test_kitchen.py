"""Stations, tickets, and the states of lines."""

from typing import Any

import pytest

from holdfast import NotFound
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor.contract import (
    AdvanceItem,
    Bump,
    CancelLine,
    FireCourse,
    ItemAdvanced,
    KitchenTicketIssued,
    MoveParty,
    Recall,
    ReprintTicket,
    TableStatusChanged,
    TicketBumped,
    TicketRecalled,
    TicketReprinted,
)
from services.floor.domain_fold_orders import RECALLABLE
from services.floor.domain_order_commands import ItemState
from services.floor.tests.scenes import COOK, EVENING, WAITER, line, lines, order, run, seated


def tickets(scene: Scenario) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = scene.view(COOK)["tickets"]
    return shown


def test_each_station_gets_a_ticket_with_what_it_makes() -> None:
    scene = seated(stations={"coke": "bar"})
    scene.when(order(line("l1"), line("l2", sku="pie", note="warm", seat=2)), by=WAITER)
    issued = [event for event in scene.events if isinstance(event, KitchenTicketIssued)]
    told = {
        event.station: [(delta.sku, delta.delta, delta.note, delta.seat) for delta in event.deltas] for event in issued
    }
    assert told == {"bar": [("coke", 1000, "", None)], "kitchen": [("pie", 1000, "warm", 2)]}
    assert [event.number for event in issued] == [1, 2]


@pytest.mark.parametrize("to", ["IN_PROGRESS", "READY", "SERVED"])
def test_a_line_moves_on_and_steps_may_be_left_out(to: ItemState) -> None:
    scene = run(seated(), order())
    scene.when(AdvanceItem(line_id="l1", to=to), by=COOK)
    scene.then_includes(ItemAdvanced, line_id="l1", from_="SENT", to=to)
    scene.when(AdvanceItem(line_id="l1", to=to), by=COOK).then_nothing()


@pytest.mark.parametrize("to", ["NEW", "SENT", "CANCELLED", "IN_PROGRESS"])
def test_a_line_never_goes_back_by_advancing(to: ItemState) -> None:
    scene = run(seated(), order(), AdvanceItem(line_id="l1", to="READY"))
    scene.when(AdvanceItem(line_id="l1", to=to), by=COOK).then_rejected(refusals.BadTransition)


def test_a_line_that_waits_or_is_cancelled_is_not_advanced() -> None:
    scene = run(seated(), order(line("l1", course=2), line("l2")), CancelLine(line_id="l2", reason="x"))
    for line_id in ("l1", "l2"):
        scene.when(AdvanceItem(line_id=line_id, to="READY"), by=COOK).then_rejected(refusals.BadTransition)
    scene.when(AdvanceItem(line_id="l3", to="READY"), by=COOK).then_rejected(NotFound)


def test_a_bumped_ticket_makes_its_lines_ready() -> None:
    scene = run(seated(), order(line("l1"), line("l2")))
    bump = Bump(ticket_id=tickets(scene)[0]["ticket_id"])
    scene.when(bump, by=COOK).then_types(TicketBumped).then_includes(TicketBumped, line_ids=("l1", "l2"))
    assert {shown["state"] for shown in lines(scene).values()} == {"READY"}
    scene.when(bump, by=COOK).then_nothing()
    scene.when(Bump(ticket_id="none"), by=COOK).then_rejected(NotFound)


def test_bumping_a_cancellation_changes_no_line() -> None:
    scene = run(seated(), order(line("l1", qty=2000)), CancelLine(line_id="l1", qty=1000, reason="x"))
    cancellation = next(each for each in tickets(scene) if each["kind"] == "cancel")
    scene.when(Bump(ticket_id=cancellation["ticket_id"]), by=COOK).then_includes(TicketBumped, line_ids=())
    assert lines(scene)["l1"]["state"] == "SENT"


def test_a_recalled_ticket_is_in_progress_again() -> None:
    scene = run(seated(), order())
    ticket_id = tickets(scene)[0]["ticket_id"]
    scene.when(Recall(ticket_id=ticket_id), by=COOK).then_nothing()
    run(scene, Bump(ticket_id=ticket_id))
    scene.when(Recall(ticket_id=ticket_id), by=COOK).then_includes(TicketRecalled, line_ids=("l1",))
    assert lines(scene)["l1"]["state"] == "IN_PROGRESS"


def test_what_is_served_is_not_recalled() -> None:
    scene = run(seated(), order())
    ticket_id = tickets(scene)[0]["ticket_id"]
    run(scene, Bump(ticket_id=ticket_id), AdvanceItem(line_id="l1", to="SERVED"))
    scene.when(Recall(ticket_id=ticket_id), by=COOK).then_rejected(refusals.BadTransition)


def test_the_last_bumped_tickets_stay_at_hand_and_no_more() -> None:
    scene = seated()
    for number in range(RECALLABLE + 5):
        run(scene, order(line(f"l{number}")))
        run(scene, Bump(ticket_id=tickets(scene)[-1]["ticket_id"]))
    kept = tickets(scene)
    assert len(kept) == RECALLABLE
    assert kept[-1]["number"] == RECALLABLE + 5


def test_a_reprint_counts_its_copies_and_is_no_new_ticket() -> None:
    scene = run(seated(), order())
    reprint = ReprintTicket(ticket_id=tickets(scene)[0]["ticket_id"])
    scene.when(reprint, by=COOK).then_includes(TicketReprinted, copy=2, number=1, table_ref="T1", at=EVENING)
    scene.when(reprint, by=COOK).then_includes(TicketReprinted, copy=3)
    assert len(tickets(scene)) == 1


def test_a_move_is_shown_on_the_ticket_and_nothing_is_printed_as_new() -> None:
    scene = run(seated(), order(), MoveParty(party_id="p1", to_table_ids=("t2",)))
    assert [event for event in scene.events if isinstance(event, KitchenTicketIssued)][1:] == []
    assert (tickets(scene)[0]["printed_for"], tickets(scene)[0]["table_ref"]) == ("T1", "T2")


def test_an_order_that_waits_whole_sends_nothing_and_leaves_the_table_seated() -> None:
    scene = run(seated(), order(line("l1", course=2)))
    assert [event for event in scene.events if isinstance(event, KitchenTicketIssued)] == []
    scene.when(FireCourse(table_id="t1", course=2), by=WAITER).then_includes(TableStatusChanged, to="ORDERED")
