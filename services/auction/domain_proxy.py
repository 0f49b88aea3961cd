"""English bidding by proxy: who leads, and at what price."""

from collections.abc import Iterable
from typing import NamedTuple

from services.auction.domain_bids import Bid
from services.auction.domain_increments import increment
from services.auction.domain_lot import Terms


class Standing(NamedTuple):
    """Who leads, the leader's hidden maximum, and the public price."""

    leader: str
    max_minor: int
    price_minor: int


def resolve(terms: Terms, standing: Standing | None, bidder: str, max_minor: int) -> Standing:
    """The standing after one more bid. Of equal maxima the earlier in the log leads."""
    if standing is None:
        return Standing(bidder, max_minor, _reserved(terms, max_minor, terms.start_minor))
    leader, top, price = standing
    if bidder == leader:
        top = max(top, max_minor)
    elif max_minor > top:
        price = min(max_minor, top + increment(terms.increments, top))
        leader, top = bidder, max_minor
    else:
        price = max(price, min(top, max_minor + increment(terms.increments, max_minor)))
    return Standing(leader, top, _reserved(terms, top, price))


def refold(terms: Terms, bids: Iterable[Bid]) -> Standing | None:
    """The standing that these bids alone, in this order, lead to."""
    standing: Standing | None = None
    for bid in bids:
        standing = resolve(terms, standing, bid.bidder, bid.max_minor)
    return standing


def next_minimum(terms: Terms, price_minor: int | None) -> int:
    """The least that a new bidder must offer; the leader's hidden maximum has no part in it."""
    return terms.start_minor if price_minor is None else price_minor + increment(terms.increments, price_minor)


def _reserved(terms: Terms, top: int, price: int) -> int:
    """A leader below the reserve stands at his maximum; one who reaches it pays at least the reserve."""
    if terms.reserve_minor is None:
        return price
    return max(price, terms.reserve_minor) if top >= terms.reserve_minor else top
