"""The lists that the till's read model answers, and who may ask for each of them.

Who may see an event may see what the lists make of it: prices staff, drawers and references of processors cashiers, reports managers.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, exists

from holdfast import Actor
from holdfast.sql import Listing
from services.pos import lists, lists_reports
from services.pos import readmodel_tables as tables
from services.pos.domain_roles import CASHIERS, MANAGERS, SETTLERS

Conditions = Sequence[ColumnElement[bool]]


def _usual(table: Table, filters: lists.Filters, _by: Actor | None = None) -> Conditions:
    """Rows of a location, of a business day of this date, and with what filters say that have the name of a column."""
    wanted = {field: getattr(filters, field) for field in filters.__struct_fields__ if field in table.c}
    return (
        *(() if filters.location is None else (table.c.id == filters.location,)),
        *(_dated(table, filters.business_date) if isinstance(filters, lists.DayFilters) else ()),
        *(table.c[field] == value for field, value in wanted.items() if value is not None),
    )


def _dated(table: Table, business_date: date | None) -> Conditions:
    """Rows of a business day of this date; there may be two of one date."""
    if business_date is None or "business_date" in table.c:
        return ()
    report = tables.z_reports.c
    same_day = (report.tenant == table.c.tenant) & (report.id == table.c.id) & (report.day == table.c.day)
    return (exists().where(same_day, report.business_date == business_date),)


def _between(column: ColumnElement[Any], first: Any, end: Any) -> Conditions:
    return (*(() if first is None else (column >= first,)), *(() if end is None else (column < end,)))


def _tabs(filters: lists.TabFilters, _by: Actor) -> Conditions:
    table = tables.tabs
    return (*_usual(table, filters), *_between(table.c.opened_at, filters.opened_after, filters.opened_before))


def _lines(filters: lists.LineFilters, _by: Actor) -> Conditions:
    table = tables.lines
    return (*_usual(table, filters), *_between(table.c.added_at, filters.added_after, filters.added_before))


def _receipts(filters: lists.ReceiptFilters, _by: Actor) -> Conditions:
    table = tables.receipts
    reversal = table.c.reversed_day
    gone = reversal.is_not(None) if filters.reversed else reversal.is_(None)
    closed = _between(table.c.closed_at, filters.closed_after, filters.closed_before)
    return (*_usual(table, filters), *closed, *(() if filters.reversed is None else (gone,)))


def _payments(filters: lists.PaymentFilters, _by: Actor) -> Conditions:
    table = tables.payments
    return (*_usual(table, filters), *_between(table.c.begun_at, filters.begun_after, filters.begun_before))


def _stock(filters: lists.StockFilters, _by: Actor) -> Conditions:
    table = tables.stock
    few = () if filters.available_below is None else (table.c.available_milli < filters.available_below,)
    return (*_usual(table, filters), *few)


def _drawers(filters: lists_reports.DrawerFilters, by: Actor) -> Conditions:
    table = tables.drawers
    opened = _between(table.c.opened_at, filters.opened_after, filters.opened_before)
    counted = () if not MANAGERS.isdisjoint(by.roles) else (table.c.status == "CLOSED",)
    return (*_usual(table, filters), *opened, *counted)


def _reductions(filters: lists_reports.ReductionFilters, _by: Actor) -> Conditions:
    table = tables.reductions
    above = () if filters.value_above is None else (table.c.value_minor > filters.value_above,)
    return (*_usual(table, filters), *_between(table.c.at, filters.after, filters.before), *above)


def _reports(filters: lists_reports.ReportFilters, _by: Actor) -> Conditions:
    table = tables.z_reports
    last = () if filters.to_date is None else (table.c.business_date <= filters.to_date,)
    return (*_usual(table, filters), *_between(table.c.business_date, filters.from_date, None), *last)


list_of_tabs: Final = Listing(
    table=tables.tabs,
    filters=lists.TabFilters,
    row=lists.TabRow,
    sort=(tables.tabs.c.opened_at, tables.tabs.c.id, tables.tabs.c.opened_seq, tables.tabs.c.tab_id),
    where=_tabs,
    roles=SETTLERS,
)
LISTS: Final[Mapping[str, Listing[Any]]] = {
    "tabs": list_of_tabs,
    "lines": Listing(
        table=tables.lines,
        filters=lists.LineFilters,
        row=lists.LineRow,
        sort=(tables.lines.c.added_at, tables.lines.c.id, tables.lines.c.place),
        where=_lines,
        roles=SETTLERS,
    ),
    "receipts": Listing(
        table=tables.receipts,
        filters=lists.ReceiptFilters,
        row=lists.ReceiptRow,
        sort=(tables.receipts.c.id, tables.receipts.c.series, tables.receipts.c.number),
        where=_receipts,
        roles=SETTLERS,
    ),
    "refunds": Listing(
        table=tables.refunds,
        filters=lists.RefundFilters,
        row=lists.RefundRow,
        sort=(tables.refunds.c.id, tables.refunds.c.number),
        where=partial(_usual, tables.refunds),
        roles=SETTLERS,
    ),
    "payments": Listing(
        table=tables.payments,
        filters=lists.PaymentFilters,
        row=lists.PaymentRow,
        sort=(tables.payments.c.begun_at, tables.payments.c.id, tables.payments.c.begun_seq),
        where=_payments,
        roles=CASHIERS,
    ),
    "stock": Listing(
        table=tables.stock,
        filters=lists.StockFilters,
        row=lists.StockRow,
        sort=(tables.stock.c.id, tables.stock.c.sku),
        where=_stock,
        roles=SETTLERS,
    ),
    "drawers": Listing(
        table=tables.drawers,
        filters=lists_reports.DrawerFilters,
        row=lists_reports.DrawerRow,
        sort=(tables.drawers.c.opened_at, tables.drawers.c.id, tables.drawers.c.opened_seq),
        where=_drawers,
        roles=CASHIERS,
    ),
    "movements": Listing(
        table=tables.movements,
        filters=lists_reports.MovementFilters,
        row=lists_reports.MovementRow,
        sort=(tables.movements.c.at, tables.movements.c.id, tables.movements.c.seq),
        where=partial(_usual, tables.movements),
        roles=MANAGERS,
    ),
    "reductions": Listing(
        table=tables.reductions,
        filters=lists_reports.ReductionFilters,
        row=lists_reports.ReductionRow,
        sort=(tables.reductions.c.at, tables.reductions.c.id, tables.reductions.c.seq),
        where=_reductions,
        roles=MANAGERS,
    ),
    "flags": Listing(
        table=tables.flags,
        filters=lists_reports.FlagFilters,
        row=lists_reports.FlagRow,
        sort=(tables.flags.c.at, tables.flags.c.id, tables.flags.c.seq),
        where=partial(_usual, tables.flags),
        roles=MANAGERS,
    ),
    "z-reports": Listing(
        table=tables.z_reports,
        filters=lists_reports.ReportFilters,
        row=lists_reports.ReportRow,
        sort=(tables.z_reports.c.id, tables.z_reports.c.day),
        where=_reports,
        roles=MANAGERS,
    ),
    "taxes": Listing(
        table=tables.day_taxes,
        filters=lists_reports.TaxFilters,
        row=lists_reports.TaxRow,
        sort=(
            tables.day_taxes.c.id,
            tables.day_taxes.c.day,
            tables.day_taxes.c.tax_id,
            tables.day_taxes.c.ppm,
            tables.day_taxes.c.inclusive,
        ),
        where=partial(_usual, tables.day_taxes),
        roles=MANAGERS,
    ),
}
