"""Tell what large parties paid for service, and what of tips was shared out.

Rows from before have 0 until they are made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "pos_0002"
down_revision = "pos_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the amounts."""
    for table, column in (
        ("receipts", "gratuity_minor"),
        ("z_reports", "gratuity_minor"),
        ("z_reports", "pooled_minor"),
    ):
        op.add_column(table, sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))
