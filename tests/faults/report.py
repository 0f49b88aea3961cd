"""Prints what callers waited through faults, and what NATS itself needed of that."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from holdfast.testing.servers import NatsServer
from tests.faults.load import Fault, Load

ELECTION_SECONDS = 15.0
"""An election that begins with a fault is over by then."""
_LEADER = re.compile(
    r"^\[\d+\] (\S+ \S+) \[INF\] JetStream cluster new (metadata|stream) leader(?: for '(?:.* > )?(.*)')?"
)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; they come in order."""
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)]


def report(running: Load, *, targets: Mapping[str, float] | None = None) -> None:
    """Print what the callers saw, beside the targets for the p99 of kinds of faults."""
    waits = running.waits()
    figures = ", ".join(f"p{share * 100:g} {percentile(waits, share):.3f} s" for share in (0.5, 0.9, 0.99))
    print(f"\n{running.calls:,} commands, all acknowledged, each once; waits {figures}, longest {waits[-1]:.3f} s")
    for kind in sorted({fault.kind for fault in running.faults}):
        _report_kind(running, kind, (targets or {}).get(kind))
    told = Counter(error.partition(" ")[0] for error in running.tally.errors)
    kinds = "".join(f", {count} {code}" for code, count in sorted(told.items()))
    print(
        f"errors told to callers: {len(running.tally.errors)}{kinds}; connections closed: {len(running.tally.closed)}"
    )


def _report_kind(running: Load, kind: str, target: float | None) -> None:
    """The slowest caller of each entity at each fault: p50 and p99 of these, which are worse than those of commands."""
    waits = running.takeovers(kind)
    count = sum(fault.kind == kind for fault in running.faults)
    middle, late = (percentile(waits, share) for share in (0.5, 0.99))
    wanted = "" if target is None else f" (wanted: below {target:g} s)"
    print(
        f"{kind:<20} x{count:<3} slowest caller of an entity: p50 {middle:.3f} s, p99 {late:.3f} s{wanted}, longest "
        f"{waits[-1]:.3f} s; of {len(waits)}, with {running.near(kind):,} commands"
    )


def report_elections(running: Load, kind: str, nodes: Sequence[NatsServer]) -> None:
    """For each fault of NATS servers, how long the cluster was without a leader, beside what callers waited."""
    for fault in running.faults:
        if fault.kind == kind:
            took = elections(nodes, fault)
            told = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items()) or "none was needed"
            print(
                f"  {kind} ({fault.what}): elections of NATS: {told}; slowest caller {running.longest_after(fault):.1f} s"
            )


def elections(nodes: Sequence[NatsServer], fault: Fault) -> dict[str, float]:
    """The first new leader of each stream, and of all leaders, after a fault: the seconds until the servers log it."""
    found: dict[str, float] = {}
    for node in nodes:
        for line in node.log.read_text(errors="replace").splitlines():
            match = _LEADER.match(line)
            if match is None:
                continue
            at = datetime.strptime(match[1], "%Y/%m/%d %H:%M:%S.%f").astimezone(UTC)
            after, what = (at - fault.wall).total_seconds(), match[3] or match[2]
            if 0 < after < ELECTION_SECONDS:
                found[what] = min(after, found.get(what, math.inf))
    return dict(sorted(found.items(), key=lambda each: each[1]))
