"""`GET /v1/{purpose}`: a tenant's lists, by filters and pages, with refusals that say what is allowed."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import Column, ColumnElement, Connection, Integer, MetaData, String, Table, insert

from gateway.tables import csv_of
from gateway.tests.pad import NoteFilters, NoteRow, PadEntity, TypeFilters, TypeRow
from gateway.tests.world import World
from holdfast import Actor, Name, Service
from holdfast.runtime import serve
from holdfast.sql import Listing, Projection, StoredEvent, migrate, open_database
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running

PATIENCE = 60.0
metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("pad", String(200), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", String(100), nullable=False),
)


def where(filters: NoteFilters, by: Actor) -> Sequence[ColumnElement[bool]]:
    conditions = [] if filters.pad is None else [notes.c.pad == filters.pad]
    conditions += [] if filters.after is None else [notes.c.seq > filters.after]
    return conditions if "keeper" in by.roles else [*conditions, notes.c.type != "locked"]


def of_type(filters: TypeFilters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    return [] if filters.type is None else [notes.c.type == filters.type]


class Notes(Projection[Any]):
    name = "notes"
    purpose = "pad"
    tables = (notes,)
    listing = Listing(table=notes, filters=NoteFilters, row=NoteRow, sort=(notes.c.pad, notes.c.seq), where=where)

    lists: ClassVar[Mapping[str, Listing[Any]]] = {
        "types": Listing(
            table=notes,
            filters=TypeFilters,
            row=TypeRow,
            sort=(notes.c.pad, notes.c.seq),
            where=of_type,
            roles=frozenset({"keeper"}),
        )
    }

    def rows_of(self, name: Name, table: Table, /) -> ColumnElement[bool]:
        return (notes.c.tenant == name.tenant) & (notes.c.pad == name.id)

    def apply(self, connection: Connection, stored: StoredEvent[Any], /) -> None:
        tenant, pad = stored.name.tenant, stored.name.id
        connection.execute(insert(notes).values(tenant=tenant, pad=pad, seq=stored.seq, type=stored.type))


@pytest_asyncio.fixture
async def pads(nats: NatsServer, tmp_path: Path) -> AsyncGenerator[None]:
    """The service behind the gateway, with a list of notes."""
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "pad")
    database = open_database(url, "pad")
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await database.dispose()
    service = Service(name="pad", entities=(PadEntity(),), projections=(Notes(),))
    async with running(lambda ready: serve([service], servers=nats.url, database=url, ready=ready)):
        yield


class Tenant:
    """A tenant of its own, with three notes on two pads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tenant = f"t{uuid4().hex[:10]}"

    async def get(self, path: str = "/v1/pad", *, roles: tuple[str, ...] = (), **query: str) -> httpx.Response:
        headers = self._world.bearer("ann", roles=roles, tenant=self.tenant)
        return await self._world.http.get(path, params=query or None, headers=headers)

    async def write(self, pad: str, text: str) -> None:
        headers = self._world.bearer("ann", tenant=self.tenant)
        body: Mapping[str, str] = {"text": text}
        assert (await self._world.http.post(f"/v1/pad/{pad}/write-note", json=body, headers=headers)).status_code == 200

    async def lock(self, pad: str) -> None:
        headers = self._world.bearer("kim", roles=("keeper",), tenant=self.tenant)
        assert (await self._world.http.post(f"/v1/pad/{pad}/lock", headers=headers)).status_code == 200

    async def shows(self, count: int, **query: Any) -> list[Any]:
        """Wait until the list has this many items."""
        async with asyncio.timeout(PATIENCE):
            while len(items := (await self.get(**query)).json()["items"]) < count:
                await asyncio.sleep(0.01)
        return items


@pytest_asyncio.fixture
async def acme(world: World) -> Tenant:
    tenant = Tenant(world)
    for pad, text in (("b", "one"), ("a", "two"), ("b", "three")):
        await tenant.write(pad, text)
    await tenant.shows(3)
    return tenant


async def test_a_list_shows_the_tenants_items_in_order(acme: Tenant) -> None:
    answer = await acme.get()
    assert answer.json() == {
        "items": [{"pad": "a", "seq": 1}, {"pad": "b", "seq": 1}, {"pad": "b", "seq": 2}],
        "cursor": None,
    }
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


async def test_a_cursor_asks_for_the_next_page(acme: Tenant) -> None:
    first = (await acme.get(limit="2")).json()
    second = (await acme.get(limit="2", cursor=first["cursor"])).json()
    assert [item["seq"] for item in first["items"] + second["items"]] == [1, 1, 2]
    assert second["cursor"] is None


async def test_filters_narrow_the_list(acme: Tenant) -> None:
    assert (await acme.get(pad="b", after="1")).json()["items"] == [{"pad": "b", "seq": 2}]


async def test_items_of_a_deleted_entity_are_gone_and_others_stay(acme: Tenant, world: World) -> None:
    admin = world.bearer("root", roles=("admin",), tenant=acme.tenant)
    assert (await world.http.delete("/v1/pad/b", headers=admin)).status_code == 204
    assert (await acme.get()).json()["items"] == [{"pad": "a", "seq": 1}]
    await acme.write("b", "anew")
    assert (await acme.shows(2))[1] == {"pad": "b", "seq": 1}


async def test_another_tenants_items_never_appear(acme: Tenant, world: World) -> None:
    assert len(await acme.shows(3)) == 3
    assert (await Tenant(world).get()).json() == {"items": [], "cursor": None}


async def test_items_that_the_caller_may_not_see_do_not_appear(acme: Tenant) -> None:
    await acme.lock("a")
    assert len(await acme.shows(4, roles=("keeper",))) == 4
    assert len((await acme.get()).json()["items"]) == 3


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            {"colour": "red"},
            "there is no filter 'colour'; filters are pad: a string; after: a whole number from 0 to 2147483647",
        ),
        ({"after": "x"}, "after: a whole number from 0 to 2147483647"),
        ({"after": "99999999999"}, "after: a whole number from 0 to 2147483647"),
        ({"limit": "0"}, "limit is a number from 1 to 200"),
        ({"limit": "201"}, "limit is a number from 1 to 200"),
        ({"limit": "0" * 10_000}, "limit is a number from 1 to 200"),
        ({"limit": "many"}, "limit is a number from 1 to 200"),
        ({"cursor": "x"}, "cursor is the one of the page before"),
    ],
)
async def test_a_wrong_question_is_told_what_is_allowed(acme: Tenant, query: dict[str, str], words: str) -> None:
    answer = await acme.get("/v1/pad", roles=(), **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION")
    assert words in answer.json()["detail"]


async def test_a_filter_given_twice_is_refused(acme: Tenant) -> None:
    answer = await acme.get("/v1/pad?pad=a&pad=b")
    assert (answer.status_code, answer.json()["detail"]) == (400, "each query parameter is given at most once")


async def test_an_unknown_purpose_is_not_found(acme: Tenant) -> None:
    answer = await acme.get("/v1/no-such-trade")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_a_list_needs_a_credential(world: World) -> None:
    assert (await world.http.get("/v1/pad")).status_code == 401


async def test_a_list_is_asked_for_by_its_name(acme: Tenant) -> None:
    answer = await acme.get(roles=("keeper",), list="types", limit="1")
    assert answer.json()["items"] == [{"type": "written", "pad": "a"}]
    following = await acme.get(roles=("keeper",), list="types", limit="2", cursor=answer.json()["cursor"])
    assert [item["pad"] for item in following.json()["items"]] == ["b", "b"]
    assert (await acme.get(roles=("keeper",), list="types", type="locked")).json()["items"] == []


async def test_a_name_of_no_list_is_told_which_there_are(acme: Tenant) -> None:
    answer = await acme.get(list="letters")
    assert (answer.status_code, answer.json()["details"]) == (400, {"allowed": ["types"]})


async def test_a_list_is_refused_to_roles_that_it_is_not_for(acme: Tenant) -> None:
    answer = await acme.get(list="types")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_a_list_is_exported_as_a_table(acme: Tenant) -> None:
    answer = await acme.get(format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text == "pad,seq\r\na,1\r\nb,1\r\nb,2\r\n"
    assert "holdfast-cursor" not in answer.headers


async def test_a_page_of_a_table_goes_on_with_its_cursor(acme: Tenant) -> None:
    first = await acme.get(format="csv", limit="2")
    second = await acme.get(format="csv", limit="2", cursor=first.headers["holdfast-cursor"])
    assert second.text == "pad,seq\r\nb,2\r\n"


async def test_an_accept_header_asks_for_a_table_too(acme: Tenant, world: World) -> None:
    headers = {**world.bearer("ann", tenant=acme.tenant), "Accept": "text/csv"}
    assert (await world.http.get("/v1/pad", headers=headers)).text.startswith("pad,seq")
    assert (await acme.get(format="xml")).json()["code"] == "VALIDATION"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    assert csv_of(["note"], [{"note": text}]).splitlines(keepends=True)[0] == "note\r\n"
    assert next(islice(csv.reader(io.StringIO(csv_of(["note"], [{"note": text}]), newline="")), 1, None)) == [
        f"'{text}"
    ]


def test_a_table_holds_every_kind_of_value() -> None:
    item = {"text": 'a "b", c', "number": -5, "none": None, "yes": True, "many": [1, {"a": 2}]}
    assert csv_of([*item], [item]) == 'text,number,none,yes,many\r\n"a ""b"", c",-5,,true,"[1,{""a"":2}]"\r\n'
