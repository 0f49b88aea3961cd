from datetime import timedelta

import pytest

from holdfast import NotFound
from services.auction.contract import BidAccepted, BidRetracted, EndExtended, RetractBid
from services.auction.domain_errors import AuctionEnded, NotOpen, ReasonInvalid, RetractionWindow
from services.auction.tests.scenes import ANN, BOB, CAT, CLERK, END, FIFTIES, HOUR, NOON, SECOND, SELLER, bid, listed


def retract(bid_id: str, reason: str = "wrong_amount") -> RetractBid:
    return RetractBid(bid_id=bid_id, reason=reason)


def test_early_on_all_bids_of_the_bidder_go_and_the_price_is_that_of_the_others() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000, bid_id="b1"), by=BOB).when(bid(3000), by=CAT)
    scene.when(bid(4000, bid_id="b2"), by=BOB).then_includes(BidAccepted, price_minor=3100)
    scene.when(retract("b2"), by=BOB).then(
        BidRetracted(
            bid_ids=("b1", "b2"),
            bidder="b***2",
            bidder_id="bob",
            reason="wrong_amount",
            price_minor=1050,
            leader="c***3",
            leader_id="cat",
            reserve_met=True,
        )
    )


def test_the_last_bid_retracted_leaves_a_lot_without_bids() -> None:
    scene = listed(reserve_minor=500).when(bid(1000, bid_id="b1"), by=ANN).when(retract("b1"), by=ANN)
    scene.then_includes(BidRetracted, price_minor=None, leader=None, leader_id=None, reserve_met=False)
    scene.when(bid(150), by=BOB).then_includes(BidAccepted, price_minor=150, reserve_met=False)


def test_bids_are_folded_again_in_the_order_of_the_log() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(1500, bid_id="b1"), by=BOB).when(bid(1200), by=ANN)
    # Without bob, ann's second bid is a raise of her own and leaves the price at the start.
    scene.when(retract("b1"), by=BOB).then_includes(BidRetracted, price_minor=100, leader_id="ann")
    scene.when(bid(1100), by=CAT).then_includes(BidAccepted, price_minor=1150, leader_id="ann")


def test_in_the_last_12_hours_only_that_bid_goes() -> None:
    scene = listed().when(bid(1000, bid_id="early"), by=ANN).at(END - 6 * HOUR)
    scene.when(bid(3000, bid_id="late"), by=ANN).when(bid(2000), by=BOB)
    scene.when(retract("late"), by=ANN).then_includes(
        BidRetracted, bid_ids=("late",), leader_id="bob", price_minor=1050
    )


@pytest.mark.parametrize(
    ("placed", "retracted", "allowed"),
    [
        (20 * HOUR, 12 * HOUR + SECOND, True),  # more than 12 hours left
        (20 * HOUR, 12 * HOUR, False),  # the last 12 hours have begun
        (12 * HOUR + SECOND, 12 * HOUR, False),  # placed before them
        (12 * HOUR, 11 * HOUR + SECOND, True),  # placed in them, not yet an hour ago
        (12 * HOUR, 11 * HOUR, False),  # an hour ago
        (SECOND * 180, SECOND, True),
    ],
)
def test_a_bid_can_be_retracted_only_in_its_window(placed: timedelta, retracted: timedelta, *, allowed: bool) -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN, at=END - placed)
    scene.when(retract("b1"), by=ANN, at=END - retracted)
    if allowed:
        scene.then_types(BidRetracted)
    else:
        scene.then_rejected(RetractionWindow)


def test_a_retraction_does_not_shorten_the_auction() -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN, at=END - SECOND).then_includes(EndExtended)
    extended = scene.alarm_at
    scene.when(retract("b1"), by=ANN).then_types(BidRetracted)
    assert scene.alarm_at == extended


@pytest.mark.parametrize("reason", ["", "changed_my_mind"])
def test_only_two_reasons_count(reason: str) -> None:
    listed().when(bid(1000, bid_id="b1"), by=ANN).when(retract("b1", reason), by=ANN).then_rejected(ReasonInvalid)


def test_a_changed_description_is_a_reason() -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN)
    scene.when(retract("b1", "description_changed"), by=ANN).then_includes(BidRetracted, reason="description_changed")


def test_retracting_twice_changes_nothing() -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN).when(retract("b1"), by=ANN)
    scene.when(retract("b1"), by=ANN).then_nothing()


def test_only_ones_own_bid_is_found() -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN)
    scene.when(retract("b1"), by=BOB).then_rejected(NotFound)
    scene.when(retract("b2"), by=ANN).then_rejected(NotFound)
    scene.when(RetractBid(bid_id="b1", reason="wrong_amount", bidder_id="ann"), by=CLERK).then_types(BidRetracted)


def test_nothing_is_retracted_before_the_opening_or_after_the_end() -> None:
    listed(opens_at=NOON + HOUR).when(retract("b1"), by=ANN).then_rejected(NotOpen)
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN).when(retract("b1"), by=ANN, at=END)
    scene.then_rejected(AuctionEnded)


def test_the_buy_now_offer_does_not_come_back() -> None:
    scene = listed(buy_now_minor=9000).when(bid(1000, bid_id="b1"), by=ANN).when(retract("b1"), by=ANN)
    assert scene.view(SELLER)["buy_now_minor"] is None


def test_a_long_auction_keeps_every_bid() -> None:
    scene = listed(increments=FIFTIES)
    for turn in range(600):
        scene.when(bid(1000 * (turn + 1), bid_id=f"b{turn}"), by=(ANN, BOB)[turn % 2])
    scene.when(retract("b0"), by=ANN).then_includes(
        BidRetracted, bid_ids=tuple(f"b{turn}" for turn in range(0, 600, 2)), leader_id="bob", price_minor=100
    )
    assert scene.view(CAT)["bid_count"] == 300
