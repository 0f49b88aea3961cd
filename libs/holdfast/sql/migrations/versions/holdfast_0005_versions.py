"""Tell, beside each projection's position, which version of it made the rows."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0005"
down_revision = "holdfast_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the version; rows from before are of none, so that they are made anew once."""
    op.add_column("positions", sa.Column("version", sa.BigInteger, nullable=False, server_default="0"))
