"""Who may see what of an event (rule C9): a maximum only its bidder, names behind masks the seller and auctioneers.

A guard named `by` hides who sent the command, which for a bid would give away the bidder.
"""

from collections.abc import Mapping
from typing import assert_never

from holdfast import Audience
from services.auction import domain_events as events
from services.auction.domain_lot import Lot

AUCTIONEER = "role:auctioneer"
Tags = tuple[str, ...]


def audience(event: events.AuctionEvent, lot: Lot) -> Audience | None:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """Who may see this event, given the lot after it; None means everyone."""
    house: Tags = (f"user:{lot.terms.seller}", AUCTIONEER)
    match event:
        case events.LotCreated():
            return Audience(fields={"reserve_minor": house, "seller_agents": house})
        case events.BidAccepted():
            return _of_bid(event, house)
        case (
            events.Outbid(bidder_id=bidder)
            | events.BoughtNow(bidder_id=bidder)
            | events.PriceAccepted(bidder_id=bidder)
            | events.BidCommitted(bidder_id=bidder)
        ):
            return Audience(fields={**_named("bidder_id", bidder, house), "by": house})
        case events.BidRevealed(bidder_id=bidder):
            own: Tags = (f"user:{bidder}",)
            return Audience(fields={**_named("bidder_id", bidder, house), "max_minor": own, "by": (*own, *house)})
        case events.EndExtended():
            return Audience(fields={"by": house})
        case events.AuctionClosed(winner_id=winner, cause=cause):
            guards = {**_named("winner_id", winner, house), "payment_due_at": (*_user(winner), *house)}
            return Audience(fields={**guards, "by": house} if cause == "command" else guards)
        case events.BidRetracted(bidder_id=bidder, leader_id=leader):
            return Audience(
                fields={**_named("bidder_id", bidder, house), **_named("leader_id", leader, house), "by": house}
            )
        case (
            events.BidderRegistered(bidder_id=bidder)
            | events.TermsAccepted(bidder_id=bidder)
            | events.BidderBanned(bidder_id=bidder)
            | events.BidderUnbanned(bidder_id=bidder)
        ):
            return Audience(only=(f"user:{bidder}", AUCTIONEER))
        case (
            events.SecondChanceOffered(bidder_id=bidder)
            | events.SecondChanceAccepted(bidder_id=bidder)
            | events.SecondChanceDeclined(bidder_id=bidder)
            | events.SecondChanceLapsed(bidder_id=bidder)
        ):
            return Audience(only=(f"user:{bidder}", *house))
        case events.PaymentOverdue(buyer_id=buyer):
            return Audience(only=(f"user:{buyer}", *house))
        case events.Settled(buyer_id=buyer):
            private: Tags = (f"user:{buyer}", *house)
            return Audience(fields={"buyer_id": private, "price_minor": private, "reference": private})
        case (
            events.LotOpened()
            | events.RevealOpened()
            | events.LotCancelled()
            | events.LotRelisted()
            | events.LotPaused()
            | events.LotResumed()
            | events.DescriptionAmended()
            | events.IncrementsChanged()
        ):
            return None
        case _:
            assert_never(event)


def _of_bid(event: events.BidAccepted, house: Tags) -> Audience:
    bidder: Tags = (f"user:{event.bidder_id}",)
    if event.own_raise:
        return Audience(only=bidder)
    return Audience(
        fields={
            **_named("bidder_id", event.bidder_id, house),
            **_named("leader_id", event.leader_id, house),
            "max_minor": bidder,
            "by": (*bidder, *house),
        }
    )


def _named(field: str, user: str | None, house: Tags) -> Mapping[str, Tags]:
    return {field: (*_user(user), *house)}


def _user(user: str | None) -> Tags:
    return () if user is None else (f"user:{user}",)
