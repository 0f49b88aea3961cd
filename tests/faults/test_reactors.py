"""Reactors in processes that are killed: every effect happens once, in the order of its entity."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.jetstream import _api as api
from holdfast.runtime import serve
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running
from tests.faults.history import patiently
from tests.faults.transfers import DIES, PassOn, service

pytestmark = pytest.mark.slow

ANN = Actor(user="ann", roles=("clerk",))
ENTITIES = 4
PATIENCE = 120.0
ROOT = Path(__file__).parents[2]


@contextmanager
def replica(server: NatsServer, folder: Path, **environment: str) -> Generator[subprocess.Popen[bytes]]:
    """One process of the service; killed at the end."""
    arguments = [sys.executable, "-m", "holdfast.cli", "serve", "tests.faults.transfers:service", "--nats", server.url]
    arguments += ["--database", f"sqlite+aiosqlite:///{folder}/{{service}}.db"]
    with (folder / "replica.log").open("ab") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def add(client: Client, number: int, amount: int) -> None:
    source = Name.of("counter", "acme", f"from-{number}")
    await client.send(source, "add", msgspec.json.encode({"amount": amount}), by=ANN, timeout=PATIENCE)


async def passed_on(client: Client, number: int) -> list[int]:
    commits = await patiently(lambda: client.commits(Name.of("counter", "acme", f"to-{number}"), after=0))
    return [msgspec.json.decode(event.data)["amount"] for commit in commits for event in commit.events]


async def until_passed_on(client: Client, number: int, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(await passed_on(client, number)) < count:
            await asyncio.sleep(0.05)


async def until_acknowledged(client: Client) -> None:
    """What is passed on is acknowledged a moment later; whoever starts before that would have it again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            reading = await patiently(lambda: api.call(client.bus, f"CONSUMER.INFO.evt-counter.reactor-{PassOn.name}"))
            if not reading["num_pending"] and not reading["num_ack_pending"]:
                return
            await asyncio.sleep(0.05)


async def test_an_effect_whose_reactor_dies_before_its_acknowledgement_happens_once(
    server: NatsServer, folder: Path
) -> None:
    async with await Client.connect(server.url) as client:
        for amount in range(1, 4):
            with replica(server, folder, **{DIES: "1"}) as dying:
                await add(client, 0, amount)
                assert await asyncio.to_thread(dying.wait, PATIENCE) == -signal.SIGKILL
            assert await passed_on(client, 0) == list(range(1, amount + 1))
            with replica(server, folder):
                await add(client, amount, 1)
                await until_passed_on(client, amount, 1)
                await until_acknowledged(client)
        assert await passed_on(client, 0) == [1, 2, 3]


async def test_replicas_killed_under_load_leave_every_effect_once_and_in_order(
    server: NatsServer, folder: Path
) -> None:
    amounts = list(range(1, 101))
    async with await Client.connect(server.url) as client:

        async def load(number: int) -> None:
            for amount in amounts:
                await add(client, number, amount)
                await asyncio.sleep(0.1)

        with ExitStack() as stack:
            reading = stack.enter_context(replica(server, folder))
            await add(client, 0, 0)  # changes nothing, and is answered once the service is there
            loading = asyncio.gather(*map(load, range(ENTITIES)))
            for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                standing_by = stack.enter_context(replica(server, folder))
                await until_passed_on(client, 0, len(await passed_on(client, 0)) + 5)
                reading.send_signal(end)
                await asyncio.to_thread(reading.wait, PATIENCE)
                reading = standing_by
            await loading
            for number in range(ENTITIES):
                await until_passed_on(client, number, len(amounts))
                assert await passed_on(client, number) == amounts


@pytest.mark.cluster
async def test_on_a_cluster_a_reactor_goes_on_in_order_where_the_one_before_stopped(
    cluster: list[NatsServer], folder: Path
) -> None:
    urls = [server.url for server in cluster]
    database = f"sqlite+aiosqlite:///{folder}/{{service}}.db"
    amounts = list(range(1, 31))
    async with await Client.connect(urls, replicas=3) as client:
        for begin in range(0, len(amounts), 10):
            async with running(
                lambda ready: serve([service], servers=urls, database=database, replicas=3, ready=ready)
            ):
                for amount in amounts[begin : begin + 10]:
                    await add(client, 0, amount)
        async with running(lambda ready: serve([service], servers=urls, database=database, replicas=3, ready=ready)):
            await until_passed_on(client, 0, len(amounts))
        assert await passed_on(client, 0) == amounts
