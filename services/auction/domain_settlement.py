"""The end of an auction and what follows: result, payment, second chance."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain

from holdfast import Context
from services.auction import domain_commands as commands
from services.auction import domain_errors as refusals
from services.auction import domain_events as events
from services.auction.domain_eligibility import bidder_of
from services.auction.domain_lot import Lot, Sale, mask_of
from services.auction.domain_sealed import sealed_result

Events = tuple[events.AuctionEvent, ...]


def close(lot: Lot, *, effective_at: datetime, cause: str) -> events.AuctionClosed:
    """The end of bidding: a buyer when someone leads and the reserve is met."""
    match lot.terms.type:
        case "english":
            winner, price = lot.leader, lot.price_minor
            met = lot.reserve_met
        case "sealed" | "vickrey":
            winner, price, met = sealed_result(lot)
        case "dutch":
            winner, price, met = None, None, False
    if winner is None or price is None or not met:
        return events.AuctionClosed(
            result="NO_BIDS" if winner is None else "UNSOLD_RESERVE",
            price_minor=price if lot.terms.type == "english" else None,
            bids=lot.bid_count,
            effective_at=effective_at,
            cause=cause,
        )
    return sold(lot, winner=winner, price_minor=price, effective_at=effective_at, cause=cause)


def sold(lot: Lot, *, winner: str, price_minor: int, effective_at: datetime, cause: str) -> events.AuctionClosed:
    """The end of an auction that found a buyer, who now has to pay."""
    return events.AuctionClosed(
        result="SOLD",
        winner=mask_of(lot, winner),
        winner_id=winner,
        price_minor=price_minor,
        bids=lot.bid_count,
        payment_due_at=effective_at + timedelta(seconds=lot.terms.payment_s),
        effective_at=effective_at,
        cause=cause,
    )


def payment_overdue(lot: Lot, sale: Sale, *, effective_at: datetime, cause: str) -> Events:
    """The buyer loses the lot, and the next bidder gets an offer when there is one."""
    overdue = events.PaymentOverdue(
        buyer_id=sale.buyer, price_minor=sale.price_minor, effective_at=effective_at, cause=cause
    )
    return (overdue, *_next_offer(lot, (*lot.passed, sale.buyer), effective_at))


def second_chance_lapsed(lot: Lot, offer: Sale, *, effective_at: datetime, cause: str) -> Events:
    """The offer is over, and the next bidder gets one when there is one."""
    lapsed = events.SecondChanceLapsed(bidder_id=offer.buyer, effective_at=effective_at, cause=cause)
    return (lapsed, *_next_offer(lot, (*lot.passed, offer.buyer), effective_at))


def confirm_payment(lot: Lot, command: commands.ConfirmPayment) -> Events:
    """Settle the lot; nothing when it is settled already."""
    if lot.status == "settled":
        return ()
    if lot.status != "sold" or lot.sale is None:
        raise refusals.NothingDue("no payment is awaited for this lot")
    return (events.Settled(buyer_id=lot.sale.buyer, price_minor=lot.sale.price_minor, reference=command.reference),)


def accept_second_chance(lot: Lot, command: commands.AcceptSecondChance, ctx: Context) -> Events:
    """Sell to the next bidder; nothing when he has bought already."""
    bidder = bidder_of(command.bidder_id, ctx)
    if lot.status == "sold" and lot.passed and lot.sale is not None and lot.sale.buyer == bidder:
        return ()
    offer = _offer_to(lot, bidder)
    payment_due_at = ctx.now + timedelta(seconds=lot.terms.payment_s)
    return (
        events.SecondChanceAccepted(bidder_id=bidder, price_minor=offer.price_minor, payment_due_at=payment_due_at),
    )


def decline_second_chance(lot: Lot, command: commands.DeclineSecondChance, ctx: Context) -> Events:
    """Pass the offer on to the next bidder; nothing when this one has let it go already."""
    bidder = bidder_of(command.bidder_id, ctx)
    if bidder in lot.passed and bidder != lot.winner:
        return ()
    _offer_to(lot, bidder)
    return (events.SecondChanceDeclined(bidder_id=bidder), *_next_offer(lot, (*lot.passed, bidder), ctx.now))


def _offer_to(lot: Lot, bidder: str) -> Sale:
    if lot.status != "offered" or lot.sale is None or lot.sale.buyer != bidder:
        raise refusals.NoOffer("there is no second-chance offer to you on this lot")
    return lot.sale


def _next_offer(lot: Lot, passed: tuple[str, ...], at: datetime) -> Iterator[events.AuctionEvent]:
    """An offer to the highest bidder left, at his own maximum; never below the reserve."""
    reserve = lot.terms.reserve_minor or 0
    for bidder, max_minor in _highest_first(lot):
        if max_minor >= reserve and bidder not in passed and bidder not in lot.banned:
            expires_at = at + timedelta(seconds=lot.terms.payment_s)
            yield events.SecondChanceOffered(bidder_id=bidder, price_minor=max_minor, expires_at=expires_at)
            return


def _highest_first(lot: Lot) -> Iterable[tuple[str, int]]:
    """All standing maxima, the highest first, of equal ones the earlier first."""
    english = ((bid.bidder, bid.max_minor) for bid in lot.bids.standing())
    sealed = ((bidder, bid.max_minor) for bidder, bid in lot.sealed.items() if bid.max_minor is not None)
    return sorted(chain(english, sealed), key=_max_minor, reverse=True)


def _max_minor(standing: tuple[str, int]) -> int:
    return standing[1]
