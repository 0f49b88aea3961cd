"""The tables in SQL of the floor's read model."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table

from holdfast.sql import Moment, Words

metadata: Final = MetaData()
KEY: Final = 200
STAGES: Final = ("seated", "ordered", "served", "check", "dirty")
"""Those of a turn: what its table waits in for the next one."""

floors: Final = Table(
    "floors",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("targets", Words, nullable=False),
)
"""The turn-time targets of each floor, as JSON: a stage is late by those of its own time."""

floor_tables: Final = Table(
    "floor_tables",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("table_id", String(KEY), primary_key=True),
    Column("name", Words, nullable=False),
    Column("section", String(KEY), nullable=False),
    Column("max", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("since", Moment, nullable=False),
    Column("target_at", Moment),
    Column("alert_at", Moment),
    Column("party_id", String(KEY)),
    Column("waiter_id", Words),
    Index("floor_tables_by_alert", "tenant", "alert_at"),
)

tickets: Final = Table(
    "tickets",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("ticket_id", String(KEY), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("station", String(KEY), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("table_ref", Words, nullable=False),
    Column("party_id", String(KEY), nullable=False),
    Column("items", Words, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("bumped_at", Moment),
    Column("seconds", BigInteger),
    Column("copies", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Index("tickets_by_time", "tenant", "issued_at", "ticket_id"),
    Index("tickets_of_a_party", "tenant", "id", "party_id"),
)

reservations: Final = Table(
    "reservations",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("res_id", String(KEY), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("reserved_at", Moment, nullable=False),
    Column("name", Words, nullable=False),
    Column("size", Integer, nullable=False),
    Column("tables", Words, nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("status", String(20), nullable=False),
    Index("reservations_by_start", "tenant", "start", "res_id"),
)
"""An id may be used again, and time may stand still between: what tells its uses apart is the event that began them."""

waiting: Final = Table(
    "waiting",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("party_id", String(KEY), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("joined_at", Moment, nullable=False),
    Column("size", Integer, nullable=False),
    Column("quote_min", Integer, nullable=False),
    Column("waited_min", Integer),
    Column("error_min", Integer),
    Column("skips", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Index("waiting_by_time", "tenant", "joined_at", "party_id"),
)

turns: Final = Table(
    "turns",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("party_id", String(KEY), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("seated_at", Moment, nullable=False),
    Column("table_id", String(KEY), nullable=False),
    Column("table_ref", Words, nullable=False),
    Column("size", Integer, nullable=False),
    Column("waiter_id", Words),
    Column("ordered_at", Moment),
    Column("served_at", Moment),
    Column("check_at", Moment),
    Column("left_at", Moment),
    Column("available_at", Moment),
    Column("ended_by", String(20)),
    Column("seated_s", BigInteger),
    Column("ordered_s", BigInteger),
    Column("served_s", BigInteger),
    Column("check_s", BigInteger),
    Column("dirty_s", BigInteger),
    *(Column(f"{stage}_late", String(10)) for stage in STAGES),
    Column("alerts", Integer, nullable=False),
    Index("turns_by_time", "tenant", "seated_at", "party_id"),
    Index("turns_of_a_table", "tenant", "id", "table_id"),
)

heat_floors: Final = Table(
    "heat_floors",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("timezone", Words, nullable=False),
)
"""The clock on the wall of each floor."""

heat_stays: Final = Table(
    "heat_stays",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("table_id", String(KEY), primary_key=True),
    Column("party_id", String(KEY), nullable=False),
    Column("since", Moment, nullable=False),
)
"""Who sits where now, and since when."""

heat: Final = Table(
    "heat",
    metadata,
    Column("tenant", String(KEY), primary_key=True),
    Column("id", String(KEY), primary_key=True),
    Column("table_id", String(KEY), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("weekday", Integer, primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("turns", BigInteger, nullable=False),
    Column("covers", BigInteger, nullable=False),
    Column("seconds", BigInteger, nullable=False),
)
