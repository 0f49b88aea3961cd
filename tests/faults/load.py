"""A steady load on a fleet through its doors, and what it shows of faults: who waited, and for how long."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from uuid import uuid4

from holdfast import Name
from holdfast.client import Client
from tests.faults.callers import Follower, Poster, Tally, at_a_pace
from tests.faults.fleet import Fleet
from tests.faults.history import Call, History, patiently

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
    """Seconds, monotonic, as calls have them."""
    wall: datetime
    """As the logs of servers have it."""
    what: str = ""


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

    def note(self, kind: str, what: str = "") -> None:
        """Remember that something is done to the system now."""
        self.faults.append(Fault(kind, time.monotonic(), datetime.now(UTC), what))

    async def more(self, count: int) -> None:
        """Wait until every entity was answered so many times more."""
        before = [len(history.calls) for history in self.histories]
        try:
            async with asyncio.timeout(PATIENCE):
                while min(self._more_than(before)) < count:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            told = "; ".join(self.tally.errors[-3:] + self.tally.causes[-3:]) or "nothing"
            raise AssertionError(
                f"within {PATIENCE:.0f} s the entities' callers were answered {self._more_than(before)} times, "
                f"and told at last: {told}"
            ) from None

    def _more_than(self, before: Sequence[int]) -> list[int]:
        return [len(history.calls) - count for history, count in zip(self.histories, before, strict=True)]

    def waits(self) -> list[float]:
        """How long each acknowledged command's caller waited, the shortest first."""
        return sorted(call.wait for history in self.histories for call in history.calls)

    def takeovers(self, kind: str) -> list[float]:
        """For each fault of this kind and each entity, how long after the fault its slowest caller was answered."""
        return sorted(
            max((_after(call, fault) for call in _near(history, fault)), default=0.0)
            for fault in self.faults
            if fault.kind == kind
            for history in self.histories
        )

    def near(self, kind: str) -> int:
        """How many commands may have waited because of the faults of this kind."""
        return sum(
            len(_near(history, fault)) for fault in self.faults if fault.kind == kind for history in self.histories
        )

    def longest_after(self, fault: Fault) -> float:
        """How long after this fault its slowest caller was answered."""
        return max((_after(call, fault) for history in self.histories for call in _near(history, fault)), default=0.0)


def _near(history: History, fault: Fault) -> Sequence[Call]:
    """The calls that may have waited because of a fault."""
    return [call for call in history.calls if call.began < fault.at + WINDOW_SECONDS and call.answered > fault.at]


def _after(call: Call, fault: Fault) -> float:
    return call.answered - max(call.began, fault.at)


@asynccontextmanager
async def load(fleet: Fleet, shape: Shape) -> AsyncGenerator[Load]:
    """Callers at work until the end of the block; afterwards everything they were told is checked against the log."""
    running = Load([History(Name.of("counter", "acme", uuid4().hex)) for _ in range(shape.entities)])
    async with await fleet.client() as client:
        for history in running.histories:
            await history.call(client)
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
                head = await patiently(lambda name=history.name: client.last_seq(name))
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


def _work(
    running: Load, followers: list[Follower], posters: list[Poster]
) -> Iterator[Callable[[float], Awaitable[None]]]:
    for follower in followers:
        for history in follower.histories:
            yield partial(follower.call, history)
    for poster, history in zip(posters, cycle(running.histories), strict=False):
        yield partial(poster.call, history)
        yield partial(poster.look, history)
