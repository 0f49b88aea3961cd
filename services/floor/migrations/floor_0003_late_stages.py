"""Tell of each stage of a turn whether it took longer than its target, or than its alert.

Turns from before have no such marks until they are made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "floor_0003"
down_revision = "floor_0002"
branch_labels = None
depends_on = None

STAGES = ("seated", "ordered", "served", "check", "dirty")


def upgrade() -> None:
    """Add a mark for each stage."""
    for stage in STAGES:
        op.add_column("turns", sa.Column(f"{stage}_late", sa.String(10)))
