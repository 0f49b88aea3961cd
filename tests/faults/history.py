"""Keeps what callers were told and what watchers saw, and checks both against the log."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from uuid import uuid4

import msgspec

from holdfast import Actor, Name, Unavailable
from holdfast.client import Client
from holdfast.wire import Commit, RecordedEvent

ANN = Actor(user="ann", roles=())
ANSWER_SECONDS = 60.0
READ_SECONDS = 60.0
AGAIN_SECONDS = 0.2

_Read = TypeVar("_Read")


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass(frozen=True, slots=True)
class Call:
    """One acknowledged command, in real time (seconds, monotonic); `due` is when its caller meant to send it."""

    command_id: str
    sent: float
    answered: float
    seq: int
    due: float = -math.inf

    @property
    def wait(self) -> float:
        """How long its caller waited, through all attempts, from when it was due."""
        return self.answered - self.began

    @property
    def began(self) -> float:
        """When its caller began to wait."""
        return self.sent if self.due == -math.inf else self.due


@dataclass(frozen=True, slots=True)
class Look:
    """One answered look at an entity: its seq, and the total in its state, where the state was asked for."""

    sent: float
    answered: float
    seq: int
    total: int | None = None


class Seen(NamedTuple):
    """An event as a watcher saw it, and when."""

    seq: int
    command_id: str
    at: float


@dataclass
class Sighting:
    """What one watcher saw of an entity from its first event on."""

    events: list[Seen] = field(default_factory=list[Seen])

    @property
    def seq(self) -> int:
        """The last seq that was seen."""
        return self.events[-1].seq if self.events else 0

    def see(self, seq: int, command_id: str) -> None:
        """Keep an event that has come now."""
        self.events.append(Seen(seq, command_id, time.monotonic()))


class _Mark(NamedTuple):
    """An operation in real time, and the event that it wrote, or the last one that it can have known of."""

    sent: float
    answered: float
    seq: int
    writes: bool


@dataclass
class History:
    """The calls of any number of callers to one entity, and what its watchers received."""

    name: Name
    sent: dict[str, float] = field(default_factory=dict[str, float])
    """When each command left for the first time, whether it was answered or not."""
    calls: list[Call] = field(default_factory=list[Call])
    looks: list[Look] = field(default_factory=list[Look])
    seen: list[Commit] = field(default_factory=list[Commit])
    sightings: list[Sighting] = field(default_factory=list[Sighting])

    def begin(self) -> str:
        """A command is about to be sent for the first time; its id."""
        command_id = str(uuid4())
        self.sent[command_id] = time.monotonic()
        return command_id

    def answered(self, command_id: str, seq: int, *, due: float = -math.inf) -> None:
        """A command was acknowledged now."""
        self.calls.append(Call(command_id, self.sent[command_id], time.monotonic(), seq, due))

    async def call(self, client: Client, command: str = "add", data: bytes = b"{}") -> None:
        """Send a command, an addition of one if no other is named, until it is acknowledged."""
        command_id = self.begin()
        answer = await client.send(self.name, command, data, by=ANN, command_id=command_id, timeout=ANSWER_SECONDS)
        self.answered(command_id, answer.seq)

    async def look(self, client: Client) -> None:
        """Ask how far the entity is."""
        sent = time.monotonic()
        seq = await client.head(self.name, by=ANN, timeout=ANSWER_SECONDS)
        self.looks.append(Look(sent, time.monotonic(), seq))

    async def callers(self, client: Client, *, count: int, until: asyncio.Event) -> None:
        """Call from `count` callers at once, each one after the other, until told to stop."""

        async def caller() -> None:
            while not until.is_set():
                await self.call(client)

        await asyncio.gather(*(caller() for _ in range(count)))

    async def check(self, client: Client) -> list[RecordedEvent]:
        """`Broken` unless the log keeps every promise that was made; the events in it."""
        log = await patiently(lambda: client.commits(self.name, after=0, limit=1_000_000))
        self.judge(log)
        return [event for commit in log for event in commit.events]

    def judge(self, log: Sequence[Commit]) -> None:
        """`Broken` unless there is one order of events, the log's, that all answers, looks and watchers agree with.

        It has no hole, holds every acknowledged command once, where its caller was told, and agrees with real time:
        what began after something else had ended stands behind it.
        """
        events = [event for commit in log for event in commit.events]
        _check_that([event.seq for event in events] == list(range(1, len(events) + 1)), "the log has a hole")
        self._check_commands([event for event in events if event.type != "rang"])
        self._check_looks(events)
        self._check_real_time(events)
        self._check_seen(log)
        self._check_sightings(events)

    def _check_commands(self, events: Sequence[RecordedEvent]) -> None:
        """Every acknowledged command was applied, where its caller was told, and no command twice or out of thin air."""
        seqs = {event.command_id: event.seq for event in events}
        _check_that(len(seqs) == len(events), "a command was applied twice")
        _check_that(seqs.keys() <= self.sent.keys(), "a command was applied that nobody sent")
        for call in self.calls:
            _check_that(call.command_id in seqs, "an acknowledged command is lost")
            _check_that(seqs[call.command_id] == call.seq, "an acknowledged command stands elsewhere")

    def _check_looks(self, events: Sequence[RecordedEvent]) -> None:
        """A look shows the state at its seq, and nothing that is not in the log."""
        totals = [0]
        for event in events:
            totals.append(totals[-1] + (event.type == "added"))
        for look in self.looks:
            _check_that(look.seq <= len(events), "a look showed what is not in the log")
            _check_that(look.total in (None, totals[look.seq]), "a look showed a state that never was")

    def _check_real_time(self, events: Sequence[RecordedEvent]) -> None:
        """What began after something else had ended stands behind it, or shows it.

        Every event has its place and every look its seq, so that comparing each with what ended before it began is
        all that linearizability asks for.
        """
        marks = [
            *self._writes(events),
            *(_Mark(look.sent, look.answered, look.seq, writes=False) for look in self.looks),
        ]
        marks += [
            _Mark(-math.inf, seen.at, seen.seq, writes=False) for watcher in self.sightings for seen in watcher.events
        ]
        by_answer = sorted(marks, key=lambda mark: mark.answered)
        highest, answered = 0, 0
        for mark in sorted(marks, key=lambda mark: mark.sent):
            while answered < len(by_answer) and by_answer[answered].answered < mark.sent:
                highest = max(highest, by_answer[answered].seq)
                answered += 1
            if mark.writes:
                _check_that(mark.seq > highest, "the log's order contradicts real time")
            else:
                _check_that(mark.seq >= highest, "a look showed the past")

    def _writes(self, events: Sequence[RecordedEvent]) -> list[_Mark]:
        """Every command in the log; one that was not answered may have been applied at any time."""
        ends = {call.command_id: call.answered for call in self.calls}
        return [
            _Mark(self.sent[event.command_id], ends.get(event.command_id, math.inf), event.seq, writes=True)
            for event in events
            if event.type != "rang"
        ]

    def _check_seen(self, log: Sequence[Commit]) -> None:
        """Nothing went out live that is not in the log, or not in its order."""
        committed = {msgspec.json.encode(commit): number for number, commit in enumerate(log)}
        numbers = [committed.get(msgspec.json.encode(commit), -1) for commit in self.seen]
        _check_that(-1 not in numbers, "an uncommitted frame got out")
        _check_that(numbers == sorted(set(numbers)), "frames got out twice or out of order")

    def _check_sightings(self, events: Sequence[RecordedEvent]) -> None:
        """Every watcher saw the whole log, once and in its order."""
        logged = [(event.seq, event.command_id) for event in events]
        for sighting in self.sightings:
            saw = [(seen.seq, seen.command_id) for seen in sighting.events]
            _check_that(saw == logged, "a watcher missed something, or saw it twice or out of order")


def _check_that(kept: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as `assert` does, and stands under -O
    if not kept:
        raise Broken(otherwise)


async def patiently(read: Callable[[], Awaitable[_Read]]) -> _Read:
    """Read until it can be read: after a fault, a cluster may still be electing its leaders."""
    async with asyncio.timeout(READ_SECONDS):
        while True:
            try:
                return await read()
            except Unavailable:
                await asyncio.sleep(AGAIN_SECONDS)
