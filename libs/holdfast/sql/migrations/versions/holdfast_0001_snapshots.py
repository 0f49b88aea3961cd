"""Add the snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0001"
down_revision = None
branch_labels = ("holdfast",)
depends_on = None


def upgrade() -> None:
    """Add the snapshots, one row per entity."""
    op.create_table(
        "snapshots",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("checksum", sa.String(32), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    )
