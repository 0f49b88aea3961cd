"""Keep in the archive what makes its events whole commits again."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0004"
down_revision = "holdfast_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the digest of each accepted payload and the headers of its commit, null for events archived before."""
    op.add_column("events", sa.Column("version", sa.BigInteger))
    op.add_column("events", sa.Column("digest", sa.String(64)))
    op.add_column("events", sa.Column("commit_id", sa.String(64)))
    op.add_column("events", sa.Column("received", sa.BigInteger))
    op.add_column("events", sa.Column("sequence", sa.BigInteger))
    op.create_index("events_by_position", "events", ["position", "name", "seq"])
