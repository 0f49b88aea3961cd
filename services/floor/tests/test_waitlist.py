"""The waitlist: first come first, of those who fit."""

import pytest

from holdfast import NotFound, TooLarge, ValidationFailed
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor import domain_waitlist
from services.floor.contract import (
    ClearTable,
    JoinWaitlist,
    LeaveWaitlist,
    NotifyParty,
    PartyNotified,
    PartySeated,
    PartySkipped,
    SeatParty,
    SetStatus,
    TableStatusChanged,
    Waitlisted,
    WaitlistLeft,
)
from services.floor.tests.scenes import EVENING, HOST, MINUTE, TABLES, WAITER, empty_floor, run, seat, status, table


def full() -> Scenario:
    """A party at every table; those of the two-tops stay till 19:30."""
    scene = empty_floor()
    for layout in TABLES:
        run(scene, SeatParty(party_id=f"at-{layout.id}", table_ids=(layout.id,), size=layout.min))
    return scene


def join(party: str, size: int) -> JoinWaitlist:
    return JoinWaitlist(party=party, size=size)


def freed(scene: Scenario, table_id: str) -> Scenario:
    return run(scene, ClearTable(table=table_id), SetStatus(table=table_id, status="AVAILABLE"))


def test_a_party_waits_and_is_told_how_long() -> None:
    full().when(join("w1", 2), by=HOST).then(Waitlisted(party_id="w1", size=2, quote_min=90, at=EVENING))


def test_a_party_waits_once_and_not_while_it_sits() -> None:
    scene = run(full(), join("w1", 2), by=HOST)
    scene.when(join("w1", 2), by=HOST).then_nothing()
    scene.when(join("at-t1", 2), by=HOST).then_rejected(ValidationFailed)


def test_a_quote_counts_those_who_wait_before_for_the_same_tables() -> None:
    scene = run(full(), *(join(f"w{number}", 1) for number in range(3)), by=HOST)
    scene.when(join("w9", 1), by=HOST).then_includes(Waitlisted, quote_min=180)
    scene.when(join("six", 6), by=HOST).then_includes(Waitlisted, quote_min=105)
    empty_floor().when(join("w1", 2), by=HOST).then_includes(Waitlisted, quote_min=0)
    empty_floor().when(join("w1", 20), by=HOST).then_includes(Waitlisted, quote_min=180)


def test_a_quote_shrinks_as_the_evening_goes_on() -> None:
    scene = full().at(EVENING + 10 * MINUTE)
    scene.when(join("w1", 1), by=HOST).then_includes(Waitlisted, quote_min=80)


def test_a_two_top_goes_to_the_first_two_although_a_six_waits_longer() -> None:
    scene = run(full(), join("six", 6), join("two", 2), join("one", 1), by=HOST)
    freed(scene, "t1")
    assert table(scene)["next_party"] == "two"
    scene.when(NotifyParty(table="t1"), by=HOST).then_includes(
        PartyNotified, party_id="two", table_id="t1", arrive_by=EVENING + 10 * MINUTE
    )
    assert status(scene) == "RESERVED"


def test_a_called_party_is_called_once_and_its_table_is_kept() -> None:
    scene = run(full(), join("w1", 2), by=HOST)
    run(freed(scene, "t1"), NotifyParty(party="w1"), by=HOST)
    scene.when(NotifyParty(party="w1"), by=HOST).then_nothing()
    at = EVENING + 10 * MINUTE
    scene.when(seat(), by=WAITER).then_rejected(refusals.ReservedSoon, at=at)
    scene.when(seat(party="w1"), by=WAITER).then_includes(PartySeated, waiting_since=EVENING, quote_min=90)
    assert scene.view(HOST)["waitlist"] == []


def test_nobody_is_called_without_a_table_that_fits() -> None:
    scene = run(full(), join("w1", 2), join("six", 6), by=HOST)
    scene.when(NotifyParty(party="w1"), by=HOST).then_rejected(refusals.NoCapacity)
    scene.when(NotifyParty(table="t1"), by=HOST).then_rejected(refusals.NoCapacity)
    freed(scene, "t1")
    scene.when(NotifyParty(party="six", table="t1"), by=HOST).then_rejected(refusals.NoCapacity)
    scene.when(NotifyParty(party="nobody"), by=HOST).then_rejected(NotFound)
    scene.when(NotifyParty(), by=HOST).then_rejected(ValidationFailed)


def test_a_party_that_stays_away_is_skipped_and_the_second_time_removed() -> None:
    scene = run(full(), join("w1", 2), by=HOST)
    run(freed(scene, "t1"), NotifyParty(party="w1"), by=HOST)
    due = EVENING + 10 * MINUTE
    scene.wake(at=due).then_types(PartySkipped, TableStatusChanged)
    scene.then_includes(PartySkipped, party_id="w1", skips=1, removed=False, effective_at=due)
    assert status(scene) == "AVAILABLE"
    run(scene, NotifyParty(party="w1"), by=HOST)
    scene.wake(at=due + 10 * MINUTE)
    skipped = [event for event in scene.events if isinstance(event, PartySkipped)]
    assert (skipped[-1].skips, skipped[-1].removed, scene.view(HOST)["waitlist"]) == (2, True, [])


def test_a_party_that_gives_up_is_struck_off() -> None:
    scene = run(full(), join("w1", 2), by=HOST)
    leave = LeaveWaitlist(party="w1")
    scene.when(leave, by=HOST).then(WaitlistLeft(party_id="w1", at=EVENING))
    scene.when(leave, by=HOST).then_nothing()


def test_the_waitlist_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_waitlist, "MAX_WAITING", 1)
    run(full(), join("w1", 2), by=HOST).when(join("w2", 2), by=HOST).then_rejected(TooLarge, maximum=1)
