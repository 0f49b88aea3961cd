"""English bidding by proxy: who leads, at what price, and when the lot ends."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec

from services.auction.domain_increments import Bands, increment

Mode = Literal["FROM_BID", "ADD"]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]


class PriceRules(Protocol):
    """What of a lot decides the price."""

    @property
    def start_minor(self) -> int: ...

    @property
    def reserve_minor(self) -> int | None: ...

    @property
    def increments(self) -> Bands: ...


class Proxy(Protocol):
    """One bid: its bidder lets the auction bid up to `max_minor`."""

    @property
    def bidder(self) -> str: ...

    @property
    def max_minor(self) -> int: ...


class Standing(NamedTuple):
    """Who leads, the leader's hidden maximum, and the public price."""

    leader: str
    max_minor: int
    price_minor: int


class SoftClose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bid within the last `w_s` seconds moves the end: `FROM_BID` to `x_s` after it, `ADD` by `x_s`."""

    w_s: Seconds = 120
    x_s: Seconds = 120
    mode: Mode = "FROM_BID"
    max_end: Moment | None = None


def resolve(rules: PriceRules, standing: Standing | None, bidder: str, max_minor: int) -> Standing:
    """The standing after one more bid. Of equal maxima the earlier in the log leads."""
    if standing is None:
        return Standing(bidder, max_minor, _reserved(rules, max_minor, rules.start_minor))
    leader, top, price = standing
    if bidder == leader:
        top = max(top, max_minor)
    elif max_minor > top:
        price = min(max_minor, top + increment(rules.increments, top))
        leader, top = bidder, max_minor
    else:
        price = max(price, min(top, max_minor + increment(rules.increments, max_minor)))
    return Standing(leader, top, _reserved(rules, top, price))


def refold(rules: PriceRules, bids: Iterable[Proxy]) -> Standing | None:
    """The standing that these bids alone, in this order, lead to."""
    standing: Standing | None = None
    for bid in bids:
        standing = resolve(rules, standing, bid.bidder, bid.max_minor)
    return standing


def next_minimum(rules: PriceRules, price_minor: int | None) -> int:
    """The least that a new bidder must offer; the leader's hidden maximum has no part in it."""
    return rules.start_minor if price_minor is None else price_minor + increment(rules.increments, price_minor)


def extended_end(soft_close: SoftClose, *, ends_at: datetime, bid_at: datetime) -> datetime:
    """When the lot ends after a bid at `bid_at` that changed leader or price; never earlier than before."""
    if bid_at < ends_at - timedelta(seconds=soft_close.w_s):
        return ends_at
    extension = timedelta(seconds=soft_close.x_s)
    moved = max(ends_at, bid_at + extension) if soft_close.mode == "FROM_BID" else ends_at + extension
    return moved if soft_close.max_end is None else max(ends_at, min(moved, soft_close.max_end))


def _reserved(rules: PriceRules, top: int, price: int) -> int:
    """A leader below the reserve stands at his maximum; one who reaches it pays at least the reserve."""
    if rules.reserve_minor is None:
        return price
    return max(price, rules.reserve_minor) if top >= rules.reserve_minor else top
