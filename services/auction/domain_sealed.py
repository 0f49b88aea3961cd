"""Sealed auctions, first-price and Vickrey: bidders commit to an amount and reveal it after the end."""

import hashlib
from datetime import timedelta

from holdfast import Context, Name
from holdfast.money import check_currency, minor
from services.auction import domain_commands as commands
from services.auction import domain_errors as refusals
from services.auction import domain_events as events
from services.auction.domain_eligibility import bidder_of, check_credit, check_eligible, check_phase
from services.auction.domain_lot import Lot, mask_of

Events = tuple[events.AuctionEvent, ...]


def commitment_of(name: Name, bidder: str, max_minor: int, nonce: str) -> str:
    """What a bidder hands in: bound to the lot, the bidder and the amount, and opened by the nonce."""
    return hashlib.sha256(f"{name}|{bidder}|{max_minor}|{nonce}".encode()).hexdigest()


def commit_bid(lot: Lot, command: commands.CommitBid, ctx: Context) -> Events:
    """Hand in a sealed bid; nothing when this very one was handed in already."""
    check_phase(lot, "sealed", "vickrey")
    bidder = bidder_of(command.bidder_id, ctx)
    check_eligible(lot, bidder)
    earlier = lot.sealed.get(bidder)
    if earlier is not None and earlier.commitment == command.commitment:
        return ()
    return (
        events.BidCommitted(bidder=mask_of(lot, bidder), bidder_id=bidder, commitment=command.commitment, at=ctx.now),
    )


def open_reveal(lot: Lot, ctx: Context) -> events.RevealOpened:
    """Bidding ends, revealing begins."""
    began = ctx.due_at or ctx.now
    reveal_ends_at = began + timedelta(seconds=lot.terms.reveal_s)
    return events.RevealOpened(reveal_ends_at=reveal_ends_at, effective_at=began, cause=ctx.cause)


def reveal_bid(lot: Lot, command: commands.RevealBid, ctx: Context) -> Events:
    """Open a sealed bid; nothing when it is open already."""
    check_phase(lot, "sealed", "vickrey", status="revealing")
    bidder = bidder_of(command.bidder_id, ctx)
    max_minor = minor(command.max_minor, "max_minor")
    sealed = lot.sealed.get(bidder)
    if sealed is None or sealed.commitment != commitment_of(ctx.name, bidder, max_minor, command.nonce):
        raise refusals.CommitmentMismatch("send the amount and the nonce that you committed to")
    if sealed.max_minor is not None:
        return ()
    check_currency(command.currency, lot.terms.currency)
    if max_minor < lot.terms.start_minor:
        raise refusals.BidTooLow(f"bid at least {lot.terms.start_minor}", minimum=lot.terms.start_minor)
    check_credit(lot, bidder, max_minor)
    return (events.BidRevealed(bidder=mask_of(lot, bidder), bidder_id=bidder, max_minor=max_minor),)


def sealed_result(lot: Lot) -> tuple[str | None, int | None, bool]:
    """Who wins, what the winner pays, and whether the reserve is met.

    The highest revealed bid wins, of equal ones the earlier commitment. First price: it pays itself. Vickrey: it pays
    the second highest bid, at least the reserve (or the start); after a tie that is the same amount.
    """
    ranked = sorted(
        ((bid.max_minor, bidder) for bidder, bid in lot.sealed.items() if bid.max_minor is not None),
        key=lambda revealed: -revealed[0],
    )
    if not ranked:
        return None, None, False
    highest, winner = ranked[0]
    least = lot.terms.reserve_minor or lot.terms.start_minor
    if highest < least:
        return winner, None, False
    if lot.terms.type == "sealed":
        return winner, highest, True
    return winner, max([least, *(amount for amount, _ in ranked[1:2])]), True
