"""Which watched entities differ from the log: the server republishes commits without a promise."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from holdfast import Name
from holdfast.client import Client
from holdfast.wire import NEWEST_AT_ONCE, Reach


@dataclass(frozen=True, slots=True)
class _Look:
    """At the log of one purpose."""

    reach: Reach
    since: int
    """What the look before this one knew. The next one begins here: who is busy may be left out of one look, not of two."""
    known_to: int


class Comparison:
    """Compares with a log at the cost of what is new in it: one request while nothing is.

    Only what is compared for the first time is compared whole, and everything after commits have left the log, since
    that may have been a deletion.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looks: dict[str, _Look] = {}

    async def differing(
        self, purpose: str, reach: Reach, shown: Mapping[Name, int], *, new: Collection[Name]
    ) -> dict[Name, int]:
        """The last seq of those that have another one than was shown, 0 where none was found; it may be outdated.

        `reach` was asked before it was looked at who was busy, and `new` are those that were not compared before. After
        a failure everything is as if nobody had asked.
        """
        before = self._looks.get(purpose)
        if before is None or (before.reach.created, before.reach.removed) != (reach.created, reach.removed):
            found, known_to = await self._newest(shown, after=0)
            since, whole = 0, shown.keys()
        else:
            since, whole = before.known_to, set(new)
            found, _ = await self._newest(whole, after=0)
            known_to = reach.end
            if reach.end > before.since:
                fresh, known_to = await self._newest(shown.keys() - whole, after=before.since)
                found |= fresh
        self._looks[purpose] = _Look(reach, since, min(known_to, reach.end))
        seqs = dict.fromkeys(whole, 0) | found
        return {name: seq for name, seq in seqs.items() if seq != shown[name]}

    async def _newest(self, names: Iterable[Name], *, after: int) -> tuple[dict[Name, int], int]:
        """What all of them have behind a position, and up to where that is known of each."""
        found: dict[Name, int] = {}
        known_to: list[int] = []
        rest = iter(names)
        while some := tuple(islice(rest, NEWEST_AT_ONCE)):
            newest = await self._client.newest(some, after=after)
            found |= newest.seqs
            known_to.append(newest.known_to)
        return found, min(known_to, default=after)
