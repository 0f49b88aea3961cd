"""Reactors and workers of the tests, and served counters that they reach."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from uuid import uuid4

import msgspec

from holdfast import Actor, Name
from holdfast._dead_letters import FiledLetter, letters
from holdfast._jobs import WorkerRunner
from holdfast._judge import Judge
from holdfast._projection import StoredEvent
from holdfast._reactors import ReactorRunner
from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.telemetry import Tracing
from holdfast.testing.counter import Add, Added, CounterEntity, CounterEvent
from holdfast.testing.history import History
from holdfast.worker import Effect, Job, Reactor, Send, Work, Worker

PATIENCE = 60.0
POLL = 0.02
RETRY = 0.01
ANN = Actor(user="ann", roles=("clerk",))


class Note(msgspec.Struct, frozen=True):
    amount: int


class Forward(Reactor[CounterEvent]):
    """Adds what was added here to a served counter of the same id, marked so that every test has its own."""

    name = "forward"

    def __init__(self, purpose: str, mark: str) -> None:
        self.purpose = purpose
        self.mark = mark

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        match stored.event:
            case Added(amount=amount):
                return [Send(name=self.target(stored.name), command=Add(amount=amount))]
            case _:
                return []

    def target(self, name: Name) -> Name:
        return Name.of("counter", name.tenant, f"{self.mark}-{name.id}")


class FromTheBeginning(Forward):
    starts: ClassVar[Literal["now", "beginning"]] = "beginning"


class Notify(Reactor[CounterEvent]):
    name = "notify"

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        match stored.event:
            case Added(amount=amount):
                return [Job(kind="note", payload=Note(amount=amount))]
            case _:
                return []


class Notes(Worker[Note]):
    """Takes notes; `fails` says how often each one fails first."""

    kind = "note"
    payload = Note
    retry_seconds = RETRY
    attempts = 3

    def __init__(self, purpose: str, *, fails: int = 0, error: type[Exception] = RuntimeError) -> None:
        self.purpose = purpose
        self.fails = fails
        self.error = error
        self.attempts_seen: list[tuple[str, int]] = []
        self.taken: list[int] = []

    async def handle(self, work: Work[Note], /) -> None:
        self.attempts_seen.append((work.id, work.attempt))
        if work.attempt <= self.fails:
            raise self.error("the printer is out of paper")
        self.taken.append(work.payload.amount)


class World:
    """A source log of its own, and counters that are served."""

    def __init__(self, bus: NatsBus, client: Client, history: History) -> None:
        self.bus = bus
        self.client = client
        self.history = history
        self.mark = uuid4().hex[:8]

    def forward(self) -> Forward:
        return FromTheBeginning(self.history.purpose, self.mark)

    def target(self, id_: str = "a") -> Name:
        return Name.of("counter", "acme", f"{self.mark}-{id_}")

    async def runner(
        self,
        reactor: Reactor[Any] | None = None,
        bus: Any = None,
        tracing: Tracing | None = None,
        retry_seconds: float = RETRY,
    ) -> ReactorRunner:
        runner = ReactorRunner(
            bus or self.bus,
            reactor or self.forward(),
            judge=Judge(CounterEntity()),
            client=self.client,
            retry_seconds=retry_seconds,
            tracing=tracing,
        )
        await runner.prepare()
        return runner

    async def worker(self, worker: Notes, bus: Any = None, tracing: Tracing | None = None) -> WorkerRunner:
        runner = WorkerRunner(bus or self.bus, worker, tracing=tracing)
        await runner.prepare()
        return runner

    async def amounts(self, id_: str = "a") -> list[int]:
        """What was added to the served counter, in the order of its log."""
        commits = await self.client.commits(self.target(id_), after=0)
        events = [msgspec.json.decode(event.data) for commit in commits for event in commit.events]
        return [event["amount"] for event in events]

    async def until_amounts(self, wanted: Sequence[int], id_: str = "a") -> None:
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.amounts(id_)) < len(wanted):
                await asyncio.sleep(POLL)
        assert found == list(wanted)

    async def letters(self) -> list[FiledLetter]:
        return [filed async for filed in letters(self.bus, self.history.purpose)]

    async def until_letters(self, count: int) -> list[FiledLetter]:
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.letters()) < count:
                await asyncio.sleep(POLL)
        return found


async def until_done(runner: ReactorRunner | WorkerRunner) -> None:
    """Wait until everything of the stream is acknowledged."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await runner.backlog.look()
            if runner.backlog.lag == 0:
                return
            await asyncio.sleep(POLL)


class ImpatientClient(Client):
    async def send(self, *args: Any, **kwargs: Any) -> Any:
        return await super().send(*args, **{**kwargs, "timeout": 0.2})
