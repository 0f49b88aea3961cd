"""Note which deletions have begun, so that one that is interrupted is found again."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0006"
down_revision = "holdfast_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of deletions that are not yet finished."""
    op.create_table("deletions", sa.Column("name", sa.String(200), primary_key=True))
