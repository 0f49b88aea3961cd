"""The slow, independent oracle of English bidding: every answer is worked out anew from the whole list of bids.

It shares no code with the domain on purpose, so that the tests and `holdfast demo auction` can hold one against the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

Steps = Sequence[tuple[int, int]]
"""(from this price, step) pairs in minor units."""

EBAY_US: Final[Steps] = (
    (0, 5),
    (100, 25),
    (500, 50),
    (2500, 100),
    (10000, 250),
    (25000, 500),
    (50000, 1000),
    (100000, 2500),
    (250000, 5000),
    (500000, 10000),
)


@dataclass(frozen=True, kw_only=True)
class ReferenceBid:
    """One accepted bid, as a list of them in the order of the log."""

    bidder: str
    max_minor: int
    at: datetime | None = None


def reference_price(
    bids: Sequence[ReferenceBid], *, start_minor: int, reserve_minor: int | None = None, steps: Steps = EBAY_US
) -> int | None:
    """The price that these bids lead to, or None without any. Quadratic in the number of bids.

    Whenever someone bid who did not lead, the price was one step over the second highest maximum of that moment, but
    not over the highest; it never falls. The reserve looks at the highest maximum of the very end.
    """
    if not bids:
        return None
    contests = (
        _contested(bids[:count], steps)
        for count in range(2, len(bids) + 1)
        if bids[count - 1].bidder != reference_leader(bids[: count - 1])
    )
    price = max([start_minor, *contests])
    if reserve_minor is None:
        return price
    highest = max(bid.max_minor for bid in bids)
    return highest if highest < reserve_minor else max(price, reserve_minor)


def reference_leader(bids: Sequence[ReferenceBid]) -> str | None:
    """Who leads: the highest maximum, of equal ones the one that was there first."""
    highest = max((bid.max_minor for bid in bids), default=None)
    return next((bid.bidder for bid in bids if bid.max_minor == highest), None)


def reference_minimum(price_minor: int | None, *, start_minor: int, steps: Steps = EBAY_US) -> int:
    """The least that the next bidder must offer."""
    return start_minor if price_minor is None else price_minor + _step(price_minor, steps)


def reference_end(
    bids: Sequence[ReferenceBid],
    *,
    start_minor: int,
    ends_at: datetime,
    window: timedelta,
    extension: timedelta,
    add: bool = False,
    max_end: datetime | None = None,
    reserve_minor: int | None = None,
    steps: Steps = EBAY_US,
) -> datetime:
    """When the lot ends after these bids, none of them retracted."""
    for count in range(1, len(bids) + 1):
        outcomes = [
            (
                reference_leader(bids[:upto]),
                reference_price(bids[:upto], start_minor=start_minor, reserve_minor=reserve_minor, steps=steps),
            )
            for upto in (count - 1, count)
        ]
        at = bids[count - 1].at
        if at is None or outcomes[0] == outcomes[1] or ends_at - at > window:
            continue
        later = ends_at + extension if add else at + extension
        if max_end is not None and later > max_end:
            later = max_end
        ends_at = max(ends_at, later)
    return ends_at


def _contested(bids: Sequence[ReferenceBid], steps: Steps) -> int:
    """One step over the highest maximum of those who do not lead, but not over the leader's."""
    leader = reference_leader(bids)
    second = max(bid.max_minor for bid in bids if bid.bidder != leader)
    return min(max(bid.max_minor for bid in bids), second + _step(second, steps))


def _step(price: int, steps: Steps) -> int:
    found = 0
    for from_price, step in steps:
        if price >= from_price:
            found = step
    return found
