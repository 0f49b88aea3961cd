"""Keeps what callers were told and what watchers saw, and checks both against the log."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.wire import Commit, RecordedEvent

ANN = Actor(user="ann", roles=())
ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One acknowledged command, or one answered look when it has no id, in real time (seconds, monotonic)."""

    command_id: str
    sent: float
    answered: float
    seq: int

    @property
    def wait(self) -> float:
        """How long its caller waited, through all attempts."""
        return self.answered - self.sent


@dataclass
class Sighting:
    """What one watcher saw of an entity from its first event on: the seq and the command of each."""

    events: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    @property
    def seq(self) -> int:
        """The last seq that was seen."""
        return self.events[-1][0] if self.events else 0


@dataclass
class History:
    """The calls of any number of callers to one entity, and what its watchers received."""

    name: Name
    calls: list[Call] = field(default_factory=list[Call])
    looks: list[Call] = field(default_factory=list[Call])
    seen: list[Commit] = field(default_factory=list[Commit])
    sightings: list[Sighting] = field(default_factory=list[Sighting])

    async def call(self, client: Client) -> None:
        """Add one, until it is acknowledged."""
        command_id, sent = str(uuid4()), time.monotonic()
        answer = await client.send(self.name, "add", by=ANN, command_id=command_id, timeout=ANSWER_SECONDS)
        self.calls.append(Call(command_id, sent, time.monotonic(), answer.seq))

    async def look(self, client: Client) -> None:
        """Ask how far the entity is."""
        sent = time.monotonic()
        seq = await client.head(self.name, by=ANN, timeout=ANSWER_SECONDS)
        self.looks.append(Call("", sent, time.monotonic(), seq))

    async def callers(self, client: Client, *, count: int, until: asyncio.Event) -> None:
        """Call from `count` callers at once, each one after the other, until told to stop."""

        async def caller() -> None:
            while not until.is_set():
                await self.call(client)

        await asyncio.gather(*(caller() for _ in range(count)))

    async def check(self, client: Client) -> None:
        """Every acknowledged command is in the log once, where its caller was told, in an order real time allows."""
        log = await client.commits(self.name, after=0, limit=1_000_000)
        events = [event for commit in log for event in commit.events]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        seqs = {event.command_id: event.seq for event in events}
        assert len(seqs) == len(events), "a command was applied twice"
        for call in self.calls:
            assert seqs.get(call.command_id) == call.seq, "an acknowledged command is lost or stands elsewhere"
        self._check_real_time()
        self._check_looks(len(events))
        self._check_seen(log)
        self._check_sightings(events)

    def _check_real_time(self) -> None:
        """A command sent after another one was answered stands behind it."""
        by_answer = sorted(self.calls, key=lambda call: call.answered)
        highest, answered = 0, 0
        for call in sorted(self.calls, key=lambda call: call.sent):
            while answered < len(by_answer) and by_answer[answered].answered < call.sent:
                highest = max(highest, by_answer[answered].seq)
                answered += 1
            assert call.seq > highest, "the log's order contradicts real time"

    def _check_looks(self, head: int) -> None:
        """A look shows all that was answered before it was asked for, and nothing of the future."""
        by_answer = sorted(self.calls, key=lambda call: call.answered)
        highest, answered = 0, 0
        for look in sorted(self.looks, key=lambda look: look.sent):
            while answered < len(by_answer) and by_answer[answered].answered < look.sent:
                highest = max(highest, by_answer[answered].seq)
                answered += 1
            assert highest <= look.seq <= head, "a look showed the past"

    def _check_seen(self, log: Sequence[Commit]) -> None:
        """Nothing went out live that is not in the log."""
        committed = {msgspec.json.encode(commit) for commit in log}
        for commit in self.seen:
            assert msgspec.json.encode(commit) in committed, "an uncommitted frame got out"

    def _check_sightings(self, events: Sequence[RecordedEvent]) -> None:
        """Every watcher saw the whole log, once and in its order."""
        logged = [(event.seq, event.command_id) for event in events]
        for sighting in self.sightings:
            assert sighting.events == logged, "a watcher missed something, or saw it twice or out of order"
