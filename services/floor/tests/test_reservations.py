"""Reservations: kept half-open, held before, free again when nobody comes."""

from datetime import datetime
from typing import Any

import pytest

from holdfast import NotFound, StateConflict, TooLarge, ValidationFailed
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor import domain_reservations
from services.floor.contract import (
    Arrive,
    BlockTable,
    CancelReservation,
    Hours,
    PartyArrived,
    PartySeated,
    ReservationCancelled,
    ReservationHeld,
    ReservationNoShow,
    Reserve,
    Reserved,
    TableStatusChanged,
)
from services.floor.tests.scenes import (
    COOK,
    EVENING,
    HOST,
    HOUR,
    MANAGER,
    MINUTE,
    WAITER,
    empty_floor,
    run,
    seat,
    seated,
    status,
)

EIGHT = EVENING + 2 * HOUR


def booking(res_id: str = "r1", *, at: datetime = EIGHT, size: int = 2, **more: Any) -> Reserve:
    return Reserve(res_id=res_id, start=at, size=size, **more)


def booked(**more: Any) -> Scenario:
    return run(empty_floor(), booking(table_ids=("t1",), **more), by=HOST)


def test_the_smallest_table_that_fits_is_kept_for_as_long_as_such_a_party_stays() -> None:
    scene = empty_floor().when(booking(size=3), by=HOST)
    scene.then_types(Reserved).then_includes(
        Reserved,
        table_ids=("t4",),
        end=EIGHT + 105 * MINUTE,
        hold_from=EIGHT - 30 * MINUTE,
        no_show_at=EIGHT + 15 * MINUTE,
    )


@pytest.mark.parametrize(("size", "minutes"), [(1, 90), (2, 90), (3, 105), (4, 105), (5, 120), (6, 120)])
def test_larger_parties_stay_longer(size: int, minutes: int) -> None:
    scene = empty_floor().when(booking(size=size), by=HOST)
    scene.then_includes(Reserved, end=EIGHT + minutes * MINUTE)


def test_a_reservation_is_made_once() -> None:
    booked().when(booking(), by=HOST).then_nothing()
    booked().when(booking(size=3), by=HOST).then_rejected(ValidationFailed)


@pytest.mark.parametrize(
    ("minutes", "buffer", "free"),
    [(-90, 0, True), (-89, 0, False), (0, 0, False), (89, 0, False), (90, 0, True), (90, 10, False), (100, 10, True)],
)
def test_reservations_of_a_table_do_not_overlap_and_intervals_are_half_open(
    *, minutes: int, buffer: int, free: bool
) -> None:
    scene = run(empty_floor(buffer=buffer), booking(table_ids=("t1",)), by=HOST)
    scene.when(booking("r2", at=EIGHT + minutes * MINUTE, table_ids=("t1",)), by=HOST)
    if free:
        scene.then_includes(Reserved, res_id="r2")
    else:
        scene.then_rejected(refusals.NoCapacity)


def test_when_all_tables_are_kept_there_is_no_capacity() -> None:
    scene = run(empty_floor(), booking("r1"), booking("r2"), by=HOST)
    scene.when(booking("r3", size=1), by=HOST).then_rejected(refusals.NoCapacity)
    scene.when(booking("r3", size=12), by=HOST).then_rejected(refusals.NoCapacity)


def test_tables_that_go_together_are_kept_together() -> None:
    scene = empty_floor(combinations=(("t4", "t5"), ("t4", "t5", "t9")))
    scene.when(booking(size=8), by=HOST).then_includes(Reserved, table_ids=("t4", "t5"))
    scene.when(booking("r2", size=12, at=EIGHT + 3 * HOUR), by=HOST).then_includes(
        Reserved, table_ids=("t4", "t5", "t9")
    )


def test_named_tables_must_seat_the_party_and_be_free() -> None:
    scene = empty_floor()
    scene.when(booking(size=3, table_ids=("t1",)), by=HOST).then_rejected(refusals.OverCapacity, maximum=2)
    scene.when(booking(table_ids=("t77",)), by=HOST).then_rejected(NotFound)
    run(scene, BlockTable(table="t1", reason="wobbles"), by=HOST)
    scene.when(booking(table_ids=("t1",)), by=HOST).then_rejected(refusals.NoCapacity)


def test_a_party_that_sits_there_longer_keeps_the_table() -> None:
    soon = EVENING + 60 * MINUTE
    seated().when(booking(at=soon, table_ids=("t1",)), by=HOST).then_rejected(refusals.NoCapacity)


def test_a_reservation_is_made_ahead() -> None:
    scene = empty_floor(lead_time=60)
    earliest = EVENING + HOUR
    scene.when(booking(at=earliest - MINUTE), by=HOST).then_rejected(refusals.LeadTime, earliest=earliest)
    scene.when(booking(at=earliest), by=HOST).then_includes(Reserved)
    scene.when(booking("r2", at=EVENING + 400 * 24 * HOUR), by=HOST).then_rejected(ValidationFailed)


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-01-03T17:00:00+00:00", True),
        ("2026-01-03T16:59:00+00:00", False),
        ("2026-01-04T00:30:00+00:00", True),
        ("2026-01-04T00:31:00+00:00", False),
        ("2026-01-05T20:00:00+00:00", False),
    ],
)
def test_the_whole_stay_lies_within_the_hours_of_the_place(*, at: str, open_: bool) -> None:
    """Saturdays from 18:00 to 03:00 the next morning, an hour ahead of UTC."""
    saturday = Hours(weekday=5, opens=18 * 60, closes=27 * 60)
    scene = empty_floor(timezone="Europe/Paris", opening_hours=(saturday,))
    scene.when(booking(at=datetime.fromisoformat(at)), by=HOST)
    if open_:
        scene.then_includes(Reserved)
    else:
        scene.then_rejected(refusals.OutOfHours)


def test_reservations_begin_on_the_slots_of_the_clock_on_the_wall() -> None:
    """Kathmandu is 5:45 ahead of UTC."""
    scene = empty_floor(slot=30, timezone="Asia/Kathmandu")
    scene.when(booking(), by=HOST).then_rejected(ValidationFailed)
    scene.when(booking(at=EIGHT + MINUTE / 2), by=HOST).then_rejected(ValidationFailed)
    scene.when(booking(at=EIGHT + 15 * MINUTE), by=HOST).then_includes(Reserved)


def test_a_quarter_of_an_hour_takes_only_so_many_guests() -> None:
    scene = run(empty_floor(max_covers_per_quarter=4), booking(size=3), by=HOST)
    next_at = EIGHT + 15 * MINUTE
    late = booking("r2", at=EIGHT + 14 * MINUTE)
    scene.when(late, by=HOST).then_rejected(refusals.PacingLimit, next_at=next_at)
    run(scene, booking("r2", at=next_at), by=HOST)
    scene.when(booking("r3", at=EIGHT, size=4), by=HOST).then_rejected(refusals.PacingLimit, next_at=EIGHT + HOUR / 2)
    scene.when(booking("r3", size=5), by=HOST).then_rejected(refusals.PacingLimit, next_at=None)


def test_a_refusal_tells_the_next_time_at_which_the_same_reservation_is_taken() -> None:
    scene = run(empty_floor(buffer=10, slot=30), booking("r1", table_ids=("t1",)), by=HOST)
    next_at = EIGHT + 120 * MINUTE
    again = booking("r2", table_ids=("t1",))
    scene.when(again, by=HOST).then_rejected(refusals.NoCapacity, next_at=next_at)
    scene.when(booking("r2", at=next_at, table_ids=("t1",)), by=HOST).then_includes(Reserved)


def test_the_number_of_reservations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_reservations, "MAX_RESERVATIONS", 1)
    booked().when(booking("r2"), by=HOST).then_rejected(TooLarge, maximum=1)


def test_the_table_is_held_from_half_an_hour_before() -> None:
    scene = booked()
    due = EIGHT - 30 * MINUTE
    assert scene.alarm_at == due
    scene.wake(at=due).then_types(ReservationHeld, TableStatusChanged).then_includes(ReservationHeld, effective_at=due)
    assert status(scene) == "RESERVED"


def test_a_held_table_is_for_its_guests_and_a_manager_may_decide_otherwise() -> None:
    scene = booked().at(EIGHT - 30 * MINUTE)
    scene.when(seat(), by=WAITER).then_rejected(refusals.ReservedSoon, at=EIGHT)
    scene.when(seat(force=True), by=WAITER).then_rejected(refusals.ReservedSoon)
    scene.when(seat(reservation_id="r1"), by=WAITER).then_includes(PartySeated, reservation_id="r1")
    booked().at(EIGHT).when(seat(force=True), by=MANAGER).then_includes(PartySeated, forced=True)


def test_before_it_is_held_anyone_may_sit_there() -> None:
    booked().at(EIGHT - 31 * MINUTE).when(seat(), by=WAITER).then_includes(PartySeated)


def test_a_reservation_for_soon_is_held_at_once() -> None:
    scene = empty_floor().when(booking(at=EVENING + 10 * MINUTE), by=HOST)
    scene.then_types(Reserved, ReservationHeld, TableStatusChanged)


def test_guests_who_do_not_come_lose_the_table_at_the_end_of_the_grace() -> None:
    scene = booked().wake(at=EIGHT - 30 * MINUTE)
    due = EIGHT + 15 * MINUTE
    scene.wake(at=due).then_types(ReservationNoShow, TableStatusChanged)
    scene.then_includes(ReservationNoShow, res_id="r1", arrived=False, effective_at=due)
    assert (status(scene), scene.view(HOST)["reservations"]) == ("AVAILABLE", [])
    scene.when(seat(reservation_id="r1"), by=WAITER).then_rejected(StateConflict)


def test_guests_who_are_here_are_no_no_show() -> None:
    scene = booked().at(EIGHT)
    scene.when(Arrive(res_id="r1"), by=HOST).then_includes(PartyArrived, res_id="r1", at=EIGHT)
    scene.when(Arrive(res_id="r1"), by=HOST).then_nothing()
    scene.wake(at=EIGHT + 20 * MINUTE).then_nothing()
    assert status(scene) == "RESERVED"
    scene.wake(at=EIGHT + 90 * MINUTE).then_includes(ReservationNoShow, arrived=True)
    scene.when(Arrive(res_id="r1"), by=HOST).then_rejected(NotFound)


def test_a_cancelled_reservation_gives_its_table_free() -> None:
    scene = booked().wake(at=EIGHT - 30 * MINUTE)
    cancel = CancelReservation(res_id="r1", reason="ill")
    scene.when(cancel, by=HOST).then_types(ReservationCancelled, TableStatusChanged)
    assert status(scene) == "AVAILABLE"
    scene.when(cancel, by=HOST).then_nothing()


def test_the_kitchen_does_not_see_how_to_reach_guests() -> None:
    scene = booked(name="Ann", contact="555-0100")
    assert scene.view(HOST)["reservations"][0]["contact"] == "555-0100"
    assert "contact" not in scene.view(COOK)["reservations"][0]
    assert [event["data"].get("contact") for event in scene.seen_by(COOK) if event["type"] == "reserved"] == [None]
    assert [event["data"].get("contact") for event in scene.seen_by(HOST) if event["type"] == "reserved"] == [
        "555-0100"
    ]


def test_a_reservation_that_is_named_like_a_party_gives_nobody_the_table_of_that_party() -> None:
    scene = run(empty_floor(), booking("anna", table_ids=("t2",)), by=HOST)
    run(scene, seat(table="t1", party="anna"))
    scene.when(seat(table="t1", party="anna2", reservation_id="anna"), by=WAITER)
    scene.then_rejected(refusals.TableOccupied, table_id="t1", party_id="anna")


def test_a_party_that_is_named_like_a_reservation_gets_its_table_only_with_it() -> None:
    scene = run(empty_floor(), booking("anna", at=EVENING + HOUR, table_ids=("t1",)), by=HOST)
    scene.after(40 * MINUTE)
    scene.when(seat(table="t1", party="anna"), by=WAITER).then_rejected(refusals.ReservedSoon, at=EVENING + HOUR)
    run(scene, seat(table="t1", party="anna", reservation_id="anna"))
