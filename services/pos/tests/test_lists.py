"""The lists of the till: what may be asked of them, by whom, and what they answer."""

from collections.abc import AsyncGenerator
from datetime import date
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, ValidationFailed
from holdfast.sql import Listing, migrate, open_database
from holdfast.sql._listing import ListQuery, Page, read_page
from holdfast.testing import Scenario
from services.pos.contract import contract
from services.pos.domain_roles import CASHIERS, MANAGERS, SETTLERS
from services.pos.readmodel_accounts import ACCOUNT_LISTS
from services.pos.readmodel_lists import LISTS
from services.pos.tests.histories import a_day, project, sale
from services.pos.tests.scenes import CASHIER, MANAGER, opened

pytest_plugins = ["holdfast.testing._databases"]

EVERY_LIST = (*LISTS.values(), *ACCOUNT_LISTS.values())


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "pos", package="services.pos")
    engine = open_database(database_url, "pos")
    yield engine
    await engine.dispose()


async def store(database: AsyncEngine, scene: Scenario, **whose: Any) -> None:
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: project(sync, scene, **whose))


async def page(
    database: AsyncEngine,
    name: str,
    tenant: str = "acme",
    *,
    asker: Actor = MANAGER,
    cursor: str | None = None,
    **more: Any,
) -> Page:
    limit = more.pop("limit", 50)
    filters = {key: str(value) for key, value in more.items()}
    return await read_page(
        database, LISTS[name], tenant, ListQuery(by=asker, filters=filters, limit=limit, cursor=cursor)
    )


async def items(database: AsyncEngine, name: str, tenant: str = "acme", **more: Any) -> list[Any]:
    return list((await page(database, name, tenant, **more)).items)


ASKED: list[tuple[str, dict[str, Any], str, list[Any]]] = [
    ("tabs", {"status": "OPEN"}, "tab_id", ["t8", "t1-2"]),
    ("tabs", {"status": "CLOSED", "opened_by": "wim", "day": 2}, "tab_id", ["s4"]),
    ("tabs", {"business_date": "2026-06-02"}, "tab_id", ["s4"]),
    ("tabs", {"location": "loc-9"}, "tab_id", []),
    ("tabs", {"terminal": "till-1", "opened_before": "2026-06-01T12:02:00Z"}, "tab_id", ["t1"]),
    ("tabs", {"table_ref": "T9"}, "tab_id", []),
    ("lines", {"receipt_no": "A-000001"}, "line_id", ["l2", "l3", "t1-soup"]),
    ("lines", {"sku": "book", "added_by": "wim"}, "tab_id", ["s1", "s2", "s3"]),
    ("receipts", {"day": 1}, "number", [1, 2, 3, 4, 5, 6]),
    ("receipts", {"business_date": "2026-06-02"}, "receipt_no", ["A-000007"]),
    ("receipts", {"reversed": "true"}, "receipt_no", ["A-000006"]),
    ("receipts", {"reversed": "false", "tab_id": "t7"}, "receipt_no", ["A-000005"]),
    ("receipts", {"closed_after": "2026-06-01T12:05:00Z", "series": "A"}, "number", [5, 6, 7]),
    ("refunds", {"tender": "cash", "reason_code": "wrong"}, "refund_no", ["R-000001"]),
    ("refunds", {"receipt_no": "A-000001"}, "refund_no", []),
    ("payments", {"tender": "account"}, "payment_id", ["pay-s2"]),
    ("payments", {"status": "expired", "offline": "true"}, "payment_id", ["stored"]),
    ("payments", {"day": 2, "tab_id": "s4"}, "payment_id", ["pay-s4"]),
    ("stock", {"tracked": "true", "available_below": 10_000}, "sku", ["cake", "cheese"]),
    ("stock", {"eighty_six": "true"}, "sku", ["cake"]),
    ("drawers", {"status": "CLOSED", "day": 1}, "over_short_minor", [-250]),
    ("drawers", {"terminal": "till-1"}, "drawer_id", ["drawer-1", "drawer-2"]),
    ("movements", {"kind": "paid_out"}, "amount_minor", [700]),
    ("movements", {"business_date": "2026-06-01"}, "kind", ["paid_out", "no_sale"]),
    ("reductions", {"kind": "void", "reason_code": "spilled"}, "value_minor", [500]),
    ("reductions", {"by": "max", "terminal": "office"}, "kind", ["void", "comp", "discount"]),
    ("reductions", {"value_above": 400}, "kind", ["void"]),
    ("flags", {"kind": "tab_conflict"}, "about", ["drawer", "lines"]),
    ("flags", {"day": 2}, "kind", ["card_expired"]),
    ("z-reports", {"status": "closed"}, "over_short_minor", [-250]),
    ("z-reports", {"from_date": "2026-06-02", "to_date": "2026-06-30"}, "day", [2]),
    ("taxes", {"day": 1, "tax_id": "vat"}, "minor", [278]),
]


@pytest_asyncio.fixture
async def evening(database: AsyncEngine) -> AsyncEngine:
    await store(database, a_day())
    return database


async def test_filters_narrow_each_list(evening: AsyncEngine) -> None:
    for name, filters, column, expected in ASKED:
        found = [getattr(item, column) for item in await items(evening, name, **filters)]
        assert found == expected, (name, filters)


def a_value(kind: Any) -> str:
    """Something that may be asked of a filter of this type."""
    for value in ("1", "true", "2026-06-01", "2026-06-01T12:00:00Z", *words(kind)):
        try:
            msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError:
            continue
        return value
    raise AssertionError(kind)


def words(kind: Any) -> list[str]:
    return [str(word) for part in msgspec.json.schema(kind).get("anyOf", []) for word in part.get("enum", [])]


def bounds(kind: Any) -> list[str]:
    """The least and the greatest number that may be asked for."""
    numbers = [form for form in msgspec.json.schema(kind).get("anyOf", []) if form.get("type") == "integer"]
    return [str(form[end]) for form in numbers for end in ("minimum", "maximum")]


async def answered(database: AsyncEngine, listing: Listing[Any], field: str, value: str) -> bool:
    try:
        await read_page(database, listing, "acme", ListQuery(by=MANAGER, filters={field: value}))
    except ValidationFailed as refused:
        return not refused.message.count(f"{field}: a whole number from ")
    return True


async def test_every_filter_of_every_list_is_understood_by_the_database(evening: AsyncEngine) -> None:
    for listing in EVERY_LIST:
        for field in msgspec.structs.fields(listing.filters):
            for value in bounds(field.type) or [a_value(field.type)]:
                assert await answered(evening, listing, field.name, value), (field.name, value)


async def test_a_number_beyond_those_of_a_column_is_refused(evening: AsyncEngine) -> None:
    numbers: set[str] = set()
    for listing in EVERY_LIST:
        for field in msgspec.structs.fields(listing.filters):
            for bound in bounds(field.type):
                numbers.add(field.name)
                for beyond in (10 * int(bound) - 1, -(10**24), 10**24):
                    assert not await answered(evening, listing, field.name, str(beyond)), (field.name, beyond)
    assert numbers == {"day", "available_below", "value_above", "balance_below"}


async def test_all_filters_must_hold(evening: AsyncEngine) -> None:
    for name, filters, column, _ in ASKED:
        both = {**filters, "location": "loc-1"}
        alone = [getattr(item, column) for item in await items(evening, name, **filters)]
        if filters.get("location") is None:
            assert [getattr(item, column) for item in await items(evening, name, **both)] == alone
        assert await items(evening, name, **{**filters, "location": "elsewhere"}) == []


async def test_another_tenants_and_another_locations_rows_stay_apart(database: AsyncEngine) -> None:
    await store(database, a_day())
    await store(database, a_day(), id_="loc-2")
    await store(database, a_day(), tenant="umbra")
    for name in LISTS:
        own, other = await items(database, name, limit=200), await items(database, name, "umbra", limit=200)
        second = await items(database, name, location="loc-2", limit=200)
        assert (len(own), len(second)) == (2 * len(other), len(other))
        assert await items(database, name, "nobody") == []


async def test_pages_hold_every_item_once_whatever_is_sold_in_between(database: AsyncEngine) -> None:
    for name in ("tabs", "lines", "receipts", "payments"):
        tenant = f"t-{name}"
        scene = opened()
        for number in range(5):
            sale(scene, f"early-{number}", "card", "soup")
        await store(database, scene, tenant=tenant)
        before = await items(database, name, tenant)
        first = await page(database, name, tenant, limit=3)
        known = len(scene.log)
        for number in range(3):
            sale(scene, f"late-{number}", "cash", "soup")
        await store(database, scene, tenant=tenant, after=known)
        rest = await items(database, name, tenant, cursor=first.cursor)
        assert [*first.items, *rest][:5] == before
        assert [*first.items, *rest] == await items(database, name, tenant)


async def test_what_should_be_in_a_drawer_is_told_to_managers_only_until_it_is_counted(evening: AsyncEngine) -> None:
    assert [row.status for row in await items(evening, "drawers", asker=MANAGER)] == ["CLOSED", "OPEN"]
    assert [row.status for row in await items(evening, "drawers", asker=CASHIER)] == ["CLOSED"]


async def test_a_date_that_is_none_is_refused_with_an_example(evening: AsyncEngine) -> None:
    with pytest.raises(ValidationFailed, match="business_date: a date such as 2026-01-31"):
        await page(evening, "receipts", business_date="yesterday")


def test_who_may_see_money_may_ask_for_it_and_nobody_else() -> None:
    roles = {name: listing.roles for name, listing in LISTS.items()}
    of_staff = dict.fromkeys(("tabs", "lines", "receipts", "refunds", "stock"), SETTLERS)
    of_cashiers = dict.fromkeys(("payments", "drawers"), CASHIERS)
    of_managers = dict.fromkeys(("movements", "reductions", "flags", "z-reports", "taxes"), MANAGERS)
    assert roles == {**of_staff, **of_cashiers, **of_managers}


def test_the_contract_describes_the_lists_as_they_are() -> None:
    described = {name: (form.filters, form.item) for name, form in contract.lists.items()}
    assert described == {name: (listing.filters, listing.row) for name, listing in LISTS.items()}


async def test_a_z_report_names_each_tax_at_each_rate(evening: AsyncEngine) -> None:
    [report] = await items(evening, "z-reports", day=1)
    assert [(tax.tax_id, tax.ppm, tax.inclusive, tax.minor) for tax in report.tax] == [
        ("vat", 100_000, False, 278),
        ("within", 200_000, True, 501),
    ]
    assert (report.business_date, report.agrees) == (date(2026, 6, 1), True)
    assert (report.receipts, report.first_receipt, report.last_receipt) == (6, "A-000001", "A-000006")


DAY = ("2026-06-01", "2026-06-01T12:00:00Z")
GIVEN: tuple[Any, ...] = (*DAY, True, 1, "cash", "void", "paid_in", "oversell", "open", "OPEN", "started")


@pytest.mark.parametrize("name", LISTS)
def test_every_filter_that_may_be_given_leaves_something_out(name: str) -> None:
    listing = LISTS[name]
    everything = len(listing.where(listing.filters(), MANAGER))
    for field in msgspec.structs.fields(listing.filters):
        found: list[Any] = [read(listing.filters, field.name, value) for value in GIVEN]
        wanted = next(each for each in found if each is not None)
        assert len(listing.where(wanted, MANAGER)) > everything, field.name


def read(filters: Any, field: str, value: object) -> Any:
    try:
        return msgspec.convert({field: value}, filters)
    except msgspec.ValidationError:
        return None
