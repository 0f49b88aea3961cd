"""The auction against its slow reference, against its own replay, and with and without alarms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor, Command
from holdfast.testing import Scenario, find_deadlines_alike
from services.auction.contract import (
    AcceptSecondChance,
    AmendDescription,
    Band,
    BuyNow,
    CancelLot,
    CommitBid,
    ConfirmPayment,
    DeclineSecondChance,
    PauseLot,
    PlaceBid,
    ResumeLot,
    RetractBid,
    RevealBid,
    SoftClose,
    commitment_of,
)
from services.auction.reference import (
    EBAY_US,
    ReferenceBid,
    Steps,
    reference_end,
    reference_leader,
    reference_minimum,
    reference_price,
)
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CAT, END, HOUR, NOON, SECOND, listed

START = 100
BIDDERS = {bidder.user: bidder for bidder in (ANN, BOB, CAT)}


@dataclass
class Oracle:
    """What the reference says of the bids accepted so far, kept as nothing but their list."""

    reserve: int | None
    steps: Steps
    bids: dict[str, ReferenceBid] = field(default_factory=dict[str, ReferenceBid])

    @property
    def standing(self) -> Sequence[ReferenceBid]:
        return list(self.bids.values())

    @property
    def price(self) -> int | None:
        return reference_price(self.standing, start_minor=START, reserve_minor=self.reserve, steps=self.steps)

    @property
    def leader(self) -> str | None:
        return reference_leader(self.standing)

    @property
    def top(self) -> int:
        return max((bid.max_minor for bid in self.standing), default=0)

    def refusal(self, bidder: str, max_minor: int) -> str | None:
        if bidder == self.leader:
            return "NOT_HIGHER_THAN_OWN_MAX" if max_minor <= self.top else None
        minimum = reference_minimum(self.price, start_minor=START, steps=self.steps)
        return "BID_TOO_LOW" if max_minor < minimum else None


AMOUNTS = st.integers(90, 700) | st.sampled_from([100, 150, 200, 500, 1000, 2500, 2501, 9_999])
STEPS: st.SearchStrategy[Steps] = st.sampled_from([EBAY_US, ((0, 50),), ((0, 100), (300, 7), (600, 40))])


def bands(steps: Steps) -> tuple[Band, ...]:
    return tuple(Band(from_minor=from_minor, step_minor=step) for from_minor, step in steps)


@settings(max_examples=300, deadline=None)
@for_all(
    turns=st.lists(
        st.tuples(st.sampled_from(sorted(BIDDERS)), AMOUNTS, st.none() | st.integers(0, 20)), min_size=1, max_size=20
    ),
    reserve=st.none() | st.integers(100, 1500),
    steps=STEPS,
)
def test_any_bids_and_retractions_give_the_reference_result(
    turns: list[tuple[str, int, int | None]], reserve: int | None, steps: Steps
) -> None:
    scene = listed(reserve_minor=reserve, increments=bands(steps))
    oracle = Oracle(reserve, steps)
    for number, (bidder, amount, retracted) in enumerate(turns):
        expected, price = oracle.refusal(bidder, amount), oracle.price
        scene.when(PlaceBid(max_minor=amount, bid_id=f"b{number}"), by=BIDDERS[bidder])
        assert (scene.refusal.code if scene.refusal else None) == expected
        if expected is None:
            oracle.bids[f"b{number}"] = ReferenceBid(bidder=bidder, max_minor=amount)
            assert (price or 0) <= (oracle.price or 0) <= oracle.top
        agrees(scene, oracle)
        target = oracle.bids.get(f"b{retracted}")
        if target is not None:
            command = RetractBid(bid_id=f"b{retracted}", reason="wrong_amount")
            scene.when(command, by=BIDDERS[target.bidder])
            assert scene.refusal is None
            oracle.bids = {key: bid for key, bid in oracle.bids.items() if bid.bidder != target.bidder}
            agrees(scene, oracle)


def agrees(scene: Scenario, oracle: Oracle) -> None:
    """The domain shows the oracle's price, leader and reserve; the price stays within the leader's maximum."""
    seen = scene.view(AUCTIONEER)
    assert seen["price_minor"] == oracle.price
    assert seen["house"].get("leader_id") == oracle.leader
    assert seen["reserve_met"] == (oracle.reserve is None or oracle.top >= oracle.reserve)
    if oracle.price is not None:
        assert START <= oracle.price <= oracle.top
    assert seen["minimum_minor"] == reference_minimum(oracle.price, start_minor=START, steps=oracle.steps)


@settings(max_examples=150, deadline=None)
@for_all(
    turns=st.lists(st.tuples(st.sampled_from(sorted(BIDDERS)), AMOUNTS, st.integers(0, 90)), min_size=1, max_size=10),
    mode=st.sampled_from(["FROM_BID", "ADD"]),
    window=st.integers(0, 200),
    extension=st.integers(0, 200),
    latest=st.none() | st.integers(0, 300),
    reserve=st.none() | st.integers(100, 1500),
)
def test_any_late_bids_end_the_lot_when_the_reference_says(
    *,
    turns: list[tuple[str, int, int]],
    mode: Literal["FROM_BID", "ADD"],
    window: int,
    extension: int,
    latest: int | None,
    reserve: int | None,
) -> None:
    max_end = None if latest is None else END + timedelta(seconds=latest)
    soft_close = SoftClose(w_s=window, x_s=extension, mode=mode, max_end=max_end)
    scene = listed(soft_close=soft_close, reserve_minor=reserve)
    accepted: list[ReferenceBid] = []

    def expected_end() -> datetime:
        return reference_end(
            accepted,
            start_minor=START,
            reserve_minor=reserve,
            ends_at=END,
            window=timedelta(seconds=window),
            extension=timedelta(seconds=extension),
            add=mode == "ADD",
            max_end=max_end,
        )

    now = END - timedelta(seconds=250)
    for bidder, amount, pause in turns:
        now += timedelta(seconds=pause)
        ended = now >= expected_end()
        scene.when(PlaceBid(max_minor=amount), by=BIDDERS[bidder], at=now)
        if scene.refusal is None:
            accepted.append(ReferenceBid(bidder=bidder, max_minor=amount, at=now))
        assert ended == (scene.refusal is not None and scene.refusal.code == "AUCTION_ENDED")
        assert scene.view(ANN)["ends_at"] == expected_end().isoformat().replace("+00:00", "Z")


Step = tuple[Command, Actor]
NONCE = "n" * 16


def steps_of_any_kind() -> st.SearchStrategy[Step]:
    bidders = st.sampled_from([ANN, BOB, CAT])
    bids = st.tuples(AMOUNTS.map(proxy_bid), bidders)
    answers: list[Command] = [
        BuyNow(),
        AcceptSecondChance(),
        DeclineSecondChance(),
        RetractBid(bid_id="b", reason="wrong_amount"),
        PlaceBid(max_minor=2000, bid_id="b"),
        RevealBid(max_minor=400, nonce=NONCE),
    ]
    staff: list[Command] = [CancelLot(), PauseLot(), ResumeLot(), ConfirmPayment(), AmendDescription(description="x")]
    of_bidders = st.tuples(st.sampled_from(answers), bidders)
    of_staff = st.tuples(st.sampled_from(staff), st.just(AUCTIONEER))
    return st.one_of(bids, bids, of_bidders, of_staff, bidders.map(sealed_bid))


def proxy_bid(max_minor: int) -> Command:
    return PlaceBid(max_minor=max_minor)


def sealed_bid(bidder: Actor) -> Step:
    commitment = commitment_of(listed().name, bidder.user, 400, NONCE)
    return CommitBid(commitment=commitment), bidder


DELAYS = st.sampled_from([SECOND, 60 * SECOND, HOUR, 11 * HOUR, 24 * HOUR, 47 * HOUR, 72 * HOUR])
TERMS: list[dict[str, Any]] = [
    {},
    {"opens_at": NOON + 5 * HOUR},
    {"reserve_minor": 600, "buy_now_minor": 3000},
    {"type": "sealed", "opens_at": NOON + HOUR},
    {"type": "vickrey", "reserve_minor": 300},
]


@settings(max_examples=300, deadline=None)
@for_all(
    terms=st.sampled_from(TERMS),
    turns=st.lists(st.tuples(DELAYS, st.booleans(), steps_of_any_kind()), min_size=1, max_size=15),
)
def test_alarms_and_commands_find_deadlines_alike(
    terms: dict[str, Any], turns: list[tuple[timedelta, bool, Step]]
) -> None:
    find_deadlines_alike(lambda: listed(**terms), turns)


@settings(max_examples=150, deadline=None)
@for_all(
    terms=st.sampled_from(TERMS),
    turns=st.lists(st.tuples(DELAYS, steps_of_any_kind()), min_size=1, max_size=15),
)
def test_replay_gives_the_same_state_to_the_byte(terms: dict[str, Any], turns: list[tuple[timedelta, Step]]) -> None:
    scene = listed(**terms)
    for delay, (command, by) in turns:
        scene.after(delay).when(command, by=by)
    assert scene.replayed().state_json == scene.state_json


def test_a_stored_state_reads_back_to_the_same_bytes() -> None:
    scene = listed(reserve_minor=900)
    for turn in range(300):
        scene.when(PlaceBid(max_minor=1000 * (turn + 1)), by=(ANN, BOB)[turn % 2])
    stored = msgspec.json.decode(scene.state_json, type=scene.entity.state_type)
    assert msgspec.json.encode(stored) == scene.state_json
