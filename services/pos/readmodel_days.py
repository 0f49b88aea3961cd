"""Business days and their Z reports as rows, which grow with each receipt and are checked when the day is closed."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from holdfast import Name
from services.pos import domain_money_events as events
from services.pos.domain_tab_events import LineVoided, TabClosed, TabReopened, TabVoided
from services.pos.domain_terms import DayTotals, Flow, TaxAmount, Totals
from services.pos.domain_till_events import Configured
from services.pos.readmodel_money import figures
from services.pos.readmodel_rows import More, Stored, add, look, more, of, put, till_of
from services.pos.readmodel_tables import TENDERS, day_taxes, receipts, tills, z_reports

OF_RECEIPTS: Final = tuple(figures(Totals(), Flow()))
"""The columns that are sums over receipts."""
_COUNTS: Final = (
    "receipts",
    "reversed",
    "refunds",
    "voids",
    "void_minor",
    "pooled_minor",
    "drawers_counted",
    "over_short_minor",
)
_NOTHING: Final = dict.fromkeys(
    (
        *OF_RECEIPTS,
        *_COUNTS,
        *("paid_in_minor", "paid_out_minor", "no_sales"),
        *(f"refunded_{tender}_minor" for tender in TENDERS),
    ),
    0,
)


class _Report(NamedTuple):
    """The report of a day."""

    day: int
    first_receipt: str | None


def follow_days(connection: Connection, stored: Stored) -> None:  # noqa: C901, PLR0912 - one line for each event
    """Write what an event changes about business days."""
    name = stored.name
    match stored.event:
        case Configured(settings=settings):
            _know(connection, name, currency=settings.currency)
        case events.DayOpened(day=day, business_date=business_date):
            _know(connection, name, days=day, open=True)
            _report(connection, name)
            opened = {"status": "open", "business_date": business_date, "opened_at": stored.at}
            put(connection, z_reports, name, {"day": day}, **opened)
        case events.DayClosed() as closed:
            _close(connection, stored, closed)
        case TabClosed() as receipt:
            _count(connection, name, receipt.totals, receipt.paid, receipt_no=receipt.receipt_no, sign=1)
        case TabReopened(reverses=str()) as reopened:
            _count(connection, name, reopened.totals, reopened.paid, receipt_no=None, sign=-1)
        case events.Refunded(tender=tender, amount_minor=amount, rounding_minor=rounding):
            _grow(connection, name, refunds=1, **{f"refunded_{tender}_minor": amount + rounding})
        case events.TipsPooled(minor=minor):
            _grow(connection, name, pooled_minor=minor)
        case LineVoided(value_minor=value):
            _grow(connection, name, voids=1, void_minor=value)
        case TabVoided(value_minor=value) if value:
            _grow(connection, name, voids=1, void_minor=value)
        case events.DrawerClosed(over_short=over_short, tips=tips):
            _grow(connection, name, drawers_counted=1, over_short_minor=over_short, pooled_minor=tips)
        case events.DrawerPaidIn(minor=amount):
            _grow(connection, name, paid_in_minor=amount)
        case events.DrawerPaidOut(minor=amount):
            _grow(connection, name, paid_out_minor=amount)
        case events.DrawerNoSale():
            _grow(connection, name, no_sales=1)
        case _:
            pass


def _know(connection: Connection, name: Name, **values: Any) -> None:
    if connection.execute(select(tills.c.days).where(of(tills, name))).one_or_none() is None:
        add(connection, tills, name, **{"currency": "", "days": 0, "open": False, **values})
    else:
        put(connection, tills, name, {}, **values)


def _report(connection: Connection, name: Name) -> "_Report":
    """The report of the open day, or of the next one, begun with nothing when there is none yet."""
    till = till_of(connection, name)
    found = look(connection, z_reports, name, {"day": till.day}, "first_receipt").one_or_none()
    if found is None:
        add(connection, z_reports, name, day=till.day, status="next", currency=till.currency, tax=[], **_NOTHING)
    return _Report(till.day, None if found is None else found.first_receipt)


def _grow(connection: Connection, name: Name, **amounts: int) -> None:
    _put(connection, name, _report(connection, name).day, **more(**amounts))


def _put(connection: Connection, name: Name, day: int, **values: Any) -> None:
    put(connection, z_reports, name, {"day": day}, **values)


def _count(
    connection: Connection, name: Name, totals: Totals, paid: Flow, *, receipt_no: str | None, sign: int
) -> None:
    """Add a receipt to the report, or (with a sign of -1) take a reversed one off it."""
    day, first = _report(connection, name)
    of_receipt = (
        {"reversed": More(1)}
        if receipt_no is None
        else {"receipts": More(1), "first_receipt": first or receipt_no, "last_receipt": receipt_no}
    )
    _put(connection, name, day, **more(**_signed(figures(totals, paid), sign)), **of_receipt)
    if totals.tax:
        _tax(connection, name, day, totals.tax, sign=sign)
        _put(connection, name, day, tax=_taxes(connection, name, day))


def _signed(amounts: dict[str, int], sign: int) -> dict[str, int]:
    return {column: sign * amount for column, amount in amounts.items()}


def _tax(connection: Connection, name: Name, day: int, taxes: Iterable[TaxAmount], *, sign: int) -> None:
    for tax in taxes:
        rate = {"day": day, "tax_id": tax.tax_id, "ppm": tax.ppm, "inclusive": tax.inclusive}
        if look(connection, day_taxes, name, rate, "minor").one_or_none() is None:
            add(connection, day_taxes, name, **rate, minor=sign * tax.minor)
        else:
            put(connection, day_taxes, name, rate, **more(minor=sign * tax.minor))


def _taxes(connection: Connection, name: Name, day: int) -> list[dict[str, Any]]:
    found = look(connection, day_taxes, name, {"day": day}, "tax_id", "ppm", "inclusive", "minor").mappings()
    return sorted((dict(tax) for tax in found), key=lambda tax: (tax["tax_id"], tax["ppm"], tax["inclusive"]))


def _close(connection: Connection, stored: Stored, event: events.DayClosed) -> None:
    name = stored.name
    day, _ = _report(connection, name)
    agrees = _agrees(connection, name, event.z_no, event.totals)
    told = {"closed_at": stored.at, "closed_by": stored.by.user, "carried_over": len(event.carried_over)}
    _put(connection, name, day, status="closed", agrees=agrees, **told)
    _know(connection, name, open=False)


def _agrees(connection: Connection, name: Name, day: int, totals: DayTotals) -> bool:
    """Whether the rows of the day's receipts, and the report that grew with them, are what the till itself says."""
    told = _told(totals)
    shown = [z_reports.c[column] for column in told]
    report = connection.execute(select(*shown).where(of(z_reports, name), z_reports.c.day == day)).mappings().one()
    summed = sums_of_receipts(connection, name, day)
    taxes: dict[str, int] = {}
    for tax in _taxes(connection, name, day):
        taxes[tax["tax_id"]] = taxes.get(tax["tax_id"], 0) + tax["minor"]
    return dict(report) == told and summed == {column: told[column] for column in OF_RECEIPTS} and taxes == totals.tax


def _told(totals: DayTotals) -> dict[str, Any]:
    """The till's own report, by the names of columns."""
    same = ("receipts", "reversed", "refunds", "voids", "void_minor", "pooled_minor", "first_receipt", "last_receipt")
    of_receipts = (
        "gross_minor",
        "discount_minor",
        "comp_minor",
        "gratuity_minor",
        "stored_minor",
        "due_minor",
        "rounding_minor",
        "tip_minor",
    )
    return {
        **{field: getattr(totals, field) for field in (*same, *of_receipts)},
        "tax_minor": sum(totals.tax.values()),
        **{f"{tender}_minor": getattr(totals.paid, tender) for tender in TENDERS},
        **{f"refunded_{tender}_minor": getattr(totals.refunded, tender) for tender in TENDERS},
    }


def sums_of_receipts(connection: Connection, name: Name, day: int) -> dict[str, int]:
    """The sums over a day's receipts, less those that were reversed on that day."""
    row = receipts.c
    columns = [func.coalesce(func.sum(row[column]), 0).label(column) for column in OF_RECEIPTS]
    of_day, gone = (
        connection.execute(select(*columns).where(of(receipts, name), when == day)).mappings().one()
        for when in (row.day, row.reversed_day)
    )
    return {column: int(of_day[column]) - int(gone[column]) for column in OF_RECEIPTS}
