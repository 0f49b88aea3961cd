"""Add the lots, for lists."""

import sqlalchemy as sa
from alembic import op

revision = "auction_0001"
down_revision = None
branch_labels = ("auction",)
depends_on = None


def upgrade() -> None:
    """Add a row for each lot, and one for each bid that is counted."""
    op.create_table(
        "lots",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("resumes_as", sa.String(20)),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("seller", sa.Text, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("price_minor", sa.BigInteger),
        sa.Column("bid_count", sa.Integer, nullable=False),
        sa.Column("has_reserve", sa.Boolean, nullable=False),
        sa.Column("reserve_met", sa.Boolean, nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.String(20)),
    )
    op.create_index("lots_by_end", "lots", ["tenant", "ends_at", "id"])
    op.create_index("lots_by_status", "lots", ["tenant", "status", "ends_at", "id"])
    op.create_table(
        "counted_bids",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("lot", sa.String(200), primary_key=True),
        sa.Column("bid", sa.String(200), primary_key=True),
    )
