"""Rows made anew: because somebody asks for it, or because the code is of another version than they are."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, update
from structlog.testing import capture_logs

from holdfast._judge import Judge
from holdfast.jetstream import NatsBus
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Archive, Projector, StoredEvent
from holdfast.sql._projector import MadeByNewer
from holdfast.sql._tables import positions
from holdfast.testing.counter import CounterEntity, CounterEvent
from holdfast.testing.history import History
from holdfast.tests.projecting import SMALL, Mixtures, World, mixtures, opened, some_history
from holdfast.tests.waiting import running, until

pytest_plugins = ["holdfast.testing._databases"]


@pytest.fixture
async def world(bus: NatsBus, database_url: str) -> AsyncGenerator[World]:
    async with opened(bus, database_url) as world:
        yield world


async def test_a_rebuild_gives_the_same_rows_while_events_come_and_projectors_run(world: World) -> None:
    await some_history(world.history)
    async with running(world.projector(), world.projector()):
        await world.until_complete()
        writing = asyncio.create_task(write_on(world.history))
        for _ in range(3):
            await world.projector().rebuild()
        await writing
        await world.until_complete()
    assert await world.rows() == world.expected()


async def write_on(history: History) -> None:
    for _ in range(10):
        await some_history(history)


async def test_a_rebuild_repairs_rows_that_were_wrong(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    async with world.database.begin() as connection:
        await connection.execute(update(mixtures).values(mixture=-1))
    await world.projector().rebuild()
    assert await world.rows() == world.expected()


async def test_a_rebuild_tells_how_far_it_is(world: World) -> None:
    await some_history(world.history)
    told: list[tuple[int, int]] = []
    await world.projector().rebuild(progress=lambda position, end: told.append((position, end)))
    end = len(world.history.commits)
    assert told == [(position, end) for position in (*range(SMALL, end, SMALL), end)]


class Doubled(Mixtures):
    """What a later version of the code makes of the same log."""

    generation = 2

    def amount(self, stored: StoredEvent[CounterEvent]) -> int:
        return 2 * super().amount(stored)


def version_of(world: World) -> int:
    return Mixtures(world.history.purpose).version


async def test_rows_of_an_older_version_are_made_anew_by_themselves_and_once(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    seqs = [row[3] for row in world.expected()]
    with capture_logs() as lines:
        doubled = [world.projector(projection=Doubled(world.history.purpose)) for _ in range(3)]
        async with running(*doubled):
            await world.until(lambda rows: rows != world.expected() and [row[3] for row in rows] == seqs)
    assert [line["rows"] for line in lines if line["event"] == "projection.renewed"] == [version_of(world)]
    renewed = await world.rows()
    await world.projector(projection=Doubled(world.history.purpose)).rebuild()
    assert await world.rows() == renewed != world.expected()


async def test_rows_from_before_there_were_versions_are_made_anew(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    async with world.database.begin() as connection:
        await connection.execute(update(positions).values(version=0))
        await connection.execute(update(mixtures).values(mixture=-1))
    await world.projector().catch_up()
    assert await world.rows() == world.expected()


async def test_code_that_is_older_than_the_rows_leaves_them_alone(world: World) -> None:
    await some_history(world.history)
    newer = world.projector(projection=Doubled(world.history.purpose))
    await newer.catch_up()
    made = await world.rows()
    with capture_logs() as lines:
        async with running(world.projector()):
            await until(lambda: "projection.newer" in [line["event"] for line in lines])
            await some_history(world.history)
    assert await world.rows() == made
    with pytest.raises(MadeByNewer):
        await world.projector().catch_up()
    await newer.catch_up()
    assert await world.rows() != made


async def test_code_that_is_overtaken_by_newer_code_lacks_nothing(world: World) -> None:
    await some_history(world.history)
    older = world.projector()
    with capture_logs() as lines:
        async with running(older):
            await world.until_complete()
            await world.projector(projection=Doubled(world.history.purpose)).catch_up()
            await world.history.add(77)  # it takes this up, and finds that the rows are not its own any more
            await until(lambda: "projection.newer" in [line["event"] for line in lines])
            assert (older.lag, older.late) == (0, 0.0)


def test_a_read_model_with_more_columns_is_of_a_later_version() -> None:
    wider = Table("wider", MetaData(), *(Column(f"c{number}", BigInteger) for number in range(9)))

    class Wider(Mixtures):
        tables = (wider,)

    assert Mixtures("p").version < Wider("p").version < Doubled("p").version
    assert Archive("p").version == 0


async def test_an_archive_is_never_made_anew_for_the_log_may_not_hold_what_it_holds(world: World) -> None:
    archive = Projector(
        Archive(world.history.purpose),
        judge=Judge(CounterEntity()),
        whole_log=JetStreamWholeLog(world.bus, world.history.purpose, pull=SMALL),
        database=world.database,
    )
    await some_history(world.history)
    await archive.catch_up()
    async with world.database.begin() as connection:
        await connection.execute(update(positions).values(version=7))
    await archive.catch_up()
    assert await archive.position() > 0
