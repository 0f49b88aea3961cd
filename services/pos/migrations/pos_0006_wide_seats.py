"""Take any seat and course that older tills let through."""

import sqlalchemy as sa
from alembic import op

revision = "pos_0006"
down_revision = "pos_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns as wide as what was recorded."""
    with op.batch_alter_table("lines") as lines:
        for column in ("seat", "course"):
            lines.alter_column(column, existing_type=sa.Integer, type_=sa.BigInteger)
