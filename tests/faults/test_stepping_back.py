"""Replicas that lose what they need - disk, database, NATS - leave their work to others, and nobody is told anything wrong."""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._owners import PARTITIONS
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from holdfast.sql import open_database
from holdfast.testing._databases import PostgreSql, postgresql
from holdfast.testing.servers import LOOPBACK, NatsServer, free_ports
from tests.faults.fleet import Condition, Fleet, Needs, fleet
from tests.faults.load import PATIENCE, Load, Shape, load
from tests.faults.passage import passage
from tests.faults.report import report

pytestmark = pytest.mark.slow

SHAPE = Shape(entities=12, followers=3, watched=4, posters=4)
CALLS = 5
MEBIBYTE = 1024 * 1024
DISK_BYTES = 96 * MEBIBYTE
"""Of a small disk: above the bound below which a replica takes it for full."""
STORE_BYTES = 16 * MEBIBYTE
SOON = {"HOLDFAST_STEP_BACK_SECONDS": "0.5"}
HARMLESS = {"UNAVAILABLE", "TIMEOUT"}


def codes(running: Load) -> set[str]:
    """The codes of the errors that callers were told."""
    return {error.partition(" ")[0] for error in running.tally.errors}


def lacks(check: str) -> Callable[[Condition], bool]:
    """It says what is wrong, and has left its partitions to others."""
    return lambda found: not found.ready and check in found.failing and found.partitions == 0


def owns_all(found: Condition) -> bool:
    return found.ready and found.partitions == PARTITIONS


def shares(found: Condition) -> bool:
    return found.ready and 0 < found.partitions < PARTITIONS


async def both_share(here: Fleet) -> None:
    for number in range(2):
        await here.until(number, shares)


@asynccontextmanager
async def stepping_back(here: Fleet, running: Load, check: str) -> AsyncGenerator[None]:
    """The first replica steps back because of what was broken in this block before it yields, and returns after it."""
    await here.until(0, lacks(check))
    await here.until(1, owns_all)
    await running.more(CALLS)
    yield
    await both_share(here)
    await running.more(CALLS)


@pytest.fixture
def small_disk() -> Generator[Path]:
    """A file system of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root only")
    with TemporaryDirectory(prefix="holdfast-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "holdfast", folder]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(("umount", "--lazy", folder), check=True)  # noqa: S607 - wherever it is


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MEBIBYTE))
        except OSError:
            return filler


async def test_a_replica_whose_disk_is_full_leaves_its_partitions_to_others_and_comes_back(
    folder: Path, small_disk: Path
) -> None:
    needs = Needs(database=f"sqlite+aiosqlite:///{small_disk}/{{service}}.db", environment=SOON)
    async with (
        fleet(folder, nodes=1, replicas=2, gateways=1, needs={0: needs}) as here,
        load(here, SHAPE) as running,
    ):
        await both_share(here)
        await running.more(CALLS)
        running.note("disk full")
        filler = fill(small_disk)
        async with stepping_back(here, running, "database counter"):
            filler.unlink()
    report(running)
    assert running.tally.errors == []


@pytest.fixture
def database() -> Generator[PostgreSql]:
    """A PostgreSQL server of the test's own, to stop."""
    with postgresql() as server:
        yield server


async def test_a_replica_that_loses_its_database_leaves_its_partitions_to_others_and_comes_back(
    folder: Path, database: PostgreSql
) -> None:
    shared = database.create("counters")

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(database.folder / ".s.PGSQL.5432")

    async with passage(connect) as way:
        needs = {
            0: Needs(database=f"postgresql+asyncpg://postgres@{LOOPBACK}:{way.port}/counters", environment=SOON),
            1: Needs(database=shared, environment=SOON),
        }
        async with (
            fleet(folder, nodes=1, replicas=2, gateways=1, needs=needs) as here,
            load(here, SHAPE) as running,
        ):
            await both_share(here)
            await running.more(CALLS)
            running.note("database lost")
            await way.shut()
            async with stepping_back(here, running, "database counter"):
                await way.open()
        report(running)
    assert running.tally.errors == []


async def test_without_a_database_anywhere_nobody_is_told_anything_wrong_and_all_heals_by_itself(
    folder: Path, database: PostgreSql
) -> None:
    url = database.create("counters")
    shared = Needs(database=url, environment=SOON)
    async with fleet(folder, nodes=1, replicas=2, gateways=1, needs={0: shared, 1: shared}) as here:
        async with load(here, SHAPE) as running:
            await both_share(here)
            await running.more(CALLS)
            running.note("database stopped")
            database.stop()
            for number in range(2):
                await here.until(number, lambda found: not found.ready and "database counter" in found.failing)
            await running.more(CALLS)
            running.note("replica killed")
            here.replicas[1].kill()
            await running.more(CALLS)
            database.start()
            await here.until(0, owns_all)
            await here.replicas[1].again()
            await both_share(here)
            await running.more(CALLS)
        report(running)
        await until_archived(url, running)
    assert codes(running) <= HARMLESS


async def until_archived(url: str, running: Load) -> None:
    """The archive holds every command that was acknowledged, too."""
    engine = open_database(url, "counter")
    try:
        async with asyncio.timeout(PATIENCE):
            while len(rows := await archived(engine)) < running.calls:
                await asyncio.sleep(0.1)
    finally:
        await engine.dispose()
    calls = {(str(history.name), call.seq, call.command_id) for history in running.histories for call in history.calls}
    assert rows == calls


async def archived(engine: AsyncEngine) -> set[tuple[str, int, str]]:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT name, seq, command_id FROM events"))
        return {(name, seq, command_id) for name, seq, command_id in found}


async def test_a_replica_that_loses_its_connection_to_nats_is_replaced_and_comes_back(folder: Path) -> None:
    port = free_ports(1)[0]

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, port)

    async with passage(connect) as way:
        needs = Needs(nats=f"nats://{LOOPBACK}:{way.port}")
        nodes = [NatsServer(folder, port=port)]
        async with (
            fleet(folder, nodes=nodes, replicas=2, gateways=1, needs={0: needs}) as here,
            load(here, SHAPE) as running,
        ):
            await both_share(here)
            await running.more(CALLS)
            running.note("connection to NATS lost")
            await way.shut()
            await here.until(0, lambda found: not found.ready and "nats" in found.failing)
            await here.until(1, owns_all)
            await running.more(CALLS)
            await way.open()
            await both_share(here)
            await running.more(CALLS)
    report(running)
    assert running.tally.errors == []


async def fill_store(bus: NatsBus) -> None:
    """Store something else until JetStream takes no more."""
    stream = {"name": "filler", "subjects": ["filler"], "storage": "file"}
    await api.call(bus, "STREAM.CREATE.filler", stream, timeout=PATIENCE)
    for size in (MEBIBYTE, 64 * 1024, 1024, 1):
        while b'"error"' not in (await bus.request("filler", bytes(size), timeout=PATIENCE)).data:
            pass


async def test_while_jetstreams_store_is_full_callers_wait_or_are_told_and_nothing_is_lost(folder: Path) -> None:
    nodes = [NatsServer(folder, port=free_ports(1)[0], max_store=STORE_BYTES)]
    async with fleet(folder, nodes=nodes, replicas=2, gateways=1) as here:
        bus = await NatsBus.connect(here.servers, name="filler")
        async with load(here, SHAPE) as running:
            await running.more(CALLS)
            running.note("store full")
            await fill_store(bus)
            before = running.calls
            async with asyncio.timeout(PATIENCE):
                while not codes(running):
                    await asyncio.sleep(0.1)
            assert running.calls - before < 2 * SHAPE.per_second, "the store was not full"
            await api.call(bus, "STREAM.DELETE.filler", timeout=PATIENCE)
            await running.more(CALLS)
        await bus.close()
        report(running)
    assert codes(running) <= HARMLESS
