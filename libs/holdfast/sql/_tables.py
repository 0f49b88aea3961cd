"""The tables that every service has. `migrations/versions` makes them; a test compares the two."""

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, MetaData, String, Table

metadata: Final = MetaData()

snapshots: Final = Table(
    "snapshots",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("checksum", String(32), nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False),
)
