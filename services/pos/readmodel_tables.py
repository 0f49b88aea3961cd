"""The tables in SQL of the till's read model."""

from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Index, Integer, MetaData, String, Table

from holdfast.sql import Moment, Words

metadata: Final = MetaData()
KEY: Final = 200
TENDERS: Final = ("cash", "card", "gift", "account", "deposit", "loyalty")
"""Each has a column of its own in receipts and reports."""


def _of_location(name: str, *columns: Column[Any] | Index) -> Table:
    """A table whose rows belong to one till each."""
    tenant, id_ = (Column(key, String(KEY), primary_key=True) for key in ("tenant", "id"))
    return Table(name, metadata, tenant, id_, *columns)


def _minor(name: str, *, null: bool = False) -> Column[int]:
    """Money in minor units, or a count of thousandths."""
    return Column(name, BigInteger, nullable=null)


tills: Final = _of_location(
    "tills",
    Column("currency", String(3), nullable=False),
    Column("days", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
)
"""Which business day a location is in: what happens between two days counts for the next one."""

tabs: Final = _of_location(
    "tabs",
    Column("opened_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tab_id", String(KEY), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("day", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Words, nullable=False),
    Column("owner", Words, nullable=False),
    Column("terminal", Words),
    Column("name", Words, nullable=False),
    Column("guest_count", Integer),
    Column("table_ref", Words),
    Column("floor", String(KEY)),
    Column("order_type", String(20), nullable=False),
    Column("currency", String(3), nullable=False),
    _minor("total_minor"),
    _minor("paid_minor"),
    _minor("balance_minor"),
    Column("bill_printed", Boolean, nullable=False),
    Column("reopened", Boolean, nullable=False),
    Column("offline", Boolean, nullable=False),
    Column("came_from", String(KEY)),
    Column("merged_into", String(KEY)),
    Column("receipt_no", String(40)),
    Column("ended_at", Moment),
    Index("tabs_by_time", "tenant", "opened_at", "id", "opened_seq", "tab_id"),
    Index("tabs_by_id", "tenant", "id", "tab_id", "opened_seq"),
)
"""An id may be used again when its tab is long gone: what is told of a tab is of the newest one with its id."""

lines: Final = _of_location(
    "lines",
    Column("opened_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tab_id", String(KEY), primary_key=True),
    Column("line_id", Words, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("sku", String(KEY), nullable=False),
    _minor("qty_milli"),
    _minor("unit_price_minor"),
    _minor("share_minor", null=True),
    Column("modifiers", Words, nullable=False),
    Column("seat", BigInteger),
    Column("course", BigInteger),
    Column("note", Words, nullable=False),
    Column("station", Words, nullable=False),
    Column("tracked", Boolean, nullable=False),
    _minor("sent_milli"),
    _minor("firm_milli"),
    _minor("refunded_milli"),
    Column("comped", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("added_by", Words, nullable=False),
    Column("terminal", Words),
    Column("offline", Boolean, nullable=False),
    Column("receipt_no", String(40)),
    Index("lines_by_time", "tenant", "added_at", "id", "place"),
    Index("lines_by_place", "tenant", "id", "place", unique=True),
    Index("lines_by_receipt", "tenant", "id", "receipt_no"),
)

holds: Final = _of_location(
    "holds",
    Column("hold_id", String(KEY), primary_key=True),
    Column("tab_id", String(KEY), nullable=False),
    Column("sku", String(KEY), nullable=False),
    _minor("qty_milli"),
    Column("expires_at", Moment, nullable=False),
)

stock: Final = _of_location(
    "stock",
    Column("sku", String(KEY), primary_key=True),
    Column("name", Words, nullable=False),
    Column("tracked", Boolean, nullable=False),
    _minor("price_minor"),
    _minor("on_hand_milli"),
    _minor("held_milli"),
    _minor("sold_milli"),
    _minor("available_milli"),
    Column("eighty_six", Boolean, nullable=False),
)

payments: Final = _of_location(
    "payments",
    Column("begun_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("payment_id", String(KEY), nullable=False),
    Column("tab_id", String(KEY), nullable=False),
    Column("tender", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("day", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    _minor("due_minor"),
    _minor("rounding_minor"),
    _minor("tip_minor"),
    _minor("change_minor"),
    Column("processor_ref", Words, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("begun_by", Words, nullable=False),
    Column("terminal", Words),
    Column("offline", Boolean, nullable=False),
    Column("over_limit", Boolean, nullable=False),
    Column("upload_by", Moment),
    Column("ended_at", Moment),
    Index("payments_by_time", "tenant", "begun_at", "id", "begun_seq"),
    Index("payments_by_id", "tenant", "id", "payment_id", "begun_seq"),
)

receipts: Final = _of_location(
    "receipts",
    Column("series", String(20), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("receipt_no", String(40), nullable=False),
    Column("tab_id", String(KEY), nullable=False),
    Column("day", Integer, nullable=False),
    Column("closed_at", Moment, nullable=False),
    Column("closed_by", Words, nullable=False),
    Column("terminal", Words),
    Column("table_ref", Words),
    Column("currency", String(3), nullable=False),
    _minor("gross_minor"),
    _minor("discount_minor"),
    _minor("comp_minor"),
    _minor("gratuity_minor"),
    _minor("stored_minor"),
    _minor("tax_minor"),
    Column("tax", JSON, nullable=False),
    _minor("due_minor"),
    _minor("rounding_minor"),
    _minor("tip_minor"),
    *(_minor(f"{tender}_minor") for tender in TENDERS),
    _minor("refunded_minor"),
    Column("offline", Boolean, nullable=False),
    Column("occurred_at", Moment),
    Column("reversed_day", Integer),
    Column("reversed_at", Moment),
    Index("receipts_by_no", "tenant", "id", "receipt_no", unique=True),
    Index("receipts_by_day", "tenant", "id", "day"),
)

refunds: Final = _of_location(
    "refunds",
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("refund_no", String(40), nullable=False),
    Column("receipt_no", String(40), nullable=False),
    Column("tab_id", String(KEY), nullable=False),
    Column("day", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("approved_by", Words),
    Column("terminal", Words),
    Column("tender", String(20), nullable=False),
    Column("currency", String(3), nullable=False),
    _minor("amount_minor"),
    _minor("rounding_minor"),
    Column("reason_code", Words, nullable=False),
    Column("lines", JSON, nullable=False),
)

drawers: Final = _of_location(
    "drawers",
    Column("opened_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("drawer_id", String(40), nullable=False),
    Column("terminal", Words, nullable=False),
    Column("status", String(20), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Words, nullable=False),
    _minor("opening_minor"),
    _minor("cash_sales_minor"),
    _minor("cash_refunds_minor"),
    _minor("paid_in_minor"),
    _minor("paid_out_minor"),
    _minor("expected_minor"),
    _minor("counted_minor", null=True),
    _minor("over_short_minor", null=True),
    Column("no_sales", Integer, nullable=False),
    _minor("tips_minor"),
    Column("ended_at", Moment),
    Column("closed_at", Moment),
    Column("closed_by", Words),
    Column("day", Integer),
    Index("drawers_by_time", "tenant", "opened_at", "id", "opened_seq"),
)

movements: Final = _of_location(
    "movements",
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("terminal", Words, nullable=False),
    Column("drawer_id", String(40)),
    Column("day", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    _minor("amount_minor"),
    Column("reason", Words, nullable=False),
    Column("offline", Boolean, nullable=False),
    Column("occurred_at", Moment),
    Index("movements_by_time", "tenant", "at", "id", "seq"),
)

reductions: Final = _of_location(
    "reductions",
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("tab_id", String(KEY), nullable=False),
    Column("table_ref", Words),
    Column("line_id", Words),
    Column("sku", String(KEY)),
    _minor("qty_milli", null=True),
    Column("discount_id", String(KEY)),
    Column("reason_code", Words, nullable=False),
    _minor("value_minor"),
    Column("day", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("terminal", Words),
    Column("approved_by", Words),
    Column("taken_back_at", Moment),
    _minor("taken_back_minor"),
    Column("given_id", String(40)),
    Index("reductions_by_time", "tenant", "at", "id", "seq"),
)

flags: Final = _of_location(
    "flags",
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("tab_id", String(KEY)),
    Column("line_id", Words),
    Column("sku", String(KEY)),
    Column("payment_id", String(KEY)),
    _minor("short_milli", null=True),
    _minor("sold_minor", null=True),
    _minor("current_minor", null=True),
    Column("about", String(20)),
    Column("moved_to", String(KEY)),
    Column("facts", Integer),
    Column("day", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("terminal", Words),
    Index("flags_by_time", "tenant", "at", "id", "seq"),
)

z_reports: Final = _of_location(
    "z_reports",
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("status", String(20), nullable=False),
    Column("business_date", Date),
    Column("opened_at", Moment),
    Column("closed_at", Moment),
    Column("closed_by", Words),
    Column("currency", String(3), nullable=False),
    Column("receipts", Integer, nullable=False),
    Column("reversed", Integer, nullable=False),
    Column("first_receipt", String(40)),
    Column("last_receipt", String(40)),
    _minor("gross_minor"),
    _minor("discount_minor"),
    _minor("comp_minor"),
    _minor("gratuity_minor"),
    _minor("stored_minor"),
    _minor("tax_minor"),
    Column("tax", JSON, nullable=False),
    _minor("due_minor"),
    _minor("rounding_minor"),
    _minor("tip_minor"),
    *(_minor(f"{tender}_minor") for tender in TENDERS),
    Column("refunds", Integer, nullable=False),
    *(_minor(f"refunded_{tender}_minor") for tender in TENDERS),
    Column("voids", Integer, nullable=False),
    _minor("void_minor"),
    _minor("pooled_minor"),
    Column("drawers_counted", Integer, nullable=False),
    _minor("over_short_minor"),
    _minor("paid_in_minor"),
    _minor("paid_out_minor"),
    Column("no_sales", Integer, nullable=False),
    Column("carried_over", Integer),
    Column("agrees", Boolean),
    Index("z_reports_by_date", "tenant", "id", "business_date"),
)

day_taxes: Final = _of_location(
    "day_taxes",
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("tax_id", String(KEY), primary_key=True),
    Column("ppm", BigInteger, primary_key=True, autoincrement=False),
    Column("inclusive", Boolean, primary_key=True),
    _minor("minor"),
)

accounts: Final = _of_location(
    "accounts",
    Column("kind", String(20), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("holder", Words, nullable=False),
    Column("status", String(20), nullable=False),
    _minor("balance"),
    _minor("held"),
    _minor("credit_limit_minor"),
    _minor("owed_points"),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Words, nullable=False),
    Column("moved_at", Moment),
    Index("accounts_by_time", "tenant", "opened_at", "id"),
)
"""Customers' accounts; here `id` is the account. The location that opened one does not own it."""

account_holds: Final = _of_location(
    "account_holds",
    Column("hold_id", String(KEY), primary_key=True),
    _minor("quantity"),
)
"""What is kept of an account, so that it can be free again."""

account_movements: Final = _of_location(
    "account_movements",
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("account_kind", String(20), nullable=False),
    Column("currency", String(3), nullable=False),
    _minor("change"),
    _minor("balance"),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("till", String(KEY)),
    Column("tab_id", String(KEY)),
    Column("line_id", Words),
    Column("payment_id", String(KEY)),
    Column("refund_no", String(40)),
    Column("note", Words, nullable=False),
    Index("account_movements_by_time", "tenant", "at", "id", "seq"),
    Index("account_movements_by_account", "tenant", "id", "at", "seq"),
)
