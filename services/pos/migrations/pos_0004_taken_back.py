"""Tell how much of a discount was taken back, wherever its lines have gone.

Rows from before have 0 until they are made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "pos_0004"
down_revision = "pos_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the amount, and by what the parts of a discount are known."""
    op.add_column("reductions", sa.Column("taken_back_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("reductions", sa.Column("given_id", sa.String(40)))
