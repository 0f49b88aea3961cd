from datetime import timedelta

import pytest

from holdfast import Actor, Forbidden, NotFound, ValidationFailed
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import given
from services.auction.contract import BidAccepted, CommitBid, EndExtended, Outbid, PauseLot, PlaceBid, SoftClose
from services.auction.domain import Auction
from services.auction.domain_errors import (
    AuctionEnded,
    BidTooLow,
    NotHigherThanOwnMax,
    NotOpen,
    WrongAuctionType,
)
from services.auction.domain_increments import TABLES, increment
from services.auction.tests.scenes import (
    ANN,
    AUCTIONEER,
    BOB,
    CAT,
    CLERK,
    END,
    FIFTIES,
    NOON,
    SECOND,
    SELLER,
    bid,
    listed,
)


def test_the_first_bid_stands_at_the_start_and_not_at_its_maximum() -> None:
    listed().when(bid(5000, bid_id="b1"), by=ANN).then(
        BidAccepted(
            bid_id="b1",
            bidder="a***1",
            bidder_id="ann",
            max_minor=5000,
            shown_minor=100,
            price_minor=100,
            leader="a***1",
            leader_id="ann",
            reserve_met=True,
            at=NOON,
        )
    )


def test_a_higher_maximum_takes_the_lead_one_step_over_the_old_one() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=BOB)
    scene.then_types(BidAccepted, Outbid)
    scene.then_includes(BidAccepted, price_minor=1050, leader_id="bob", shown_minor=1050)
    scene.then_includes(Outbid, bidder="a***1", bidder_id="ann", price_minor=1050, minimum_minor=1100)


def test_a_lower_maximum_lifts_the_price_and_is_outbid_at_once() -> None:
    scene = listed().when(bid(2000), by=ANN).when(bid(1000), by=BOB)
    scene.then_types(BidAccepted, Outbid)
    scene.then_includes(BidAccepted, price_minor=1050, leader_id="ann", shown_minor=125)
    scene.then_includes(Outbid, bidder_id="bob")


def test_of_equal_maxima_the_earlier_in_the_log_leads() -> None:
    listed().when(bid(2000), by=ANN).when(bid(2000), by=BOB).then_includes(
        BidAccepted, price_minor=2000, leader_id="ann"
    )


@pytest.mark.parametrize(
    ("first", "second", "leader", "price"),
    [
        (1500, 1501, "bob", 1501),  # won by less than a step
        (1200, 1175, "ann", 1200),  # the step stops at the leader's maximum
        (2000, 2000, "ann", 2000),
        (2000, 2050, "bob", 2050),
        (499, 2000, "bob", 524),  # the band of the losing maximum
        (500, 2000, "bob", 550),
    ],
)
def test_two_maxima_give_the_published_price(first: int, second: int, leader: str, price: int) -> None:
    listed().when(bid(first), by=ANN).when(bid(second), by=BOB).then_includes(
        BidAccepted, leader_id=leader, price_minor=price
    )


def test_united_charitys_worked_example_with_steps_of_50() -> None:
    scene = listed(start_minor=800, increments=FIFTIES).when(bid(2000), by=ANN)
    scene.then_includes(BidAccepted, price_minor=800)
    scene.when(bid(850), by=BOB).then_includes(BidAccepted, price_minor=900, leader_id="ann")
    scene.when(bid(2000), by=BOB).then_includes(BidAccepted, price_minor=2000, leader_id="ann")
    scene.when(bid(2050), by=BOB).then_includes(BidAccepted, price_minor=2050, leader_id="bob")


@pytest.mark.parametrize(
    ("price", "step"),
    [
        *[(1, 5), (99, 5), (100, 25), (499, 25), (500, 50), (2499, 50), (2500, 100), (9999, 100), (10000, 250)],
        *[(24999, 250), (25000, 500), (49999, 500), (50000, 1000), (99999, 1000), (100000, 2500), (249999, 2500)],
        *[(250000, 5000), (499999, 5000), (500000, 10000), (9_999_999, 10000)],
    ],
)
def test_ebays_published_steps(price: int, step: int) -> None:
    assert increment(TABLES["ebay-us"], price) == step
    listed(start_minor=price).when(bid(price), by=ANN).when(bid(price + step - 1), by=BOB).then_rejected(
        BidTooLow, minimum=price + step
    )


@pytest.mark.parametrize(
    ("price", "step"),
    [
        *[(1999, 50), (2000, 100), (19999, 100), (20000, 500), (99999, 500), (100000, 1000), (499999, 1000)],
        *[(500000, 5000), (2499999, 5000), (2500000, 10000)],
    ],
)
def test_trade_mes_published_steps(price: int, step: int) -> None:
    listed(start_minor=price, table_id="trade-me-nz").when(bid(price), by=ANN).when(bid(1), by=BOB).then_rejected(
        BidTooLow, minimum=price + step
    )


def test_the_minimum_is_the_start_and_then_a_step_over_the_price() -> None:
    scene = listed().when(bid(99), by=ANN)
    scene.then_rejected(BidTooLow, minimum=100)
    scene.when(bid(9000), by=ANN).when(bid(124), by=BOB).then_rejected(BidTooLow, minimum=125)
    scene.when(bid(125), by=BOB).then_includes(BidAccepted, price_minor=150)


def test_the_leaders_own_raise_changes_nothing_for_others() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(3000), by=ANN)
    scene.then_types(BidAccepted).then_includes(BidAccepted, price_minor=100, own_raise=True)
    scene.when(bid(2000), by=BOB).then_includes(BidAccepted, price_minor=2050, leader_id="ann")


def test_an_own_raise_after_a_tie_leaves_the_price() -> None:
    scene = listed().when(bid(2000), by=ANN).when(bid(2000), by=BOB)
    scene.when(bid(2010), by=ANN).then_includes(BidAccepted, price_minor=2000, own_raise=True)


@pytest.mark.parametrize("again", [1000, 999, 1])
def test_the_leader_cannot_lower_or_repeat_his_maximum(again: int) -> None:
    listed().when(bid(1000), by=ANN).when(bid(again), by=ANN).then_rejected(NotHigherThanOwnMax)


def test_a_maximum_below_the_reserve_becomes_the_price() -> None:
    scene = listed(reserve_minor=5000).when(bid(2000), by=ANN)
    scene.then_includes(BidAccepted, price_minor=2000, reserve_met=False, leader_id="ann")
    scene.when(bid(3000), by=ANN).then_includes(BidAccepted, price_minor=3000, reserve_met=False, own_raise=False)


@pytest.mark.parametrize("reaching", [5000, 9000])
def test_a_maximum_at_or_over_the_reserve_lifts_the_price_to_the_reserve(reaching: int) -> None:
    scene = listed(reserve_minor=5000).when(bid(2000), by=ANN).when(bid(reaching), by=BOB)
    scene.then_includes(BidAccepted, price_minor=5000, reserve_met=True, leader_id="bob")


def test_the_same_bid_sent_again_changes_nothing() -> None:
    scene = listed().when(bid(1000, bid_id="b1"), by=ANN).when(bid(1000, bid_id="b1"), by=ANN)
    scene.then_nothing()
    scene.when(bid(2000, bid_id="b1"), by=ANN).then_rejected(ValidationFailed)
    scene.when(bid(1000, bid_id="b1"), by=BOB).then_rejected(ValidationFailed)


@pytest.mark.parametrize("amount", [10.5, 1050.0, 2**53, -(2**53), 10**30, 1e300])
def test_an_amount_is_a_whole_number_that_every_reader_keeps_exact(amount: float) -> None:
    listed().when(bid(amount), by=ANN).then_rejected(AmountInvalid, field="max_minor")


def test_the_largest_amount_is_taken() -> None:
    listed().when(bid(2**53 - 1), by=ANN).then_includes(BidAccepted, price_minor=100)


def test_a_bid_in_another_currency_is_refused_and_in_the_lots_own_taken() -> None:
    scene = listed().when(bid(1000, currency="EUR"), by=ANN).then_rejected(CurrencyMismatch, currency="USD")
    scene.when(bid(1000, currency="USD"), by=ANN).then_types(BidAccepted)


def test_nobody_bids_before_the_opening_nor_during_a_pause() -> None:
    scene = listed(opens_at=NOON + SECOND).when(bid(1000), by=ANN).then_rejected(NotOpen)
    scene.when(bid(1000), by=ANN, at=NOON + SECOND).then_types(BidAccepted)
    scene.when(PauseLot(), by=AUCTIONEER).when(bid(2000), by=BOB).then_rejected(NotOpen)


def test_the_last_moment_counts_and_the_end_itself_does_not() -> None:
    scene = listed(soft_close=SoftClose(w_s=0)).at(END - timedelta(microseconds=1)).when(bid(1000), by=ANN)
    scene.then_types(BidAccepted)
    scene.when(bid(2000), by=BOB, at=END).then_rejected(AuctionEnded)


def test_a_lot_takes_only_the_commands_of_its_type() -> None:
    listed().when(CommitBid(commitment="0" * 64), by=ANN).then_rejected(WrongAuctionType, type="english")
    listed(type="sealed").when(bid(1000), by=ANN).then_rejected(WrongAuctionType, type="sealed")


def test_only_a_clerk_bids_for_someone_else() -> None:
    scene = listed().when(bid(1000, bidder_id="bob"), by=ANN).then_rejected(Forbidden)
    scene.when(bid(1000, bidder_id="bob"), by=CLERK).then_includes(BidAccepted, bidder_id="bob")
    scene.when(bid(1000, bidder_id="ann"), by=ANN).then_includes(BidAccepted, bidder_id="ann")
    scene.when(bid(9000), by=CLERK).then_rejected(Forbidden)
    scene.when(bid(9000), by=SELLER).then_rejected(Forbidden)


def test_a_lot_that_was_never_listed_is_not_found() -> None:
    given(Auction()).when(bid(1000), by=ANN).then_rejected(NotFound)


THREE_MINUTES = SoftClose(w_s=180, x_s=180)


def test_a_late_bid_moves_the_end_to_the_extension_after_it() -> None:
    # Published with three minutes: end 15:00, bid 14:58 gives 15:01, bid 15:00 gives 15:03.
    minute = timedelta(minutes=1)
    scene = listed(soft_close=THREE_MINUTES).when(bid(1000), by=ANN, at=END - 2 * minute)
    scene.then_types(BidAccepted, EndExtended).then_includes(EndExtended, from_=END, to=END + minute)
    scene.when(bid(2000), by=BOB, at=END).then_includes(EndExtended, to=END + 3 * minute)


def test_in_mode_add_a_late_bid_adds_the_extension() -> None:
    added = SoftClose(w_s=180, x_s=60, mode="ADD")
    scene = listed(soft_close=added).when(bid(1000), by=ANN, at=END - timedelta(seconds=10))
    scene.then_includes(EndExtended, from_=END, to=END + timedelta(seconds=60))
    assert scene.alarm_at == END + timedelta(seconds=60)


def test_the_window_begins_with_its_first_moment_and_not_before() -> None:
    begin = END - timedelta(seconds=120)
    listed().when(bid(1000), by=ANN, at=begin - timedelta(microseconds=1)).then_types(BidAccepted)
    listed(soft_close=SoftClose(x_s=121)).when(bid(1000), by=ANN, at=begin).then_types(BidAccepted, EndExtended)
    listed().when(bid(1000), by=ANN, at=begin).then_types(BidAccepted)  # 120 s from then is the end itself


def test_an_extension_never_goes_over_the_latest_end_nor_back() -> None:
    latest = END + timedelta(seconds=30)
    capped = SoftClose(max_end=latest)
    scene = listed(soft_close=capped).when(bid(1000), by=ANN, at=END - SECOND)
    scene.then_includes(EndExtended, to=latest)
    scene.when(bid(2000), by=BOB).then_types(BidAccepted, Outbid)
    listed(soft_close=SoftClose(w_s=120, x_s=10)).when(bid(1000), by=ANN, at=END - 60 * SECOND).then_types(BidAccepted)


def test_an_automatic_counter_bid_extends_and_a_silent_raise_does_not() -> None:
    scene = listed().when(bid(5000), by=ANN).when(bid(1000), by=BOB, at=END - SECOND)
    scene.then_types(BidAccepted, Outbid, EndExtended)
    listed().when(bid(5000), by=ANN).when(bid(6000), by=ANN, at=END - SECOND).then_types(BidAccepted)


def test_a_raise_below_the_reserve_changes_the_price_and_so_extends() -> None:
    scene = listed(reserve_minor=9000).when(bid(5000), by=ANN).when(bid(6000), by=ANN, at=END - SECOND)
    scene.then_types(BidAccepted, EndExtended)


def test_bidders_are_masked_by_initial_and_number_of_appearance() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=Actor(user="alf", roles=("bidder",)))
    scene.then_includes(BidAccepted, bidder="a***2")
    scene.when(bid(3000), by=ANN).then_includes(BidAccepted, bidder="a***1")
    scene.when(bid(4000), by=CAT).then_includes(BidAccepted, bidder="c***3")


def test_a_bid_without_an_id_gets_one_and_the_same_on_a_retry() -> None:
    first, again = (listed().when(PlaceBid(max_minor=500), by=ANN, command_id="k") for _ in range(2))
    assert first.events == again.events
