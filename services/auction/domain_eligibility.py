"""Who may act on a lot: for whom a command speaks, who may bid, and up to what amount."""

from datetime import timedelta
from typing import Final

from holdfast import Context, Forbidden
from services.auction import domain_errors as refusals
from services.auction.domain_commands import LotType
from services.auction.domain_lot import ENDED, Lot, Status

LAST_HOURS: Final = timedelta(hours=12)
"""Near the end a seller may not change a lot with bids, and bidders may hardly retract."""


def bidder_of(bidder_id: str | None, ctx: Context) -> str:
    """For whom this command speaks: the sender, or anyone when the sender is a clerk."""
    if bidder_id is not None and bidder_id != ctx.actor.user:
        if "clerk" not in ctx.actor.roles:
            raise Forbidden("leave out bidder_id, or send this with the role clerk")
        return bidder_id
    if "bidder" not in ctx.actor.roles:
        raise Forbidden("say for whom with bidder_id, or send this with the role bidder")
    return ctx.actor.user


def check_phase(lot: Lot, *types: LotType, status: Status = "open") -> None:
    """Refuse what belongs to another type of auction or does not fit the phase the lot is in."""
    if lot.terms.type not in types:
        raise refusals.WrongAuctionType(f"this lot is sold by {lot.terms.type} auction", type=lot.terms.type)
    if lot.status in ENDED or (lot.status == "revealing" and status == "open"):
        raise refusals.AuctionEnded("bidding on this lot has ended")
    if lot.paused_at is not None:
        raise refusals.NotOpen("the lot is paused; wait until it is resumed")
    if lot.status != status:
        opens_at = lot.terms.opens_at if lot.status == "scheduled" else lot.ends_at
        raise refusals.NotOpen(f"come back at {opens_at.isoformat()}", opens_at=opens_at.isoformat())


def check_eligible(lot: Lot, bidder: str) -> None:
    """Refuse the seller's side, the banned, and those who have not done what the lot asks first."""
    terms = lot.terms
    if bidder == terms.seller or bidder in terms.seller_agents:
        raise refusals.ShillBid("the seller and the seller's agents cannot bid on this lot")
    if bidder in lot.banned:
        raise refusals.NotEligible("the auctioneer has excluded you from this lot")
    if terms.terms_of_sale is not None and lot.agreed.get(bidder) != terms.terms_of_sale:
        raise refusals.NotEligible(
            f"accept the terms {terms.terms_of_sale!r} first (accept_terms)", terms_of_sale=terms.terms_of_sale
        )
    if terms.registration_required and bidder not in lot.registrations:
        raise refusals.NotEligible("ask the auctioneer to register you for this lot first")


def check_credit(lot: Lot, bidder: str, amount_minor: int) -> None:
    """Refuse an amount that, with what is owed on other lots, goes over the bidder's limit."""
    registration = lot.registrations.get(bidder)
    if registration is None or registration.limit_minor is None:
        return
    available = registration.limit_minor - registration.exposure_minor
    if amount_minor > available:
        raise refusals.CreditLimit(f"your limit leaves {max(available, 0)} for this lot", available=max(available, 0))


def check_owner(lot: Lot, ctx: Context) -> None:
    """Refuse everyone but the lot's seller and auctioneers."""
    if "auctioneer" not in ctx.actor.roles and ctx.actor.user != lot.terms.seller:
        raise Forbidden("only the seller of this lot or an auctioneer may do this")


def check_changeable(lot: Lot, ctx: Context) -> None:
    """Refuse changes to an ended lot, and the seller's to one with bids in its last 12 hours."""
    check_owner(lot, ctx)
    if lot.status in ENDED:
        raise refusals.TooLate("the lot has ended")
    if lot.bid_count and "auctioneer" not in ctx.actor.roles and ctx.now >= lot.ends_at - LAST_HOURS:
        raise refusals.HasBids("with bids, only an auctioneer may do this in the last 12 hours")
