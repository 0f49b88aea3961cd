"""Snapshots in SQL when the database is damaged, busy, shared or not there."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from holdfast import Name, Unavailable
from holdfast._snapshots import Snapshot
from holdfast.sql import DatabaseProblem, SqlSnapshots, migrate, open_database
from holdfast.sql._database import CONNECTIONS

pytest_plugins = ["holdfast.testing._databases"]

LOT = Name.of("auction", "acme", "lot-1")
OTHER = Name.of("auction", "acme", "lot-2")
SAVED = Snapshot(seq=7, position=70, body=b'{"price":1049}', fingerprint="v1")
OLDER = Snapshot(seq=6, position=60, body=b"{}", fingerprint="v1")
SHORT = 0.3
PATIENCE = 60.0


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    await migrate(database_url, "auction")
    engine = open_database(database_url, "auction", wait=PATIENCE)
    yield engine
    await engine.dispose()


async def change(database: AsyncEngine, assignment: str) -> None:
    async with database.begin() as connection:
        done = await connection.execute(text(f"UPDATE snapshots SET {assignment}"))  # noqa: S608 - words of this file
        assert done.rowcount == 1


DAMAGES = {
    "changed body": "body = CAST('[1, 2, 3]' AS {bytes})",
    "truncated body": "body = substr(body, 1, 5)",
    "empty body": "body = substr(body, 1, 0)",
    "seq": "seq = 9007199254740992",
    "position": "position = 71",
    "fingerprint": "fingerprint = 'v2'",
    "checksum": "checksum = 'no checksum'",
    "name": "name = 'auction:acme:lot-2'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_row_is_no_snapshot_but_a_warning(database: AsyncEngine, damage: str) -> None:
    store = SqlSnapshots(database)
    await store.save(LOT, SAVED)
    await change(database, damage.replace("{bytes}", "BYTEA" if database.dialect.name == "postgresql" else "BLOB"))
    name = OTHER if damage.startswith("name") else LOT
    with capture_logs() as logs:
        assert await store.load(name) is None
    assert [(entry["log_level"], entry["event"], entry["name"]) for entry in logs] == [
        ("warning", "snapshot.damaged", str(name))
    ]


async def test_a_body_of_another_type_is_no_snapshot(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "auction")
    database = open_database(url, "auction")
    store = SqlSnapshots(database)
    await store.save(LOT, SAVED)
    await change(database, "body = 'text, which only SQLite lets in'")
    assert await store.load(LOT) is None
    await database.dispose()


async def test_after_a_damaged_row_was_met_any_snapshot_can_follow(database: AsyncEngine) -> None:
    store = SqlSnapshots(database)
    await store.save(LOT, SAVED)
    await change(database, "seq = 9007199254740992")
    assert await store.load(LOT) is None
    await store.save(LOT, OLDER)
    assert await store.load(LOT) == OLDER


async def test_two_writers_of_one_entity_leave_the_newest(database: AsyncEngine, database_url: str) -> None:
    second = open_database(database_url, "auction", wait=PATIENCE)
    writers = (SqlSnapshots(database), SqlSnapshots(second))
    snapshots = [Snapshot(seq=seq, position=seq, body=b"%d" % seq, fingerprint="v1") for seq in range(1, 61)]
    await asyncio.gather(*(writers[found.seq % 2].save(LOT, found) for found in reversed(snapshots)))
    assert [await writer.load(LOT) for writer in writers] == [snapshots[-1], snapshots[-1]]
    await second.dispose()


async def test_more_callers_than_connections_wait_their_turn(database: AsyncEngine) -> None:
    connections: list[object] = []

    def connected(connection: object, _: object) -> None:
        connections.append(connection)

    event.listen(database.sync_engine, "connect", connected)
    store = SqlSnapshots(database)
    await asyncio.gather(*(store.save(Name.of("auction", "acme", str(lot)), SAVED) for lot in range(10 * CONNECTIONS)))
    assert 1 <= len(connections) <= CONNECTIONS


async def test_a_lock_held_elsewhere_ends_the_wait_and_not_the_store(database: AsyncEngine, database_url: str) -> None:
    hasty = open_database(database_url, "auction", wait=SHORT)
    store = SqlSnapshots(hasty)
    async with database.begin() as connection:
        row = "INSERT INTO snapshots VALUES ('auction:acme:lot-1', 1, 1, '', 'v1', '', CURRENT_TIMESTAMP)"
        await connection.execute(text(row))
        with pytest.raises(Unavailable):
            await asyncio.wait_for(store.save(LOT, SAVED), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        found: Snapshot | None = None
        while found is None:
            with suppress(Unavailable):  # a busy machine is slower than so hasty a store allows
                await store.save(LOT, SAVED)
                found = await store.load(LOT)
    assert found == SAVED
    await hasty.dispose()


async def test_a_database_without_tables_is_unavailable(database_url: str) -> None:
    database = open_database(database_url, "auction")
    store = SqlSnapshots(database)
    for attempt in (store.load(LOT), store.save(LOT, SAVED), store.delete(LOT)):
        with pytest.raises(Unavailable):
            await attempt
    await database.dispose()


async def test_a_damaged_file_is_unavailable_however_often_it_is_tried(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "auction")
    (tmp_path / "auction.db").write_bytes(b"no database any more " * 1000)
    database = open_database(url, "auction")
    threads = threading.active_count()
    for _ in range(2 * CONNECTIONS):
        with pytest.raises(Unavailable):
            await SqlSnapshots(database).load(LOT)
    await database.dispose()
    async with asyncio.timeout(30):
        while threading.active_count() > threads:  # a connection's thread ends a moment after its connection
            await asyncio.sleep(0.01)


async def test_services_share_a_database_and_not_their_tables(database_url: str) -> None:
    databases: list[AsyncEngine] = []
    for service in ("auction", "floor"):
        await migrate(database_url, service)
        databases.append(open_database(database_url, service))
    auction, floor = (SqlSnapshots(database) for database in databases)
    await auction.save(LOT, SAVED)
    assert await floor.load(LOT) is None
    assert await auction.load(LOT) == SAVED
    for database in databases:
        await database.dispose()


async def test_an_open_read_does_not_keep_a_writer_waiting(database: AsyncEngine) -> None:
    store = SqlSnapshots(database)
    await store.save(LOT, OLDER)
    async with database.begin() as reader:
        assert len((await reader.execute(text("SELECT * FROM snapshots"))).all()) == 1
        await store.save(LOT, SAVED)
    assert await store.load(LOT) == SAVED


async def test_sqlite_does_not_sync_the_disk_for_every_snapshot(tmp_path: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db", "auction")
    async with database.connect() as connection:
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar_one() == 1
    await database.dispose()


@pytest.mark.parametrize(
    ("url", "service", "advice"),
    [
        ("sqlite+aiosqlite:///./data/all.db", "auction", r"put \{service\} into the URL"),
        ("sqlite+aiosqlite://", "auction", r"put \{service\} into the URL"),
        ("sqlite:///./data/{service}.db", "auction", "no driver for 'sqlite'"),
        ("mysql://host/{service}", "auction", "no driver for 'mysql'"),
        ("./data/{service}.db", "auction", "not a database URL; write it like sqlite"),
        ("postgresql+asyncpg://user:secret@host:port/database", "auction", "not a database URL"),
        ("sqlite+aiosqlite:///./data/{service}.db", "../auction", "a service's name is like 'auction'"),
        ("sqlite+aiosqlite:///./data/{service}.db", "Auction", "a service's name is like 'auction'"),
        ("sqlite+aiosqlite:///./data/{service}.db", "", "a service's name is like 'auction'"),
    ],
)
def test_an_unusable_url_or_name_says_what_to_write(url: str, service: str, advice: str) -> None:
    with pytest.raises(DatabaseProblem, match=advice) as problem:
        open_database(url, service)
    assert "secret" not in str(problem.value)
