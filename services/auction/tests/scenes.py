"""Who takes part in the tests, and lots for them to bid on."""

from datetime import datetime, timedelta
from typing import Any

from holdfast import Actor
from holdfast.testing import Scenario, given
from services.auction.contract import Band, CreateLot, PlaceBid
from services.auction.domain import Auction

NOON = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
END = NOON + timedelta(days=3)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

SELLER = Actor(user="sue", roles=("seller",))
AUCTIONEER = Actor(user="otto", roles=("auctioneer",))
CLERK = Actor(user="clara", roles=("clerk",))
ANN, BOB, CAT, DAN = (Actor(user=user, roles=("bidder",)) for user in ("ann", "bob", "cat", "dan"))
FIFTIES = (Band(from_minor=0, step_minor=50),)


def english(**changes: Any) -> CreateLot:
    """A lot in dollars from 1.00, open for three days from noon."""
    terms: dict[str, Any] = {"currency": "USD", "start_minor": 100, "ends_at": END, **changes}
    return CreateLot(**terms)


def listed(**changes: Any) -> Scenario:
    """An open English lot of the seller."""
    return given(Auction(), at=NOON, id_="lot-1").when(english(**changes), by=SELLER)


def bid(max_minor: float, **changes: Any) -> PlaceBid:
    return PlaceBid(max_minor=max_minor, **changes)
