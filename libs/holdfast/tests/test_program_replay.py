"""`holdfast replay`: silent about what is right, exact about the first thing that is not."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, text

from holdfast import Actor, Name
from holdfast._program.discovery import load_service
from holdfast.client import Client
from holdfast.jetstream import JetStreamLog, NatsBus
from holdfast.sql import SqlSnapshots, open_database
from holdfast.testing.servers import NatsServer, nats_server
from holdfast.testing.serving import serving

WAIT = 60.0
SELLER = Actor(user="sue", roles=("seller",))
BIDDER = Actor(user="bob", roles=("bidder",))
LOT = Name.of("auction", "acme", "lot-0")
LOTS = 3


class World:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.database = f"sqlite+aiosqlite:///{folder}/{{service}}.db"
        self.engine = create_engine(f"sqlite:///{folder}/auction.db", connect_args={"timeout": WAIT})

    def execute(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def count(self, table: str) -> int:
        with self.engine.connect() as connection:
            return len(
                connection.execute(text({"lots": "SELECT 1 FROM lots", "events": "SELECT 1 FROM events"}[table])).all()
            )

    async def replay(self, *arguments: str) -> tuple[int, str]:
        return await self.run("replay", *arguments)

    async def trim(self, nats: NatsServer) -> None:
        """Serve on until there are bids, and only the newest commit of each lot is in the log."""
        log = JetStreamLog(bus := await NatsBus.connect(nats.url, name="test"))
        lots = [Name.of("auction", "acme", f"lot-{number}") for number in range(LOTS)]
        async with (
            serving([load_service("auction")], nats.url, self.folder, keep_seconds=0.2),
            await Client.connect(nats.url) as client,
        ):
            for lot in lots:
                for bid in (b'{"max_minor":200}', b'{"max_minor":300}'):
                    await client.send(lot, "place_bid", bid, by=BIDDER)
            async with asyncio.timeout(WAIT):
                while any([len(await log.read(lot)) > 1 for lot in lots]):
                    await asyncio.sleep(0.05)
        await bus.close()

    async def run(self, what: str, *arguments: str) -> tuple[int, str]:
        command = ["auction", "--nats", self.url, "--database", self.database, *arguments]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "holdfast.cli", what, *command,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "HOLDFAST_LOG": "error"},
        )  # fmt: skip
        async with asyncio.timeout(WAIT):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@pytest.fixture
def nats(tmp_path: Path) -> object:
    with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
async def world(nats: NatsServer, tmp_path: Path) -> AsyncGenerator[World]:
    """Lots with snapshots, archived events and rows, and nobody who serves them."""
    world = World(nats.url, tmp_path)
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    data = msgspec.json.encode({"currency": "USD", "start_minor": 100, "ends_at": ends_at, "title": "A lamp"})
    async with serving([load_service("auction")], nats.url, tmp_path), await Client.connect(nats.url) as client:
        for number in range(LOTS):
            await client.send(Name.of("auction", "acme", f"lot-{number}"), "create_lot", data, by=SELLER)
        async with asyncio.timeout(WAIT):
            while world.count("lots") < LOTS or world.count("events") < LOTS:
                await asyncio.sleep(0.02)
    yield world
    world.engine.dispose()


async def test_what_is_right_is_found_to_be_right(world: World) -> None:
    assert await world.replay() == (0, f"entities that are what their events say: {LOTS}\n")
    assert await world.replay("--name", str(LOT)) == (0, "entities that are what their events say: 1\n")
    code, said = await world.replay("--name", "auction:acme:none")
    assert (code, "not in the log" in said) == (2, True)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            "UPDATE lots SET title = 'spoilt' WHERE id = 'lot-1'",
            "auction:acme:lot-1: title in the row acme, lot-1 of lots is 'spoilt', by its events it is 'A lamp'\n",
        ),
        ("DELETE FROM lots WHERE id = 'lot-2'", "auction:acme:lot-2: the row acme, lot-2 of lots is missing\n"),
        (
            "INSERT INTO counted_bids VALUES ('acme', 'lot-1', 'b')",
            "auction:acme:lot-1: the row acme, lot-1, b of counted_bids is of no event\n",
        ),
        (
            "UPDATE events SET command_id = 'other' WHERE name = 'auction:acme:lot-0' AND seq = 1",
            "auction:acme:lot-0: command_id in the row auction:acme:lot-0, 1 of events is 'other', by its events",
        ),
    ],
)
async def test_the_first_difference_is_named(world: World, spoil: str, said: str) -> None:
    world.execute(spoil)
    code, told = await world.replay()
    assert code == 1
    assert told.startswith(said)


async def test_a_snapshot_of_another_state_is_named(world: World) -> None:
    database = open_database(world.database, "auction")
    snapshots = SqlSnapshots(database)
    snapshot = await snapshots.load(LOT)
    assert snapshot is not None
    await snapshots.delete(LOT)
    spoilt = msgspec.structs.replace(snapshot, body=snapshot.body.replace(b"A lamp", b"A lump"))
    await snapshots.save(LOT, spoilt)
    await database.dispose()
    code, told = await world.replay()
    assert code == 1
    assert told.startswith(f"{LOT}: the state in its snapshot at seq {snapshot.seq} is ")
    assert "A lump" in told


async def test_history_that_left_the_log_is_replayed_from_the_archive(world: World, nats: NatsServer) -> None:
    await world.trim(nats)
    assert await world.replay() == (0, f"entities that are what their events say: {LOTS}\n")
    world.execute("UPDATE lots SET bid_count = 99 WHERE id = 'lot-0'")
    code, said = await world.replay()
    assert (code, said.startswith(f"{LOT}: bid_count in the row acme, lot-0 of lots is 99, by its events")) == (
        1,
        True,
    )
    world.execute("UPDATE events SET data = replace(data, 'A lamp', 'A lump') WHERE name = 'auction:acme:lot-0'")
    code, said = await world.replay()
    assert (code, said.startswith(f"{LOT}: ")) == (1, True)


async def test_read_models_are_built_anew_from_history_that_left_the_log(world: World, nats: NatsServer) -> None:
    await world.trim(nats)
    world.execute("DELETE FROM lots")
    code, said = await world.run("rebuild")
    assert code == 0, said
    assert await world.replay() == (0, f"entities that are what their events say: {LOTS}\n")
