"""The archive: every event as the log had it, and command ids by which to find it."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.json import encode
from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Audience
from holdfast._judge import Judge
from holdfast._log import StoredCommit
from holdfast._messages import RecordedEvent
from holdfast._remembered import Remembered
from holdfast.jetstream import JetStreamLog, NatsBus
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import migrate, open_database
from holdfast.sql._archive import HOLES_AT_ONCE, Archive, SqlArchive, of_events
from holdfast.sql._projector import Projector
from holdfast.testing.counter import Added, CounterEntity
from holdfast.testing.history import NOON, History

pytest_plugins = ["holdfast.testing._databases"]

SECRET = Audience(only=("role:admin",), fields={"note": ("user:ann",), "by": ()})


@dataclass(frozen=True)
class Shelf:
    history: History
    log: JetStreamLog
    database: AsyncEngine
    archive: SqlArchive
    projector: Projector


@pytest.fixture
async def shelf(bus: NatsBus, database_url: str) -> AsyncGenerator[Shelf]:
    history = await History(bus).open()
    await migrate(database_url, "counter")
    database = open_database(database_url, "counter")
    projector = Projector(
        Archive(history.purpose),
        judge=Judge(CounterEntity()),
        whole_log=JetStreamWholeLog(bus, history.purpose),
        database=database,
    )
    yield Shelf(history, JetStreamLog(bus), database, SqlArchive(database), projector)
    await database.dispose()


def plain(events: Sequence[RecordedEvent]) -> list[tuple[object, ...]]:
    return [
        (*(getattr(event, field) for field in event.__struct_fields__ if field != "data"), bytes(event.data))
        for event in events
    ]


async def test_an_archived_event_is_as_the_log_had_it(shelf: Shelf) -> None:
    await shelf.history.append([Added(amount=1, note="ünïcode \0 \n"), Added(amount=2)], to=SECRET)
    await shelf.history.append([Added(amount=3)])
    await shelf.projector.catch_up()
    expected = [event for _, commit in shelf.history.commits for event in commit.events]
    assert plain(await shelf.archive.read(shelf.history.name())) == plain(expected)


async def test_events_are_read_in_pages_and_of_one_entity_only(shelf: Shelf) -> None:
    for amount in range(1, 6):
        await shelf.history.add(amount, amount, id_="a")
        await shelf.history.add(amount, id_="b")
    await shelf.projector.catch_up()
    found = await shelf.archive.read(shelf.history.name("a"), after=3, limit=4)
    assert [event.seq for event in found] == [4, 5, 6, 7]
    assert await shelf.archive.read(shelf.history.name("a"), after=10) == []
    assert await shelf.archive.read(shelf.history.name("a", tenant="umbra")) == []


async def test_a_command_is_found_by_its_id_with_its_commit_and_its_payload(shelf: Shelf) -> None:
    await shelf.history.add(1)
    position = await shelf.history.append([Added(amount=2), Added(amount=3)], command_id="till-2:17")
    await shelf.history.add(4)
    await shelf.projector.catch_up()
    found = await shelf.archive.find(shelf.history.name(), ["till-2:17", "till-2:18"], since=NOON)
    assert found == {"till-2:17": Remembered("digest", position, 2, 3, int(NOON.timestamp()))}


async def test_a_command_is_found_at_its_own_entity_and_in_its_time_only(shelf: Shelf) -> None:
    await shelf.history.append([Added(amount=2)], command_id="till-2:17")
    await shelf.projector.catch_up()
    name, ids = shelf.history.name(), ["till-2:17"]
    assert await shelf.archive.find(shelf.history.name("b"), ids, since=NOON) == {}
    assert await shelf.archive.find(shelf.history.name("a", tenant="umbra"), ids, since=NOON) == {}
    assert await shelf.archive.find(name, ids, since=NOON + timedelta(microseconds=1)) == {}


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_commits_come_out_of_the_archive_whole(shelf: Shelf, limit: int) -> None:
    for amounts in ((1,), (2, 3, 4), (5, 6), (7,)):
        await shelf.history.add(*amounts)
        await shelf.history.add(*amounts, id_="b")
    await shelf.projector.catch_up()
    expected = await shelf.log.read(shelf.history.name())
    found: list[StoredCommit] = []
    while page := await shelf.archive.commits(shelf.history.name(), after=_end(found), limit=limit):
        found += page
    assert encode(found) == encode(expected)
    assert encode(await shelf.archive.commits(shelf.history.name(), after=2, limit=1)) == encode(expected[1:2])
    assert encode(await shelf.archive.commit_at(shelf.history.name(), expected[2].position)) == encode(expected[2])


def _end(commits: Sequence[StoredCommit]) -> int:
    return commits[-1].commit.events[-1].seq if commits else 0


async def test_events_of_newer_code_are_archived_too(shelf: Shelf) -> None:
    await shelf.history.append([Added(amount=1)], tag="of_newer_code")
    await shelf.projector.catch_up()
    assert [event.type for event in await shelf.archive.read(shelf.history.name())] == ["of_newer_code"]


async def test_single_events_are_found_by_the_index_however_large_the_archive_is(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "counter")
    wanted = [(f"counter:acme:{number}", number) for number in range(HOLES_AT_ONCE)]
    query = of_events(wanted).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    engine = open_database(url, "counter")
    async with engine.connect() as connection:
        steps = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {query}".replace(":", "\\:")))]
    await engine.dispose()
    assert [step for step in steps if "SCAN" in step] == []
    assert sum("SEARCH events" in step for step in steps) == HOLES_AT_ONCE
