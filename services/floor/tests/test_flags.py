"""Who guests are, and what they must not eat: it travels to the kitchen, and to nobody who does not need it."""

from typing import Any

import pytest

from holdfast import Actor, TooLarge
from holdfast.testing import Scenario
from services.floor.contract import (
    FlagParty,
    JoinWaitlist,
    KitchenTicketIssued,
    MoveLines,
    NotifyParty,
    PartyFlagged,
    PartySeated,
    ReprintTicket,
    Reserve,
    TicketReprinted,
)
from services.floor.printing import paper
from services.floor.tests.scenes import (
    COOK,
    EVENING,
    HOST,
    MINUTE,
    TILL,
    WAITER,
    empty_floor,
    line,
    order,
    run,
    seat,
    seated,
)
from services.floor.tests.test_printing import slips

NUTS = FlagParty(party_id="p1", add_allergies=("nuts",))


def party(scene: Scenario, viewer: Actor = WAITER) -> Any:
    return scene.view(viewer)["parties"][0]


def test_a_party_is_flagged_by_what_is_added_and_dropped_so_that_two_waiters_lose_nothing() -> None:
    scene = seated().when(NUTS, by=WAITER)
    scene.then(PartyFlagged(party_id="p1", vip=False, allergies=("nuts",), table_ref="T1", at=EVENING))
    scene.when(NUTS, by=WAITER).then_nothing()
    run(scene, FlagParty(party_id="p1", vip=True, add_allergies=("milk",)))
    run(scene, FlagParty(party_id="p1", drop_allergies=("nuts",)))
    assert (party(scene)["vip"], party(scene)["allergies"]) == (True, ["milk"])


def test_what_was_said_when_reserving_or_waiting_is_known_at_the_table() -> None:
    booked = Reserve(res_id="r1", start=EVENING + 20 * MINUTE, size=2, vip=True, allergies=("nuts",))
    scene = run(empty_floor(), booked, by=HOST)
    scene.when(seat(reservation_id="r1", allergies=("milk",)), by=WAITER)
    scene.then_includes(PartySeated, vip=True, allergies=("milk", "nuts"))
    waits = JoinWaitlist(party="w1", size=2, allergies=("soy",))
    scene = run(empty_floor(), waits, NotifyParty(party="w1"), by=HOST)
    scene.when(seat(party="w1"), by=WAITER).then_includes(PartySeated, vip=False, allergies=("soy",))


def test_allergies_stand_on_every_ticket_of_the_party() -> None:
    scene = run(seated(), NUTS).when(order(), by=WAITER)
    scene.then_includes(KitchenTicketIssued, allergies=("nuts",))
    assert "!!! ALLERGIES: nuts" in paper(slips(scene)[-1])


def test_the_kitchen_hears_of_allergies_that_become_known_while_it_cooks() -> None:
    scene = run(seated(stations={"coke": "bar"}), order(line("l1"), line("l2", sku="pie")))
    run(scene, NUTS)
    assert [paper(slip) for slip in slips(scene)[2:]] == [
        "bar\nTABLE T1\n!!! ALLERGIES: nuts\n",
        "kitchen\nTABLE T1\n!!! ALLERGIES: nuts\n",
    ]
    ticket = scene.view(COOK)["tickets"][0]
    assert ticket["allergies"] == ["nuts"]
    scene.when(ReprintTicket(ticket_id=ticket["ticket_id"]), by=COOK).then_includes(
        TicketReprinted, allergies=("nuts",)
    )
    run(scene, FlagParty(party_id="p1", drop_allergies=("nuts",)))
    assert paper(slips(scene)[-1]) == "kitchen\nTABLE T1\nNO ALLERGIES\n"


def test_a_flag_that_is_no_allergy_is_no_matter_of_the_kitchen() -> None:
    scene = run(seated(), order(), FlagParty(party_id="p1", vip=True))
    assert len(slips(scene)) == 1


def test_a_ticket_shows_the_allergies_of_whoever_has_its_lines_now() -> None:
    scene = run(seated(), NUTS, seat(table="t2", party="p2", allergies=("milk",)), order())
    run(scene, MoveLines(line_ids=("l1",), to_order="o2", to_table="t2"))
    assert scene.view(COOK)["tickets"][0]["allergies"] == ["nuts", "milk"]


def test_the_number_of_allergies_is_bounded() -> None:
    scene = run(seated(), FlagParty(party_id="p1", add_allergies=tuple(f"a{number}" for number in range(20))))
    scene.when(NUTS, by=WAITER).then_rejected(TooLarge, maximum=20)


@pytest.mark.parametrize(
    ("viewer", "shown"),
    [(WAITER, {"vip", "allergies"}), (HOST, {"vip", "allergies"}), (COOK, {"allergies"}), (TILL, set[str]())],
    ids=lambda value: value.user if isinstance(value, Actor) else "",
)
def test_who_guests_are_is_for_those_who_meet_them_and_allergies_for_the_kitchen_too(
    viewer: Actor, shown: set[str]
) -> None:
    flags: dict[str, Any] = {"vip": True, "allergies": ("nuts",)}
    booked = Reserve(res_id="r1", start=EVENING + 100 * MINUTE, size=2, **flags)
    scene = run(empty_floor(), booked, JoinWaitlist(party="w1", size=2, **flags), by=HOST)
    run(scene, seat(**flags), order(), FlagParty(party_id="p1", add_allergies=("milk",)))
    run(scene, ReprintTicket(ticket_id=scene.view(COOK)["tickets"][0]["ticket_id"]))
    seen = scene.view(viewer)
    for each in (seen["parties"][0], seen["reservations"][0], seen["waitlist"][0]):
        assert {"vip", "allergies"} & each.keys() == shown
    assert ("allergies" in seen["tickets"][0]) == ("allergies" in shown)
    told = [event["data"] for event in scene.seen_by(viewer)]
    assert {flag for data in told for flag in ("vip", "allergies") if data.get(flag)} == shown
