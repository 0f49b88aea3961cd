"""A steady load on a fleet through its doors, and what it shows of faults: who waited, and for how long."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from uuid import uuid4

from holdfast import Name
from holdfast.client import Client
from tests.faults.callers import Follower, Poster, Tally, at_a_pace
from tests.faults.fleet import Fleet
from tests.faults.history import ANN, History

PATIENCE = 120.0
WINDOW_SECONDS = 3.0
"""Calls that were sent this long after a fault may have waited because of it."""
CALLS_PER_SECOND = 5.0
"""Of one caller."""


@dataclass(frozen=True)
class Shape:
    """How much load: each follower calls and watches `watched` entities, each poster calls one and looks at it."""

    entities: int = 12
    followers: int = 6
    watched: int = 4
    posters: int = 4

    @property
    def per_second(self) -> float:
        """The commands that are sent in a second, as long as none has to wait."""
        return (self.followers * self.watched + self.posters) * CALLS_PER_SECOND


@dataclass(frozen=True)
class Fault:
    """Something that was done to the system."""

    kind: str
    at: float


@dataclass
class Load:
    """What callers were told until now."""

    histories: list[History]
    tally: Tally = field(default_factory=Tally)
    faults: list[Fault] = field(default_factory=list[Fault])

    @property
    def calls(self) -> int:
        """How many commands were acknowledged."""
        return sum(len(history.calls) for history in self.histories)

    def note(self, kind: str) -> None:
        """Remember that something is done to the system now."""
        self.faults.append(Fault(kind, time.monotonic()))

    async def more(self, count: int) -> None:
        """Wait until every entity was answered so many times more."""
        enough = [len(history.calls) + count for history in self.histories]
        async with asyncio.timeout(PATIENCE):
            while any(len(history.calls) < wanted for history, wanted in zip(self.histories, enough, strict=True)):
                await asyncio.sleep(0.01)

    def longest_wait(self) -> float:
        """The longest time in seconds that any caller waited for an answer."""
        return max(call.wait for history in self.histories for call in history.calls)

    def takeovers(self, kind: str) -> list[float]:
        """For each fault of this kind and each entity, how long after the fault its slowest caller was answered."""
        return [
            max(self._waits(history, fault), default=0.0)
            for fault in self.faults
            if fault.kind == kind
            for history in self.histories
        ]

    def _waits(self, history: History, fault: Fault) -> Sequence[float]:
        return [
            call.answered - max(call.sent, fault.at)
            for call in history.calls
            if call.sent < fault.at + WINDOW_SECONDS and call.answered > fault.at
        ]

    def report(self) -> None:
        """Print what the callers saw."""
        print(f"\n{self.calls:,} commands acknowledged, longest wait of any caller {self.longest_wait():.3f} s")
        for kind in sorted({fault.kind for fault in self.faults}):
            waits = sorted(self.takeovers(kind))
            count = sum(fault.kind == kind for fault in self.faults)
            middle, late = (percentile(waits, share) for share in (0.5, 0.99))
            print(f"{kind:<24} x{count:<3} wait p50 {middle:.3f} s, p99 {late:.3f} s, longest {waits[-1]:.3f} s")
        print(f"errors told to callers: {len(self.tally.errors)}, connections closed: {len(self.tally.closed)}")


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; they come in order."""
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)]


@asynccontextmanager
async def load(fleet: Fleet, shape: Shape) -> AsyncGenerator[Load]:
    """Callers at work until the end of the block; afterwards everything they were told is checked against the log."""
    running = Load([History(Name.of("counter", "acme", uuid4().hex)) for _ in range(shape.entities)])
    async with await fleet.client() as client:
        for history in running.histories:
            await client.send(history.name, "add", by=ANN, timeout=PATIENCE)
        async with _following(fleet, shape, running, client) as followers, _posting(fleet, shape, running) as posters:
            done = asyncio.Event()
            async with asyncio.TaskGroup() as calling:
                for work in _work(running, followers, posters):
                    calling.create_task(at_a_pace(work, per_second=CALLS_PER_SECOND, until=done))
                try:
                    yield running
                finally:
                    done.set()
        for history in running.histories:
            await history.check(client)


@asynccontextmanager
async def _following(fleet: Fleet, shape: Shape, running: Load, client: Client) -> AsyncGenerator[list[Follower]]:
    """WebSocket clients that in the end have seen everything."""
    spread = cycle(running.histories)
    followers = [
        Follower(fleet.doors, fleet.token(f"ann{number}"), list(islice(spread, shape.watched)), running.tally)
        for number in range(shape.followers)
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follower.run()) for follower in followers]
        yield followers
        async with asyncio.timeout(PATIENCE):
            for history in running.histories:
                head = await client.last_seq(history.name)
                while any(sighting.seq < head for sighting in history.sightings):
                    await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def _posting(fleet: Fleet, shape: Shape, running: Load) -> AsyncGenerator[list[Poster]]:
    posters = [Poster(fleet.doors, fleet.token(f"bob{number}"), running.tally) for number in range(shape.posters)]
    try:
        yield posters
    finally:
        for poster in posters:
            await poster.close()


def _work(running: Load, followers: list[Follower], posters: list[Poster]) -> Iterator[Callable[[], Awaitable[None]]]:
    for follower in followers:
        for history in follower.histories:
            yield partial(follower.call, history)
    for poster, history in zip(posters, cycle(running.histories), strict=False):
        yield partial(poster.call, history)
        yield partial(poster.look, history)
