"""All bids of a lot in the order of the log, cheap to append to."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import chain
from typing import Final, Self

import msgspec
from msgspec.structs import replace

PAGE: Final = 256
"""Each bid copies at most this many; a full page is put with the older ones in one copy."""


class Bid(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An accepted bid. `answered_minor` is the leader's automatic counter-bid, when there was one."""

    bidder: str
    max_minor: int
    shown_minor: int
    at: datetime
    answered_by: str | None = None
    answered_minor: int | None = None
    silent: bool = False
    """A leader's raise that changed nothing for others."""
    retracted: bool = False


class Bids(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bids by their ids. Never changed: `with_bid` and `without` make new ones."""

    older: dict[str, Bid] = {}
    newest: dict[str, Bid] = {}

    def __len__(self) -> int:
        return len(self.older) + len(self.newest)

    def get(self, bid_id: str) -> Bid | None:
        """The bid of this id."""
        return self.newest.get(bid_id) or self.older.get(bid_id)

    def items(self) -> Iterator[tuple[str, Bid]]:
        """Ids and bids, in the order of the log."""
        return chain(self.older.items(), self.newest.items())

    def newest_first(self) -> Iterator[tuple[str, Bid]]:
        """Ids and bids, against the order of the log."""
        return chain(reversed(self.newest.items()), reversed(self.older.items()))

    def standing(self) -> Iterator[Bid]:
        """The bids that were not retracted, in the order of the log."""
        return (bid for _, bid in self.items() if not bid.retracted)

    def with_bid(self, bid_id: str, bid: Bid) -> Self:
        """These bids and one more, the newest."""
        newest = {**self.newest, bid_id: bid}
        if len(newest) < PAGE:
            return replace(self, newest=newest)
        return replace(self, older={**self.older, **newest}, newest={})

    def without(self, bid_ids: AbstractSet[str]) -> Self:
        """These bids with some of them retracted."""
        return replace(self, older=_retract(self.older, bid_ids), newest=_retract(self.newest, bid_ids))


def _retract(bids: dict[str, Bid], bid_ids: AbstractSet[str]) -> dict[str, Bid]:
    return {key: replace(bid, retracted=True) if key in bid_ids else bid for key, bid in bids.items()}
