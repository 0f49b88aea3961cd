"""The lists of customers' accounts, and what a day's report says of them."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest_asyncio
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, Name
from holdfast._judge import Judge
from holdfast.sql import StoredEvent, migrate, open_database
from holdfast.sql._listing import ListQuery, read_page
from holdfast.testing import Scenario
from services.pos.contract import CloseDay, Refund
from services.pos.domain_account_commands import CaptureCharge, HoldAmount, SetCreditLimit
from services.pos.domain_roles import CASHIERS
from services.pos.readmodel_accounts import ACCOUNT_LISTS, Customers
from services.pos.readmodel_tables import account_movements, accounts, metadata
from services.pos.tests.customers import CARD, CODE, Street
from services.pos.tests.histories import all_rows
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, done
from services.pos.tests.test_account_payments import paid_in_cash
from services.pos.tests.test_accounts import STEPS, account, charge

pytest_plugins = ["holdfast.testing._databases"]


def project(connection: Connection, scene: Scenario, id_: str) -> None:
    """Apply the log of an account, as a projector does."""
    judge, name = Judge(scene.entity), Name.of("pos-account", "acme", id_)
    events = [StoredEvent[Any](name=name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    Customers().apply_all(connection, events)


@settings(max_examples=60, deadline=None)
@for_all(kind=st.sampled_from(["GIFT_CARD", "HOUSE", "DEPOSIT", "LOYALTY"]), steps=st.lists(STEPS, max_size=25))
def test_rows_show_what_the_view_shows(kind: str, steps: list[Any]) -> None:
    scene = account(kind, limit=300 if kind == "HOUSE" else 0)
    for command, actor in steps:
        scene.when(command, by=actor)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        project(connection, scene, "a1")
        row = dict(connection.execute(select(accounts)).mappings().one())
        moved = list(connection.execute(select(account_movements.c.change)).scalars())
    engine.dispose()
    seen = scene.view(CASHIER)
    same = ("kind", "currency", "status", "balance", "credit_limit_minor", "owed_points")
    assert {key: row[key] for key in same} == {key: seen[key] for key in same}
    assert row["balance"] + row["credit_limit_minor"] - row["held"] == seen["available"]
    assert sum(moved) == row["balance"]


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "pos", package="services.pos")
    engine = open_database(database_url, "pos")
    yield engine
    await engine.dispose()


async def items(database: AsyncEngine, name: str, by: Actor = CASHIER, **filters: str) -> list[Any]:
    query = ListQuery(by=by, filters=filters, limit=50, cursor=None)
    return msgspec.to_builtins(list((await read_page(database, ACCOUNT_LISTS[name], "acme", query)).items))


async def test_accounts_and_their_statements_are_listed_for_cashiers(database: AsyncEngine) -> None:
    house, deposit = account("HOUSE", 0, 1_000), account("DEPOSIT", 700)
    house.when(charge(900, kind="HOUSE"), by=SERVICE).when(CaptureCharge(charge_id="c1"), by=SERVICE)
    done(house.when(SetCreditLimit(credit_limit_minor=950, expected_version=1), by=MANAGER))
    done(deposit.when(HoldAmount(hold_id="h", amount_minor=200, ttl_s=60), by=CASHIER))
    async with database.begin() as connection:
        await connection.run_sync(project, house, "firm")
        await connection.run_sync(project, deposit, "wedding")
    [owing] = await items(database, "accounts", balance_below="0")
    assert (owing["id"], owing["balance"], owing["credit_limit_minor"]) == ("firm", -900, 950)
    [held] = await items(database, "accounts", kind="DEPOSIT")
    assert (held["id"], held["balance"], held["held"]) == ("wedding", 700, 200)
    [line] = await items(database, "movements", account="firm")
    assert (line["kind"], line["change"], line["balance"], line["till"], line["tab_id"]) == (
        "charge",
        -900,
        -900,
        "loc-1",
        "t1",
    )
    assert [each["note"] for each in await items(database, "movements", kind="load")] == ["card"]
    assert await items(database, "movements", after="2026-06-02T00:00:00Z") == []
    assert {each.roles for each in ACCOUNT_LISTS.values()} == {CASHIERS}


def test_a_report_with_accounts_is_the_sum_of_its_receipts() -> None:
    street = Street()
    street.opened("c1", "LOYALTY", 100)
    street.opened("d1", "DEPOSIT", 5_000)
    street.order("beer", "card", card_code=CODE)
    street.begin("loyalty", 250, account_id="c1")
    street.settle()
    street.begin("deposit", 300, account_id="d1", payment_id="p2")
    street.settle()
    paid_in_cash(street)
    street.settle()
    assert street.balance(CARD) == 2_500
    done(street.do(Refund(tab_id="t1", amount_minor=100, tender="deposit", reason_code="wrong")))
    done(street.do(CloseDay(), by=MANAGER))
    [report] = all_rows(street.till)["z_reports"]
    assert report["agrees"]
    told = {key: report[f"{key}_minor"] for key in ("gross", "stored", "loyalty", "deposit", "cash", "due")}
    assert told == {"gross": 500, "stored": 2_500, "loyalty": 250, "deposit": 300, "cash": 2_500, "due": 3_050}
    assert (report["refunded_deposit_minor"], report["refunded_loyalty_minor"]) == (100, 0)
