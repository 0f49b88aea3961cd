"""Keeps one read model up to date: batches of events and the position after them, each in one transaction."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, Executable, Table, delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import Unavailable
from holdfast._judge import Judge
from holdfast._projection import AnyProjection, Chunk, LoggedCommit, StoredEvent, WholeLog
from holdfast.sql._tables import deletions, positions
from holdfast.sql._whole import to_the_end
from holdfast.telemetry import Tracing, name_of

WRITE_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 0.2
MAX_RETRY_SECONDS: Final = 10.0
STOPPED_SECONDS: Final = 5.0
MAX_STOPPED_SECONDS: Final = 60.0
STAND_BY_SECONDS: Final = 1.0
REST_SHARE: Final = 4.0
"""The rest after a batch, as a multiple of the time it took: commands in the same process go before rows."""
MAX_REST_SECONDS: Final = 1.0

LINKS: Final = 100
"""The commits that the span of one batch points to, the newest ones: nobody looks at more."""
_BUSY: Final = (Unavailable, OSError, OperationalError, InterfaceError, PoolTimeout)
"""NATS or the database is away or slow. Whatever else goes wrong is a bug, or written by newer code."""

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """A commit cannot be applied by this code. All before it are."""

    def __init__(self, place: str, error: Exception) -> None:
        super().__init__(f"{place}: {error!r}")
        self.place = place


class Overtaken(Exception):
    """Another projector moved the position, a rebuild set it back, or an entity was deleted: nothing was written."""


class MadeByNewer(Overtaken):
    """The rows are those of a newer version of the projection than this code has."""


class AheadOfLog(Exception):
    """The position lies beyond the log's end: this is not the log that the rows were made from."""


class Stand(NamedTuple):
    """How far the rows are, how many deletions they have seen, and which version of the projection made them.

    What is read before a deletion must not be written after it.
    """

    position: int
    deletions: int
    version: int = 0


class Projector:
    """Applies one projection to one log. Any number of them may run at once: the position in SQL lets one win."""

    def __init__(
        self,
        projection: AnyProjection,
        *,
        judge: Judge,
        whole_log: WholeLog,
        database: AsyncEngine,
        retry_seconds: float = RETRY_SECONDS,
        stand_by_seconds: float = STAND_BY_SECONDS,
        tracing: Tracing | None = None,
    ) -> None:
        self.projection = projection
        self._judge = judge
        self._log = whole_log
        self._database = database
        self._retry = retry_seconds
        self._stand_by_seconds = stand_by_seconds
        self._tracing = tracing
        self._behind = 0
        self._applied = 0
        self._failures = 0
        self._level_at: float | None = None
        self._left = False

    @property
    def lag(self) -> int:
        """How many commits of the log were not yet applied when it was last looked at."""
        return self._behind

    @property
    def applied(self) -> int:
        """How many events it has applied, without those that another projector was faster with."""
        return self._applied

    @property
    def late(self) -> float:
        """The seconds since the rows were last known to hold all of the log, or since it was begun; 0 while they do."""
        if self._level_at is None or not (self._behind or self._failures):
            return 0.0
        return asyncio.get_running_loop().time() - self._level_at

    async def run(self) -> None:
        """Follow the log until cancelled. What fails is tried again; a bug stops this projection alone."""
        self._level_at = asyncio.get_running_loop().time()
        while True:
            try:
                await self._follow_or_stand_by()
            except _BUSY as error:
                self._failures += 1
                log.warning("projection.restarting", projection=self.projection.name, error=name_of(error))
                await asyncio.sleep(_backoff(self._failures, self._retry, MAX_RETRY_SECONDS))
            except Exception as error:  # the log keeps everything that it did not apply
                self._failures += 1
                place = error.place if isinstance(error, Stopped) else None
                log.exception("projection.stopped", projection=self.projection.name, behind=self.lag, place=place)
                await asyncio.sleep(_backoff(self._failures, STOPPED_SECONDS, MAX_STOPPED_SECONDS))

    async def catch_up(self, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Apply all that the log holds now and return. `progress` is called with the position and the log's end."""
        end = await self._log.end()
        while True:
            try:
                return await self._follow(until=end, progress=progress)
            except MadeByNewer:
                raise
            except Overtaken:
                await self._stand_by(None if progress is None else lambda position: progress(min(position, end), end))

    async def rebuild(self, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Drop the rows and apply the whole log again. Projectors that run elsewhere notice, and help."""
        await self.drop()
        await self.catch_up(progress=progress)

    @to_the_end
    async def drop(self) -> None:
        """Remove the rows and set the position back, so that whoever runs next begins anew."""
        async with self._database.begin() as connection:
            await connection.run_sync(self._empty)

    async def position(self) -> int:
        """The position of the last commit that the rows contain."""
        return (await self._stand()).position

    @to_the_end
    async def _stand(self) -> Stand:
        mine = positions.c.projection == self.projection.name
        query = select(positions.c.position, positions.c.deletions, positions.c.version).where(mine)
        async with self._database.begin() as connection:
            found = (await connection.execute(query)).one_or_none()
        if found is None:
            # Apart from the reading: a transaction of SQLite that has read may not write once another one has.
            async with self._database.begin() as connection:
                await connection.execute(zero_if_new(self.projection.name, self._database.dialect.name))
        return Stand(*found) if found else Stand(0, 0)

    async def _follow(self, *, until: int | None, progress: Callable[[int, int], None] | None = None) -> None:
        stand = await self._of_this_version(await self._stand())
        position = stand.position
        end = await self._log.end()
        if position > end:
            raise AheadOfLog(
                f"{self.projection.name} is at {position}, but the log ends at {end}: restore the log that belongs to "
                "this database, or build the read model anew with `holdfast rebuild`"
            )
        self._behind = end - position
        async with aclosing(self._log.follow(position)) as chunks:
            async for chunk in chunks:
                began = asyncio.get_running_loop().time()
                stand = await self._take(chunk, stand)
                position = stand.position
                if until is None and chunk.commits:
                    took = asyncio.get_running_loop().time() - began
                    await asyncio.sleep(min(REST_SHARE * took, MAX_REST_SECONDS))
                if progress is not None:
                    progress(position, max(end, position))
                if until is not None and (position >= until or not chunk.commits):
                    return

    async def _of_this_version(self, stand: Stand) -> Stand:
        """Begin anew when older code made the rows; leave them to whoever made them when it was newer."""
        mine = self.projection.version
        if stand.version == mine or not mine:
            return stand
        if self._is_left_to_newer(stand):
            raise MadeByNewer(f"{self.projection.name}: newer code makes these rows")
        if await self._renew(stand) and stand.position:
            log.info("projection.renewed", projection=self.projection.name, version=mine, rows=stand.version)
        return await self._stand()

    def _is_left_to_newer(self, stand: Stand) -> bool:
        """Whether newer code makes these rows: whatever they lack, this code does not owe it."""
        mine = self.projection.version
        if not mine or stand.version <= mine:
            return False
        if not self._left:
            log.warning("projection.newer", projection=self.projection.name, version=mine, rows=stand.version)
        self._left = True
        self._behind = self._failures = 0
        self._level_at = asyncio.get_running_loop().time()
        return True

    @to_the_end
    async def _renew(self, stand: Stand) -> bool:
        """Empty the tables and begin at the log's start; False when somebody else has done so."""
        as_read = (positions.c.projection == self.projection.name, positions.c.version == stand.version)

        def begin_anew(connection: Connection) -> bool:
            again = update(positions).where(*as_read).values(position=0, version=self.projection.version)
            if connection.execute(again).rowcount != 1:
                return False
            _clear(connection, self.projection.tables)
            return True

        async with asyncio.timeout(WRITE_SECONDS), self._database.begin() as connection:
            return await connection.run_sync(begin_anew)

    async def _take(self, chunk: Chunk, stand: Stand) -> Stand:
        self._behind = len(chunk.commits) + chunk.behind
        if chunk.commits:
            await self._traced(stand, chunk.commits)
            stand = stand._replace(position=chunk.commits[-1].position)
        self._behind = chunk.behind
        self._failures = 0
        if not chunk.behind:
            self._level_at = asyncio.get_running_loop().time()
        return stand

    async def _traced(self, stand: Stand, commits: Sequence[LoggedCommit]) -> None:
        """Apply the commits in one step that points to those of them that were traced."""
        links = [each.traceparent for each in commits if each.traceparent] if self._tracing is not None else []
        if self._tracing is None or not links:
            await self._apply(stand, commits)
            return
        with self._tracing.within(f"project {self.projection.name}", parent="", links=links[-LINKS:]) as step:
            step.tell(commits=len(commits), position=commits[-1].position)
            await self._apply(stand, commits)

    async def _apply(self, stand: Stand, commits: Sequence[LoggedCommit]) -> None:
        """Write the commits together; when one of them fails, write those before it and name it."""
        try:
            await self._write(stand, commits)
        except (*_BUSY, Overtaken):
            raise
        except Exception as error:
            if len(commits) == 1:
                failed = commits[0]
                seqs = f"{failed.commit.events[0].seq} to {failed.commit.events[-1].seq}"
                raise Stopped(f"events {seqs} of {failed.name} at position {failed.position}", error) from error
            for each in commits:
                await self._apply(stand, (each,))
                stand = stand._replace(position=each.position)
                self._behind -= 1

    @to_the_end
    async def _write(self, old: Stand, commits: Sequence[LoggedCommit]) -> None:
        """Apply the commits and move the position from `old` past them, or neither."""
        events: list[StoredEvent[Any]] = [
            StoredEvent(name=each.name, position=each.position, recorded=recorded, judge=self._judge, commit=stored)
            for each, stored in [(each, each.stored) for each in commits]
            for recorded in each.commit.events
        ]
        new = commits[-1].position

        def apply(connection: Connection) -> None:
            mine = positions.c.projection == self.projection.name
            as_read = tuple(positions.c[field] == value for field, value in old._asdict().items())
            moved = connection.execute(update(positions).where(mine, *as_read).values(position=new))
            if moved.rowcount != 1:
                raise Overtaken(self.projection.name)
            self._end_earlier_lives(connection, commits)
            self.projection.apply_all(connection, events)

        async with asyncio.timeout(WRITE_SECONDS), self._database.begin() as connection:
            await connection.run_sync(apply)
        self._applied += len(events)

    def _end_earlier_lives(self, connection: Connection, commits: Sequence[LoggedCommit]) -> None:
        """Remove what an interrupted deletion left, before the first event of the next life."""
        begun = {str(each.name): each for each in commits if each.commit.events[0].seq == 1}
        if not begun:
            return
        unfinished = select(deletions.c.name).where(deletions.c.name.in_(begun))
        for name in connection.execute(unfinished).scalars().all():
            first = begun[name]
            if any(each.name == first.name and each.position < first.position for each in commits):
                raise Overtaken(f"{self.projection.name}: the log lost the earlier life of {name} while it was read")
            for table in self.projection.tables:
                connection.execute(delete(table).where(self.projection.rows_of(first.name, table)))

    async def _follow_or_stand_by(self) -> None:
        try:
            await self._follow(until=None)
        except Overtaken:
            await self._stand_by()

    async def _stand_by(self, told: Callable[[int], None] | None = None) -> None:
        """Leave the work to the projector that won, for as long as it goes on."""
        seen = -1
        while (now := await self._stand()).position != seen:
            seen = now.position
            self._is_left_to_newer(now)
            if told is not None:
                told(seen)
            await asyncio.sleep(self._stand_by_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    def _empty(self, connection: Connection) -> None:
        connection.execute(zero_if_new(self.projection.name, connection.dialect.name))
        mine = positions.c.projection == self.projection.name
        connection.execute(update(positions).where(mine).values(position=0, version=self.projection.version))
        _clear(connection, self.projection.tables)


def _clear(connection: Connection, tables: Sequence[Table]) -> None:
    """Empty tables whole, in a moment however large they are: SQLite does so by itself when there is no condition."""
    if connection.dialect.name == "postgresql" and tables:
        quoted = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in tables)
        connection.execute(text(f"TRUNCATE {quoted}"))
        return
    for table in tables:
        connection.execute(delete(table))


def zero_if_new(projection: str, dialect: str) -> Executable:
    """Make the row that holds the projection's position, unless it is there."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(positions)
    return insert.values(projection=projection, position=0).on_conflict_do_nothing()


def _backoff(failures: int, first: float, longest: float) -> float:
    return min(longest, first * 2 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
