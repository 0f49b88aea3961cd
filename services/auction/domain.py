"""An auction: one entity per lot. The rules of English bidding by proxy stand here.

The rest of the trade stands next to it, each file pure: `domain_proxy` (price and leader), `domain_soft_close` (the end), `domain_eligibility`
(who may), `domain_listing` (the seller's side), `domain_sealed` (sealed bids), `domain_settlement` (result, payment).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from holdfast import Actor, Audience, Context, Entity, NotFound, ValidationFailed
from holdfast.money import check_currency, minor
from services.auction import domain_commands as commands
from services.auction import domain_errors as refusals
from services.auction import domain_events as events
from services.auction import domain_listing as listing
from services.auction import domain_sealed as sealed
from services.auction import domain_settlement as settlement
from services.auction.domain_audience import audience
from services.auction.domain_bids import Bid
from services.auction.domain_commands import AuctionCommand
from services.auction.domain_eligibility import (
    LAST_HOURS,
    bidder_of,
    check_credit,
    check_eligible,
    check_phase,
)
from services.auction.domain_events import AuctionEvent
from services.auction.domain_lot import ENDED, Lot, evolve, mask_of
from services.auction.domain_proxy import Standing, next_minimum, refold, resolve
from services.auction.domain_soft_close import extended_end
from services.auction.domain_view import LotView, view

RETRACT_WITHIN: Final = timedelta(hours=1)
RETRACT_REASONS: Final = ("wrong_amount", "description_changed")

Events = tuple[AuctionEvent, ...]


class Auction(Entity[Lot, AuctionCommand, AuctionEvent]):
    """A lot, from its listing to its settlement."""

    purpose = "auction"
    initial = Lot()

    def decide(self, lot: Lot, command: AuctionCommand, ctx: Context, /) -> Sequence[AuctionEvent]:  # noqa: C901, PLR0911, PLR0912 - one line for each command
        """Judge a command."""
        match command:
            case commands.CreateLot():
                return listing.create_lot(lot, command, ctx)
            case commands.PlaceBid():
                return place_bid(lot, command, ctx)
            case commands.BuyNow():
                return buy_now(lot, command, ctx)
            case commands.RetractBid():
                return retract_bid(lot, command, ctx)
            case commands.Accept():
                return accept(lot, command, ctx)
            case commands.CommitBid():
                return sealed.commit_bid(lot, command, ctx)
            case commands.RevealBid():
                return sealed.reveal_bid(lot, command, ctx)
            case commands.CancelLot():
                return listing.cancel_lot(lot, command, ctx)
            case commands.RelistLot():
                return listing.relist_lot(lot, command, ctx)
            case commands.PauseLot():
                return listing.pause_lot(lot, command, ctx)
            case commands.ResumeLot():
                return listing.resume_lot(lot, command, ctx)
            case commands.AmendDescription():
                return listing.amend_description(lot, command, ctx)
            case commands.ChangeIncrements():
                return listing.change_increments(lot, command, ctx)
            case commands.RegisterBidder():
                return register_bidder(lot, command)
            case commands.AcceptTerms():
                return accept_terms(lot, command, ctx)
            case commands.BanBidder(bidder_id=bidder, reason=reason):
                return () if bidder in lot.banned else (events.BidderBanned(bidder_id=bidder, reason=reason),)
            case commands.UnbanBidder(bidder_id=bidder):
                return (events.BidderUnbanned(bidder_id=bidder),) if bidder in lot.banned else ()
            case commands.ConfirmPayment():
                return settlement.confirm_payment(lot, command)
            case commands.AcceptSecondChance():
                return settlement.accept_second_chance(lot, command, ctx)
            case commands.DeclineSecondChance():
                return settlement.decline_second_chance(lot, command, ctx)
            case _:
                assert_never(command)

    def evolve(self, lot: Lot, event: AuctionEvent, /) -> Lot:
        """Obey an event."""
        return evolve(lot, event)

    def alarm_at(self, lot: Lot, /) -> datetime | None:
        """The next deadline; none while the clock stands."""
        if lot.paused_at is not None:
            return None
        match lot.status:
            case "scheduled":
                return lot.terms.opens_at
            case "open":
                return lot.ends_at
            case "revealing":
                return lot.reveal_ends_at
            case "sold" | "offered":
                return None if lot.sale is None else lot.sale.due_at
            case "unwritten" | "settled" | "unsold" | "unpaid" | "cancelled":
                return None

    def on_alarm(self, lot: Lot, ctx: Context, /) -> Sequence[AuctionEvent]:
        """Open, end or close the lot, or take it from a buyer who did not pay: all as of the deadline itself."""
        due, cause = ctx.due_at or ctx.now, ctx.cause
        match lot.status:
            case "scheduled":
                return (events.LotOpened(effective_at=due, cause=cause),)
            case "open" if lot.terms.type in {"sealed", "vickrey"}:
                return (sealed.open_reveal(lot, ctx),)
            case "open" | "revealing":
                return (settlement.close(lot, effective_at=due, cause=cause),)
            case "sold" if lot.sale is not None:
                return settlement.payment_overdue(lot, lot.sale, effective_at=due, cause=cause)
            case "offered" if lot.sale is not None:
                return settlement.second_chance_lapsed(lot, lot.sale, effective_at=due, cause=cause)
            case _:
                return ()

    def view(self, lot: Lot, viewer: Actor, /) -> LotView:
        """The lot as this viewer may see it."""
        return view(lot, viewer)

    def audience(self, event: AuctionEvent, lot: Lot, /) -> Audience | None:
        """Who may see what of an event."""
        return audience(event, lot)


def place_bid(lot: Lot, command: commands.PlaceBid, ctx: Context) -> Events:
    """Take a proxy bid; nothing when this very bid stands already."""
    bidder = bidder_of(command.bidder_id, ctx)
    max_minor = minor(command.max_minor, "max_minor")
    check_phase(lot, "english")
    check_currency(command.currency, lot.terms.currency)
    check_eligible(lot, bidder)
    bid_id = command.bid_id or ctx.new_id("bid")
    earlier = lot.bids.get(bid_id)
    if earlier is not None:
        if (earlier.bidder, earlier.max_minor) == (bidder, max_minor):
            return ()
        raise ValidationFailed("bid_id: this one is used already; leave it out or choose another")
    minimum = next_minimum(lot.terms, lot.price_minor)
    if bidder == lot.leader:
        if max_minor <= lot.leader_max_minor:
            raise refusals.NotHigherThanOwnMax("you lead; only a higher maximum than your own changes anything")
    elif max_minor < minimum:
        raise refusals.BidTooLow(f"bid at least {minimum}", minimum=minimum)
    check_credit(lot, bidder, max_minor)
    return _accepted(lot, bid_id, bidder, max_minor, minimum=minimum, at=ctx.now)


def _accepted(lot: Lot, bid_id: str, bidder: str, max_minor: int, *, minimum: int, at: datetime) -> Events:
    before = standing_of(lot)
    after = resolve(lot.terms, before, bidder, max_minor)
    unchanged = before is not None and (before.leader, before.price_minor) == (after.leader, after.price_minor)
    mask = mask_of(lot, bidder)
    accepted = events.BidAccepted(
        bid_id=bid_id,
        bidder=mask,
        bidder_id=bidder,
        max_minor=max_minor,
        shown_minor=after.price_minor if after.leader == bidder else minimum,
        price_minor=after.price_minor,
        leader=mask if after.leader == bidder else mask_of(lot, after.leader),
        leader_id=after.leader,
        reserve_met=_reserve_met(lot, after),
        at=at,
        own_raise=unchanged and bidder == after.leader,
    )
    if unchanged:
        return (accepted, *_outbid(lot, before, after, bidder))
    ends_at = extended_end(lot.terms.soft_close, ends_at=lot.ends_at, bid_at=at)
    extended = (events.EndExtended(from_=lot.ends_at, to=ends_at),) if ends_at > lot.ends_at else ()
    return (accepted, *_outbid(lot, before, after, bidder), *extended)


def _outbid(lot: Lot, before: Standing | None, after: Standing, bidder: str) -> Events:
    """The one who lost the lead, or the bidder whom an earlier maximum beat at once."""
    loser = bidder if after.leader != bidder else None if before is None else before.leader
    if loser is None or loser == after.leader:
        return ()
    minimum = next_minimum(lot.terms, after.price_minor)
    price = after.price_minor
    return (events.Outbid(bidder=mask_of(lot, loser), bidder_id=loser, price_minor=price, minimum_minor=minimum),)


def retract_bid(lot: Lot, command: commands.RetractBid, ctx: Context) -> Events:
    """Take a bid back and let the others stand as if it had never been; nothing when that is done already."""
    bidder = bidder_of(command.bidder_id, ctx)
    if command.reason not in RETRACT_REASONS:
        raise refusals.ReasonInvalid(f"reason: {' or '.join(RETRACT_REASONS)}")
    check_phase(lot, "english")
    bid = lot.bids.get(command.bid_id)
    if bid is None or bid.bidder != bidder:
        raise NotFound("you have no such bid on this lot")
    if bid.retracted:
        return ()
    gone = _retractable(lot, command.bid_id, bid, now=ctx.now)
    after = refold(lot.terms, (bid for key, bid in lot.bids.items() if not bid.retracted and key not in gone))
    return (
        events.BidRetracted(
            bid_ids=gone,
            bidder=mask_of(lot, bidder),
            bidder_id=bidder,
            reason=command.reason,
            price_minor=None if after is None else after.price_minor,
            leader=None if after is None else mask_of(lot, after.leader),
            leader_id=None if after is None else after.leader,
            reserve_met=_reserve_met(lot, after),
        ),
    )


def _retractable(lot: Lot, bid_id: str, bid: Bid, *, now: datetime) -> tuple[str, ...]:
    """Early on all bids of the bidder go; in the last 12 hours only a bid of those hours, within one hour."""
    last_hours = lot.ends_at - LAST_HOURS
    if now < last_hours:
        return tuple(key for key, other in lot.bids.items() if other.bidder == bid.bidder and not other.retracted)
    if bid.at < last_hours or now >= bid.at + RETRACT_WITHIN:
        raise refusals.RetractionWindow("in the last 12 hours only a bid placed in them, within an hour of placing it")
    return (bid_id,)


def buy_now(lot: Lot, command: commands.BuyNow, ctx: Context) -> Events:
    """Sell at the buy-now price and close at once."""
    bidder = bidder_of(command.bidder_id, ctx)
    check_phase(lot, "english")
    check_currency(command.currency, lot.terms.currency)
    check_eligible(lot, bidder)
    price = lot.terms.buy_now_minor
    if price is None or not lot.buy_now_open:
        raise refusals.BuyNowGone(
            "the buy-now offer is over; bid instead" if price else "this lot has no buy-now price"
        )
    check_credit(lot, bidder, price)
    bought = events.BoughtNow(bidder=mask_of(lot, bidder), bidder_id=bidder, price_minor=price)
    return (bought, settlement.sold(lot, winner=bidder, price_minor=price, effective_at=ctx.now, cause=ctx.cause))


def accept(lot: Lot, command: commands.Accept, ctx: Context) -> Events:
    """Sell a Dutch lot to the first who takes it, at the price of this moment."""
    bidder = bidder_of(command.bidder_id, ctx)
    check_phase(lot, "dutch")
    check_currency(command.currency, lot.terms.currency)
    check_eligible(lot, bidder)
    price = dutch_price(lot, ctx.now)
    check_credit(lot, bidder, price)
    taken = events.PriceAccepted(bidder=mask_of(lot, bidder), bidder_id=bidder, price_minor=price)
    return (taken, settlement.sold(lot, winner=bidder, price_minor=price, effective_at=ctx.now, cause=ctx.cause))


def dutch_price(lot: Lot, now: datetime) -> int:
    """The price by the clock: whole steps down since the opening, to the floor at the lowest."""
    schedule = lot.terms.schedule
    if schedule is None:
        return lot.terms.start_minor
    steps = (now - lot.clock_from) // timedelta(seconds=schedule.every_s)
    return max(schedule.floor_minor, lot.terms.start_minor - schedule.step_minor * steps)


def register_bidder(lot: Lot, command: commands.RegisterBidder) -> Events:
    """Admit a bidder with a limit; nothing when the same is known already."""
    if lot.status in ENDED:
        raise refusals.TooLate("the lot has ended")
    limit = None if command.limit_minor is None else minor(command.limit_minor, "limit_minor")
    exposure = minor(command.exposure_minor, "exposure_minor")
    known = lot.registrations.get(command.bidder_id)
    if known is not None and (known.limit_minor, known.exposure_minor) == (limit, exposure):
        return ()
    return (events.BidderRegistered(bidder_id=command.bidder_id, limit_minor=limit, exposure_minor=exposure),)


def accept_terms(lot: Lot, command: commands.AcceptTerms, ctx: Context) -> Events:
    """Note the agreement; nothing when it is noted already."""
    bidder = bidder_of(command.bidder_id, ctx)
    if lot.status in ENDED:
        raise refusals.TooLate("the lot has ended")
    if command.terms_of_sale != lot.terms.terms_of_sale:
        raise ValidationFailed(f"terms_of_sale: this lot is sold on {lot.terms.terms_of_sale or 'no special terms'}")
    if lot.agreed.get(bidder) == command.terms_of_sale:
        return ()
    return (events.TermsAccepted(bidder_id=bidder, terms_of_sale=command.terms_of_sale),)


def standing_of(lot: Lot) -> Standing | None:
    """Who leads now, with which maximum, at which price."""
    if lot.leader is None or lot.price_minor is None:
        return None
    return Standing(lot.leader, lot.leader_max_minor, lot.price_minor)


def _reserve_met(lot: Lot, standing: Standing | None) -> bool:
    reserve = lot.terms.reserve_minor
    return reserve is None or (standing is not None and standing.max_minor >= reserve)
