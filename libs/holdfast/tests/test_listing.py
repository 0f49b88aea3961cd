"""What a page may be asked for: what no column holds is refused, before a database says so in its own words."""

import base64
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Integer, MetaData, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast import Actor, ValidationFailed
from holdfast.sql import Listing, Moment, migrate, open_database
from holdfast.sql._listing import ListQuery, Page, read_page

pytest_plugins = ["holdfast.testing._databases"]

ANN = Actor(user="ann", roles=())
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
INT32, INT64 = 2**31 - 1, 2**63 - 1
tables = MetaData()
letters = Table(
    "letters",
    tables,
    Column("tenant", String(100), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("weight", BigInteger, nullable=False),
    Column("read", Boolean, nullable=False),
    Column("sent_at", Moment, nullable=False),
)


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[int, msgspec.Meta(ge=0, le=INT32)] | None = None
    sent_after: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    number: int


def where(filters: Filters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.number is not None:
        conditions.append(letters.c.number == filters.number)
    if filters.sent_after is not None:
        conditions.append(letters.c.sent_at >= filters.sent_after)
    return conditions


SORT = (letters.c.number, letters.c.weight, letters.c.read, letters.c.sent_at)
listing = Listing(table=letters, filters=Filters, row=Letter, sort=SORT, where=where)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[AsyncEngine]:
    await migrate(database_url, "post")
    engine = open_database(database_url, "post")
    rows: list[dict[str, Any]] = [
        {"tenant": "acme", "number": number, "weight": INT64, "read": False, "sent_at": NOON} for number in (0, INT32)
    ]
    async with engine.begin() as connection:
        await connection.run_sync(tables.create_all)
        await connection.execute(insert(letters), rows)
    yield engine
    await engine.dispose()


async def page(database: AsyncEngine, *, cursor: Sequence[Any] | None = None, limit: int = 50, **filters: str) -> Page:
    written = None if cursor is None else base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")
    return await read_page(database, listing, "acme", ListQuery(by=ANN, filters=filters, limit=limit, cursor=written))


async def test_numbers_and_times_up_to_their_bounds_are_looked_for(database: AsyncEngine) -> None:
    given: list[tuple[dict[str, Any], int]] = [
        ({"number": str(INT32)}, 1),
        ({"sent_after": "0001-01-01T00:00:00Z"}, 2),
        ({"number": "7"}, 0),
    ]
    for asked, found in given:
        assert len((await page(database, **asked)).items) == found, asked
    last = [INT32, -INT64 - 1, True, "9999-12-31T23:59:59Z"]
    assert len((await page(database, cursor=[0, *last[1:]])).items) == 2
    assert [letter.number for letter in (await page(database, cursor=last)).items] == [INT32]


@pytest.mark.parametrize("number", ["-1", "2147483648", "99999999999", "9" * 25, "9" * 5000])
async def test_a_number_beyond_its_bounds_is_refused_with_them(database: AsyncEngine, number: str) -> None:
    with pytest.raises(ValidationFailed, match="number: a whole number from 0 to 2147483647"):
        await page(database, number=number)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", "2026-06-01T12:00:00"])
async def test_a_time_that_has_no_place_in_utc_is_refused_with_an_example(database: AsyncEngine, time: str) -> None:
    with pytest.raises(ValidationFailed, match="sent_after: a time such as 2026-01-31T12:00:00Z"):
        await page(database, sent_after=time)


@pytest.mark.parametrize(
    "cursor",
    [
        [INT32 + 1, 0, False, "2026-06-01T12:00:00Z"],
        [-INT32 - 2, 0, False, "2026-06-01T12:00:00Z"],
        [10**25, 0, False, "2026-06-01T12:00:00Z"],
        [0, INT64 + 1, False, "2026-06-01T12:00:00Z"],
        [0, -(10**25), False, "2026-06-01T12:00:00Z"],
        [0, 0, 2, "2026-06-01T12:00:00Z"],
        [0, 0, False, "2026-06-01T12:00:00"],
        [0, 0, False, "0001-01-01T00:00:00"],
        [0, 0, False, "9999-12-31T23:59:59"],
        [0, 0, False, "0001-01-01T00:00:00+23:59"],
        [0, 0, False, "9999-12-31T23:59:59-12:00"],
    ],
    ids=str,
)
async def test_a_cursor_of_nobodys_making_is_refused(database: AsyncEngine, cursor: list[Any]) -> None:
    with pytest.raises(ValidationFailed, match="cursor is the one of the page before"):
        await page(database, cursor=cursor)


async def test_a_page_begins_behind_the_one_before(database: AsyncEngine) -> None:
    first = await page(database, limit=1)
    query = ListQuery(by=ANN, limit=1, cursor=first.cursor)
    rest = await read_page(database, listing, "acme", query)
    assert [letter.number for letter in (*first.items, *rest.items)] == [0, INT32]


class Unbounded(Filters, frozen=True, forbid_unknown_fields=True):
    weight_above: int | None = None


class HalfBounded(Filters, frozen=True, forbid_unknown_fields=True):
    weight_above: Annotated[int, msgspec.Meta(ge=0)] | None = None


@pytest.mark.parametrize("filters", [Unbounded, HalfBounded])
def test_a_list_that_asks_for_numbers_without_bounds_is_refused(filters: Any) -> None:
    with pytest.raises(TypeError, match="'weight_above' of letters is a number: give it the bounds"):
        Listing(table=letters, filters=filters, row=Letter, sort=SORT, where=where)
