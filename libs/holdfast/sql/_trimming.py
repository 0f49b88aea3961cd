"""Which commits of a log may go: those that are old, archived whole, and applied by every projection."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import Unavailable
from holdfast._names import Name
from holdfast.sql._archive import archive_name, of_purpose
from holdfast.sql._projector import zero_if_new
from holdfast.sql._tables import events, positions
from holdfast.sql._whole import to_the_end

R = TypeVar("R")

WINDOW_EVENTS: Final = 5000
OPERATION_SECONDS: Final = 30.0


class Superseded(NamedTuple):
    """An entity whose commits before `newest` may leave the log."""

    name: Name
    newest: int


class Window(NamedTuple):
    """A part of the log, from the end of the last one up to `through`, and whether another one follows."""

    superseded: Sequence[Superseded]
    through: int
    more: bool


class TrimPlan:
    """The trimming of one purpose's log, as far as SQL knows. `mark` keeps how far it was carried out."""

    def __init__(self, purpose: str, projections: Sequence[str], database: AsyncEngine) -> None:
        self._purpose = purpose
        self._holding = {archive_name(purpose), *projections}
        self._mark = f"trimmed-{purpose}"
        self._database = database

    async def applied(self) -> int:
        """The position up to which the archive and every projection have everything."""
        query = select(func.count(), func.min(positions.c.position)).where(positions.c.projection.in_(self._holding))
        count, lowest = await self._run(lambda connection: tuple(connection.execute(query).one()))
        return lowest if count == len(self._holding) else 0

    async def window(self, *, before: datetime, through: int) -> Window:
        """What may go of the next part of the log, up to the first commit that is not older than `before`."""
        mark = select(positions.c.position).where(positions.c.projection == self._mark).scalar_subquery()
        here = (events.c.position > func.coalesce(mark, 0), events.c.position <= through)
        columns = (events.c.name, events.c.position, events.c.seq, events.c.at, events.c.commit_id)
        query = select(*columns).where(of_purpose(self._purpose), *here).order_by(events.c.position, events.c.seq)
        rows = await self._run(lambda connection: connection.execute(query.limit(WINDOW_EVENTS)).all())
        newest: dict[str, int] = {}
        reached = 0
        for row in rows:
            if row.at >= before:
                return Window(_superseded(newest), reached, more=False)
            reached = row.position
            if row.commit_id and row.seq > 1:
                newest[row.name] = row.position
        return Window(_superseded(newest), reached, more=len(rows) == WINDOW_EVENTS)

    async def secure(self) -> None:
        """Bring what is applied onto the disk: until then, a power cut may take the newest transactions of SQLite back."""
        if self._database.dialect.name != "sqlite":
            return
        busy = await self._checkpoint()
        if busy:
            raise Unavailable("the archive is in use, so that it cannot be brought onto the disk just now")

    @to_the_end
    async def _checkpoint(self) -> int:
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.connect() as connection:
                raw = await connection.get_raw_connection()
                cursor = await raw.driver_connection.execute("PRAGMA wal_checkpoint(FULL)")  # pyright: ignore[reportOptionalMemberAccess]
                busy, _, _ = await cursor.fetchone()
                await cursor.close()
                return busy
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise Unavailable("the archive's database does not answer") from error

    async def mark(self, window: Window) -> None:
        """Keep that this window was trimmed."""

        def move(connection: Connection) -> None:
            connection.execute(zero_if_new(self._mark, connection.dialect.name))
            mine = (positions.c.projection == self._mark, positions.c.position < window.through)
            connection.execute(update(positions).where(*mine).values(position=window.through))

        await self._run(move)

    @to_the_end
    async def _run(self, work: Callable[[Connection], R]) -> R:
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                return await connection.run_sync(work)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the archive's database does not answer") from error


def _superseded(newest: Mapping[str, int]) -> Sequence[Superseded]:
    return [Superseded(Name.parse(name), position) for name, position in newest.items()]
