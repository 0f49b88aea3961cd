"""A host with everything around it in memory."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from holdfast import Actor, AnyEntity, Name
from holdfast._actor import Answer
from holdfast._clock import EPOCH
from holdfast._deletion import Rows
from holdfast._host import Host, HostSettings
from holdfast._log import Judged, NewCommit
from holdfast._messages import CommandEnvelope
from holdfast.memory import MemoryAlarms, MemoryLog
from holdfast.telemetry import Measures, Tracing
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity

NAME = Name.of("counter", "acme", "x")
ANN = Actor(user="ann", roles=())
ADMIN = Actor(user="root", roles=("admin",))
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """A host with everything around it in memory, and a clock that the test holds."""

    rows: Rows | None = None

    def __init__(self, entity: AnyEntity | None = None, *, tracing: Tracing | None = None, **settings: Any) -> None:
        self.log = MemoryLog()
        self.alarms = MemoryAlarms()
        self.snapshots = MemorySnapshots()
        self.answers: dict[str, list[Any]] = {}
        self.passed_rings: list[Name] = []
        self.sequence = 0
        self.now = START
        self.entity = entity or CounterEntity()
        self.settings = HostSettings(**settings)
        self.measures = Measures()
        self.leased = True
        self.tracing = tracing
        self.host = self.new_host()

    def new_host(self, answer: Answer | None = None, *, too_new: Callable[[Name], None] | None = None) -> Host:
        async def keep(reply: str, body: bytes) -> None:
            self.answers.setdefault(reply, []).append(msgspec.json.decode(body))

        async def pass_ring(name: Name, body: bytes) -> None:
            self.passed_rings.append(name)
            await self.deliver(body, name=name, reply="")

        return Host(
            self.entity,
            events=self.log,
            alarms=self.alarms,
            snapshots=self.snapshots,
            answer=answer or keep,
            pass_ring=pass_ring,
            leased=lambda: self.leased,
            settings=self.settings,
            tracing=self.tracing,
            too_new=too_new,
            measures=self.measures.of(self.entity.purpose),
            rows=self.rows,
        )

    async def deliver(
        self, body: bytes, *, name: Name = NAME, reply: str = "", at: Judged | None = None, traceparent: str = ""
    ) -> Judged:
        if at is None:
            self.sequence += 1
            at = Judged((self.now - EPOCH) // timedelta(microseconds=1) * 1000, self.sequence)
        await self.host.deliver(name.subject("cmd"), body, place=at, reply=reply, traceparent=traceparent)
        return at

    async def post(self, command: str, *, by: Actor = ANN, reply: str = "", **options: Any) -> Judged:
        """Put a command into the commands stream and go on."""
        data = options.pop("data", {})
        at, name = options.pop("at", None), options.pop("name", NAME)
        traceparent = options.pop("traceparent", "")
        envelope = CommandEnvelope(
            command=command,
            command_id=options.pop("command_id", None) or str(uuid4()),
            by=by,
            data=msgspec.Raw(msgspec.json.encode(data)),
            **options,
        )
        body = msgspec.json.encode(envelope)
        return await self.deliver(body, name=name, reply=reply, at=at, traceparent=traceparent)

    async def settled(self) -> None:
        """Wait until no entity is at work."""
        async with asyncio.timeout(30):
            await self.host.settled()

    async def ask(self, command: str, **options: Any) -> Any:
        """Send a command and return its answer."""
        reply = f"_INBOX.{uuid4().hex}"
        await self.post(command, reply=reply, **options)
        await self.settled()
        return self.answers[reply][0]

    async def events(self, name: Name = NAME) -> list[tuple[int, str]]:
        return [(event.seq, event.type) for stored in await self.log.read(name) for event in stored.commit.events]


class Gated(MemoryLog):
    """Appends wait for the test, and count."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.appends = 0

    async def append(self, commit: NewCommit, /) -> int:
        self.appends += 1
        await self.gate.wait()
        return await super().append(commit)


async def commit_of_another_owner(world: World, command: str, **options: Any) -> None:
    other = World()
    other.log, other.alarms, other.now, other.sequence = world.log, world.alarms, world.now, world.sequence
    other.host = other.new_host()
    await other.ask(command, **options)
