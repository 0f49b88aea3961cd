"""Lists on NATS: what any client may send, and what it gets back."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import Column, ColumnElement, MetaData, String, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from holdfast import Actor
from holdfast._lists import list_server
from holdfast.jetstream import NatsBus
from holdfast.sql import Listing, migrate, open_database
from holdfast.tests.waiting import busy

PATIENCE = 60.0
ANN = {"user": "ann", "roles": ["clerk"]}
tables = MetaData()
letters = Table(
    "letters",
    tables,
    Column("tenant", String(100), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("text", Text),
)


class NoFilters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    text: str | None


def where(_filters: NoFilters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    return ()


listing = Listing(table=letters, filters=NoFilters, row=Letter, sort=(letters.c.id,), where=where)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "post")
    engine = open_database(url, "post")
    async with engine.begin() as connection:
        await connection.run_sync(tables.create_all)
    yield engine
    await engine.dispose()


class Counter:
    """Asks the lists of a purpose that no other test uses."""

    def __init__(self, bus: NatsBus) -> None:
        self.bus = bus
        self.purpose = f"post-{uuid4().hex[:10]}"

    async def asks(self, body: object, *, tenant: str = "acme") -> Any:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await self.bus.request(f"list.{self.purpose}.{tenant}", data, timeout=PATIENCE)
        return msgspec.json.decode(answer.data)


@pytest.fixture
async def counter(bus: NatsBus, database: AsyncEngine) -> AsyncGenerator[Counter]:
    counter = Counter(bus)
    server = list_server(bus, counter.purpose, listing, database)
    await server.start()
    yield counter
    await server.stop()


async def test_a_purpose_without_a_list_is_not_found(bus: NatsBus, database: AsyncEngine) -> None:
    counter = Counter(bus)
    server = list_server(bus, counter.purpose, None, database)
    await server.start()
    assert (await counter.asks({"by": ANN}))["error"]["code"] == "NOT_FOUND"
    await server.stop()


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"by":{}}', b'{"filters":{}}', b'{"by":{"user":"a","roles":[]},"x":1}']
)
async def test_what_is_no_question_is_refused(counter: Counter, body: bytes) -> None:
    assert (await counter.asks(body))["error"]["code"] == "VALIDATION"


async def test_lists_of_one_tenant_leave_places_for_others(
    bus: NatsBus, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast._serving.WAITING", 4)
    counter = Counter(bus)
    server = list_server(bus, counter.purpose, listing, database)
    await server.start()
    async with asyncio.timeout(30), busy(server._turns):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as busy as it gets
        first = asyncio.create_task(counter.asks({"by": ANN}))
        other = asyncio.create_task(counter.asks({"by": ANN}, tenant="globex"))
        await asyncio.sleep(0)  # they are asked before the next one
        assert (await counter.asks({"by": ANN}))["error"]["code"] == "UNAVAILABLE"
    assert ["ok" in await each for each in (first, other)] == [True, True]
    await server.stop()


async def test_who_waits_for_a_turn_too_long_is_told_to_try_again(
    bus: NatsBus, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast._serving.SECONDS", 0.01)
    counter = Counter(bus)
    server = list_server(bus, counter.purpose, listing, database)
    await server.start()
    async with busy(server._turns):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as busy as it gets
        refused = (await counter.asks({"by": ANN}))["error"]
    assert (refused["code"], refused["message"]) == ("UNAVAILABLE", "lists take too long just now; try again")
    await server.stop()


async def test_a_tenant_of_hostile_form_is_refused(counter: Counter) -> None:
    assert (await counter.asks({"by": ANN}, tenant="a:b"))["error"]["code"] == "VALIDATION"


async def test_a_page_beyond_a_message_asks_for_a_lower_limit(counter: Counter, database: AsyncEngine) -> None:
    rows = [{"tenant": "acme", "id": f"l{number:02}", "text": "x" * 300_000} for number in range(40)]
    async with database.begin() as connection:
        await connection.execute(insert(letters), rows)
    refused = (await counter.asks({"by": ANN}))["error"]
    assert (refused["code"], "lower the limit" in refused["message"]) == ("TOO_LARGE", True)
    assert len((await counter.asks({"by": ANN, "limit": 20}))["ok"]["items"]) == 20


async def test_a_database_that_fails_is_unavailable_and_nothing_else_is_told(
    counter: Counter, database: AsyncEngine
) -> None:
    async with database.begin() as connection:
        await connection.run_sync(tables.drop_all)
    with capture_logs() as logged:
        refused = (await counter.asks({"by": ANN}))["error"]
    assert (refused["code"], refused["retryable"]) == ("UNAVAILABLE", True)
    assert [event["event"] for event in logged] == ["list.failed"]
    assert "letters" not in str((refused, logged))


async def test_many_questions_at_once_are_all_answered(counter: Counter) -> None:
    asked = (counter.asks({"by": ANN}, tenant=f"t{number % 2}") for number in range(100))
    answers = await asyncio.gather(*asked)
    assert answers == [{"ok": {"items": [], "cursor": None}}] * 100


async def test_an_answer_goes_to_an_inbox_only(counter: Counter) -> None:
    heard: list[bytes] = []

    async def listen(message: Any) -> None:
        heard.append(message.data)

    await counter.bus.subscribe("evt.post.acme.a", listen)
    await counter.bus.publish(f"list.{counter.purpose}.acme", msgspec.json.encode({"by": ANN}), reply="evt.post.acme.a")
    await counter.asks({"by": ANN})
    await counter.bus.flush(timeout=PATIENCE)
    assert heard == []
