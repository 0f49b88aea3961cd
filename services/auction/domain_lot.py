"""The lot: what a history of events makes it. Nothing is judged here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, assert_never

import msgspec
from msgspec.structs import replace

from holdfast import State
from services.auction import domain_events as events
from services.auction.domain_bids import Bid, Bids
from services.auction.domain_commands import LotType, Schedule
from services.auction.domain_increments import Bands
from services.auction.domain_soft_close import SoftClose

Status = Literal[
    "unwritten", "scheduled", "open", "revealing", "sold", "offered", "settled", "unsold", "unpaid", "cancelled"
]
ENDED: Final = frozenset[Status]({"sold", "offered", "settled", "unsold", "unpaid", "cancelled"})
_UNWRITTEN: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the lot's state."""


class Terms(Part, frozen=True, kw_only=True, omit_defaults=True):
    """On what terms the lot is sold."""

    type: LotType = "english"
    seller: str = ""
    seller_agents: tuple[str, ...] = ()
    currency: str = ""
    start_minor: int = 0
    reserve_minor: int | None = None
    buy_now_minor: int | None = None
    opens_at: datetime = _UNWRITTEN
    increments: Bands = ()
    soft_close: SoftClose = SoftClose()
    schedule: Schedule | None = None
    reveal_s: int = 0
    payment_s: int = 0
    terms_of_sale: str | None = None
    registration_required: bool = False


class SealedBid(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A commitment, and the amount once it is revealed."""

    commitment: str
    at: datetime
    max_minor: int | None = None


class Registration(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a registered bidder may spend."""

    limit_minor: int | None = None
    exposure_minor: int = 0


class Sale(Part, frozen=True, kw_only=True, omit_defaults=True):
    """To whom the lot is sold, or offered, and until when the money, or the answer, is awaited."""

    buyer: str
    price_minor: int
    due_at: datetime


class Lot(State, omit_defaults=True):
    """One lot of an auction."""

    status: Status = "unwritten"
    terms: Terms = Terms()
    title: str = ""
    description: str = ""
    ends_at: datetime = _UNWRITTEN
    reveal_ends_at: datetime | None = None
    clock_from: datetime = _UNWRITTEN
    paused_at: datetime | None = None
    leader: str | None = None
    leader_max_minor: int = 0
    price_minor: int | None = None
    reserve_met: bool = False
    bids: Bids = Bids()
    bid_count: int = 0
    """The bids that stand and that everyone sees."""
    sealed: Mapping[str, SealedBid] = {}
    """By bidder, in the order of commitment."""
    extensions: int = 0
    buy_now_open: bool = False
    masks: Mapping[str, str] = {}
    """The name by which others see each participant."""
    registrations: Mapping[str, Registration] = {}
    agreed: Mapping[str, str] = {}
    """Which terms of sale each bidder accepted."""
    banned: tuple[str, ...] = ()
    result: events.Result | None = None
    winner: str | None = None
    sale: Sale | None = None
    """The sale that awaits payment or is settled; while `offered`, the second-chance offer."""
    passed: tuple[str, ...] = ()
    """Who failed to pay or let an offer go."""
    relisted_as: str | None = None


def mask_of(lot: Lot, bidder: str) -> str:
    """The name by which others see a bidder: first letter and the number in order of appearance on this lot."""
    return lot.masks.get(bidder) or f"{bidder[0]}***{len(lot.masks) + 1}"


def evolve(lot: Lot, event: events.AuctionEvent) -> Lot:  # noqa: C901, PLR0911, PLR0912 - one line for each event
    """The lot after an event."""
    match event:
        case events.LotCreated():
            return _created(event)
        case events.LotOpened(effective_at=opened):
            return replace(lot, status="open", clock_from=opened)
        case events.BidAccepted():
            return _bid(lot, event)
        case events.Outbid():
            return lot
        case events.EndExtended(to=ends_at):
            return replace(lot, ends_at=ends_at, extensions=lot.extensions + 1)
        case events.BoughtNow(bidder_id=bidder, bidder=mask) | events.PriceAccepted(bidder_id=bidder, bidder=mask):
            return replace(lot, masks=_with_mask(lot, bidder, mask))
        case events.BidCommitted():
            return _committed(lot, event)
        case events.RevealOpened(reveal_ends_at=reveal_ends_at):
            return replace(lot, status="revealing", reveal_ends_at=reveal_ends_at)
        case events.BidRevealed(bidder_id=bidder, max_minor=max_minor):
            return _revealed(lot, bidder, max_minor)
        case events.AuctionClosed():
            return _closed(lot, event)
        case events.BidRetracted():
            return _retracted(lot, event)
        case events.LotCancelled():
            return replace(lot, status="cancelled", paused_at=None)
        case events.LotRelisted(new_lot_id=new_lot_id):
            return replace(lot, relisted_as=new_lot_id)
        case events.LotPaused(at=at):
            return replace(lot, paused_at=at)
        case events.LotResumed():
            return _resumed(lot, event)
        case events.DescriptionAmended(title=title, description=description):
            return replace(lot, title=title, description=description)
        case events.IncrementsChanged(increments=increments):
            return replace(lot, terms=replace(lot.terms, increments=increments))
        case events.BidderRegistered(bidder_id=bidder, limit_minor=limit, exposure_minor=exposure):
            registration = Registration(limit_minor=limit, exposure_minor=exposure)
            return replace(lot, registrations={**lot.registrations, bidder: registration})
        case events.TermsAccepted(bidder_id=bidder, terms_of_sale=terms):
            return replace(lot, agreed={**lot.agreed, bidder: terms})
        case events.BidderBanned(bidder_id=bidder):
            return replace(lot, banned=(*lot.banned, bidder))
        case events.BidderUnbanned(bidder_id=bidder):
            return replace(lot, banned=tuple(banned for banned in lot.banned if banned != bidder))
        case events.Settled():
            return replace(lot, status="settled")
        case events.PaymentOverdue(buyer_id=buyer):
            return replace(lot, status="unpaid", sale=None, passed=(*lot.passed, buyer))
        case events.SecondChanceOffered(bidder_id=bidder, price_minor=price, expires_at=expires_at):
            offer = Sale(buyer=bidder, price_minor=price, due_at=expires_at)
            return replace(lot, status="offered", sale=offer)
        case events.SecondChanceAccepted(bidder_id=bidder, price_minor=price, payment_due_at=due_at):
            return replace(lot, status="sold", sale=Sale(buyer=bidder, price_minor=price, due_at=due_at))
        case events.SecondChanceDeclined(bidder_id=bidder) | events.SecondChanceLapsed(bidder_id=bidder):
            return replace(lot, status="unpaid", sale=None, passed=(*lot.passed, bidder))
        case _:
            assert_never(event)


def _created(event: events.LotCreated) -> Lot:
    terms = Terms(
        type=event.type,
        seller=event.seller,
        seller_agents=event.seller_agents,
        currency=event.currency,
        start_minor=event.start_minor,
        reserve_minor=event.reserve_minor,
        buy_now_minor=event.buy_now_minor,
        opens_at=event.opens_at,
        increments=event.increments,
        soft_close=event.soft_close,
        schedule=event.schedule,
        reveal_s=event.reveal_s,
        payment_s=event.payment_s,
        terms_of_sale=event.terms_of_sale,
        registration_required=event.registration_required,
    )
    return Lot(
        status="scheduled",
        terms=terms,
        title=event.title,
        description=event.description,
        ends_at=event.ends_at,
        clock_from=event.opens_at,
        buy_now_open=event.buy_now_minor is not None,
        reserve_met=event.reserve_minor is None,
    )


def _bid(lot: Lot, event: events.BidAccepted) -> Lot:
    leads = event.leader_id == event.bidder_id
    bid = Bid(
        bidder=event.bidder_id,
        max_minor=event.max_minor,
        shown_minor=event.shown_minor,
        at=event.at,
        answered_by=None if leads else event.leader_id,
        answered_minor=None if leads else event.price_minor,
        silent=event.own_raise,
    )
    return replace(
        lot,
        bids=lot.bids.with_bid(event.bid_id, bid),
        bid_count=lot.bid_count + (not event.own_raise),
        leader=event.leader_id,
        leader_max_minor=event.max_minor if leads else lot.leader_max_minor,
        price_minor=event.price_minor,
        reserve_met=event.reserve_met,
        buy_now_open=lot.buy_now_open and not event.reserve_met,
        masks=_with_mask(lot, event.bidder_id, event.bidder),
    )


def _retracted(lot: Lot, event: events.BidRetracted) -> Lot:
    bids = lot.bids.without(set(event.bid_ids))
    standing = list(bids.standing())
    return replace(
        lot,
        bids=bids,
        bid_count=sum(not bid.silent for bid in standing),
        leader=event.leader_id,
        leader_max_minor=max((bid.max_minor for bid in standing if bid.bidder == event.leader_id), default=0),
        price_minor=event.price_minor,
        reserve_met=event.reserve_met,
    )


def _committed(lot: Lot, event: events.BidCommitted) -> Lot:
    others = {bidder: sealed for bidder, sealed in lot.sealed.items() if bidder != event.bidder_id}
    return replace(
        lot,
        sealed={**others, event.bidder_id: SealedBid(commitment=event.commitment, at=event.at)},
        bid_count=len(others) + 1,
        masks=_with_mask(lot, event.bidder_id, event.bidder),
    )


def _revealed(lot: Lot, bidder: str, max_minor: int) -> Lot:
    sealed = {key: replace(bid, max_minor=max_minor) if key == bidder else bid for key, bid in lot.sealed.items()}
    return replace(lot, sealed=sealed)


def _closed(lot: Lot, event: events.AuctionClosed) -> Lot:
    closed = replace(
        lot,
        status="unsold",
        result=event.result,
        winner=event.winner_id,
        price_minor=event.price_minor,
        buy_now_open=False,
    )
    if event.winner_id is None or event.price_minor is None or event.payment_due_at is None:
        return closed
    sale = Sale(buyer=event.winner_id, price_minor=event.price_minor, due_at=event.payment_due_at)
    return replace(closed, status="sold", sale=sale, masks=_with_mask(lot, event.winner_id, event.winner or "?"))


def _resumed(lot: Lot, event: events.LotResumed) -> Lot:
    soft_close = replace(lot.terms.soft_close, max_end=event.max_end)
    resumed = replace(lot, paused_at=None, clock_from=event.clock_from, terms=replace(lot.terms, soft_close=soft_close))
    if lot.status == "revealing":
        return replace(resumed, reveal_ends_at=event.ends_at)
    return replace(resumed, ends_at=event.ends_at)


def _with_mask(lot: Lot, bidder: str, mask: str) -> Mapping[str, str]:
    return lot.masks if bidder in lot.masks else {**lot.masks, bidder: mask}
