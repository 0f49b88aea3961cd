"""Tell what the holders of banks were given by card."""

import sqlalchemy as sa
from alembic import op

revision = "pos_0003"
down_revision = "pos_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the amount."""
    op.add_column("drawers", sa.Column("tips_minor", sa.BigInteger, nullable=False, server_default="0"))
