"""The projector: in order, exactly once in effect, whatever dies at whatever moment, on SQLite and PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, event, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from holdfast._judge import UnknownEvent
from holdfast.jetstream import NatsBus
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import StoredEvent, open_database
from holdfast.sql._projector import AheadOfLog, Overtaken, Stand, Stopped
from holdfast.testing.counter import Added, CounterEvent
from holdfast.testing.history import History
from holdfast.tests.projecting import PATIENCE, RETRY, SMALL, Mixtures, World, mixtures, opened, some_history
from holdfast.tests.waiting import running, until

pytest_plugins = ["holdfast.testing._databases"]


@pytest.fixture
async def world(bus: NatsBus, database_url: str) -> AsyncGenerator[World]:
    async with opened(bus, database_url) as world:
        yield world


class Killed(BaseException):
    """Ends a projector as a crash does: nothing catches it."""


async def test_events_are_applied_in_the_order_of_the_log(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    assert await world.rows() == world.expected()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_first_look_at_the_rows_lets_another_one_write_meanwhile(world: World) -> None:
    other = sqlite3.connect(str(world.database.url.database), isolation_level=None)

    def write_meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            other.execute("INSERT OR IGNORE INTO positions (projection, position, deletions) VALUES ('other', 0, 0)")

    event.listen(world.database.sync_engine, "after_cursor_execute", write_meanwhile)
    with closing(other):
        assert await world.projector().position() == 0


async def test_events_that_come_later_are_applied_as_they_come(world: World) -> None:
    projector = world.projector()
    async with running(projector):
        await world.history.add(1)
        await world.until_complete()
        await some_history(world.history)
        await world.until_complete()
        await until(lambda: projector.lag == 0)


async def test_a_restarted_projector_goes_on_where_the_rows_are(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    await some_history(world.history)
    await world.projector().catch_up()
    await world.projector().catch_up()
    assert await world.rows() == world.expected()


@contextmanager
def killed_at(database: AsyncEngine, step: int) -> Generator[list[str]]:
    """Kill whoever uses the database at the step of this number: before and after each statement, and at commits."""
    steps: list[str] = []

    def reached(what: str) -> None:
        steps.append(what)
        if len(steps) == step:
            raise Killed(what)

    engine = database.sync_engine
    hooks: list[tuple[str, Callable[..., None]]] = [
        ("before_cursor_execute", lambda *call: reached(f"before {call[2]}")),
        ("after_cursor_execute", lambda *call: reached(f"after {call[2]}")),
        ("commit", lambda *_: reached("at commit")),
    ]
    for name, hook in hooks:
        event.listen(engine, name, hook)
    try:
        yield steps
    finally:
        for name, hook in hooks:
            event.remove(engine, name, hook)


async def test_a_projector_killed_at_any_step_leaves_rows_as_if_nothing_had_happened(world: World) -> None:
    await some_history(world.history)
    await world.projector().rebuild()
    undisturbed = await world.rows()
    kills = 0
    while True:
        await world.projector().drop()
        with killed_at(world.database, kills + 1) as steps, suppress(Killed):
            await world.projector().catch_up()
        if len(steps) <= kills:
            break
        kills += 1
        await world.projector().catch_up()
        assert await world.rows() == undisturbed, steps[-1]
    assert undisturbed == world.expected()
    assert kills > 2 * 2 * len(world.history.commits)


async def test_a_projector_killed_after_a_commit_does_not_apply_it_again(world: World) -> None:
    await some_history(world.history)
    for commits in range(1, len(world.history.commits) // SMALL + 1):
        await world.projector().drop()
        reached = 0

        def count(position: int, _: int) -> None:
            nonlocal reached
            reached += 1
            if reached == commits:  # noqa: B023 - called within this round
                raise Killed(str(position))

        with suppress(Killed):
            await world.projector().catch_up(progress=count)
        assert reached == commits
        await world.projector().catch_up()
        assert await world.rows() == world.expected()


async def test_a_projector_cancelled_at_any_moment_ends_and_loses_nothing(world: World) -> None:
    for round_ in range(60):
        task = asyncio.create_task(world.projector().run())
        await world.history.add(round_ + 1, 2)
        await asyncio.wait([task], timeout=round_ % 30 * 0.001)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        assert done
    await world.projector().catch_up()
    assert await world.rows() == world.expected()


async def test_two_projectors_at_once_apply_everything_once(world: World) -> None:
    other = open_database(world.url, "counter")
    try:
        async with running(world.projector(), world.projector(other), world.projector(other)):
            for _ in range(5):
                await some_history(world.history)
            await world.until_complete()
        assert await world.rows() == world.expected()
    finally:
        await other.dispose()


async def test_the_loser_of_a_race_writes_nothing(world: World) -> None:
    await world.history.add(1)
    slow, fast = world.projector(), world.projector()
    stand = Stand(await slow.position(), deletions=0, version=slow.projection.version)
    await fast.catch_up()
    commits = [(await first_chunk(world)).commits[0]]
    with pytest.raises(Overtaken):
        await slow._write(stand, commits)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the moment of the race
    assert await world.rows() == world.expected()


async def first_chunk(world: World) -> Any:
    follow = JetStreamWholeLog(world.bus, world.history.purpose).follow(0)
    chunk = await anext(follow)
    await follow.aclose()
    return chunk


async def test_another_projector_takes_over_from_one_that_died(world: World) -> None:
    first, second = world.projector(), world.projector()
    async with running(second):
        async with running(first):
            await some_history(world.history)
            await world.until_complete()
        await some_history(world.history)
        await world.until_complete()


class Overrun(Mixtures):
    """Another projector is faster at first, and then the database is away for a while."""

    away = 0

    def apply(self, connection: Connection, stored: StoredEvent[CounterEvent], /) -> None:
        if not self.away:
            self.away = 4
            raise Overtaken(self.name)
        super().apply(connection, stored)


async def test_a_projector_that_stands_by_outlives_a_database_that_is_away(world: World) -> None:
    database, overrun = open_database(world.url, "counter"), Overrun(world.history.purpose)

    def begun(_: Any) -> None:
        if overrun.away > 1:
            overrun.away -= 1
            raise OperationalError("BEGIN", None, OSError("the database is away"))

    event.listen(database.sync_engine, "begin", begun, insert=True)
    try:
        await some_history(world.history)
        with capture_logs() as logged:
            async with running(world.projector(database, overrun)):
                await world.until_complete()
        assert overrun.away == 1
        told = {entry["error"] for entry in logged if entry["event"] == "projection.restarting"}
        assert told == {"sqlalchemy.exc.OperationalError"}, "the words of a driver may quote a row"
    finally:
        await database.dispose()


class Buggy(Mixtures):
    """Cannot apply one amount, as long as it is broken."""

    broken = True

    def amount(self, stored: StoredEvent[CounterEvent]) -> int:
        amount = super().amount(stored)
        if self.broken and amount == 13:
            raise RuntimeError("a bug in a projection")
        return amount


async def test_a_failing_event_is_named_and_all_before_it_are_applied(world: World) -> None:
    for amount in (11, 12, 13, 14):
        await world.history.add(amount)
    with pytest.raises(Stopped, match=r"events 3 to 3 of counter-\w+:acme:a at position 3: RuntimeError\('a bug"):
        await world.projector(projection=Buggy(world.history.purpose)).catch_up()
    assert [row[-1] for row in await world.rows()] == [2]


async def test_a_stopped_projection_loses_nothing_and_goes_on_when_the_bug_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.sql._projector.STOPPED_SECONDS", RETRY)
    buggy = Buggy(world.history.purpose)
    projector = world.projector(projection=buggy)
    for amount in (11, 12, 13, 14):
        await world.history.add(amount)
    with capture_logs() as logs:
        async with running(projector):
            await world.until(lambda rows: [row[-1] for row in rows] == [2])
            await until(lambda: "projection.stopped" in [entry["event"] for entry in logs])
            assert projector.lag == 2
            buggy.broken = False
            await world.until_complete()
            await until(lambda: projector.lag == 0)


async def test_an_event_of_newer_code_stops_the_projection_only_where_it_is_read(world: World) -> None:
    await world.history.add(1)
    await world.history.append([Added(amount=2)], tag="of_newer_code")
    with pytest.raises(Stopped, match="'of_newer_code', which this code does not know") as stopped:
        await world.projector().catch_up()
    assert isinstance(stopped.value.__cause__, UnknownEvent)
    assert await world.projector().position() == 1


async def test_a_log_that_is_not_the_one_of_the_rows_stops_the_projection(world: World) -> None:
    await some_history(world.history)
    await world.projector().catch_up()
    lost = World(world.bus, await History(world.bus).open(), world.database, world.url)
    with pytest.raises(AheadOfLog, match="is at 12, but the log ends at 0: restore the log"):
        await lost.projector().catch_up()
    assert await world.rows() == world.expected()


async def test_a_database_that_is_locked_for_long_is_waited_for(world: World) -> None:
    impatient = open_database(world.url, "counter", wait=0.05)
    try:
        async with world.database.begin() as other:
            await other.execute(update(mixtures).values(seq=0))
            async with running(world.projector(impatient)):
                await some_history(world.history)
                await other.rollback()
                await world.until_complete()
    finally:
        await impatient.dispose()


async def test_the_lag_is_what_the_log_holds_beyond_the_rows(world: World) -> None:
    await some_history(world.history)
    projector = world.projector()
    lags: list[int] = []
    await projector.catch_up(progress=lambda *_: lags.append(projector.lag))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - they do not matter here
    assert lags == [9, 6, 3, 0]


async def test_a_log_with_purged_places_is_read_to_its_end(world: World) -> None:
    for amount in range(1, 100):
        await world.history.add(amount, id_=str(amount % 7))
    await world.history.purge("3")
    await world.projector().catch_up()
    assert await world.rows() == world.expected()
