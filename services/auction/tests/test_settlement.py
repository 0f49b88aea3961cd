from datetime import timedelta

import pytest

from holdfast import Forbidden
from holdfast.money import CurrencyMismatch
from holdfast.testing import Scenario
from services.auction.contract import (
    AcceptSecondChance,
    AuctionClosed,
    BanBidder,
    BidAccepted,
    BoughtNow,
    BuyNow,
    ConfirmPayment,
    DeclineSecondChance,
    PaymentOverdue,
    SecondChanceAccepted,
    SecondChanceDeclined,
    SecondChanceLapsed,
    SecondChanceOffered,
    Settled,
)
from services.auction.domain_errors import AuctionEnded, BuyNowGone, NoOffer, NothingDue
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CAT, DAN, END, HOUR, NOON, SECOND, SELLER, bid, listed

DUE = END + 48 * HOUR


def bidden() -> Scenario:
    """An ended lot: cat won at 30.50 before bob (30.00) and ann (10.00)."""
    scene = listed().when(bid(1000), by=ANN).when(bid(3000), by=BOB).when(bid(9000), by=CAT)
    return scene.wake(at=END)


def test_an_auction_with_a_leader_is_sold_at_its_end() -> None:
    bidden().then(
        AuctionClosed(
            result="SOLD",
            winner="c***3",
            winner_id="cat",
            price_minor=3100,
            bids=3,
            payment_due_at=DUE,
            effective_at=END,
            cause="alarm",
        )
    )


def test_without_bids_nothing_is_sold() -> None:
    listed().wake(at=END).then(AuctionClosed(result="NO_BIDS", bids=0, effective_at=END, cause="alarm"))


def test_below_the_reserve_nothing_is_sold() -> None:
    scene = listed(reserve_minor=5000).when(bid(4999), by=ANN).wake(at=END)
    scene.then_includes(AuctionClosed, result="UNSOLD_RESERVE", winner_id=None, price_minor=4999, bids=1)
    assert scene.alarm_at is None


def test_a_late_alarm_changes_nothing() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=BOB, at=END + HOUR).then_rejected(AuctionEnded)
    assert scene.events[-1] == AuctionClosed(
        result="SOLD",
        winner="a***1",
        winner_id="ann",
        price_minor=100,
        bids=1,
        payment_due_at=DUE,
        effective_at=END,
        cause="lazy",
    )
    scene.wake().then_nothing()


def test_buying_now_closes_at_once() -> None:
    scene = listed(buy_now_minor=9000).when(BuyNow(), by=ANN, at=NOON + HOUR).then_types(BoughtNow, AuctionClosed)
    scene.then_includes(BoughtNow, bidder="a***1", bidder_id="ann", price_minor=9000)
    scene.then_includes(AuctionClosed, result="SOLD", winner_id="ann", price_minor=9000, effective_at=NOON + HOUR)
    assert scene.alarm_at == NOON + 49 * HOUR
    scene.when(BuyNow(), by=BOB).then_rejected(AuctionEnded)


def test_the_first_bid_ends_the_buy_now_offer() -> None:
    scene = listed(buy_now_minor=9000).when(bid(100), by=ANN).when(BuyNow(), by=BOB).then_rejected(BuyNowGone)
    listed().when(BuyNow(), by=BOB).then_rejected(BuyNowGone)
    scene.when(BuyNow(currency="EUR"), by=BOB).then_rejected(CurrencyMismatch)


def test_with_a_reserve_the_buy_now_offer_stands_until_it_is_met() -> None:
    scene = listed(buy_now_minor=9000, reserve_minor=5000).when(bid(4000), by=ANN)
    assert scene.view(BOB)["buy_now_minor"] == 9000
    scene.when(bid(5000), by=CAT).when(BuyNow(), by=BOB).then_rejected(BuyNowGone)
    scene = listed(buy_now_minor=9000, reserve_minor=5000).when(bid(4000), by=ANN).when(BuyNow(), by=BOB)
    scene.then_includes(AuctionClosed, winner_id="bob", price_minor=9000)


def test_a_confirmed_payment_settles_the_lot_and_repeating_it_changes_nothing() -> None:
    scene = bidden().when(ConfirmPayment(reference="r1"), by=AUCTIONEER, at=DUE - SECOND)
    scene.then(Settled(buyer_id="cat", price_minor=3100, reference="r1"))
    scene.when(ConfirmPayment(), by=AUCTIONEER).then_nothing()
    assert scene.alarm_at is None


def test_a_payment_is_confirmed_by_auctioneers_and_only_when_due() -> None:
    bidden().when(ConfirmPayment(), by=SELLER).then_rejected(Forbidden)
    listed().when(ConfirmPayment(), by=AUCTIONEER).then_rejected(NothingDue)


def test_an_unpaid_lot_is_offered_to_the_next_bidder_at_his_maximum() -> None:
    scene = bidden()
    assert scene.alarm_at == DUE
    scene.wake(at=DUE + HOUR).then(
        PaymentOverdue(buyer_id="cat", price_minor=3100, effective_at=DUE, cause="alarm"),
        SecondChanceOffered(bidder_id="bob", price_minor=3000, expires_at=DUE + 48 * HOUR),
    )


def test_at_the_payment_deadline_itself_it_is_too_late() -> None:
    scene = bidden().when(ConfirmPayment(), by=AUCTIONEER, at=DUE).then_rejected(NothingDue)
    assert [type(event) for event in scene.events[-2:]] == [PaymentOverdue, SecondChanceOffered]


def test_the_next_bidder_accepts_and_then_has_to_pay() -> None:
    scene = bidden().wake(at=DUE).when(AcceptSecondChance(), by=BOB, at=DUE + HOUR)
    scene.then(SecondChanceAccepted(bidder_id="bob", price_minor=3000, payment_due_at=DUE + 49 * HOUR))
    scene.when(AcceptSecondChance(), by=BOB).then_nothing()
    scene.when(ConfirmPayment(), by=AUCTIONEER).then_includes(Settled, buyer_id="bob", price_minor=3000)


def test_the_next_bidder_declines_and_the_one_after_is_asked() -> None:
    scene = bidden().wake(at=DUE).when(DeclineSecondChance(), by=BOB, at=DUE + HOUR)
    scene.then(
        SecondChanceDeclined(bidder_id="bob"),
        SecondChanceOffered(bidder_id="ann", price_minor=1000, expires_at=DUE + 49 * HOUR),
    )
    scene.when(DeclineSecondChance(), by=BOB).then_nothing()


@pytest.mark.parametrize("command", [AcceptSecondChance(), DeclineSecondChance()])
def test_only_the_one_who_was_asked_answers(command: AcceptSecondChance | DeclineSecondChance) -> None:
    scene = bidden().when(command, by=BOB).then_rejected(NoOffer)
    scene.wake(at=DUE).when(command, by=ANN).then_rejected(NoOffer)
    scene.when(command, by=CAT).then_rejected(NoOffer)


def test_offers_lapse_one_after_the_other_until_nobody_is_left() -> None:
    scene = bidden().wake(at=DUE + timedelta(days=30))
    assert [type(event) for event in scene.events[-5:]] == [
        PaymentOverdue,
        SecondChanceOffered,
        SecondChanceLapsed,
        SecondChanceOffered,
        SecondChanceLapsed,
    ]
    scene.then_includes(SecondChanceLapsed, bidder_id="ann", effective_at=DUE + 96 * HOUR)
    assert scene.alarm_at is None
    assert scene.view(SELLER)["status"] == "unpaid"


def test_a_second_buyer_who_does_not_pay_loses_the_lot_too() -> None:
    scene = bidden().wake(at=DUE).when(AcceptSecondChance(), by=BOB).wake(at=DUE + 48 * HOUR)
    scene.then_types(PaymentOverdue, SecondChanceOffered).then_includes(SecondChanceOffered, bidder_id="ann")


def test_nobody_is_offered_a_lot_below_the_reserve_or_while_banned() -> None:
    scene = listed(reserve_minor=2000).when(bid(1000), by=ANN).when(bid(2500), by=BOB).when(bid(9000), by=CAT)
    scene.when(BanBidder(bidder_id="bob"), by=AUCTIONEER).wake(at=END).wake(at=DUE).then_types(PaymentOverdue)


def test_of_equal_maxima_the_earlier_is_asked_first() -> None:
    scene = listed().when(bid(3000), by=BOB).when(bid(3000), by=ANN).when(bid(9000), by=DAN)
    scene.wake(at=END).wake(at=DUE).then_includes(SecondChanceOffered, bidder_id="bob", price_minor=3000)


def test_the_time_to_pay_is_set_per_lot() -> None:
    scene = listed(payment_s=60).when(bid(1000), by=ANN).then_types(BidAccepted).wake(at=END)
    assert scene.alarm_at == END + timedelta(seconds=60)
