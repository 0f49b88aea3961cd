from datetime import timedelta
from typing import Any

import pytest

from holdfast import Actor, Forbidden, NotFound, StateConflict, ValidationFailed
from holdfast.money import AmountInvalid
from holdfast.testing import given
from services.auction.contract import (
    AmendDescription,
    AuctionClosed,
    Band,
    BidAccepted,
    CancelLot,
    ChangeIncrements,
    DescriptionAmended,
    IncrementsChanged,
    LotCancelled,
    LotCreated,
    LotOpened,
    LotPaused,
    LotRelisted,
    LotResumed,
    PauseLot,
    RelistLot,
    ResumeLot,
    Schedule,
    SoftClose,
)
from services.auction.domain import Auction
from services.auction.domain_errors import (
    AuctionEnded,
    HasBids,
    NotOpen,
    NotRelistable,
    TooLate,
    WrongAuctionType,
)
from services.auction.tests.scenes import (
    ANN,
    AUCTIONEER,
    BOB,
    END,
    FIFTIES,
    HOUR,
    NOON,
    SECOND,
    SELLER,
    bid,
    english,
    listed,
)

OTHER_SELLER = Actor(user="sid", roles=("seller",))
LAST_HOURS = END - 12 * HOUR
SCHEDULE = Schedule(step_minor=10, every_s=60, floor_minor=50)


def test_a_lot_opens_at_once_when_its_time_has_come() -> None:
    scene = listed(opens_at=NOON)
    scene.then_types(LotCreated, LotOpened)
    scene.then_includes(LotCreated, seller="sue", opens_at=NOON, ends_at=END, soft_close=SoftClose())
    scene.then_includes(LotOpened, effective_at=NOON, cause="command")
    assert scene.alarm_at == END


def test_a_lot_opens_by_its_alarm_at_the_planned_time() -> None:
    scene = listed(opens_at=NOON + HOUR).then_types(LotCreated)
    assert scene.alarm_at == NOON + HOUR
    scene.wake(at=NOON + 2 * HOUR).then(LotOpened(effective_at=NOON + HOUR, cause="alarm"))


def test_a_lot_that_should_have_opened_opens_before_the_first_bid_is_judged() -> None:
    scene = listed(opens_at=NOON + HOUR).when(bid(1000), by=ANN, at=NOON + HOUR).then_types(BidAccepted)
    scene.then_first_expired(LotOpened(effective_at=NOON + HOUR, cause="lazy"))


def test_a_lot_is_listed_once() -> None:
    listed().when(english(), by=SELLER).then_rejected(StateConflict)


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "usd"},
        {"currency": "XXX"},
        {"currency": "HRK"},
        {"start_minor": 0},
        {"reserve_minor": 99},
        {"buy_now_minor": 99},
        {"reserve_minor": 500, "buy_now_minor": 499},
        {"ends_at": NOON},
        {"opens_at": END},
        {"opens_at": NOON + timedelta(days=367), "ends_at": NOON + timedelta(days=368)},
        {"ends_at": NOON + timedelta(days=367)},
        {"soft_close": SoftClose(max_end=END - SECOND)},
        {"lot_id": "another"},
        {"increments": ()},
        {"increments": (Band(from_minor=1, step_minor=5),)},
        {"increments": (Band(from_minor=0, step_minor=5), Band(from_minor=0, step_minor=6))},
        {"increments": FIFTIES, "table_id": "ebay-us"},
        {"currency": "JPY"},
        {"schedule": SCHEDULE},
        {"type": "dutch"},
        {"type": "dutch", "schedule": SCHEDULE, "reserve_minor": 200},
        {"type": "dutch", "schedule": Schedule(step_minor=1, every_s=1, floor_minor=101)},
        {"type": "sealed", "buy_now_minor": 200},
        {"type": "vickrey", "table_id": "ebay-us"},
    ],
)
def test_terms_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    given(Auction(), at=NOON, id_="lot-1").when(english(**wrong), by=SELLER).then_rejected(ValidationFailed)


@pytest.mark.parametrize("field", ["start_minor", "reserve_minor", "buy_now_minor"])
@pytest.mark.parametrize("amount", [100.5, 2**53])
def test_amounts_of_a_lot_are_whole_and_exact(field: str, amount: float) -> None:
    given(Auction(), at=NOON).when(english(**{field: amount}), by=SELLER).then_rejected(AmountInvalid, field=field)


def test_a_currency_without_hundredths_needs_its_own_increments() -> None:
    listed(currency="JPY", increments=FIFTIES).then_types(LotCreated, LotOpened)


def test_only_an_auctioneer_lists_for_someone_else() -> None:
    scene = given(Auction(), at=NOON).when(english(seller_id="sid"), by=SELLER).then_rejected(Forbidden)
    scene.when(english(), by=ANN).then_rejected(Forbidden)
    scene.when(english(seller_id="sid"), by=AUCTIONEER).then_includes(LotCreated, seller="sid")


def test_times_are_kept_in_utc() -> None:
    elsewhere = timedelta(hours=5)
    shifted = (END + elsewhere).isoformat().replace("+00:00", "+05:00")
    scene = listed(ends_at=END.fromisoformat(shifted))
    assert scene.view(ANN)["ends_at"] == "2026-01-04T12:00:00Z"


def test_the_seller_cancels_a_lot_and_cancelling_again_changes_nothing() -> None:
    scene = listed().when(bid(1000), by=ANN).when(CancelLot(reason="broken"), by=SELLER)
    scene.then(LotCancelled(reason="broken"))
    assert scene.alarm_at is None
    scene.when(CancelLot(), by=SELLER).then_nothing()
    scene.when(bid(2000), by=BOB).then_rejected(AuctionEnded)


def test_with_bids_only_an_auctioneer_cancels_in_the_last_12_hours() -> None:
    scene = listed().when(bid(1000), by=ANN).at(LAST_HOURS)
    scene.when(CancelLot(), by=SELLER).then_rejected(HasBids)
    scene.when(CancelLot(), by=AUCTIONEER).then_types(LotCancelled)
    listed().at(LAST_HOURS).when(CancelLot(), by=SELLER).then_types(LotCancelled)
    listed().when(bid(1000), by=ANN).at(LAST_HOURS - SECOND).when(CancelLot(), by=SELLER).then_types(LotCancelled)


def test_an_ended_lot_is_not_cancelled() -> None:
    listed().when(CancelLot(), by=SELLER, at=END).then_rejected(TooLate)


@pytest.mark.parametrize(
    "command",
    [
        CancelLot(),
        PauseLot(),
        ResumeLot(),
        AmendDescription(description="x"),
        ChangeIncrements(),
        RelistLot(new_lot_id="b"),
    ],
)
def test_another_seller_changes_nothing_on_a_lot(command: Any) -> None:
    listed().when(command, by=OTHER_SELLER).then_rejected(Forbidden)
    listed().when(command, by=ANN).then_rejected(Forbidden)
    given(Auction()).when(command, by=SELLER).then_rejected(NotFound)


def test_an_unsold_lot_is_listed_again_once() -> None:
    scene = listed().when(RelistLot(new_lot_id="lot-2"), by=SELLER).then_rejected(NotRelistable)
    scene.when(RelistLot(new_lot_id="lot-2"), by=SELLER, at=END).then(LotRelisted(new_lot_id="lot-2"))
    scene.when(RelistLot(new_lot_id="lot-2"), by=SELLER).then_nothing()
    scene.when(RelistLot(new_lot_id="lot-3"), by=SELLER).then_rejected(NotRelistable)


def test_a_sold_lot_is_not_listed_again() -> None:
    scene = listed().when(bid(1000), by=ANN).when(RelistLot(new_lot_id="lot-2"), by=SELLER, at=END)
    scene.then_rejected(NotRelistable)


def test_a_pause_stops_the_clock_and_resuming_gives_the_time_back() -> None:
    scene = listed().when(bid(1000), by=ANN).when(PauseLot(reason="fire"), by=AUCTIONEER, at=END - HOUR)
    scene.then(LotPaused(at=END - HOUR, reason="fire"))
    assert scene.alarm_at is None
    scene.when(PauseLot(), by=AUCTIONEER).then_nothing()
    scene.when(ResumeLot(), by=AUCTIONEER, at=END + HOUR)
    scene.then(LotResumed(ends_at=END + 2 * HOUR, clock_from=NOON + 2 * HOUR))
    scene.when(ResumeLot(), by=AUCTIONEER).then_nothing()
    scene.when(bid(2000), by=BOB).then_includes(BidAccepted, leader_id="bob")


def test_the_credit_of_a_pause_can_be_set_but_must_leave_time() -> None:
    latest = SoftClose(max_end=END + HOUR)
    scene = listed(soft_close=latest).when(PauseLot(), by=SELLER, at=END - HOUR).at(END + HOUR)
    scene.when(ResumeLot(credit_s=3600), by=SELLER).then_rejected(ValidationFailed)
    scene.when(ResumeLot(credit_s=3601), by=SELLER).then_includes(
        LotResumed, ends_at=END + 3601 * SECOND, max_end=END + HOUR + 3601 * SECOND
    )
    scene.wake(at=END + 3601 * SECOND).then_includes(AuctionClosed, effective_at=END + 3601 * SECOND)


def test_only_a_running_lot_is_paused_or_resumed() -> None:
    scene = listed(opens_at=NOON + HOUR).when(PauseLot(), by=SELLER).then_rejected(NotOpen)
    scene.when(ResumeLot(), by=SELLER).then_rejected(NotOpen)
    scene.when(PauseLot(), by=SELLER, at=END).then_rejected(TooLate)
    scene.when(ResumeLot(), by=SELLER).then_rejected(TooLate)
    scene = listed().when(bid(1000), by=ANN).when(PauseLot(), by=SELLER, at=LAST_HOURS).then_rejected(HasBids)


def test_the_description_is_amended_and_repeating_it_changes_nothing() -> None:
    scene = listed(title="Vase").when(AmendDescription(description="blue"), by=SELLER)
    scene.then(DescriptionAmended(title="Vase", description="blue"))
    scene.when(AmendDescription(description="blue"), by=SELLER).then_nothing()
    scene.when(AmendDescription(description="blue", title="Urn"), by=AUCTIONEER).then_types(DescriptionAmended)
    assert scene.view(ANN)["title"] == "Urn"


def test_with_bids_the_seller_amends_nothing_in_the_last_12_hours() -> None:
    amend = AmendDescription(description="red")
    scene = listed().when(bid(1000), by=ANN).when(amend, by=SELLER, at=LAST_HOURS).then_rejected(HasBids)
    scene.when(amend, by=SELLER, at=END).then_rejected(TooLate)


def test_increments_change_only_before_the_first_bid() -> None:
    change = ChangeIncrements(increments=FIFTIES)
    scene = listed().when(change, by=SELLER).then(IncrementsChanged(increments=FIFTIES))
    scene.when(change, by=SELLER).then_nothing()
    scene.when(bid(1000), by=ANN).when(ChangeIncrements(table_id="trade-me-nz"), by=SELLER).then_rejected(HasBids)
    assert scene.view(BOB)["minimum_minor"] == 150
    scene.when(ChangeIncrements(), by=SELLER, at=END).then_rejected(TooLate)
    listed(type="sealed").when(change, by=SELLER).then_rejected(WrongAuctionType)
