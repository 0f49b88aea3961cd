"""The list of lots: it shows what the views show, and nothing that is hidden."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, Name, ValidationFailed
from holdfast._judge import Judge
from holdfast.client import Client
from holdfast.runtime import serve
from holdfast.sql import StoredEvent, migrate, open_database
from holdfast.sql._listing import ListQuery, read_page
from holdfast.sql._tables import metadata as shared
from holdfast.testing import Scenario, given
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running
from services.auction.contract import BanBidder, PlaceBid, RegisterBidder, RetractBid, Schedule
from services.auction.domain import Auction
from services.auction.lists import LotRow
from services.auction.readmodel import Lots, list_of_lots, lots, metadata
from services.auction.service import service
from services.auction.tests.scenes import ANN, AUCTIONEER, BOB, CAT, HOUR, NOON, SELLER, english, listed
from services.auction.tests.test_properties import DELAYS, TERMS, Step, steps_of_any_kind

pytest_plugins = ["holdfast.testing._databases", "holdfast.testing._servers"]

PATIENCE = 60.0
STRANGER = Actor(user="stranger", roles=())
NAIVE, NUL = (
    base64.urlsafe_b64encode(key).decode().rstrip("=")
    for key in (b'["2026-01-01T00:00:00","a"]', b'["2026-01-01T00:00:00Z","\\u0000"]')
)
SHOWN = [field for field in LotRow.__struct_fields__ if field not in ("id", "seq")]


def project(
    connection: Connection, scene: Scenario, *, tenant: str = "acme", id_: str = "lot-1", one_by_one: bool = False
) -> None:
    """Apply the whole log of a lot, as a projector does."""
    judge = Judge(scene.entity)
    name = Name.of("auction", tenant, id_)
    events = [StoredEvent[Any](name=name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    for some in [[event] for event in events] if one_by_one else [events]:
        Lots().apply_all(connection, some)


def rows(connection: Connection) -> list[list[object]]:
    return [
        [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))] for table in Lots.tables
    ]


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "auction", package="services.auction")
    engine = open_database(database_url, "auction")
    yield engine
    await engine.dispose()


async def store(database: AsyncEngine, scene: Scenario, *, tenant: str = "acme", id_: str = "lot-1") -> None:
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: project(sync, scene, tenant=tenant, id_=id_))


async def page(
    database: AsyncEngine,
    tenant: str = "acme",
    *,
    filters: Mapping[str, str] | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[str], str | None]:
    query = ListQuery(by=STRANGER, filters=dict(filters or {}), limit=limit, cursor=cursor)
    found = await read_page(database, list_of_lots, tenant, query)
    return [item.id for item in found.items], found.cursor


async def test_the_migrations_make_the_tables_of_the_read_model(database: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), [shared, metadata])  # pyright: ignore[reportArgumentType] - a sequence is taken

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []


@settings(max_examples=200, deadline=None)
@for_all(
    terms=st.sampled_from(TERMS),
    turns=st.lists(st.tuples(DELAYS, st.booleans(), steps_of_any_kind()), min_size=1, max_size=15),
)
def test_a_row_shows_what_a_strangers_view_shows(
    terms: dict[str, Any], turns: list[tuple[timedelta, bool, Step]]
) -> None:
    scene = listed(title="A vase", **terms)
    for delay, wakes, (command, by) in turns:
        scene.after(delay)
        if wakes:
            scene.wake()
        scene.when(command, by=by)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        project(connection, scene)
        row = connection.execute(select(lots)).one()
        together = rows(connection)
        for table in Lots.tables:
            connection.execute(delete(table))
        project(connection, scene, one_by_one=True)
        assert rows(connection) == together
    engine.dispose()
    item = msgspec.json.decode(msgspec.json.encode({field: getattr(row, field) for field in SHOWN}))
    view = scene.view(STRANGER)
    assert item == {field: view[field] for field in SHOWN}
    assert row.seq == len(scene.log)


async def test_no_hidden_value_is_stored(database: AsyncEngine) -> None:
    reserved = listed(reserve_minor=7_654_321, seller_agents=("secret-agent",))
    reserved.when(BanBidder(bidder_id="dan", reason="unpaid"), by=AUCTIONEER)
    reserved.when(RegisterBidder(bidder_id="cat", limit_minor=3_333_333), by=AUCTIONEER)
    reserved.when(PlaceBid(max_minor=500), by=BOB)
    contested = listed().when(PlaceBid(max_minor=1_234_567, bid_id="bid-1"), by=ANN)
    contested.when(PlaceBid(max_minor=2_222_222, bid_id="bid-2"), by=ANN).when(PlaceBid(max_minor=500), by=BOB)
    await store(database, reserved, id_="reserved")
    await store(database, contested, id_="contested")
    stored: list[str] = []
    async with database.connect() as connection:
        for table in Lots.tables:
            stored += [str(tuple(row)) for row in await connection.execute(select(table))]
    secrets = ("7654321", "1234567", "2222222", "3333333", "'ann'", "'bob'", "'cat'", "'dan'", "secret-agent", "bid-2")
    assert [secret for secret in secrets if secret in "".join(stored)] == []


async def test_a_retraction_takes_back_what_was_counted_and_not_the_hidden_raises(database: AsyncEngine) -> None:
    scene = listed()
    scene.when(PlaceBid(max_minor=500, bid_id="bid-1"), by=ANN).when(PlaceBid(max_minor=900, bid_id="bid-2"), by=ANN)
    scene.when(PlaceBid(max_minor=300, bid_id="bid-3"), by=BOB)
    scene.when(RetractBid(bid_id="bid-1", reason="wrong_amount"), by=ANN)
    await store(database, scene)
    async with database.connect() as connection:
        row = (await connection.execute(select(lots))).one()
    assert (row.bid_count, row.price_minor) == (1, scene.view(STRANGER)["price_minor"])


async def test_a_title_with_a_nul_does_not_stop_the_projection(database: AsyncEngine) -> None:
    await store(database, listed(title="a\0b"))
    async with database.connect() as connection:
        assert (await connection.execute(select(lots.c.title))).scalar_one() == "a\N{REPLACEMENT CHARACTER}b"


@pytest.fixture
async def market(database: AsyncEngine) -> AsyncEngine:
    """Five lots of two sellers, and another tenant's."""
    for number, hours in enumerate((3, 1, 2, 2, 4)):
        lot = english(ends_at=NOON + hours * HOUR)
        seller = Actor(user=f"seller-{number % 2}", roles=("seller",))
        await store(database, given(Auction(), at=NOON).when(lot, by=seller), id_=f"lot-{number}")
    await store(database, listed(), tenant="umbra", id_="theirs")
    dutch = listed(type="dutch", start_minor=500, schedule=Schedule(step_minor=10, every_s=60, floor_minor=100))
    await store(database, dutch, id_="falling")
    return database


async def test_lots_are_sorted_by_their_end_then_by_id(market: AsyncEngine) -> None:
    assert await page(market) == (["lot-1", "lot-2", "lot-3", "lot-0", "lot-4", "falling"], None)


async def test_another_tenants_lots_never_appear(market: AsyncEngine) -> None:
    assert await page(market, "umbra") == (["theirs"], None)
    assert await page(market, "nobody") == ([], None)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_pages_hold_every_lot_once_in_order(market: AsyncEngine, limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        items, cursor = await page(market, limit=limit, cursor=cursor)
        assert len(items) <= limit
        seen += items
        if cursor is None:
            break
    assert seen == (await page(market))[0]


async def test_a_cursor_of_another_tenant_shows_only_ones_own(market: AsyncEngine) -> None:
    _, cursor = await page(market, limit=1)
    assert await page(market, "umbra", cursor=cursor) == (["theirs"], None)


async def test_a_lot_that_comes_or_goes_between_pages_moves_no_other(market: AsyncEngine) -> None:
    first, cursor = await page(market, limit=3)
    await store(market, given(Auction(), at=NOON).when(english(ends_at=NOON + HOUR), by=SELLER), id_="earlier")
    second, _ = await page(market, limit=3, cursor=cursor)
    assert first + second == ["lot-1", "lot-2", "lot-3", "lot-0", "lot-4", "falling"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"type": "dutch"}, ["falling"]),
        ({"status": "open", "type": "english"}, ["lot-1", "lot-2", "lot-3", "lot-0", "lot-4"]),
        ({"status": "cancelled"}, []),
        ({"seller": "seller-1"}, ["lot-1", "lot-3"]),
        ({"ends_before": "2026-01-01T14:00:00Z"}, ["lot-1"]),
        (
            {"ends_after": "2026-01-01T16:00:00+02:00", "ends_before": "2026-01-01T15:00:00.000001Z"},
            ["lot-2", "lot-3", "lot-0"],
        ),
    ],
)
async def test_filters_narrow_the_list(market: AsyncEngine, filters: dict[str, str], expected: list[str]) -> None:
    assert await page(market, filters=filters) == (expected, None)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"colour": "red"}, "no filter 'colour'; filters are status: one of "),
        ({"status": "asleep"}, "`status`; filters are .*one of .*, open, .*scheduled"),
        ({"ends_before": "tomorrow"}, "ends_before: a time such as 2026-01-31T12:00:00Z"),
        ({"ends_before": "2026-01-01T14:00:00"}, "ends_before: a time such as"),
        ({"tenant": "umbra"}, "no filter 'tenant'"),
        ({"seller": "\0"}, "NUL"),
    ],
)
async def test_a_wrong_filter_is_refused_and_told_what_is_allowed(
    market: AsyncEngine, filters: dict[str, str], words: str
) -> None:
    with pytest.raises(ValidationFailed, match=words) as refusal:
        await page(market, filters=filters)
    assert "type" in refusal.value.details["allowed"]


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "W10", "WyJhIiwiYiJd", "bnVsbA", "é", "W10" * 1000, NAIVE, NUL])
async def test_a_wrong_cursor_is_refused(market: AsyncEngine, cursor: str) -> None:
    with pytest.raises(ValidationFailed, match="cursor is the one of the page before"):
        await page(market, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_limit_out_of_bounds_is_refused(market: AsyncEngine, limit: int) -> None:
    with pytest.raises(ValidationFailed, match="limit is a number from 1 to 200"):
        await page(market, limit=limit)


async def asked(client: Client, tenant: str, **query: Any) -> Any:
    body = msgspec.json.encode({"by": STRANGER, **query})
    answer = await client.bus.request(f"list.auction.{tenant}", body, timeout=PATIENCE)
    return msgspec.json.decode(answer.data)


async def test_a_new_lot_appears_in_the_list_and_its_price_follows(
    client: Client, nats: NatsServer, database_url: str
) -> None:
    tenant = f"t{uuid4().hex[:8]}"
    lot = Name.of("auction", tenant, "vase")

    async def replica(ready: Any) -> None:
        await serve([service], servers=nats.url, database=database_url, ready=ready)

    async with running(replica), running(replica):
        create = {"currency": "USD", "start_minor": 100, "ends_at": datetime.now(UTC) + HOUR}
        await client.send(lot, "create_lot", msgspec.json.encode(create), by=SELLER)
        for price, bid, by in ((100, 500, ANN), (550, 900, BOB), (950, 2000, CAT)):
            await client.send(lot, "place_bid", msgspec.json.encode({"max_minor": bid}), by=by)
            async with asyncio.timeout(PATIENCE):
                while [item["price_minor"] for item in (await asked(client, tenant))["ok"]["items"]] != [price]:
                    await asyncio.sleep(0.01)
        wrong = await asked(client, tenant, filters={"colour": "red"})
        elsewhere = await asked(client, "another")
    assert wrong["error"]["code"] == "VALIDATION"
    assert elsewhere == {"ok": {"items": [], "cursor": None}}
