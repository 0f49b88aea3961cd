"""The lot as one viewer may see it: others behind masks, maxima only one's own, the reserve for the house."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import msgspec

from holdfast import Actor
from services.auction.domain_bids import Bid
from services.auction.domain_commands import LotType, Schedule
from services.auction.domain_events import Result
from services.auction.domain_increments import Bands
from services.auction.domain_lot import Lot
from services.auction.domain_proxy import next_minimum
from services.auction.domain_soft_close import SoftClose

BIDS_SHOWN = 50
"""The newest bids stand in the view; all of them in the log."""


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of what a viewer sees."""


class BidView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the bid history. `auto` is the leader's maximum answering the bid before it."""

    bidder: str
    amount_minor: int | None
    """Absent for a sealed bid."""
    at: datetime
    auto: bool = False
    retracted: bool = False
    you: bool = False
    bid_id: str | None = None
    bidder_id: str | None = None
    """For the bidder, the seller and auctioneers."""
    max_minor: int | None = None
    """For the bidder alone."""


class MineView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """What only this viewer sees: his own part in the lot."""

    leading: bool = False
    max_minor: int | None = None
    """His highest bid that stands, or his revealed sealed bid."""
    committed: bool = False
    terms_accepted: bool = False
    banned: bool = False
    limit_minor: int | None = None
    won: bool = False
    to_pay_minor: int | None = None
    payment_due_at: datetime | None = None
    offer_minor: int | None = None
    """The price of a second-chance offer to him."""
    offer_expires_at: datetime | None = None


class HouseView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """What only the lot's seller and auctioneers see."""

    reserve_minor: int | None = None
    seller_agents: tuple[str, ...] = ()
    leader_id: str | None = None
    winner_id: str | None = None
    buyer_id: str | None = None
    sale_minor: int | None = None
    due_at: datetime | None = None
    banned: tuple[str, ...] = ()
    """For auctioneers."""


class LotView(msgspec.Struct, frozen=True, kw_only=True):
    """A lot as one viewer sees it."""

    status: str
    """scheduled, open, paused, revealing, sold, offered, settled, unsold, unpaid or cancelled."""
    type: LotType
    title: str
    description: str
    seller: str
    currency: str
    start_minor: int
    price_minor: int | None
    """The price now; absent without bids, in sealed auctions before the end, and while a Dutch price falls."""
    minimum_minor: int | None
    """The next acceptable bid of an English auction."""
    leader: str | None
    is_leader: bool
    has_reserve: bool
    reserve_met: bool
    bids: tuple[BidView, ...]
    """The newest 50, oldest first."""
    bid_count: int
    opens_at: datetime
    ends_at: datetime
    extensions: int
    increments: Bands
    soft_close: SoftClose | None
    buy_now_minor: int | None
    """When it can still be bought at once."""
    schedule: Schedule | None
    clock_from: datetime | None
    """From when the Dutch price falls."""
    reveal_ends_at: datetime | None
    terms_of_sale: str | None
    registration_required: bool
    result: Result | None
    winner: str | None
    relisted_as: str | None
    mine: MineView
    house: HouseView | None


def view(lot: Lot, viewer: Actor) -> LotView:
    """The lot as this viewer may see it."""
    terms = lot.terms
    english = terms.type == "english"
    house = _is_house(lot, viewer)
    return LotView(
        status="paused" if lot.paused_at is not None else lot.status,
        type=terms.type,
        title=lot.title,
        description=lot.description,
        seller=terms.seller,
        currency=terms.currency,
        start_minor=terms.start_minor,
        price_minor=lot.price_minor,
        minimum_minor=next_minimum(terms, lot.price_minor) if english and lot.status in {"scheduled", "open"} else None,
        leader=_masked(lot, lot.leader),
        is_leader=lot.leader == viewer.user,
        has_reserve=terms.reserve_minor is not None,
        reserve_met=lot.reserve_met,
        bids=_newest_bids(lot, viewer, house=house),
        bid_count=lot.bid_count,
        opens_at=terms.opens_at,
        ends_at=lot.ends_at,
        extensions=lot.extensions,
        increments=terms.increments,
        soft_close=terms.soft_close if english else None,
        buy_now_minor=terms.buy_now_minor if lot.buy_now_open else None,
        schedule=terms.schedule,
        clock_from=lot.clock_from if terms.type == "dutch" else None,
        reveal_ends_at=lot.reveal_ends_at,
        terms_of_sale=terms.terms_of_sale,
        registration_required=terms.registration_required,
        result=lot.result,
        winner=_masked(lot, lot.winner),
        relisted_as=lot.relisted_as,
        mine=_mine(lot, viewer.user),
        house=_house(lot, viewer) if house else None,
    )


def _mine(lot: Lot, user: str) -> MineView:
    registration = lot.registrations.get(user)
    sealed = lot.sealed.get(user)
    sale = lot.sale if lot.sale is not None and lot.sale.buyer == user else None
    offered = lot.status == "offered"
    return MineView(
        leading=lot.leader == user,
        max_minor=_own_max(lot, user) if sealed is None else sealed.max_minor,
        committed=sealed is not None,
        terms_accepted=lot.terms.terms_of_sale is not None and lot.agreed.get(user) == lot.terms.terms_of_sale,
        banned=user in lot.banned,
        limit_minor=None if registration is None else registration.limit_minor,
        won=lot.winner == user,
        to_pay_minor=None if sale is None or lot.status != "sold" else sale.price_minor,
        payment_due_at=None if sale is None or lot.status != "sold" else sale.due_at,
        offer_minor=sale.price_minor if sale is not None and offered else None,
        offer_expires_at=sale.due_at if sale is not None and offered else None,
    )


def _own_max(lot: Lot, user: str) -> int | None:
    if user not in lot.masks:
        return None
    return max((bid.max_minor for bid in lot.bids.standing() if bid.bidder == user), default=None)


def _house(lot: Lot, viewer: Actor) -> HouseView:
    return HouseView(
        reserve_minor=lot.terms.reserve_minor,
        seller_agents=lot.terms.seller_agents,
        leader_id=lot.leader,
        winner_id=lot.winner,
        buyer_id=None if lot.sale is None else lot.sale.buyer,
        sale_minor=None if lot.sale is None else lot.sale.price_minor,
        due_at=None if lot.sale is None else lot.sale.due_at,
        banned=lot.banned if "auctioneer" in viewer.roles else (),
    )


def _newest_bids(lot: Lot, viewer: Actor, *, house: bool) -> tuple[BidView, ...]:
    lines = _sealed_bids(lot, viewer, house=house) if lot.sealed else _bids_from_newest(lot, viewer, house=house)
    return tuple(islice(lines, BIDS_SHOWN))[::-1]


def _bids_from_newest(lot: Lot, viewer: Actor, *, house: bool) -> Iterator[BidView]:
    for bid_id, bid in lot.bids.newest_first():
        you = bid.bidder == viewer.user
        if bid.silent and not you:
            continue
        if bid.answered_by is not None and not bid.retracted:
            yield _answer(lot, bid, bid.answered_by, viewer, house=house)
        yield BidView(
            bidder=_masked(lot, bid.bidder) or "",
            amount_minor=bid.shown_minor,
            at=bid.at,
            retracted=bid.retracted,
            you=you,
            bid_id=bid_id,
            bidder_id=bid.bidder if you or house else None,
            max_minor=bid.max_minor if you else None,
        )


def _answer(lot: Lot, bid: Bid, leader: str, viewer: Actor, *, house: bool) -> BidView:
    you = leader == viewer.user
    return BidView(
        bidder=_masked(lot, leader) or "",
        amount_minor=bid.answered_minor,
        at=bid.at,
        auto=True,
        you=you,
        bidder_id=leader if you or house else None,
    )


def _sealed_bids(lot: Lot, viewer: Actor, *, house: bool) -> Iterator[BidView]:
    for bidder in reversed(list(lot.sealed)):
        you = bidder == viewer.user
        yield BidView(
            bidder=_masked(lot, bidder) or "",
            amount_minor=None,
            at=lot.sealed[bidder].at,
            you=you,
            bidder_id=bidder if you or house else None,
            max_minor=lot.sealed[bidder].max_minor if you else None,
        )


def _masked(lot: Lot, user: str | None) -> str | None:
    return None if user is None else lot.masks.get(user, "***")


def _is_house(lot: Lot, viewer: Actor) -> bool:
    return viewer.user == lot.terms.seller or "auctioneer" in viewer.roles
