"""Snapshots in SQL, one row per entity, on SQLite and PostgreSQL alike."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from sqlalchemy import Row, and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from holdfast._errors import Unavailable
from holdfast._names import Name
from holdfast._snapshots import Snapshot
from holdfast.sql._database import WAIT_SECONDS
from holdfast.sql._tables import snapshots
from holdfast.sql._whole import to_the_end

OPERATION_SECONDS: Final = 3 * WAIT_SECONDS
"""A connection, a lock and a statement, each waited for. SQLite ends by its own waits: its thread cannot be cancelled."""
_log: Final = structlog.get_logger("holdfast.sql")


class SqlSnapshots:
    """The `Snapshots` port on a migrated database. A database that fails or is slow is `Unavailable`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._upsert = _upsert(database.dialect.name)

    @to_the_end
    async def load(self, name: Name) -> Snapshot | None:
        """The newest snapshot, or None when there is none; a damaged row is warned about and removed."""
        async with self._transaction() as connection:
            row = (await connection.execute(select(snapshots).where(snapshots.c.name == str(name)))).one_or_none()
        if row is None:
            return None
        snapshot = _intact(row)
        if snapshot is None:
            _log.warning("snapshot.damaged", name=str(name), seq=row.seq)
            await self._remove(name, checksum=row.checksum)
        return snapshot

    @to_the_end
    async def save(self, name: Name, snapshot: Snapshot) -> None:
        """Keep this snapshot, unless the stored one is newer, or as new and of the same schema."""
        values = {
            "name": str(name),
            "seq": snapshot.seq,
            "position": snapshot.position,
            "body": snapshot.body,
            "fingerprint": snapshot.fingerprint,
            "checksum": _checksum(str(name), snapshot),
            "saved_at": datetime.now(UTC),
        }
        async with self._transaction() as connection:
            await connection.execute(self._upsert, values)

    @to_the_end
    async def delete(self, name: Name) -> None:
        """Forget the entity's snapshot."""
        async with self._transaction() as connection:
            await connection.execute(delete(snapshots).where(snapshots.c.name == str(name)))

    async def _remove(self, name: Name, *, checksum: str) -> None:
        """Make room for the next snapshot: a damaged `seq` could otherwise refuse all that follow."""
        damaged = and_(snapshots.c.name == str(name), snapshots.c.checksum == checksum)
        async with self._transaction() as connection:
            await connection.execute(delete(snapshots).where(damaged))

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with asyncio.timeout(OPERATION_SECONDS), self._database.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the snapshots' database does not answer") from error


def _upsert(dialect: str) -> Any:
    insert = postgresql.insert(snapshots) if dialect == "postgresql" else sqlite.insert(snapshots)
    new = insert.excluded
    stored = snapshots.c
    same_age_other_schema = and_(stored.seq == new.seq, stored.fingerprint != new.fingerprint)
    return insert.on_conflict_do_update(
        index_elements=[stored.name],
        set_={column.name: new[column.name] for column in stored if not column.primary_key},
        where=or_(stored.seq < new.seq, same_age_other_schema),
    )


def _intact(row: Row[Any]) -> Snapshot | None:
    body: object = row.body
    if not isinstance(body, bytes):
        return None
    snapshot = Snapshot(seq=row.seq, position=row.position, body=body, fingerprint=row.fingerprint)
    return snapshot if row.checksum == _checksum(row.name, snapshot) else None


def _checksum(name: str, snapshot: Snapshot) -> str:
    """A digest over everything that `load` gives back, and over whose it is."""
    head = f"{name}\0{snapshot.seq}\0{snapshot.position}\0{snapshot.fingerprint}\0"
    return hashlib.blake2b(head.encode() + snapshot.body, digest_size=16).hexdigest()
