"""An owner over a real log and a real archive, with a memory so small that most of the past is in these two."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, Name
from holdfast._clock import wall_ns
from holdfast._history import EntityHistory
from holdfast._host import Host, HostSettings
from holdfast._judge import Judge
from holdfast._loading import Loader
from holdfast._log import Judged
from holdfast._messages import CommandEnvelope
from holdfast._remembered import COMMAND_ID_SECONDS, new_command_id
from holdfast.jetstream import JetStreamLog, NatsBus, ensure_streams
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.memory import MemoryAlarms
from holdfast.sql import Archive, Projector, SqlArchive, SqlSnapshots, migrate, open_database
from holdfast.testing.counter import CounterEntity

ANN = Actor(user="ann", roles=())
HELD = 2


class Owner:
    """A host that holds two ids itself, over a real log and a real archive that the test brings up to date."""

    def __init__(self, bus: NatsBus, database: AsyncEngine) -> None:
        class Counting(CounterEntity):
            purpose = f"counter-{uuid4().hex[:12]}"

        self.entity = Counting()
        self.name = Name.of(self.entity.purpose, "acme", "x")
        self.judge = Judge(self.entity)
        self.log = JetStreamLog(bus)
        self.archive = SqlArchive(database)
        self.projector = Projector(
            Archive(self.entity.purpose),
            judge=self.judge,
            whole_log=JetStreamWholeLog(bus, self.entity.purpose),
            database=database,
        )
        self.now = wall_ns()
        self.database = database
        self.snapshots = SqlSnapshots(database)
        self._answers: dict[str, Any] = {}
        self._places = 0
        self.host = self.new_host()

    def new_host(self, *, kept_seconds: float = COMMAND_ID_SECONDS) -> Host:
        async def answer(reply: str, body: bytes) -> None:
            self._answers[reply] = msgspec.json.decode(body)

        async def pass_ring(_name: Name, _body: bytes) -> None: ...

        return Host(
            self.entity,
            events=self.log,
            alarms=MemoryAlarms(),
            snapshots=self.snapshots,
            archive=self.archive,
            answer=answer,
            pass_ring=pass_ring,
            settings=HostSettings(remembered_commands=HELD, command_id_seconds=kept_seconds),
        )

    def loader(self) -> Loader:
        return Loader(self.judge, EntityHistory(self.log, self.archive), self.snapshots)

    async def add(self, command_id: str, amount: int = 1) -> Any:
        return await self.ask("add", {"amount": amount}, command_id=command_id)

    async def ask(
        self, command: str, data: object, *, command_id: str | None = None, expected_seq: int | None = None
    ) -> Any:
        self._places += 1
        reply = f"_INBOX.{uuid4().hex}"
        envelope = CommandEnvelope(
            command=command,
            command_id=command_id or new_command_id(),
            by=ANN,
            data=msgspec.Raw(msgspec.json.encode(data)),
            expected_seq=expected_seq,
        )
        place = Judged(self.now + self._places, self._places)
        await self.host.deliver(self.name.subject("cmd"), msgspec.json.encode(envelope), place=place, reply=reply)
        async with asyncio.timeout(60):
            await self.host.settled()
        return self._answers[reply]

    async def fill(self, first: str) -> Mapping[str, Any]:
        """Have this id accepted, and so many others after it that the entity lets it go."""
        answer = await self.add(first, 7)
        for _ in range(HELD):
            await self.add(new_command_id())
        return answer["ok"]

    async def count(self) -> int:
        return sum(len(stored.commit.events) for stored in await self.log.read(self.name))


@asynccontextmanager
async def an_owner(bus: NatsBus, database_url: str) -> AsyncGenerator[Owner]:
    await migrate(database_url, "counter")
    database = open_database(database_url, "counter")
    owner = Owner(bus, database)
    await ensure_streams(bus, owner.entity.purpose)
    yield owner
    await database.dispose()
