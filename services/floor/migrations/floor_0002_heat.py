"""Add how busy each table is by the hour."""

import sqlalchemy as sa
from alembic import op

from holdfast.sql import Moment

revision = "floor_0002"
down_revision = "floor_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables of the heat map."""
    op.create_table(
        "heat_floors",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("timezone", sa.Text, nullable=False),
    )
    op.create_table(
        "heat_stays",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("table_id", sa.String(200), primary_key=True),
        sa.Column("party_id", sa.String(200), nullable=False),
        sa.Column("since", Moment, nullable=False),
    )
    op.create_table(
        "heat",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("table_id", sa.String(200), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("weekday", sa.Integer, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True),
        sa.Column("turns", sa.BigInteger, nullable=False),
        sa.Column("covers", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
    )
