"""Order names of entities by their bytes, so that those of a purpose are a range in any database."""

import sqlalchemy as sa
from alembic import op

revision = "holdfast_0007"
down_revision = "holdfast_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the collation on PostgreSQL; SQLite orders by bytes as it is."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("snapshots", "deletions", "events"):
            op.alter_column(table, "name", type_=sa.String(200, collation="C"), existing_type=sa.String(200))
