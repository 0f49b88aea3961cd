"""Dutch, first-price sealed and Vickrey auctions."""

from datetime import timedelta
from typing import Literal

import pytest

from holdfast import Actor, Name
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import Scenario
from services.auction.contract import (
    Accept,
    AuctionClosed,
    BidCommitted,
    BidRevealed,
    CommitBid,
    PauseLot,
    PaymentOverdue,
    PriceAccepted,
    RegisterBidder,
    ResumeLot,
    RevealBid,
    RevealOpened,
    Schedule,
    SecondChanceOffered,
    commitment_of,
)
from services.auction.domain_errors import (
    AuctionEnded,
    BidTooLow,
    CommitmentMismatch,
    CreditLimit,
    NotOpen,
    ShillBid,
    WrongAuctionType,
)
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CAT, END, HOUR, NOON, SECOND, bid, listed

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NONCE = "n" * 16
NAME = Name.of("auction", "acme", "lot-1")


def dutch() -> Scenario:
    """From 100.00 down by 5.00 a minute, to 80.00."""
    schedule = Schedule(step_minor=500, every_s=60, floor_minor=8000)
    return listed(type="dutch", start_minor=10000, schedule=schedule)


@pytest.mark.parametrize(
    ("after", "price"),
    [
        (0 * MINUTE, 10000),
        (MINUTE - SECOND, 10000),
        (MINUTE, 9500),
        (2 * MINUTE, 9000),
        (4 * MINUTE, 8000),
        (DAY, 8000),
    ],
)
def test_the_first_to_accept_a_dutch_lot_pays_the_price_of_that_moment(after: timedelta, price: int) -> None:
    scene = dutch().when(Accept(), by=ANN, at=NOON + after).then_types(PriceAccepted, AuctionClosed)
    scene.then_includes(PriceAccepted, bidder="a***1", bidder_id="ann", price_minor=price)
    scene.then_includes(AuctionClosed, result="SOLD", winner_id="ann", price_minor=price, effective_at=NOON + after)
    scene.when(Accept(), by=BOB).then_rejected(AuctionEnded)


def test_a_dutch_lot_that_nobody_takes_is_unsold() -> None:
    dutch().wake(at=END).then_includes(AuctionClosed, result="NO_BIDS", price_minor=None)


def test_a_dutch_price_stands_still_while_the_lot_is_paused() -> None:
    scene = dutch().when(PauseLot(), by=AUCTIONEER, at=NOON + MINUTE).when(Accept(), by=ANN).then_rejected(NotOpen)
    scene.when(ResumeLot(), by=AUCTIONEER, at=NOON + HOUR).when(Accept(), by=ANN)
    scene.then_includes(PriceAccepted, price_minor=9500)


def test_a_dutch_price_falls_later_by_the_pause_whatever_the_credit() -> None:
    scene = dutch().when(PauseLot(), by=AUCTIONEER, at=NOON + MINUTE)
    scene.when(ResumeLot(credit_s=0), by=AUCTIONEER, at=NOON + HOUR).when(Accept(), by=ANN, at=NOON + HOUR + MINUTE)
    scene.then_includes(PriceAccepted, price_minor=9000)


def test_a_dutch_lot_is_taken_by_eligible_bidders_in_its_currency_within_their_limits() -> None:
    scene = dutch().when(Accept(), by=Actor(user="sue", roles=("bidder",))).then_rejected(ShillBid)
    scene.when(Accept(currency="EUR"), by=ANN).then_rejected(CurrencyMismatch)
    scene.when(RegisterBidder(bidder_id="ann", limit_minor=9999), by=AUCTIONEER).when(Accept(), by=ANN)
    scene.then_rejected(CreditLimit)
    scene.when(bid(20000), by=BOB).then_rejected(WrongAuctionType, type="dutch")
    listed().when(Accept(), by=ANN).then_rejected(WrongAuctionType)


def commit(user: str, amount: int) -> CommitBid:
    return CommitBid(commitment=commitment_of(NAME, user, amount, NONCE))


def reveal(amount: float, nonce: str = NONCE) -> RevealBid:
    return RevealBid(max_minor=amount, nonce=nonce)


def sealed(*amounts: int, kind: Literal["sealed", "vickrey"] = "vickrey", reserve_minor: int | None = None) -> Scenario:
    """A sealed auction in which ann, bob and cat commit to these amounts and reveal them, the last first."""
    scene = listed(type=kind, reserve_minor=reserve_minor)
    bidders = list(zip((ANN, BOB, CAT), amounts, strict=False))
    for bidder, amount in bidders:
        scene.when(commit(bidder.user, amount), by=bidder).then_types(BidCommitted)
    scene.wake(at=END).then_types(RevealOpened)
    for bidder, amount in reversed(bidders):
        scene.when(reveal(amount), by=bidder).then_types(BidRevealed)
    return scene.wake(at=END + DAY)


def test_the_highest_sealed_bid_wins_and_pays_itself() -> None:
    sealed(1000, 3000, 2000, kind="sealed").then(
        AuctionClosed(
            result="SOLD",
            winner="b***2",
            winner_id="bob",
            price_minor=3000,
            bids=3,
            payment_due_at=END + 3 * DAY,
            effective_at=END + DAY,
            cause="alarm",
        )
    )


def test_in_a_vickrey_auction_the_highest_wins_at_the_second_price() -> None:
    sealed(1000, 3000, 2000).then_includes(AuctionClosed, winner_id="bob", price_minor=2000)


@pytest.mark.parametrize("kind", ["sealed", "vickrey"])
def test_of_equal_sealed_bids_the_earlier_commitment_wins_and_pays_that_amount(
    kind: Literal["sealed", "vickrey"],
) -> None:
    sealed(3000, 3000, 1000, kind=kind).then_includes(AuctionClosed, winner_id="ann", price_minor=3000)


def test_a_single_vickrey_bid_pays_the_reserve() -> None:
    sealed(3000, reserve_minor=2000).then_includes(AuctionClosed, winner_id="ann", price_minor=2000)
    sealed(3000).then_includes(AuctionClosed, winner_id="ann", price_minor=100)
    sealed(3000, 1500, reserve_minor=2000).then_includes(AuctionClosed, winner_id="ann", price_minor=2000)


@pytest.mark.parametrize("kind", ["sealed", "vickrey"])
def test_sealed_bids_below_the_reserve_do_not_win(kind: Literal["sealed", "vickrey"]) -> None:
    scene = sealed(1000, 1999, kind=kind, reserve_minor=2000)
    scene.then_includes(AuctionClosed, result="UNSOLD_RESERVE", winner_id=None, price_minor=None)


def test_bids_that_are_not_revealed_do_not_count() -> None:
    scene = listed(type="vickrey").when(commit("ann", 3000), by=ANN).wake(at=END + DAY)
    assert [type(event) for event in scene.events[-2:]] == [RevealOpened, AuctionClosed]
    scene.then_includes(AuctionClosed, result="NO_BIDS", bids=1, effective_at=END + DAY)


def test_a_new_commitment_replaces_the_old_one_and_its_place() -> None:
    scene = listed(type="sealed").when(commit("ann", 2000), by=ANN).when(commit("bob", 3000), by=BOB)
    scene.when(commit("ann", 2000), by=ANN).then_nothing()
    scene.when(commit("ann", 3000), by=ANN).then_types(BidCommitted).wake(at=END)
    scene.when(reveal(2000), by=ANN).then_rejected(CommitmentMismatch)
    scene.when(reveal(3000), by=ANN).when(reveal(3000), by=BOB).wake(at=END + DAY)
    scene.then_includes(AuctionClosed, winner_id="bob", bids=2)


def test_a_sealed_bid_is_committed_before_the_end_and_revealed_after_it() -> None:
    scene = listed(type="sealed").when(commit("ann", 2000), by=ANN)
    scene.when(reveal(2000), by=ANN).then_rejected(NotOpen)
    scene.when(commit("bob", 2000), by=BOB, at=END).then_rejected(AuctionEnded)
    scene.when(reveal(2000), by=ANN).then_includes(BidRevealed, bidder_id="ann", max_minor=2000)
    scene.when(reveal(2000), by=ANN).then_nothing()
    scene.when(reveal(2000), by=ANN, at=END + DAY).then_rejected(AuctionEnded)


def test_what_is_revealed_must_be_what_was_committed() -> None:
    scene = listed(type="sealed").when(commit("ann", 2000), by=ANN).wake(at=END)
    scene.when(reveal(2001), by=ANN).then_rejected(CommitmentMismatch)
    scene.when(reveal(2000, "m" * 16), by=ANN).then_rejected(CommitmentMismatch)
    scene.when(reveal(2000), by=BOB).then_rejected(CommitmentMismatch)
    scene.when(reveal(2000.5), by=ANN).then_rejected(AmountInvalid)


def test_a_copied_commitment_cannot_be_revealed_by_another() -> None:
    scene = listed(type="sealed").when(commit("ann", 2000), by=ANN).when(commit("ann", 2000), by=BOB).wake(at=END)
    scene.when(reveal(2000), by=BOB).then_rejected(CommitmentMismatch)


def test_a_revealed_bid_is_at_least_the_start_and_within_the_limit() -> None:
    scene = listed(type="sealed").when(commit("ann", 99), by=ANN).when(commit("bob", 500), by=BOB).wake(at=END)
    scene.when(reveal(99), by=ANN).then_rejected(BidTooLow, minimum=100)
    scene.when(RegisterBidder(bidder_id="bob", limit_minor=499), by=AUCTIONEER).when(reveal(500), by=BOB)
    scene.then_rejected(CreditLimit, available=499)
    wrong = RevealBid(max_minor=500, nonce=NONCE, currency="EUR")
    scene.when(wrong, by=BOB).then_rejected(CurrencyMismatch)


def test_the_next_sealed_bidder_gets_the_second_chance() -> None:
    scene = sealed(1000, 3000, 2000).wake(at=END + 3 * DAY).then_types(PaymentOverdue, SecondChanceOffered)
    scene.then_includes(SecondChanceOffered, bidder_id="cat", price_minor=2000)


def test_a_pause_while_revealing_moves_the_end_of_revealing() -> None:
    scene = listed(type="sealed").when(commit("ann", 2000), by=ANN).wake(at=END)
    scene.when(PauseLot(), by=AUCTIONEER).when(reveal(2000), by=ANN).then_rejected(NotOpen)
    scene.when(ResumeLot(), by=AUCTIONEER, at=END + HOUR)
    assert scene.alarm_at == END + DAY + HOUR
