"""What every store of snapshots does: in memory, on SQLite, on PostgreSQL."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from holdfast import Name
from holdfast._snapshots import Snapshot, Snapshots
from holdfast.sql import SqlSnapshots, migrate, open_database
from holdfast.testing._memory_snapshots import MemorySnapshots

pytest_plugins = ["holdfast.testing._databases"]

LOT = Name.of("auction", "acme", "lot-1")


def snapshot(seq: int, body: bytes = b"{}", fingerprint: str = "v1") -> Snapshot:
    return Snapshot(seq=seq, position=seq * 10, body=body, fingerprint=fingerprint)


class Contract:
    """Written once; the classes below run it on each store."""

    async def test_an_entity_without_a_snapshot_has_none(self, store: Snapshots) -> None:
        assert await store.load(LOT) is None

    async def test_a_snapshot_comes_back_as_it_was_saved(self, store: Snapshots) -> None:
        saved = Snapshot(seq=2**53, position=2**60, body=bytes(range(256)) * 4096, fingerprint="a3f0")
        await store.save(LOT, saved)
        assert await store.load(LOT) == saved

    async def test_an_empty_body_is_a_body(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(1, b""))
        assert await store.load(LOT) == snapshot(1, b"")

    async def test_a_newer_snapshot_replaces_an_older_one(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(1, b"old", "v1"))
        await store.save(LOT, snapshot(2, b"new", "v2"))
        assert await store.load(LOT) == snapshot(2, b"new", "v2")

    async def test_an_older_snapshot_never_replaces_a_newer_one(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(2, b"new"))
        await store.save(LOT, snapshot(1, b"old"))
        await store.save(LOT, snapshot(1, b"old", "v2"))
        assert await store.load(LOT) == snapshot(2, b"new")

    async def test_a_snapshot_as_new_as_the_stored_one_changes_nothing(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(2, b"first"))
        await store.save(LOT, snapshot(2, b"second"))
        assert await store.load(LOT) == snapshot(2, b"first")

    async def test_a_snapshot_as_new_but_of_another_schema_replaces_the_unreadable_one(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(2, b"of old code", "v1"))
        await store.save(LOT, snapshot(2, b"of new code", "v2"))
        assert await store.load(LOT) == snapshot(2, b"of new code", "v2")

    async def test_a_snapshot_of_another_schema_is_given_out_for_the_runtime_to_judge(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(2, b"{}", "unknown"))
        assert await store.load(LOT) == snapshot(2, b"{}", "unknown")

    async def test_saves_at_the_same_time_leave_the_newest(self, store: Snapshots) -> None:
        await asyncio.gather(*(store.save(LOT, snapshot(seq)) for seq in (3, 9, 1, 10, 7, 2, 8, 5, 4, 6)))
        assert await store.load(LOT) == snapshot(10)

    async def test_a_deleted_snapshot_is_gone_and_an_older_one_may_follow(self, store: Snapshots) -> None:
        await store.save(LOT, snapshot(5))
        await store.delete(LOT)
        assert await store.load(LOT) is None
        await store.save(LOT, snapshot(1))
        assert await store.load(LOT) == snapshot(1)

    async def test_deleting_what_is_not_there_is_harmless(self, store: Snapshots) -> None:
        await store.delete(LOT)
        assert await store.load(LOT) is None

    async def test_entities_do_not_see_each_others_snapshots(self, store: Snapshots) -> None:
        parts = itertools.product(("auction", "floor"), ("acme", "umbra"), ("a", "a:b", "A", "x" * 180))
        names = [Name.of(*part) for part in parts]
        for seq, name in enumerate(names, start=1):
            await store.save(name, snapshot(seq, str(name).encode()))
        await store.delete(names[0])
        assert await store.load(names[0]) is None
        for seq, name in enumerate(names[1:], start=2):
            assert await store.load(name) == snapshot(seq, str(name).encode())


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> Snapshots:
        return MemorySnapshots()


class TestSql(Contract):
    @pytest.fixture
    async def store(self, database_url: str) -> AsyncIterator[Snapshots]:
        await migrate(database_url, "auction")
        database = open_database(database_url, "auction")
        yield SqlSnapshots(database)
        await database.dispose()
