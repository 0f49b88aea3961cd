"""Replicas that share the partitions of a service: who joins, leaves, dies or freezes costs a pause and nothing else."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from holdfast import Name
from holdfast._owners import PARTITIONS, partition
from holdfast.client import Client
from holdfast.testing.owner import owner
from holdfast.testing.servers import NatsServer
from tests.faults.history import History

pytestmark = pytest.mark.slow

ENTITIES = 12
PATIENCE = 120.0


class Load:
    """Callers on entities of many partitions, and what they were told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.histories = [History(Name.of("counter", "acme", uuid4().hex)) for _ in range(ENTITIES)]

    @property
    def calls(self) -> int:
        return sum(len(history.calls) for history in self.histories)

    async def more(self, count: int) -> None:
        """Wait until every entity was answered so many times more."""
        enough = [len(history.calls) + count for history in self.histories]
        async with asyncio.timeout(PATIENCE):
            while any(len(history.calls) < wanted for history, wanted in zip(self.histories, enough, strict=True)):
                await asyncio.sleep(0.01)

    def longest_pause(self) -> float:
        """The longest time in seconds that any caller waited for an answer."""
        return max(call.answered - call.sent for history in self.histories for call in history.calls)

    async def check(self) -> None:
        assert len({partition(history.name) for history in self.histories}) > 1
        for history in self.histories:
            await history.check(self.client)


@asynccontextmanager
async def load(server: NatsServer) -> AsyncGenerator[Load]:
    """Callers at work until the end of the block; afterwards everything they were told is checked against the log."""
    async with await Client.connect(server.url) as client:
        running, done = Load(client), asyncio.Event()
        calling = asyncio.gather(*(history.callers(client, count=1, until=done) for history in running.histories))
        try:
            yield running
        finally:
            done.set()
        await calling
        await running.check()


def shares_of(folder: Path) -> list[int]:
    """How many partitions each change in the log of the owners' process was about."""
    lines = (folder / "owner.log").read_text().splitlines()
    return [int(line.split("partitions=")[1].split()[0]) for line in lines if "share.changed" in line]


def share_all(first: list[int], second: list[int]) -> bool:
    """Whether each has some of the partitions, and together they have all."""
    return bool(first and second) and 0 < first[-1] < PARTITIONS and first[-1] + second[-1] == PARTITIONS


async def test_two_replicas_share_the_partitions(server: NatsServer, folder: Path) -> None:
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    with owner([server.url], first), owner([server.url], second):
        async with load(server) as running:
            await running.more(10)
            async with asyncio.timeout(PATIENCE):
                while not share_all(shares_of(first), shares_of(second)):
                    await asyncio.sleep(0.05)
            await running.more(10)


async def test_a_killed_replica_is_replaced_by_the_other_one(server: NatsServer, folder: Path) -> None:
    with owner([server.url], folder), owner([server.url], folder) as dying:
        async with load(server) as running:
            await running.more(10)
            dying.kill()
            await running.more(10)
    print(f"longest wait for an answer over a kill: {running.longest_pause():.3f} s")


async def test_a_frozen_replica_is_replaced_and_may_come_back(server: NatsServer, folder: Path) -> None:
    with owner([server.url], folder), owner([server.url], folder) as frozen:
        async with load(server) as running:
            await running.more(10)
            frozen.send_signal(signal.SIGSTOP)
            await running.more(10)
            print(f"longest wait for an answer over a freeze: {running.longest_pause():.3f} s")
            frozen.send_signal(signal.SIGCONT)
            await running.more(20)


async def test_a_replica_that_is_told_to_stop_hands_over(server: NatsServer, folder: Path) -> None:
    def stop(process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE)

    with owner([server.url], folder), owner([server.url], folder) as leaving:
        async with load(server) as running:
            await running.more(10)
            begin = time.monotonic()
            await asyncio.to_thread(stop, leaving)
            print(f"stopped within {time.monotonic() - begin:.3f} s")
            await running.more(10)
    print(f"longest wait for an answer over a hand-over: {running.longest_pause():.3f} s")


async def test_replicas_that_come_and_go_lose_and_double_nothing(server: NatsServer, folder: Path) -> None:
    with owner([server.url], folder):
        async with load(server) as running:
            for _ in range(3):
                with owner([server.url], folder) as passing:
                    await running.more(5)
                    passing.kill()
                await running.more(5)
