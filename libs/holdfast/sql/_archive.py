"""The archive: every event of the log, one row each, for what the stream no longer keeps."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    Table,
    and_,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import Unavailable
from holdfast._log import Judged, StoredCommit
from holdfast._messages import Actor, Audience, Commit, RecordedEvent
from holdfast._names import Name
from holdfast._projection import LoggedCommit, Projection, StoredEvent
from holdfast._remembered import Remembered
from holdfast.sql._snapshots import OPERATION_SECONDS
from holdfast.sql._tables import events, positions
from holdfast.sql._whole import to_the_end

ARCHIVE: Final = "archive"
READ_EVENTS: Final = 1000
HOLES_AT_ONCE: Final = 100
"""Looked for by the index; as pairs in one list, SQLite would read the whole table for them."""
log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()
_actor: Final = msgspec.json.Decoder(Actor)
_audience: Final = msgspec.json.Decoder(Audience)


class Archive(Projection[Any]):
    """Keeps events as they are, those of newer code too."""

    tables = (events,)
    generation = 0

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.name = archive_name(purpose)

    def rows_of(self, name: Name, table: Table, /) -> ColumnElement[bool]:
        """Every event of the entity."""
        return table.c.name == str(name)

    def apply_all(self, connection: Connection, stored: Sequence[StoredEvent[Any]], /) -> None:
        """Add the events."""
        _tell_of_holes(connection, stored)
        rows: list[dict[str, Any]] = []
        commit, digests = None, {}
        for each in stored:
            if each.commit is not commit:
                commit, digests = each.commit, dict(each.commit.digests if each.commit else ())
            rows.append(_row(each, digests.get(each.recorded.command_id)))
        connection.execute(insert(events), rows)


class SqlArchive:
    """What the archive of a service knows. A database that fails or is slow is `Unavailable`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def position(self, purpose: str) -> int:
        """Everything of the purpose up to this position is archived."""
        mine = positions.c.projection == archive_name(purpose)
        rows = await self._rows(select(positions.c.position).where(mine))
        return rows[0].position if rows else 0

    async def find(self, name: Name, command_ids: Collection[str], *, since: datetime) -> Mapping[str, Remembered]:
        """Those of these commands that are archived and were accepted since, each as it was accepted last."""
        these = (events.c.name == str(name), events.c.command_id.in_(command_ids), events.c.at >= since)
        columns: list[Column[Any]] = [events.c.command_id, events.c.position, events.c.digest, events.c.at]
        span: list[Any] = [func.min(events.c.seq).label("first"), func.max(events.c.seq).label("last")]
        query = select(*columns, *span).where(*these).group_by(*columns).order_by(events.c.position)
        return {
            row.command_id: Remembered(row.digest or "", row.position, row.first, row.last, int(row.at.timestamp()))
            for row in await self._rows(query)
        }

    async def commits(self, name: Name, *, after: int, limit: int = READ_EVENTS) -> Sequence[StoredCommit]:
        """Whole commits beyond seq `after`, oldest first, about `limit` events; empty at the end."""
        mine = events.c.name == str(name)
        position = select(events.c.position).where(mine, events.c.seq > after).order_by(events.c.seq).limit(1)
        begin = select(func.min(events.c.seq)).where(mine, events.c.position == position.scalar_subquery())
        query = select(events).where(mine, events.c.seq >= begin.scalar_subquery()).order_by(events.c.seq)
        rows = await self._rows(query.limit(limit + 1))
        found = [_commit(name, list(group)) for _, group in groupby(rows, key=lambda row: row.position)]
        if len(rows) <= limit:
            return found
        if len(found) > 1:
            return found[:-1]  # the last one may go on behind the limit
        whole = await self.commit_at(name, found[0].position)
        return [whole] if whole else []

    async def whole(self, purpose: str, *, after: int, through: int) -> Sequence[LoggedCommit]:
        """Whole commits of all entities behind one position and up to another, in their order, a page of them."""
        here = (of_purpose(purpose), events.c.position > after, events.c.position <= through)
        query = select(events).where(*here).order_by(events.c.position, events.c.name, events.c.seq)
        rows = await self._rows(query.limit(READ_EVENTS + 1))
        found = [_logged(list(group)) for _, group in groupby(rows, key=lambda row: row.position)]
        if len(rows) <= READ_EVENTS:
            return found
        if len(found) > 1:
            return found[:-1]
        whole = await self.commit_at(found[0].name, found[0].position)
        return [found[0]._replace(commit=whole.commit, digests=whole.digests)] if whole else []

    async def commit_at(self, name: Name, position: int) -> StoredCommit | None:
        """The commit at this position, if it is archived."""
        query = select(events).where(events.c.name == str(name), events.c.position == position).order_by(events.c.seq)
        rows = await self._rows(query)
        return _commit(name, rows) if rows else None

    async def read(self, name: Name, *, after: int = 0, limit: int = READ_EVENTS) -> Sequence[RecordedEvent]:
        """Up to `limit` events of the entity beyond seq `after`, oldest first, as the log had them."""
        mine = events.c.name == str(name)
        query = select(events).where(mine, events.c.seq > after).order_by(events.c.seq).limit(limit)
        return [_event(row) for row in await self._rows(query)]

    @to_the_end
    async def _rows(self, query: Executable) -> Sequence[Row[Any]]:
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                return (await connection.execute(query)).all()
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the archive's database does not answer") from error


def archive_name(purpose: str) -> str:
    """The name of the projection that archives a purpose."""
    return f"{ARCHIVE}-{purpose}"


def _row(stored: StoredEvent[Any], digest: str | None) -> dict[str, Any]:
    recorded, commit = stored.recorded, stored.commit
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
        "version": commit.commit.v if commit else None,
        "digest": digest,
        "commit_id": commit.commit_id if commit else None,
        "received": commit.judged.received if commit else None,
        "sequence": commit.judged.sequence if commit else None,
    }


def _tell_of_holes(connection: Connection, stored: Sequence[StoredEvent[Any]]) -> None:
    """Say which entities go on behind what is archived of them: what stood in between left the log, and is lost here.

    It is told and not refused: what is lost of one entity must not stop the archive of all others.
    """
    first: dict[str, int] = {}
    for each in stored:
        first.setdefault(str(each.name), each.seq)
    before = [(name, seq - 1) for name, seq in first.items() if seq > 1]
    if not before:
        return
    found: set[tuple[Any, ...]] = set()
    for first_of_block in range(0, len(before), HOLES_AT_ONCE):
        query = of_events(before[first_of_block : first_of_block + HOLES_AT_ONCE])
        found.update(map(tuple, connection.execute(query)))
    for name, seq in before:
        if (name, seq) not in found:
            log.error("archive.hole", name=name, lacks=seq)


def of_events(wanted: Sequence[tuple[str, int]]) -> Select[Any, Any]:
    """Which of these events, by entity and seq, are archived."""
    here = or_(*(and_(events.c.name == name, events.c.seq == seq) for name, seq in wanted))
    return select(events.c.name, events.c.seq).where(here)


def of_purpose(purpose: str, names: Column[Any] = events.c.name) -> ColumnElement[bool]:
    """The entities of a purpose, or of `purpose:tenant`, as a range that an index can use: `;` is what follows `:`."""
    return names.between(f"{purpose}:", f"{purpose};")


def _logged(rows: Sequence[Row[Any]]) -> LoggedCommit:
    name = Name.parse(rows[0].name)
    stored = _commit(name, rows)
    return LoggedCommit(stored.position, name, stored.commit, stored.commit_id, stored.judged, stored.digests)


def _commit(name: Name, rows: Sequence[Row[Any]]) -> StoredCommit:
    """Put the events of one commit together again."""
    head = rows[0]
    return StoredCommit(
        position=head.position,
        commit=Commit(v=head.version or 1, name=str(name), events=tuple(map(_event, rows))),
        commit_id=head.commit_id or "",
        judged=Judged(head.received or 0, head.sequence or 0),
        digests=tuple({row.command_id: row.digest for row in rows if row.digest is not None}.items()),
    )


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
