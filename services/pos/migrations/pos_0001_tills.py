"""Add tabs, lines, stock, money, drawers and reports, for lists."""

import sqlalchemy as sa
from alembic import op

revision = "pos_0001"
down_revision = None
branch_labels = ("pos",)
depends_on = None


def upgrade() -> None:
    """Add the tables of the read model."""
    _add_tills()
    _add_tabs()
    _add_lines()
    _add_holds()
    _add_stock()
    _add_payments()
    _add_receipts()
    _add_refunds()
    _add_drawers()
    _add_movements()
    _add_reductions()
    _add_flags()
    _add_z_reports()
    _add_day_taxes()


def _add_tills() -> None:
    op.create_table(
        "tills",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
    )


def _add_tabs() -> None:
    op.create_table(
        "tabs",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("opened_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tab_id", sa.String(200), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("guest_count", sa.Integer),
        sa.Column("table_ref", sa.Text),
        sa.Column("floor", sa.String(200)),
        sa.Column("order_type", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_minor", sa.BigInteger, nullable=False),
        sa.Column("balance_minor", sa.BigInteger, nullable=False),
        sa.Column("bill_printed", sa.Boolean, nullable=False),
        sa.Column("reopened", sa.Boolean, nullable=False),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("came_from", sa.String(200)),
        sa.Column("merged_into", sa.String(200)),
        sa.Column("receipt_no", sa.String(40)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("tabs_by_id", "tabs", ["tenant", "id", "tab_id", "opened_seq"])
    op.create_index("tabs_by_time", "tabs", ["tenant", "opened_at", "id", "opened_seq", "tab_id"])


def _add_lines() -> None:
    op.create_table(
        "lines",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("opened_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tab_id", sa.String(200), primary_key=True),
        sa.Column("line_id", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("sku", sa.String(200), nullable=False),
        sa.Column("qty_milli", sa.BigInteger, nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger, nullable=False),
        sa.Column("share_minor", sa.BigInteger),
        sa.Column("modifiers", sa.Text, nullable=False),
        sa.Column("seat", sa.Integer),
        sa.Column("course", sa.Integer),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("tracked", sa.Boolean, nullable=False),
        sa.Column("sent_milli", sa.BigInteger, nullable=False),
        sa.Column("firm_milli", sa.BigInteger, nullable=False),
        sa.Column("refunded_milli", sa.BigInteger, nullable=False),
        sa.Column("comped", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("receipt_no", sa.String(40)),
    )
    op.create_index("lines_by_place", "lines", ["tenant", "id", "place"], unique=True)
    op.create_index("lines_by_receipt", "lines", ["tenant", "id", "receipt_no"])
    op.create_index("lines_by_time", "lines", ["tenant", "added_at", "id", "place"])


def _add_holds() -> None:
    op.create_table(
        "holds",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("hold_id", sa.String(200), primary_key=True),
        sa.Column("tab_id", sa.String(200), nullable=False),
        sa.Column("sku", sa.String(200), nullable=False),
        sa.Column("qty_milli", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )


def _add_stock() -> None:
    op.create_table(
        "stock",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("sku", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tracked", sa.Boolean, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("on_hand_milli", sa.BigInteger, nullable=False),
        sa.Column("held_milli", sa.BigInteger, nullable=False),
        sa.Column("sold_milli", sa.BigInteger, nullable=False),
        sa.Column("available_milli", sa.BigInteger, nullable=False),
        sa.Column("eighty_six", sa.Boolean, nullable=False),
    )


def _add_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("begun_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("payment_id", sa.String(200), nullable=False),
        sa.Column("tab_id", sa.String(200), nullable=False),
        sa.Column("tender", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("due_minor", sa.BigInteger, nullable=False),
        sa.Column("rounding_minor", sa.BigInteger, nullable=False),
        sa.Column("tip_minor", sa.BigInteger, nullable=False),
        sa.Column("change_minor", sa.BigInteger, nullable=False),
        sa.Column("processor_ref", sa.Text, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_by", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("over_limit", sa.Boolean, nullable=False),
        sa.Column("upload_by", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("payments_by_id", "payments", ["tenant", "id", "payment_id", "begun_seq"])
    op.create_index("payments_by_time", "payments", ["tenant", "begun_at", "id", "begun_seq"])


def _add_receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("series", sa.String(20), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("receipt_no", sa.String(40), nullable=False),
        sa.Column("tab_id", sa.String(200), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
        sa.Column("table_ref", sa.Text),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("gross_minor", sa.BigInteger, nullable=False),
        sa.Column("discount_minor", sa.BigInteger, nullable=False),
        sa.Column("comp_minor", sa.BigInteger, nullable=False),
        sa.Column("tax_minor", sa.BigInteger, nullable=False),
        sa.Column("tax", sa.JSON, nullable=False),
        sa.Column("due_minor", sa.BigInteger, nullable=False),
        sa.Column("rounding_minor", sa.BigInteger, nullable=False),
        sa.Column("tip_minor", sa.BigInteger, nullable=False),
        sa.Column("cash_minor", sa.BigInteger, nullable=False),
        sa.Column("card_minor", sa.BigInteger, nullable=False),
        sa.Column("gift_minor", sa.BigInteger, nullable=False),
        sa.Column("account_minor", sa.BigInteger, nullable=False),
        sa.Column("refunded_minor", sa.BigInteger, nullable=False),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True)),
        sa.Column("reversed_day", sa.Integer),
        sa.Column("reversed_at", sa.DateTime(timezone=True)),
    )
    op.create_index("receipts_by_day", "receipts", ["tenant", "id", "day"])
    op.create_index("receipts_by_no", "receipts", ["tenant", "id", "receipt_no"], unique=True)


def _add_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("refund_no", sa.String(40), nullable=False),
        sa.Column("receipt_no", sa.String(40), nullable=False),
        sa.Column("tab_id", sa.String(200), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("terminal", sa.Text),
        sa.Column("tender", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("rounding_minor", sa.BigInteger, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
    )


def _add_drawers() -> None:
    op.create_table(
        "drawers",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("opened_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("drawer_id", sa.String(40), nullable=False),
        sa.Column("terminal", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("opening_minor", sa.BigInteger, nullable=False),
        sa.Column("cash_sales_minor", sa.BigInteger, nullable=False),
        sa.Column("cash_refunds_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_in_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_out_minor", sa.BigInteger, nullable=False),
        sa.Column("expected_minor", sa.BigInteger, nullable=False),
        sa.Column("counted_minor", sa.BigInteger),
        sa.Column("over_short_minor", sa.BigInteger),
        sa.Column("no_sales", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.Text),
        sa.Column("day", sa.Integer),
    )
    op.create_index("drawers_by_time", "drawers", ["tenant", "opened_at", "id", "opened_seq"])


def _add_movements() -> None:
    op.create_table(
        "movements",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("terminal", sa.Text, nullable=False),
        sa.Column("drawer_id", sa.String(40)),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True)),
    )
    op.create_index("movements_by_time", "movements", ["tenant", "at", "id", "seq"])


def _add_reductions() -> None:
    op.create_table(
        "reductions",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("tab_id", sa.String(200), nullable=False),
        sa.Column("table_ref", sa.Text),
        sa.Column("line_id", sa.Text),
        sa.Column("sku", sa.String(200)),
        sa.Column("qty_milli", sa.BigInteger),
        sa.Column("discount_id", sa.String(200)),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("value_minor", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
        sa.Column("approved_by", sa.Text),
        sa.Column("taken_back_at", sa.DateTime(timezone=True)),
    )
    op.create_index("reductions_by_time", "reductions", ["tenant", "at", "id", "seq"])


def _add_flags() -> None:
    op.create_table(
        "flags",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("tab_id", sa.String(200)),
        sa.Column("line_id", sa.Text),
        sa.Column("sku", sa.String(200)),
        sa.Column("payment_id", sa.String(200)),
        sa.Column("short_milli", sa.BigInteger),
        sa.Column("sold_minor", sa.BigInteger),
        sa.Column("current_minor", sa.BigInteger),
        sa.Column("about", sa.String(20)),
        sa.Column("moved_to", sa.String(200)),
        sa.Column("facts", sa.Integer),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("terminal", sa.Text),
    )
    op.create_index("flags_by_time", "flags", ["tenant", "at", "id", "seq"])


def _add_z_reports() -> None:
    op.create_table(
        "z_reports",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("business_date", sa.Date),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.Text),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("receipts", sa.Integer, nullable=False),
        sa.Column("reversed", sa.Integer, nullable=False),
        sa.Column("first_receipt", sa.String(40)),
        sa.Column("last_receipt", sa.String(40)),
        sa.Column("gross_minor", sa.BigInteger, nullable=False),
        sa.Column("discount_minor", sa.BigInteger, nullable=False),
        sa.Column("comp_minor", sa.BigInteger, nullable=False),
        sa.Column("tax_minor", sa.BigInteger, nullable=False),
        sa.Column("tax", sa.JSON, nullable=False),
        sa.Column("due_minor", sa.BigInteger, nullable=False),
        sa.Column("rounding_minor", sa.BigInteger, nullable=False),
        sa.Column("tip_minor", sa.BigInteger, nullable=False),
        sa.Column("cash_minor", sa.BigInteger, nullable=False),
        sa.Column("card_minor", sa.BigInteger, nullable=False),
        sa.Column("gift_minor", sa.BigInteger, nullable=False),
        sa.Column("account_minor", sa.BigInteger, nullable=False),
        sa.Column("refunds", sa.Integer, nullable=False),
        sa.Column("refunded_cash_minor", sa.BigInteger, nullable=False),
        sa.Column("refunded_card_minor", sa.BigInteger, nullable=False),
        sa.Column("refunded_gift_minor", sa.BigInteger, nullable=False),
        sa.Column("refunded_account_minor", sa.BigInteger, nullable=False),
        sa.Column("voids", sa.Integer, nullable=False),
        sa.Column("void_minor", sa.BigInteger, nullable=False),
        sa.Column("drawers_counted", sa.Integer, nullable=False),
        sa.Column("over_short_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_in_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_out_minor", sa.BigInteger, nullable=False),
        sa.Column("no_sales", sa.Integer, nullable=False),
        sa.Column("carried_over", sa.Integer),
        sa.Column("agrees", sa.Boolean),
    )
    op.create_index("z_reports_by_date", "z_reports", ["tenant", "id", "business_date"])


def _add_day_taxes() -> None:
    op.create_table(
        "day_taxes",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tax_id", sa.String(200), primary_key=True),
        sa.Column("ppm", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("inclusive", sa.Boolean, primary_key=True),
        sa.Column("minor", sa.BigInteger, nullable=False),
    )
