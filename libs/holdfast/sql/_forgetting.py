"""Takes the rows of a deleted entity out of every projection, so that no projector puts them back."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, delete, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from holdfast._errors import Unavailable
from holdfast._log import EventLog
from holdfast._names import Name
from holdfast._projection import AnyProjection
from holdfast.sql._database import WAIT_SECONDS
from holdfast.sql._projector import zero_if_new
from holdfast.sql._snapshots import OPERATION_SECONDS
from holdfast.sql._tables import positions
from holdfast.sql._whole import to_the_end


class Forgetter:
    """The rows of one service's projections."""

    def __init__(self, projections: Sequence[AnyProjection], database: AsyncEngine, events: EventLog) -> None:
        self._projections = projections
        self._database = database
        self._events = events

    @to_the_end
    async def forget(self, name: Name) -> int:
        """Remove the rows of an entity whose log is purged, and say how many; `Unavailable` when that fails.

        The positions are locked first: while the log is looked at, no projector can bring rows of a new life of the
        entity, and what one has read before counts as overtaken.
        """
        mine = [projection for projection in self._projections if projection.purpose == name.purpose]
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                await self._lock(connection, mine)
                async with asyncio.timeout(WAIT_SECONDS):
                    if await self._events.last(name) is not None:
                        return 0  # someone else has deleted it, and it was created anew
                return await connection.run_sync(_remove, mine, name)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the rows of this entity cannot be removed just now; try again") from error

    async def _lock(self, connection: AsyncConnection, projections: Sequence[AnyProjection]) -> None:
        """Always in the same order, so that two deletions wait for each other instead of blocking."""
        for name in sorted(projection.name for projection in projections):
            await connection.execute(zero_if_new(name, connection.dialect.name))
            one_more = update(positions).values(deletions=positions.c.deletions + 1)
            await connection.execute(one_more.where(positions.c.projection == name))


def _remove(connection: Connection, projections: Sequence[AnyProjection], name: Name) -> int:
    return sum(
        connection.execute(delete(table).where(projection.rows_of(name, table))).rowcount
        for projection in projections
        for table in projection.tables
    )
