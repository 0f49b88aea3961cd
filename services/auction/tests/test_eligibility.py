from typing import Any

import pytest

from holdfast import Actor, Forbidden, ValidationFailed
from holdfast.money import AmountInvalid
from services.auction.contract import (
    AcceptTerms,
    BanBidder,
    BidAccepted,
    BidderBanned,
    BidderRegistered,
    BidderUnbanned,
    BuyNow,
    CommitBid,
    RegisterBidder,
    TermsAccepted,
    UnbanBidder,
)
from services.auction.domain_errors import CreditLimit, NotEligible, ShillBid, TooLate
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CLERK, END, SELLER, bid, listed


@pytest.mark.parametrize("user", ["sue", "agent"])
@pytest.mark.parametrize("command", [bid(1000), BuyNow()])
def test_the_sellers_side_cannot_bid(user: str, command: Any) -> None:
    scene = listed(seller_agents=("agent",), buy_now_minor=9000)
    scene.when(command, by=Actor(user=user, roles=("bidder", "seller"))).then_rejected(ShillBid)


def test_the_sellers_side_cannot_bid_through_a_clerk_or_under_seal() -> None:
    listed().when(bid(1000, bidder_id="sue"), by=CLERK).then_rejected(ShillBid)
    commit = CommitBid(commitment="0" * 64, bidder_id="sue")
    listed(type="sealed").when(commit, by=CLERK).then_rejected(ShillBid)


def test_a_banned_bidder_cannot_bid_until_the_ban_is_lifted() -> None:
    scene = listed().when(BanBidder(bidder_id="ann", reason="fraud"), by=AUCTIONEER)
    scene.then(BidderBanned(bidder_id="ann", reason="fraud"))
    scene.when(BanBidder(bidder_id="ann"), by=AUCTIONEER).then_nothing()
    scene.when(bid(1000), by=ANN).then_rejected(NotEligible)
    scene.when(UnbanBidder(bidder_id="ann"), by=AUCTIONEER).then(BidderUnbanned(bidder_id="ann"))
    scene.when(UnbanBidder(bidder_id="ann"), by=AUCTIONEER).then_nothing()
    scene.when(bid(1000), by=ANN).then_types(BidAccepted)


def test_only_an_auctioneer_bans_and_lifts_bans() -> None:
    listed().when(BanBidder(bidder_id="ann"), by=SELLER).then_rejected(Forbidden)
    listed().when(UnbanBidder(bidder_id="ann"), by=SELLER).then_rejected(Forbidden)


def test_terms_of_sale_are_accepted_before_the_first_bid() -> None:
    scene = listed(terms_of_sale="v2").when(bid(1000), by=ANN).then_rejected(NotEligible, terms_of_sale="v2")
    scene.when(AcceptTerms(terms_of_sale="v1"), by=ANN).then_rejected(ValidationFailed)
    scene.when(AcceptTerms(terms_of_sale="v2"), by=ANN).then(TermsAccepted(bidder_id="ann", terms_of_sale="v2"))
    scene.when(AcceptTerms(terms_of_sale="v2"), by=ANN).then_nothing()
    scene.when(bid(1000), by=ANN).then_types(BidAccepted)
    scene.when(bid(2000), by=BOB).then_rejected(NotEligible)
    scene.when(AcceptTerms(terms_of_sale="v2"), by=BOB, at=END).then_rejected(TooLate)


def test_a_lot_may_ask_for_registration() -> None:
    scene = listed(registration_required=True).when(bid(1000), by=ANN).then_rejected(NotEligible)
    scene.when(RegisterBidder(bidder_id="ann"), by=CLERK).then(BidderRegistered(bidder_id="ann"))
    scene.when(RegisterBidder(bidder_id="ann"), by=CLERK).then_nothing()
    scene.when(bid(1000), by=ANN).then_types(BidAccepted)


def test_a_maximum_over_the_bidders_limit_is_refused() -> None:
    limited = RegisterBidder(bidder_id="ann", limit_minor=5000, exposure_minor=2000)
    scene = listed(buy_now_minor=3001).when(limited, by=AUCTIONEER).then_types(BidderRegistered)
    scene.when(bid(3001), by=ANN).then_rejected(CreditLimit, available=3000)
    scene.when(BuyNow(), by=ANN).then_rejected(CreditLimit)
    scene.when(bid(3000), by=ANN).then_types(BidAccepted)
    scene.when(RegisterBidder(bidder_id="ann", limit_minor=9000), by=CLERK).when(bid(9000), by=ANN)
    scene.then_types(BidAccepted)


def test_what_is_owed_elsewhere_may_leave_nothing() -> None:
    broke = RegisterBidder(bidder_id="ann", limit_minor=1000, exposure_minor=2000)
    listed().when(broke, by=AUCTIONEER).when(bid(100), by=ANN).then_rejected(CreditLimit, available=0)


def test_a_registration_is_made_by_staff_in_whole_amounts_while_the_lot_lives() -> None:
    scene = listed().when(RegisterBidder(bidder_id="ann"), by=ANN).then_rejected(Forbidden)
    scene.when(RegisterBidder(bidder_id="ann", limit_minor=0.5), by=CLERK).then_rejected(AmountInvalid)
    scene.when(RegisterBidder(bidder_id="ann"), by=CLERK, at=END).then_rejected(TooLate)
