"""The lists and reports of a till and a floor, asked for over HTTP: filters, pages, roles, tenants, tables, rebuilds."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import create_engine, text

from holdfast.testing.servers import NatsServer
from services.pos.readmodel_lists import LISTS
from tests.e2e.restaurant import Frame, Restaurant, restaurant

pytest_plugins = ["holdfast.testing._servers"]
pytestmark = pytest.mark.slow


@pytest_asyncio.fixture
async def place(nats: NatsServer, tmp_path: Path) -> AsyncGenerator[Restaurant]:
    async with restaurant(nats, tmp_path) as opened:
        await opened.open()
        yield opened


async def a_day(place: Restaurant) -> None:
    """Three receipts, a void, a comp, a discount, a refund, and a drawer that is short of 2.50."""
    await place.order("t1", "soup", "book", name="=1+1", table_ref="T4")
    await place.send("send-to-kitchen", "waiter", tab_id="t1", line_ids=[])
    await place.send("add-line", "waiter", tab_id="t1", line_id="spilled", sku="soup")
    await place.send("void-line", "manager", tab_id="t1", line_id="spilled", qty_milli=1_000, reason_code="wrong")
    await place.send("comp-line", "manager", tab_id="t1", line_id="t1-book", reason_code="wrong")
    await place.send("apply-discount", "manager", tab_id="t1", scope="order", discount_id="ten")
    await place.pay("t1", "cash")
    for tab_id, tender in (("t2", "card"), ("t3", "cash")):
        await place.order(tab_id, "book")
        await place.pay(tab_id, tender)
    await place.send(
        "refund", "manager", tab_id="t2", amount_minor=500, tender="cash", reason_code="wrong", terminal_id="till-1"
    )
    await place.send("no-sale", "waiter", terminal_id="till-1", reason="=HYPERLINK(1)")
    await place.send("end-drawer", "cashier", terminal_id="till-1")
    expected = (await place.shows("drawers", 1, status="ENDED"))[0]["expected_minor"]
    await place.send("count-drawer", "cashier", terminal_id="till-1", minor=expected - 250)
    await place.send("close-day", "manager")
    await place.shows("z-reports", 1, status="closed")


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_a_manager_gets_the_z_report_which_is_what_the_till_says_and_its_receipts_sum_up_to(
    place: Restaurant,
) -> None:
    await a_day(place)
    [report] = await place.items("z-reports", business_date="2026-06-01", location=place.id)
    [closed] = [event["data"]["totals"] for event in await place.events() if event["type"] == "day_closed"]
    receipts = await place.items("receipts", day=1)
    for column in ("gross_minor", "discount_minor", "comp_minor", "due_minor", "rounding_minor", "tip_minor"):
        assert report[column] == closed.get(column, 0) == sum(receipt[column] for receipt in receipts)
    assert {tax["tax_id"]: tax["minor"] for tax in report["tax"]} == closed["tax"]
    assert report["tax_minor"] == sum(receipt["tax_minor"] for receipt in receipts)
    for tender, minor in closed["paid"].items():
        assert report[f"{tender}_minor"] == minor == sum(receipt[f"{tender}_minor"] for receipt in receipts)
    told = ("receipts", "first_receipt", "last_receipt", "voids", "over_short_minor", "refunded_cash_minor", "agrees")
    assert [report[key] for key in told] == [3, "A-000001", "A-000003", 1, -250, 500, True]
    [row] = table(await place.ask("z-reports", "manager", day=1, format="csv"))
    assert (row["gross_minor"], row["over_short_minor"], row["agrees"]) == (str(report["gross_minor"]), "-250", "true")
    by_rate = table(await place.ask("taxes", "manager", day=1, format="csv"))
    assert [(tax["tax_id"], int(tax["minor"])) for tax in by_rate] == sorted(closed["tax"].items())


async def test_lists_of_the_till_take_filters_over_http(place: Restaurant) -> None:
    await a_day(place)
    assert [each["tab_id"] for each in await place.items("tabs", table_ref="T4", opened_by="waiter")] == ["t1"]
    assert [each["tab_id"] for each in (await place.ask(None, "waiter", status="CLOSED")).json()["items"]] == [
        "t1",
        "t2",
        "t3",
    ]
    assert [each["receipt_no"] for each in await place.items("receipts", tab_id="t2")] == ["A-000002"]
    assert [each["line_id"] for each in await place.items("lines", receipt_no="A-000001")] == ["t1-soup", "t1-book"]
    assert [each["payment_id"] for each in await place.items("payments", tender="card")] == ["pay-t2"]
    assert [each["amount_minor"] for each in await place.items("refunds", receipt_no="A-000002")] == [500]
    reductions = await place.items("reductions", business_date="2026-06-01")
    assert [(each["kind"], each["value_minor"], each["by"]) for each in reductions] == [
        ("void", 733, "manager"),
        ("comp", 999, "manager"),
        ("discount", 73, "manager"),
    ]
    assert [each["sku"] for each in await place.items("stock", tracked="false")] == ["book", "soup"]
    wrong = await place.ask("receipts", "manager", business_date="today")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "VALIDATION")
    assert "business_date: a date such as 2026-01-31" in wrong.json()["detail"]


async def test_pages_of_receipts_are_stable_while_more_is_sold(place: Restaurant) -> None:
    async def sell(number: int) -> None:
        await place.order(f"t{number}", "soup")
        await place.pay(f"t{number}", "card")

    for number in range(1, 4):
        await sell(number)
    await place.shows("receipts", 3)
    first = (await place.ask("receipts", "waiter", limit=2)).json()
    for number in range(4, 6):
        await sell(number)
    await place.shows("receipts", 5)
    rest = (await place.ask("receipts", "waiter", cursor=first["cursor"])).json()
    assert [each["number"] for each in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    part = await place.ask("receipts", "waiter", limit=2, format="csv")
    more = await place.ask("receipts", "waiter", cursor=part.headers["holdfast-cursor"], format="csv")
    assert [int(row["number"]) for row in table(part) + table(more)] == [1, 2, 3, 4, 5]


async def test_each_list_answers_those_who_may_see_what_is_in_it(place: Restaurant) -> None:
    order = ["kitchen", "display", "waiter", "cashier", "manager"]
    least = {"manager": ("movements", "reductions", "flags", "z-reports", "taxes"), "cashier": ("payments", "drawers")}
    for name in LISTS:
        needed = next((role for role, names in least.items() if name in names), "waiter")
        for role in order:
            answer = await place.ask(name, role)
            allowed = order.index(role) >= order.index(needed)
            assert answer.status_code == (200 if allowed else 403), (name, role)
            assert allowed or answer.json()["code"] == "FORBIDDEN"


async def test_another_tenants_lists_are_empty_and_no_cell_of_a_table_is_a_formula(place: Restaurant) -> None:
    await a_day(place)
    for name in LISTS:
        assert (await place.ask(name, "manager", tenant="umbra")).json()["items"] == []
        rows = table(await place.ask(name, "manager", format="csv"))
        cells = [cell for row in rows for cell in row.values()]
        assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
    assert [row["name"] for row in table(await place.ask("tabs", "manager", tab_id="t1", format="csv"))] == ["'=1+1"]
    reasons = [row["reason"] for row in table(await place.ask("movements", "manager", format="csv"))]
    assert reasons == ["'=HYPERLINK(1)"]


def tamper(place: Restaurant) -> None:
    """Take a euro off a receipt. The service in this process may be writing just now, so it must be able to go on."""
    with create_engine(f"sqlite:///{place.folder}/pos.db", connect_args={"timeout": 60}).begin() as connection:
        connection.execute(
            text("UPDATE receipts SET gross_minor = gross_minor - 100 WHERE number = 2 AND gross_minor = 999")
        )


async def test_rows_are_what_the_log_says_before_and_after_a_rebuild_and_tampering_is_found(place: Restaurant) -> None:
    await a_day(place)
    before = {name: await place.items(name) for name in LISTS}
    name = f"pos-session:{place.tenant}:{place.id}"
    assert await place.program("replay", "--name", name) == (0, "entities that are what their events say: 1\n")
    code, said = await place.program("rebuild", "pos")
    assert code == 0, said
    assert {name: await place.shows(name, len(before[name])) for name in LISTS} == before
    await asyncio.to_thread(tamper, place)
    code, said = await place.program("replay", "--name", name)
    assert (code, "of receipts is 899, by its events it is 999" in said) == (1, True), said


async def test_a_deleted_till_leaves_no_row_in_any_list(place: Restaurant) -> None:
    await a_day(place)
    gone = await place.http.delete(place.path("pos-session"), headers=place.headers("admin"))
    assert gone.status_code == 204
    for name in LISTS:
        assert await place.items(name) == []


TABLES: list[Any] = [{"id": "t1", "name": "T1", "max": 2}, {"id": "t2", "name": "T2", "max": 4, "section": "terrace"}]
OF_FLOOR: list[tuple[str, str, Any, dict[str, str], dict[str, str]]] = [
    ("tables", "table_id", "t1", {"status": "ORDERED", "section": "main"}, {"status": "DIRTY"}),
    ("tickets", "station", "kitchen", {"open": "true", "table_ref": "T1"}, {"station": "bar"}),
    (
        "reservations",
        "res_id",
        "r1",
        {"status": "booked", "starts_after": "2026-01-01T00:00:00Z"},
        {"status": "no_show"},
    ),
    ("waitlist", "party_id", "w1", {"status": "waiting"}, {"joined_before": "2020-01-01T00:00:00Z"}),
    ("turns", "party_id", "p1", {"table_ref": "T1", "seated_after": "2020-01-01T00:00:00Z"}, {"late": "alert"}),
]
"""List, column, what it shows of an evening, filters that hold for it, and those that do not."""


async def an_evening(place: Restaurant) -> None:
    """One party sits and has ordered, one waits, one is expected."""

    async def on_floor(command: str, by: str, /, **data: Any) -> Frame:
        return await place.send(command, by, purpose="floor", **data)

    await on_floor("configure-floor", "manager", tables=TABLES, expected_version=0)
    await on_floor("seat-party", "host", party_id="p1", table_ids=["t1"], size=2)
    line = {"line_id": "l1", "sku": "soup", "note": "=1+1"}
    await on_floor("place-order", "waiter", order_id="o1", table_id="t1", lines=[line])
    await on_floor("join-waitlist", "host", party="w1", size=2)
    start = (datetime.now(UTC) + timedelta(days=30)).replace(minute=0, second=0, microsecond=0).isoformat()
    await on_floor("reserve", "host", res_id="r1", start=start, size=2, name="=Ann", contact="555-0100")


async def test_lists_of_the_floor_take_filters_and_are_tables_too(place: Restaurant) -> None:
    await an_evening(place)
    await place.shows("reservations", 1, purpose="floor")
    for name, column, shown, holding, failing in OF_FLOOR:
        place_of = {"purpose": "floor", "floor": f"{place.id}:main"}
        assert [row[column] for row in await place.items(name, **place_of, **holding)] == [shown], name
        assert await place.items(name, **place_of, **failing) == []
        assert [row[column] for row in table(await place.ask(name, **place_of, **holding, format="csv"))] == [shown]
        assert (await place.ask(name, purpose="floor", tenant="umbra")).json()["items"] == []
        assert (await place.ask(name, "bidder", purpose="floor")).status_code == 403
    guests = (await place.ask("reservations", purpose="floor", format="csv")).text
    assert ("'=Ann" in guests, "555-0100" in guests) == (True, False)
