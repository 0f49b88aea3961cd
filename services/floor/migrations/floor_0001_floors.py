"""Add tables, tickets, reservations, the waitlist and turns, for lists and reports."""

import sqlalchemy as sa
from alembic import op

revision = "floor_0001"
down_revision = None
branch_labels = ("floor",)
depends_on = None


def upgrade() -> None:
    """Add the tables of the read model."""
    _add_floors()
    _add_floor_tables()
    _add_tickets()
    _add_reservations()
    _add_waiting()
    _add_turns()


def _add_floors() -> None:
    op.create_table(
        "floors",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("targets", sa.Text, nullable=False),
    )


def _add_floor_tables() -> None:
    op.create_table(
        "floor_tables",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("table_id", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("section", sa.String(200), nullable=False),
        sa.Column("max", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("target_at", sa.DateTime(timezone=True)),
        sa.Column("alert_at", sa.DateTime(timezone=True)),
        sa.Column("party_id", sa.String(200)),
        sa.Column("waiter_id", sa.Text),
    )
    op.create_index("floor_tables_by_alert", "floor_tables", ["tenant", "alert_at"])


def _add_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("ticket_id", sa.String(200), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("station", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("table_ref", sa.Text, nullable=False),
        sa.Column("party_id", sa.String(200), nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bumped_at", sa.DateTime(timezone=True)),
        sa.Column("seconds", sa.BigInteger),
        sa.Column("copies", sa.Integer, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
    )
    op.create_index("tickets_by_time", "tickets", ["tenant", "issued_at", "ticket_id"])
    op.create_index("tickets_of_a_party", "tickets", ["tenant", "id", "party_id"])


def _add_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("res_id", sa.String(200), primary_key=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("tables", sa.Text, nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
    )
    op.create_index("reservations_by_start", "reservations", ["tenant", "start", "res_id"])


def _add_waiting() -> None:
    op.create_table(
        "waiting",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("party_id", sa.String(200), primary_key=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("quote_min", sa.Integer, nullable=False),
        sa.Column("waited_min", sa.Integer),
        sa.Column("error_min", sa.Integer),
        sa.Column("skips", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
    )
    op.create_index("waiting_by_time", "waiting", ["tenant", "joined_at", "party_id"])


def _add_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("party_id", sa.String(200), primary_key=True),
        sa.Column("seated_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("table_id", sa.String(200), nullable=False),
        sa.Column("table_ref", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("waiter_id", sa.Text),
        sa.Column("ordered_at", sa.DateTime(timezone=True)),
        sa.Column("served_at", sa.DateTime(timezone=True)),
        sa.Column("check_at", sa.DateTime(timezone=True)),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.Column("available_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.String(20)),
        sa.Column("seated_s", sa.BigInteger),
        sa.Column("ordered_s", sa.BigInteger),
        sa.Column("served_s", sa.BigInteger),
        sa.Column("check_s", sa.BigInteger),
        sa.Column("dirty_s", sa.BigInteger),
        sa.Column("alerts", sa.Integer, nullable=False),
    )
    op.create_index("turns_by_time", "turns", ["tenant", "seated_at", "party_id"])
    op.create_index("turns_of_a_table", "turns", ["tenant", "id", "table_id"])
