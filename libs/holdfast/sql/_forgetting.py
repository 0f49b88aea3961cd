"""Takes the rows of a deleted entity out of every projection, so that no projector puts them back."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Executable, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from holdfast._errors import Unavailable
from holdfast._log import EventLog
from holdfast._names import Name
from holdfast._projection import AnyProjection, WholeLog
from holdfast.sql._archive import of_purpose
from holdfast.sql._database import WAIT_SECONDS, DatabaseProblem
from holdfast.sql._projector import zero_if_new
from holdfast.sql._snapshots import OPERATION_SECONDS
from holdfast.sql._tables import deletions, events, positions, snapshots
from holdfast.sql._whole import to_the_end

ROUND_SECONDS: Final = 30.0
AT_A_TIME: Final = 100

log = structlog.get_logger(__name__)


class Forgetter:
    """The rows of one service's projections, and which deletions of its entities are not finished.

    `whole_log` gives the log of a purpose, which tells whether it is the one that the rows were made from.
    """

    def __init__(
        self,
        projections: Sequence[AnyProjection],
        database: AsyncEngine,
        events: EventLog,
        whole_log: Callable[[str], WholeLog],
    ) -> None:
        self._projections = projections
        self._database = database
        self._events = events
        self._whole_log = whole_log

    @to_the_end
    async def begin(self, name: Name) -> None:
        """Note that the entity's log is about to go; `Unavailable` when that fails, and then nothing may go.

        From now on the first event of a next life takes the place of whatever rows are left.
        """
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                await connection.execute(_note(name, connection.dialect.name))
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the deletion cannot be noted just now, and was not begun; try again") from error

    @to_the_end
    async def forget(self, name: Name) -> int:
        """Remove all that SQL has of an entity whose log is purged, and say how many rows; `Unavailable` if that fails.

        A log that ends before the rows do proves no deletion: they may be the only copy of what it lost. The positions
        are locked first: while the log is looked at, no projector can bring rows of a new life of the entity, and what
        one has read before counts as overtaken.
        """
        mine = [projection for projection in self._projections if projection.purpose == name.purpose]
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                await self._lock(connection, mine)
                reached = await _furthest(connection, mine)
                async with asyncio.timeout(WAIT_SECONDS):
                    if await self._events.last(name) is not None:
                        return 0  # someone else has deleted it, and it was created anew
                    await self._check_reach(name.purpose, reached)
                return await connection.run_sync(_remove, mine, name)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the rows of this entity cannot be removed just now; try again") from error

    async def run(self) -> None:
        """Finish what was interrupted, again and again until cancelled; whoever asked for it may have given up."""
        while True:
            try:
                await self.finish()
            except Unavailable as error:
                log.warning("deletions.waiting", error=str(error))
            await asyncio.sleep(ROUND_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def finish(self) -> int:
        """Remove what is left of entities whose log is purged, and say of how many."""
        finished = 0
        after = ""
        while names := await self._unfinished(after):
            for name in names:
                finished += await self._finish(name)
            after = str(names[-1])
        return finished

    async def _finish(self, name: Name) -> bool:
        """Finish one deletion, if it can be now: those of other names do not wait for it."""
        try:
            if await self._events.last(name) is not None:
                return False  # it lives: to lock the positions would overtake every projector for nothing
            finished = await self.forget(name) > 0
        except Unavailable as error:
            log.warning("deletion.waiting", name=str(name), error=str(error))
            return False
        if finished:
            log.info("entity.deletion_finished", name=str(name))
        return finished

    async def _check_reach(self, purpose: str, reached: int) -> None:
        end = await self._whole_log(purpose).end()
        if reached > end:
            raise Unavailable(
                f"the rows of {purpose} are at {reached}, but the log ends at {end}: nothing is removed; restore the log "
                "that belongs to this database, or build the read models anew with `holdfast rebuild`"
            )

    @to_the_end
    async def _unfinished(self, after: str) -> Sequence[Name]:
        query = select(deletions.c.name).where(deletions.c.name > after).order_by(deletions.c.name).limit(AT_A_TIME)
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                return [Name.parse(name) for name in (await connection.execute(query)).scalars()]
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("deletions that were interrupted cannot be read just now") from error

    async def _lock(self, connection: AsyncConnection, projections: Sequence[AnyProjection]) -> None:
        """Always in the same order, so that two deletions wait for each other instead of blocking."""
        for name in sorted(projection.name for projection in projections):
            await connection.execute(zero_if_new(name, connection.dialect.name))
            one_more = update(positions).values(deletions=positions.c.deletions + 1)
            await connection.execute(one_more.where(positions.c.projection == name))


async def _furthest(connection: AsyncConnection, projections: Sequence[AnyProjection]) -> int:
    mine = positions.c.projection.in_([projection.name for projection in projections])
    query = select(func.coalesce(func.max(positions.c.position), 0)).where(mine)
    return (await connection.execute(query)).scalar_one()


async def kept_names(database: AsyncEngine, purpose: str, tenant: str) -> set[Name]:
    """The entities of a tenant of which the database has anything: events, a snapshot, a deletion that is not finished."""
    found: set[Name] = set()
    try:
        async with database.begin() as connection:
            for table in (events, snapshots, deletions):
                query = select(table.c.name).where(of_purpose(f"{purpose}:{tenant}", table.c.name)).distinct()
                found.update(map(Name.parse, (await connection.execute(query)).scalars()))
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseProblem(f"what the database has of {tenant} cannot be read: {error}") from error
    return found


def _note(name: Name, dialect: str) -> Executable:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(deletions)
    return insert.values(name=str(name)).on_conflict_do_nothing()


def _remove(connection: Connection, projections: Iterable[AnyProjection], name: Name) -> int:
    of_projections = sum(
        connection.execute(delete(table).where(projection.rows_of(name, table))).rowcount
        for projection in projections
        for table in projection.tables
    )
    beside: list[Any] = [snapshots, deletions]
    return of_projections + sum(
        connection.execute(delete(table).where(table.c.name == str(name))).rowcount for table in beside
    )
