"""Count, beside each projection's position, how often entities were deleted."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0003"
down_revision = "holdfast_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count, with which a projector notices that what it has read may be deleted since."""
    op.add_column("positions", sa.Column("deletions", sa.BigInteger, nullable=False, server_default="0"))
