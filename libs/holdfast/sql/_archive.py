"""The archive: every event of the log, one row each, for what the stream no longer keeps."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import Unavailable
from holdfast._messages import Actor, Audience, RecordedEvent
from holdfast._names import Name
from holdfast._projection import Projection, StoredEvent
from holdfast.sql._snapshots import OPERATION_SECONDS
from holdfast.sql._tables import events
from holdfast.sql._whole import to_the_end

ARCHIVE: Final = "archive"
READ_EVENTS: Final = 1000
_encoder: Final = msgspec.json.Encoder()
_actor: Final = msgspec.json.Decoder(Actor)
_audience: Final = msgspec.json.Decoder(Audience)


class Archive(Projection[Any]):
    """Keeps events as they are, those of newer code too."""

    tables = (events,)

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.name = f"{ARCHIVE}-{purpose}"

    def rows_of(self, name: Name, table: Table, /) -> ColumnElement[bool]:
        """Every event of the entity."""
        return table.c.name == str(name)

    def apply_all(self, connection: Connection, stored: Sequence[StoredEvent[Any]], /) -> None:
        """Add the events."""
        connection.execute(insert(events), [_row(each) for each in stored])


class SqlArchive:
    """What the archive of a service knows. A database that fails or is slow is `Unavailable`."""

    def __init__(self, database: AsyncEngine, *, timeout: float = OPERATION_SECONDS) -> None:
        self._database = database
        self._timeout = timeout

    async def find_command(self, name: Name, command_id: str) -> int | None:
        """The position of the commit with this command's events, or None when none of them is archived."""
        query = (
            select(events.c.position)
            .where(events.c.name == str(name), events.c.command_id == command_id)
            .order_by(events.c.seq)
            .limit(1)
        )
        rows = await self._rows(query)
        return rows[0].position if rows else None

    async def read(self, name: Name, *, after: int = 0, limit: int = READ_EVENTS) -> Sequence[RecordedEvent]:
        """Up to `limit` events of the entity beyond seq `after`, oldest first, as the log had them."""
        mine = events.c.name == str(name)
        query = select(events).where(mine, events.c.seq > after).order_by(events.c.seq).limit(limit)
        return [_event(row) for row in await self._rows(query)]

    @to_the_end
    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            async with asyncio.timeout(self._timeout), self._database.begin() as connection:
                return (await connection.execute(query)).all()
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the archive's database does not answer") from error


def _row(stored: StoredEvent[Any]) -> dict[str, Any]:
    recorded = stored.recorded
    return {
        "name": str(stored.name),
        "seq": recorded.seq,
        "position": stored.position,
        "type": recorded.type,
        "data": bytes(recorded.data).decode(),
        "at": recorded.at,
        "by": _encoder.encode(recorded.by).decode(),
        "command_id": recorded.command_id,
        "to": None if recorded.to is None else _encoder.encode(recorded.to).decode(),
    }


def _event(row: Row[Any]) -> RecordedEvent:
    return RecordedEvent(
        seq=row.seq,
        type=row.type,
        data=msgspec.Raw(row.data.encode()),
        at=row.at,
        by=_actor.decode(row.by),
        command_id=row.command_id,
        to=None if row.to is None else _audience.decode(row.to),
    )
