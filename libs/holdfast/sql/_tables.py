"""The tables that every service has. `migrations/versions` makes them; a test compares the two."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Index, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """An aware time, in UTC to the microsecond: SQLite alone would forget the offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What its values are."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Into UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """As UTC."""
        if value is None or value.tzinfo is not None:
            return None if value is None else value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


class Words(TypeDecorator[str]):
    """Anyone's text. PostgreSQL takes no NUL, so that one character is replaced: a title must not stop a projection."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        """What its values are."""
        return str

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Without NUL."""
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


NAME: Final = String(200).with_variant(String(200, collation="C"), "postgresql")
"""Of an entity, ordered by its bytes as SQLite does: all of a purpose stand together, whatever words the database is for."""

metadata: Final = MetaData()

snapshots: Final = Table(
    "snapshots",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("checksum", String(32), nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False),
)

positions: Final = Table(
    "positions",
    metadata,
    Column("projection", String(100), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("deletions", BigInteger, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0"),
)

deletions: Final = Table(
    "deletions",
    metadata,
    Column("name", NAME, primary_key=True),
)

events: Final = Table(
    "events",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("type", String(100), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("command_id", String(100), nullable=False),
    Column("to", Text),
    Column("version", BigInteger),
    Column("digest", String(64)),
    Column("commit_id", String(64)),
    Column("received", BigInteger),
    Column("sequence", BigInteger),
    Index("events_by_position", "position", "name", "seq"),
    Index("events_by_command", "name", "command_id", "seq", unique=True),
)
