"""Add the positions of projections, and the archive."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0002"
down_revision = "holdfast_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a row for each projection, and one for each event of the log."""
    op.create_table(
        "positions",
        sa.Column("projection", sa.String(100), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("command_id", sa.String(100), nullable=False),
        sa.Column("to", sa.Text),
    )
    op.create_index("events_by_command", "events", ["name", "command_id", "seq"], unique=True)
