"""Two versions of a service side by side: traffic goes through the whole of a roll, without an error and without a loss."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.testing import ledger_1, ledger_2
from holdfast.testing.servers import NatsServer

pytestmark = pytest.mark.slow

ANN = Actor(user="ann", roles=())
LEDGERS = 16
PATIENCE = 120.0
ROOT = Path(__file__).parents[2]
OLD, NEW = ledger_1.__name__, ledger_2.__name__


class Replica:
    """One process of one version of the ledger."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self, event: str) -> int:
        """How often its log tells of this."""
        return self._log.read_text().count(event)

    async def until_it_says(self, event: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.said(event):
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it in order, as a rolling restart does."""
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.process.wait, PATIENCE) == 0


@contextmanager
def replica(server: NatsServer, folder: Path, version: str) -> Generator[Replica]:
    arguments = [sys.executable, "-m", "holdfast.cli", "serve", f"{version}:service", "--nats", server.url]
    arguments += ["--database", f"sqlite+aiosqlite:///{folder}/{{service}}.db"]
    path = folder / f"{uuid4().hex}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=ROOT)
    try:
        yield Replica(process, path)
    finally:
        process.kill()
        process.wait()


class Ledger:
    """One ledger, whose caller adds and remarks in turn and keeps what it was answered."""

    def __init__(self, client: Client) -> None:
        self.name = Name.of("ledger", "acme", uuid4().hex)
        self.answers: dict[str, int] = {}
        self.longest_wait = 0.0
        self._client = client

    async def call(self) -> None:
        remark = len(self.answers) % 2
        command, data = ("remark", {"text": "hello"}) if remark else ("add", {"amount": 1})
        command_id, began = str(uuid4()), time.monotonic()
        answer = await self._client.send(
            self.name, command, msgspec.json.encode(data), by=ANN, command_id=command_id, timeout=PATIENCE
        )
        self.longest_wait = max(self.longest_wait, time.monotonic() - began)
        self.answers[command_id] = answer.seq

    async def check(self) -> None:
        """Every answered command is in the log once, where its caller was told, and in the state."""
        commits = await self._client.commits(self.name, after=0, limit=100_000)
        events = [event for commit in commits for event in commit.events]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        last = {event.command_id: event.seq for event in events}
        assert last == self.answers
        counts = Counter(event.type for event in events)
        adds, remarks = (len(self.answers) + 1) // 2, len(self.answers) // 2
        assert (counts["added"], counts["noted"] + counts["remarked"]) == (adds, remarks)
        state = msgspec.json.decode((await self._client.view(self.name, by=ANN)).state)
        assert (state["total"], len(state["remarks"])) == (adds, remarks)


class Traffic:
    def __init__(self, client: Client) -> None:
        self.ledgers = [Ledger(client) for _ in range(LEDGERS)]
        self.ended = asyncio.Event()

    async def call(self, ledger: Ledger) -> None:
        while not self.ended.is_set():
            await ledger.call()

    async def more(self, count: int) -> None:
        """Wait until every ledger was answered so many times more."""
        wanted = {ledger.name: len(ledger.answers) + count for ledger in self.ledgers}
        async with asyncio.timeout(PATIENCE):
            while any(len(ledger.answers) < wanted[ledger.name] for ledger in self.ledgers):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def traffic(server: NatsServer) -> AsyncGenerator[Traffic]:
    """Callers at work until the end of the block, where everything that they were told is checked."""
    async with await Client.connect(server.url) as client:
        flowing = Traffic(client)
        async with asyncio.TaskGroup() as callers:
            for ledger in flowing.ledgers:
                callers.create_task(flowing.call(ledger))
            yield flowing
            flowing.ended.set()
        for ledger in flowing.ledgers:
            await ledger.check()
        print(f"longest wait for an answer: {max(ledger.longest_wait for ledger in flowing.ledgers):.3f} s")


async def test_a_roll_from_one_version_to_the_next_costs_no_call(server: NatsServer, folder: Path) -> None:
    with ExitStack() as processes:
        old = [processes.enter_context(replica(server, folder, OLD)) for _ in range(2)]
        for each in old:
            await each.until_it_says("service.ready")
        async with traffic(server) as flowing:
            await flowing.more(10)
            for each in old:
                new = processes.enter_context(replica(server, folder, NEW))
                await new.until_it_says("service.ready")
                await flowing.more(10)
                await each.stop()
                await flowing.more(10)


async def test_an_old_replica_that_starts_late_leaves_what_is_new_to_the_new_one(
    server: NatsServer, folder: Path
) -> None:
    with replica(server, folder, NEW) as new:
        await new.until_it_says("service.ready")
        async with traffic(server) as flowing:
            await flowing.more(10)
            with replica(server, folder, OLD) as late:
                await late.until_it_says("membership.declined")
                await flowing.more(10)
                assert late.process.poll() is None
            assert new.said("entity.stopped") == 0


async def test_what_only_a_lost_new_replica_could_read_waits_for_the_next_one(server: NatsServer, folder: Path) -> None:
    with ExitStack() as processes:
        old = processes.enter_context(replica(server, folder, OLD))
        await old.until_it_says("service.ready")
        async with traffic(server) as flowing:
            await flowing.more(10)
            with replica(server, folder, NEW) as first:
                await first.until_it_says("service.ready")
                await flowing.more(10)
            await old.until_it_says("membership.declined")
            processes.enter_context(replica(server, folder, NEW))
            await flowing.more(10)
