"""The floor on a real NATS server, as any caller meets it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, HoldfastError, Name, Unavailable
from holdfast.client import Client
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from services.floor.contract import ConfigureFloor, Settings, TableLayout
from services.floor.service import service
from services.floor.tests.scenes import COOK, HOST, MANAGER, STRANGER, TABLES, TILL, WAITER

pytest_plugins = ["holdfast.testing._servers"]

PATIENCE = 60.0


async def send(client: Client, floor: Name, command: str, by: Actor, **data: Any) -> Any:
    command_id = data.pop("command_id", None)
    return await client.send(floor, command, msgspec.json.encode(data), by=by, command_id=command_id)


async def opened(client: Client, **settings: Any) -> Name:
    """A floor of its own with the tables of the scenes."""
    floor = Name.of("floor", "acme", f"loc-1:{uuid4().hex}")
    layout = ConfigureFloor(tables=TABLES, expected_version=0)
    await client.send(floor, layout.tag, msgspec.json.encode(layout), by=MANAGER)
    if settings:
        await send(client, floor, "change_settings", MANAGER, settings=Settings(**settings), expected_version=0)
    return floor


async def seen(client: Client, floor: Name, viewer: Actor = WAITER) -> Any:
    return msgspec.json.decode((await client.view(floor, by=viewer)).state)


async def seat(client: Client, floor: Name, party: str = "p1", table: str = "t1") -> Any:
    return await send(client, floor, "seat_party", HOST, party_id=party, table_ids=[table], size=2)


async def order(client: Client, floor: Name, line_id: str = "l1", *, order_id: str = "o1", table: str = "t1") -> Any:
    line = {"line_id": line_id, "sku": "coke"}
    return await send(client, floor, "place_order", WAITER, order_id=order_id, table_id=table, lines=[line])


async def test_an_order_reaches_the_kitchen_in_the_same_commit(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        await seat(client, floor)
        answer = await order(client, floor)
        kitchen = await seen(client, floor, COOK)
    types = [msgspec.json.decode(event)["type"] for event in answer.events]
    assert types == ["order_placed", "kitchen_ticket_issued", "table_status_changed"]
    assert kitchen["tickets"][0]["deltas"][0]["delta"] == 1000


async def test_a_refusal_arrives_with_its_code_and_details(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        await seat(client, floor)
        with pytest.raises(HoldfastError) as refusal:
            await seat(client, floor, "p2")
    assert (refusal.value.code, refusal.value.details["party_id"]) == ("TABLE_OCCUPIED", "p1")


async def test_a_restarted_service_remembers_the_floor_and_prints_nothing_twice(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        await seat(client, floor)
        first = await send(client, floor, "touch", WAITER, table_id="t1", command_id="touch-1")
        await order(client, floor)
    async with serving([service], nats.url, tmp_path):
        again = await send(client, floor, "touch", WAITER, table_id="t1", command_id="touch-1")
        repeated = await order(client, floor)
        shown = await seen(client, floor)
    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert repeated.events == ()
    assert [ticket["number"] for ticket in shown["tickets"]] == [1]


async def test_two_waiters_at_one_table_lose_no_line(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        await seat(client, floor)
        await asyncio.gather(*(order(client, floor, f"l{number}", order_id=f"o{number % 2}") for number in range(40)))
        shown = await seen(client, floor)
    lines = [line["line_id"] for placed in shown["orders"] for line in placed["lines"]]
    assert sorted(lines) == sorted(f"l{number}" for number in range(40))


async def test_a_layout_made_from_an_older_one_is_a_version_conflict(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        other = ConfigureFloor(tables=(TableLayout(id="t1", name="T1", max=2),), expected_version=0)
        with pytest.raises(HoldfastError) as refusal:
            await client.send(floor, other.tag, msgspec.json.encode(other), by=MANAGER)
    assert (refusal.value.code, refusal.value.details["version"]) == ("VERSION_CONFLICT", 1)


async def test_strangers_find_no_floor_and_nobody_that_of_another_tenant(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client)
        elsewhere = Name.of("floor", "umbra", floor.id)
        for name, viewer in ((floor, STRANGER), (elsewhere, WAITER)):
            with pytest.raises(HoldfastError) as refusal:
                await client.view(name, by=viewer)
            assert refusal.value.code == "NOT_FOUND"


@pytest.mark.once("its deadline passes so soon that the copy finds it")
async def test_the_alarm_closes_a_paid_table(
    client: Client, nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast._calls.FIRST_RESEND_SECONDS", 600.0)  # a copy may find the deadline first
    async with serving([service], nats.url, tmp_path):
        floor = await opened(client, idle_paid=0)
        await seat(client, floor)
        await order(client, floor)
        tab_id = (await seen(client, floor))["parties"][0]["tab_id"]
        report = {"tab_id": tab_id, "currency": "EUR", "paid_minor": 500, "heard": 1}
        await send(client, floor, "record_tab", TILL, status="OPEN", balance_minor=500, pos_seq=1, **report)
        await send(client, floor, "record_tab", TILL, status="CLOSED", balance_minor=0, pos_seq=2, **report)
        closed = await recorded(client, floor, "table_auto_closed")
        table = (await seen(client, floor))["tables"][0]
    assert (closed["reason"], closed["cause"], table["status"]) == ("paid", "alarm", "DIRTY")


async def recorded(client: Client, floor: Name, kind: str) -> Any:
    """The data of an event of this type, once there is one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                events = [event for commit in await client.commits(floor, after=0) for event in commit.events]
                found = [event.data for event in events if event.type == kind]
                if found:
                    return msgspec.json.decode(found[0])
            await asyncio.sleep(0.02)
