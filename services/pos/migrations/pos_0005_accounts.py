"""Add customers' accounts, and what of a receipt is stored value or was paid from deposits and with points.

Rows from before have 0 of these, which is what they were.
"""

import sqlalchemy as sa
from alembic import op

revision = "pos_0005"
down_revision = "pos_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and amounts."""
    _add_amounts()
    _add_accounts()
    _add_account_holds()
    _add_account_movements()


def _add_amounts() -> None:
    for table, columns in (
        ("receipts", ("stored_minor", "deposit_minor", "loyalty_minor")),
        (
            "z_reports",
            ("stored_minor", "deposit_minor", "loyalty_minor", "refunded_deposit_minor", "refunded_loyalty_minor"),
        ),
    ):
        for column in columns:
            op.add_column(table, sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))


def _add_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.Column("credit_limit_minor", sa.BigInteger, nullable=False),
        sa.Column("owed_points", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True)),
    )
    op.create_index("accounts_by_time", "accounts", ["tenant", "opened_at", "id"])


def _add_account_holds() -> None:
    op.create_table(
        "account_holds",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("hold_id", sa.String(200), primary_key=True),
        sa.Column("quantity", sa.BigInteger, nullable=False),
    )


def _add_account_movements() -> None:
    op.create_table(
        "account_movements",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("account_kind", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("till", sa.String(200)),
        sa.Column("tab_id", sa.String(200)),
        sa.Column("line_id", sa.Text),
        sa.Column("payment_id", sa.String(200)),
        sa.Column("refund_no", sa.String(40)),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("account_movements_by_time", "account_movements", ["tenant", "at", "id", "seq"])
    op.create_index("account_movements_by_account", "account_movements", ["tenant", "id", "at", "seq"])
