"""The read model: it shows what the view shows, what has left it, and reports that are the sum of their receipts."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given as for_all
from hypothesis import settings
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast.sql import migrate, open_database
from holdfast.sql._tables import metadata as shared
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseDay,
    CloseTab,
    LinePortion,
    MoveLines,
    OpenTab,
    PlaceHold,
    PoolTips,
    PostCancel,
    PostedLine,
    PostOrder,
    RecordPaymentResult,
    RemoveDiscount,
    SplitPart,
    SplitTab,
    TipShare,
    WaiveGratuity,
)
from services.pos.domain_money_events import DayClosed
from services.pos.domain_terms import DayTotals, Flow, Gratuity
from services.pos.readmodel_tables import TENDERS, metadata
from services.pos.tests.histories import HISTORIES, Act, Rows, a_day, all_rows, played, project, rows_of
from services.pos.tests.scenes import CASHIER, MANAGER, MINUTE, SERVICE, WAITER, done, opened, paid, with_tab

pytest_plugins = ["holdfast.testing._databases"]

SUMS = ("gross_minor", "discount_minor", "comp_minor", "gratuity_minor", "due_minor", "rounding_minor", "tip_minor")
"""Columns that receipts and reports share with the till's own report."""


def report_of(totals: DayTotals) -> dict[str, Any]:
    """The till's own report, by the names of the read model."""
    same = ("receipts", "reversed", "first_receipt", "last_receipt", "refunds", "voids", "void_minor")
    return {
        **{field: getattr(totals, field) for field in (*same, *SUMS)},
        **{f"{tender}_minor": getattr(totals.paid, tender) for tender in TENDERS},
        **{f"refunded_{tender}_minor": getattr(totals.refunded, tender) for tender in TENDERS},
        "tax": {tax_id: minor for tax_id, minor in totals.tax.items() if minor},
    }


def shown(report: dict[str, Any]) -> dict[str, Any]:
    """The same fields of a row of reports."""
    tax = Counter[str]()
    for part in report["tax"]:
        tax[part["tax_id"]] += part["minor"]
    kept = {field: report[field] for field in report_of(DayTotals()) if field != "tax"}
    return {**kept, "tax": {tax_id: minor for tax_id, minor in tax.items() if minor}}


def summed(rows: dict[str, Rows], day: int) -> dict[str, Any]:
    """The report that receipts, refunds and voids of a day add up to."""
    closed = [row for row in rows["receipts"] if row["day"] == day]
    gone = [row for row in rows["receipts"] if row["reversed_day"] == day]
    refunds = [row for row in rows["refunds"] if row["day"] == day]
    voids = [row for row in rows["reductions"] if row["day"] == day and row["kind"] == "void"]
    tax = Counter[str]()
    for sign, receipts in ((1, closed), (-1, gone)):
        for part in (part for row in receipts for part in row["tax"]):
            tax[part["tax_id"]] += sign * part["minor"]
    numbers = [row["receipt_no"] for row in closed]
    columns = (*SUMS, *(f"{tender}_minor" for tender in TENDERS))
    return {
        **{column: total(closed, column) - total(gone, column) for column in columns},
        **{
            f"refunded_{tender}_minor": total(refunds, "amount_minor", tender=tender)
            + total(refunds, "rounding_minor", tender=tender)
            for tender in TENDERS
        },
        "receipts": len(closed),
        "reversed": len(gone),
        "first_receipt": min(numbers, default=None),
        "last_receipt": max(numbers, default=None),
        "refunds": len(refunds),
        "voids": len(voids),
        "void_minor": total(voids, "value_minor"),
        "tax": {tax_id: minor for tax_id, minor in tax.items() if minor},
    }


def numbers_of(rows: Rows) -> int:
    """The last number of rows that are numbered from 1 without gaps."""
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    return len(rows)


def total(rows: Iterable[dict[str, Any]], column: str, **where: str) -> int:
    return sum(row[column] for row in rows if all(row[key] == value for key, value in where.items()))


@settings(max_examples=40, deadline=None)
@for_all(history=HISTORIES)
def test_a_z_report_is_the_sum_of_its_receipts_and_what_the_till_says_itself(
    history: list[tuple[timedelta, bool, Act]],
) -> None:
    scene = played(history)
    rows = all_rows(scene)
    reports = {row["day"]: row for row in rows["z_reports"]}
    office = scene.view(MANAGER)["office"]
    said = {event.z_no: event.totals for event in scene.events if isinstance(event, DayClosed)}
    for day, totals in said.items():
        assert shown(reports[day]) == summed(rows, day) == report_of(totals)
        assert (reports[day]["status"], reports[day]["agrees"]) == ("closed", True)
    running = [day for day, row in reports.items() if row["status"] != "closed"]
    assert all(shown(reports[day]) == summed(rows, day) for day in running)
    so_far = report_of(msgspec.convert(office["day_totals"], DayTotals))
    assert numbers_of(rows["receipts"]) == office.get("receipts", {}).get("A", 0)
    assert numbers_of(rows["refunds"]) == len(rows["refunds"])
    assert [shown(reports[day]) for day in running] in ([so_far], [] if so_far == report_of(DayTotals()) else [so_far])


@settings(max_examples=40, deadline=None)
@for_all(history=HISTORIES)
def test_rows_show_what_the_view_shows(history: list[tuple[timedelta, bool, Act]]) -> None:
    scene = played(history)
    rows, seen = all_rows(scene), scene.view(MANAGER)
    assert open_tabs(rows) == {tab_id: comparable_tab(tab) for tab_id, tab in seen["tabs"].items()}
    left = {row["sku"]: 0 if row["eighty_six"] else row["available_milli"] for row in rows["stock"] if row["tracked"]}
    assert left == seen["available_milli"]
    assert {row["sku"] for row in rows["stock"] if row["eighty_six"]} == set(seen.get("eighty_six", ()))
    held = ("tab_id", "sku", "qty_milli", "expires_at")
    assert {row["hold_id"]: [row[key] for key in held] for row in rows["holds"]} == {
        hold_id: [hold[key] for key in held] for hold_id, hold in seen["holds"].items()
    }
    awaited = ("tab_id", "tender", "status", "due_minor", "tip_minor")
    assert {
        row["payment_id"]: [row[key] for key in awaited]
        for row in rows["payments"]
        if row["status"] in {"started", "stored"}
    } == {key: [payment[field] for field in awaited] for key, payment in seen["payments"].items()}
    assert {
        row["terminal"]: (row["drawer_id"], row["status"] == "ENDED", row["opening_minor"], row["expected_minor"])
        for row in rows["drawers"]
        if row["status"] != "CLOSED"
    } == {key: (each["drawer_id"], each["ended"], *money_of(each)) for key, each in seen["drawers"].items()}
    counted = {"oversell", "price_stale", "price_missing", "tab_conflict", "drawer_missing"}
    assert sum(row["kind"] in counted for row in rows["flags"]) == seen["office"]["flags"]


def money_of(drawer: dict[str, Any]) -> tuple[int, int]:
    return (drawer["opening_minor"], drawer["expected_minor"])


def open_tabs(rows: dict[str, Rows]) -> dict[str, Any]:
    """The tabs that are not at an end, with their lines."""
    here = [row for row in rows["tabs"] if row["ended_at"] is None]
    return {row["tab_id"]: {**comparable_tab(row), "lines": lines_of(rows, row)} for row in here}


def lines_of(rows: dict[str, Rows], tab: dict[str, Any]) -> dict[str, Any]:
    key = (tab["opened_seq"], tab["tab_id"])
    lines = [row for row in rows["lines"] if (row["opened_seq"], row["tab_id"]) == key]
    return {row["line_id"]: comparable_line(row) for row in sorted(lines, key=lambda row: row["place"])}


def comparable_tab(tab: dict[str, Any]) -> dict[str, Any]:
    fields = ("status", "owner", "total_minor", "paid_minor", "balance_minor")
    optional = ("name", "guest_count", "table_ref", "reopened", "bill_printed")
    lines = {key: comparable_line(line) for key, line in tab.get("lines", {}).items()}
    told = {**{field: tab[field] for field in fields}, **{field: tab.get(field) or None for field in optional}}
    return {**told, "order_type": tab.get("order_type", "dine_in"), "lines": lines}


def comparable_line(line: dict[str, Any]) -> dict[str, Any]:
    fields = ("sku", "qty_milli", "sent_milli", "version", "unit_price_minor")
    return {**{field: line[field] for field in fields}, "comped": line.get("comped", False)}


def test_every_tender_has_its_columns() -> None:
    assert Flow.__struct_fields__ == TENDERS


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "pos", package="services.pos")
    engine = open_database(database_url, "pos")
    yield engine
    await engine.dispose()


async def test_the_migrations_make_the_tables_of_the_read_model(database: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), [shared, metadata])  # pyright: ignore[reportArgumentType] - a sequence is taken

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []


async def store(database: AsyncEngine, scene: Scenario, *, tenant: str = "acme", id_: str = "loc-1") -> None:
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: project(sync, scene, tenant=tenant, id_=id_))


async def test_every_database_holds_the_same_rows(database: AsyncEngine) -> None:
    scene = a_day()
    await store(database, scene)
    async with database.connect() as connection:
        found = await connection.run_sync(rows_of)
    assert found == all_rows(scene)


def test_a_hold_that_a_payment_kept_beyond_its_time_is_over_when_the_payment_fails() -> None:
    scene = with_tab("water")
    scene.when(PlaceHold(hold_id="h1", tab_id="t1", sku="cake", qty_milli=1_000, ttl_s=60), by=WAITER)
    done(scene.when(BeginPayment(tab_id="t1", payment_id="p1", amount_minor=100, tender="card"), by=WAITER))
    scene.after(timedelta(seconds=100))
    done(scene.when(RecordPaymentResult(payment_id="p1", outcome="failed"), by=CASHIER))
    [hold] = all_rows(scene)["holds"]
    assert hold["expires_at"] == scene.view(MANAGER)["holds"]["h1"]["expires_at"] == "2026-06-01T12:01:40Z"


def test_a_discount_that_moved_with_its_lines_is_taken_back_part_by_part_from_what_was_given() -> None:
    scene = done(with_tab("beer", "water", "water").when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER))
    scene.when(OpenTab(tab_id="t2"), by=WAITER)
    done(scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("l2", "l3")), by=WAITER))
    done(scene.after(MINUTE).when(RemoveDiscount(tab_id="t2", discount_id="ten", line_id="l3"), by=WAITER))
    [given] = all_rows(scene)["reductions"]
    assert (given["tab_id"], given["value_minor"], given["taken_back_minor"]) == ("t1", 110, 30)
    assert given["taken_back_at"] is not None
    done(scene.when(RemoveDiscount(tab_id="t2", discount_id="ten", line_id="l2"), by=WAITER))
    done(scene.when(RemoveDiscount(tab_id="t1", discount_id="ten", line_id="l1"), by=WAITER))
    [given] = all_rows(scene)["reductions"]
    assert given["taken_back_minor"] == 110
    done(scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER))
    assert [row["taken_back_minor"] for row in all_rows(scene)["reductions"]] == [110, 0]


def test_what_large_parties_pay_for_service_and_what_of_tips_is_shared_out_is_in_the_report() -> None:
    scene = opened(gratuity=Gratuity(guests=6, ppm=180_000))
    for tab_id in ("t1", "t2"):
        scene.when(OpenTab(tab_id=tab_id, guest_count=8), by=WAITER)
        done(scene.when(AddLine(tab_id=tab_id, line_id=f"{tab_id}-water", sku="water"), by=WAITER))
    done(scene.when(WaiveGratuity(tab_id="t2", reason_code="wrong"), by=MANAGER))
    done(paid(scene).when(CloseTab(tab_id="t1"), by=CASHIER))
    done(paid(scene, tab_id="t2", payment_id="p2").when(CloseTab(tab_id="t2"), by=CASHIER))
    weights = (TipShare(user="wim", weight=1), TipShare(user="cleo", weight=2))
    done(scene.when(PoolTips(pool_id="tonight", shares=weights), by=MANAGER))
    done(scene.when(CloseDay(), by=MANAGER))
    rows = all_rows(scene)
    assert [row["gratuity_minor"] for row in rows["receipts"]] == [54, 0]
    [report] = rows["z_reports"]
    assert (report["gratuity_minor"], report["pooled_minor"], report["agrees"]) == (54, 54, True)
    [waived] = rows["reductions"]
    assert (waived["kind"], waived["value_minor"], waived["reason_code"], waived["by"]) == (
        "gratuity",
        54,
        "wrong",
        "max",
    )


def test_shares_of_shares_keep_who_added_their_line_however_long_their_ids_are() -> None:
    scene = with_tab("beer")
    share, whole = "l" * 100, "t1"
    done(scene.when(AddLine(tab_id=whole, line_id=share, sku="soup", qty_milli=8_000), by=CASHIER))
    for part, qty in (("a" * 100, 4_000), ("b" * 100, 2_000), ("c" * 100, 1_000)):
        lines = (LinePortion(line_id=share, qty_milli=qty),)
        done(
            scene.when(
                SplitTab(tab_id=whole, mode="quantity", parts=(SplitPart(tab_id=part, lines=lines),)), by=MANAGER
            )
        )
        (share,), whole = scene.view(MANAGER)["tabs"][part]["lines"], part
        scene.when(AddLine(tab_id=part, line_id=f"water-{qty}", sku="water"), by=WAITER)
    rows = {row["line_id"]: row["added_by"] for row in all_rows(scene)["lines"]}
    assert rows == {
        line_id: CASHIER.user if line_id.startswith("l" * 100) else WAITER.user
        for tab in scene.view(MANAGER)["tabs"].values()
        for line_id in tab["lines"]
    }
    assert len(rows) == 8


def test_a_void_that_the_floor_asked_for_is_that_of_whoever_did_it_there() -> None:
    line = PostedLine(line_id="l1", sku="beer", qty_milli=1_000)
    scene = done(opened().when(PostOrder(tab_id="t1", floor="loc-1:terrace", lines=(line,)), by=SERVICE))
    cancel = PostCancel(tab_id="t1", line_id="l1", by="wim@example.com", unapproved=True)
    [voided] = all_rows(done(scene.when(cancel, by=SERVICE)))["reductions"]
    assert (voided["by"], voided["value_minor"]) == ("wim@example.com", 500)
