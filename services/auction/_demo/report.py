"""The table at the end of a demo."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final

from holdfast.testing.demos import latency, table
from services.auction._demo.checks import CHECKS, counted
from services.auction._demo.evidence import Bid, Evidence, Kill

PAUSE_SECONDS: Final = 10.0
"""How long after a kill a gap between answers is put down to it."""


def report(seen: Evidence, *, seed: int) -> tuple[str, bool]:
    """The table as text, and whether every check holds."""
    return table(_figures(seen), CHECKS, seen, seed=seed)


def _figures(seen: Evidence) -> Iterator[tuple[str, str]]:
    counts = counted(seen)
    accepted = counts.pop("accepted", 0)
    yield "bids", f"{len(seen.bids)} sent, {accepted} accepted, {counts.total()} refused"
    yield "refused", ", ".join(f"{count} {code}" for code, count in counts.most_common()) or "none"
    repeated = [bid for bid in seen.bids if bid.attempts > 1]
    known = sum(1 for bid in repeated if bid.answer.get("deduplicated"))
    yield "sent again", f"{len(repeated)} bids after a lost connection or answer, {known} of them accepted before"
    ends = [*(kill.at for kill in seen.kills[1:]), inf]
    for kill, until in zip(seen.kills, ends, strict=False):
        pause = _pause(seen.bids, kill, until=min(until, kill.at + PAUSE_SECONDS))
        yield "killed", f"pid {kill.pid}; nothing acknowledged for {pause * 1000:.0f} ms"
    yield "latency", latency(bid.answered_at - bid.sent_at for bid in seen.bids if bid.answer)
    yield "events", str(len(seen.log))
    for sighting in seen.sightings:
        yield (
            "watcher",
            f"{sighting.viewer} ({sighting.kind}): {len(sighting.events)} events, {sighting.resumes} resumes",
        )
    price = next((event["data"]["price_minor"] for event in reversed(seen.log) if event["type"] == "auction_closed"), 0)
    yield "price", f"{price or 0} {seen.lot['currency']} in minor units"


def _pause(bids: Sequence[Bid], kill: Kill, *, until: float) -> float:
    """The longest time without an acknowledgement that begins before `until` and ends after a kill, in seconds."""
    times = sorted(bid.answered_at for bid in bids if bid.accepted)
    gaps = [later - earlier for earlier, later in pairwise(times) if earlier < until and later > kill.at]
    return max(gaps, default=0.0)
