"""Hidden maxima, the reserve and the names behind the masks (rule C9)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor
from holdfast.testing import Scenario
from services.auction.contract import (
    AcceptSecondChance,
    AcceptTerms,
    BidAccepted,
    BuyNow,
    CommitBid,
    PlaceBid,
    RegisterBidder,
    RetractBid,
    RevealBid,
    commitment_of,
)
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CAT, DAN, END, HOUR, NOON, SELLER, bid, listed

STRANGER = Actor(user="zoe", roles=())
PEOPLE = (ANN, BOB, CAT, DAN, STRANGER, SELLER, AUCTIONEER)


def everything_seen(scene: Scenario, viewer: Actor) -> str:
    """All that reaches a viewer, as JSON: the log, and the state after each event."""
    past = [scene.as_of(seq).view(viewer) for seq in range(1, len(scene.log) + 1)]
    return msgspec.json.encode([scene.seen_by(viewer), past]).decode()


def without_sender(seen: list[Any]) -> str:
    return msgspec.json.encode([{**event, "by": None} for event in seen]).decode()


def test_a_maximum_is_seen_by_its_bidder_alone() -> None:
    scene = listed().when(bid(777_771), by=ANN).when(bid(888_882), by=ANN)
    for viewer in PEOPLE:
        seen = everything_seen(scene, viewer)
        assert ("777771" in seen) == (viewer is ANN)
        assert ("888882" in seen) == (viewer is ANN)


def test_a_beaten_bid_shows_what_it_was_asked_for_and_not_its_maximum() -> None:
    scene = listed().when(bid(777_771), by=ANN).when(bid(333_333), by=BOB)
    lines = scene.view(CAT)["bids"]
    assert [(line["bidder"], line["amount_minor"], line.get("auto", False)) for line in lines] == [
        ("a***1", 100, False),
        ("b***2", 125, False),
        ("a***1", 338_333, True),
    ]
    assert "333333" not in everything_seen(scene, ANN)


def test_the_reserve_is_seen_by_the_seller_and_auctioneers_alone() -> None:
    scene = listed(reserve_minor=654_321).when(bid(1000), by=ANN)
    for viewer in PEOPLE:
        assert ("654321" in everything_seen(scene, viewer)) == (viewer in {SELLER, AUCTIONEER})
    assert scene.view(ANN)["has_reserve"] is True
    assert scene.view(ANN)["reserve_met"] is False


def test_the_sellers_agents_are_not_public() -> None:
    scene = listed(seller_agents=("agatha",))
    for viewer in PEOPLE:
        assert ("agatha" in everything_seen(scene, viewer)) == (viewer in {SELLER, AUCTIONEER})


def test_the_leaders_silent_raise_is_not_seen_by_others() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=ANN)
    assert scene.seen_by(BOB)[-1]["type"] == "redacted"
    assert scene.view(BOB)["bid_count"] == 1
    assert len(scene.view(BOB)["bids"]) == 1
    assert scene.seen_by(ANN)[-1]["type"] == "bid_accepted"
    assert len(scene.view(ANN)["bids"]) == 2


def test_names_are_masked_for_all_but_the_bidder_the_seller_and_auctioneers() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=BOB, at=END - timedelta(seconds=1)).wake(at=END + HOUR)
    for viewer in (CAT, STRANGER):
        assert '"ann"' not in without_sender(scene.seen_by(viewer)) + msgspec.json.encode(scene.view(viewer)).decode()
    for viewer in (ANN, SELLER, AUCTIONEER):
        assert '"ann"' in without_sender(scene.seen_by(viewer))
    assert '"bob"' not in without_sender(scene.seen_by(ANN))


def test_every_event_of_a_bidders_command_guards_its_sender() -> None:
    scene = listed(buy_now_minor=9000, reserve_minor=5000, terms_of_sale="v1")
    for bidder in (ANN, BOB):
        scene.when(AcceptTerms(terms_of_sale="v1"), by=bidder)
    scene.when(bid(1000, bid_id="b1"), by=ANN).when(RetractBid(bid_id="b1", reason="wrong_amount"), by=ANN)
    scene.when(bid(2000), by=BOB, at=END - timedelta(seconds=1)).when(BuyNow(), by=ANN)
    of_bidders = [event for event in scene.log if "bidder" in event.by.roles]
    assert len(of_bidders) == 8
    for event in of_bidders:
        assert event.to is not None
        guards = event.to.fields["by"] if event.to.only is None else event.to.only
        assert STRANGER.tags.isdisjoint(guards)


def test_who_sent_a_bid_does_not_give_the_bidder_away() -> None:
    scene = listed(buy_now_minor=9000, reserve_minor=5000).when(bid(1000), by=ANN)
    scene.when(bid(2000), by=BOB, at=END - timedelta(seconds=1)).when(BuyNow(), by=ANN)
    assert all("by" not in event for event in scene.seen_by(STRANGER)[2:])
    assert "ann" not in everything_seen(scene, STRANGER)


def test_a_viewer_finds_himself_in_the_view() -> None:
    scene = listed().when(bid(1000), by=ANN).when(bid(2000), by=BOB)
    view = scene.view(ANN)
    assert view["is_leader"] is False
    assert view["mine"] == {"max_minor": 1000}
    assert [line.get("you", False) for line in view["bids"]] == [True, False]
    assert scene.view(BOB)["is_leader"] is True
    assert scene.view(BOB)["mine"] == {"leading": True, "max_minor": 2000}
    assert scene.view(STRANGER)["house"] is None


def test_the_view_holds_the_newest_bids_and_counts_all() -> None:
    scene = listed()
    for turn in range(60):
        scene.when(bid(1000 + 1000 * turn), by=(ANN, BOB)[turn % 2]).then_includes(BidAccepted)
    view = scene.view(CAT)
    assert len(view["bids"]) == 50
    assert view["bid_count"] == 60


def test_a_limit_is_seen_by_its_bidder_and_auctioneers_alone() -> None:
    scene = listed().when(RegisterBidder(bidder_id="ann", limit_minor=424_242), by=AUCTIONEER)
    for viewer in PEOPLE:
        assert ("424242" in everything_seen(scene, viewer)) == (viewer in {ANN, AUCTIONEER})


def test_a_second_chance_is_between_the_house_and_the_bidder() -> None:
    scene = listed().when(bid(555_555), by=ANN).when(bid(888_882), by=BOB)
    scene.wake(at=END).wake(at=END + 48 * HOUR).when(AcceptSecondChance(), by=ANN)
    for viewer in PEOPLE:
        assert ("555555" in everything_seen(scene, viewer)) == (viewer in {ANN, SELLER, AUCTIONEER})


@pytest.mark.parametrize("kind", ["sealed", "vickrey"])
def test_revealed_amounts_are_seen_by_their_bidders_alone(kind: str) -> None:
    nonce = "n" * 16
    scene = listed(type=kind)
    amounts = {ANN: 333_333, BOB: 444_444, CAT: 222_222}
    for bidder, amount in amounts.items():
        commitment = commitment_of(scene.name, bidder.user, amount, nonce)
        scene.when(CommitBid(commitment=commitment), by=bidder)
    scene.wake(at=END)
    for bidder, amount in amounts.items():
        scene.when(RevealBid(max_minor=amount, nonce=nonce), by=bidder)
    for bidder, amount in amounts.items():
        for viewer in PEOPLE:
            assert (str(amount) in everything_seen(scene, viewer)) == (viewer == bidder)
    scene.wake(at=END + 24 * HOUR)
    assert "222222" not in everything_seen(scene, STRANGER)


SECRETS = st.integers(10_000_001, 99_999_999)


@settings(max_examples=40, deadline=None)
@for_all(
    bids=st.lists(st.tuples(st.sampled_from([ANN, BOB, CAT]), SECRETS), min_size=1, max_size=6),
    reserve=st.none() | SECRETS,
    retracted=st.none() | st.integers(0, 5),
)
def test_no_secret_amount_is_ever_seen_by_another(
    bids: list[tuple[Actor, int]], reserve: int | None, retracted: int | None
) -> None:
    scene = listed(reserve_minor=reserve)
    for number, (bidder, amount) in enumerate(bids):
        scene.when(PlaceBid(max_minor=amount, bid_id=f"b{number}"), by=bidder, at=NOON)
        if retracted == number and scene.refusal is None:
            scene.when(RetractBid(bid_id=f"b{number}", reason="wrong_amount"), by=bidder)
    scene.wake(at=END)
    public = {
        scene.as_of(seq).view(STRANGER)[key]
        for seq in range(1, len(scene.log) + 1)
        for key in ("price_minor", "minimum_minor")
    }
    for viewer in PEOPLE:
        seen = everything_seen(scene, viewer)
        for bidder, amount in bids:
            own = any(other == viewer and other_amount == amount for other, other_amount in bids)
            assert own or amount in public or str(amount) not in seen, (viewer.user, bidder.user, amount)
        if reserve is not None and reserve not in public and viewer not in {SELLER, AUCTIONEER}:
            own = any(other == viewer and other_amount == reserve for other, other_amount in bids)
            assert own or str(reserve) not in seen
