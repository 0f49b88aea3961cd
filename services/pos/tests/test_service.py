"""The till on a real NATS server, as any caller meets it."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, Name, NotFound
from holdfast.client import Client
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from services.pos.service import service
from services.pos.tests.scenes import ADMIN, CASHIER, DISPLAY, ITEMS, MANAGER, SETTINGS, STRANGER, WAITER

pytest_plugins = ["holdfast.testing._servers"]


async def send(client: Client, till: Name, command: str, by: Actor, **data: Any) -> Any:
    return await client.send(till, command, msgspec.json.encode(data), by=by)


async def seen(client: Client, till: Name, viewer: Actor) -> Any:
    return msgspec.json.decode((await client.view(till, by=viewer)).state)


async def a_till(client: Client, **settings: Any) -> Name:
    """A location on a business day that sells beer and cake."""
    till = Name.of("pos-session", "acme", f"loc-{uuid4().hex}")
    wanted = {**msgspec.to_builtins(SETTINGS), **settings}
    await send(client, till, "configure", ADMIN, settings=wanted, expected_version=0)
    for sku in ("beer", "cake"):
        await send(client, till, "set_item", MANAGER, sku=sku, item=ITEMS[sku])
    await send(client, till, "adjust_stock", MANAGER, sku="cake", delta_milli=3_000, reason="baked")
    await send(client, till, "open_day", CASHIER, business_date="2026-06-01")
    return till


async def test_a_sale_gets_its_receipt_and_outlives_a_restart(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    async with serving([service], nats.url, tmp_path):
        till = await a_till(client)
        await send(client, till, "open_tab", WAITER, tab_id="t1")
        await send(client, till, "add_line", WAITER, tab_id="t1", line_id="l1", sku="beer")
        pay = {"tab_id": "t1", "payment_id": "p1", "amount_minor": 550, "tender": "card"}
        await send(client, till, "begin_payment", WAITER, **pay)
    async with serving([service], nats.url, tmp_path):
        await send(client, till, "record_payment_result", CASHIER, payment_id="p1", outcome="captured")
        closed = await send(client, till, "close_tab", CASHIER, tab_id="t1")
    event = msgspec.json.decode(closed.events[0])
    assert (event["type"], event["data"]["receipt_no"]) == ("tab_closed", "A-000001")


async def test_of_two_waiters_who_want_the_last_cakes_one_is_refused(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    async with serving([service], nats.url, tmp_path):
        till = await a_till(client)
        await send(client, till, "open_tab", WAITER, tab_id="t1")
        line = {"tab_id": "t1", "sku": "cake", "qty_milli": 2_000}
        outcomes = await asyncio.gather(
            *(send(client, till, "add_line", WAITER, line_id=f"l{number}", **line) for number in range(2)),
            return_exceptions=True,
        )
        view = await seen(client, till, WAITER)
    refused: list[Any] = [each for each in outcomes if isinstance(each, Exception)]
    assert [(error.code, error.details["available"]) for error in refused] == [("INSUFFICIENT_STOCK", 1_000)]
    assert view["available_milli"]["cake"] == 1_000


async def test_viewers_see_what_their_role_needs(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    async with serving([service], nats.url, tmp_path):
        till = await a_till(client)
        views = {viewer.user: await seen(client, till, viewer) for viewer in (WAITER, CASHIER, MANAGER, DISPLAY)}
        with pytest.raises(NotFound):
            await client.view(till, by=STRANGER)
    assert "office" in views["max"]
    assert "office" not in views["cleo"]
    assert ("drawers" in views["cleo"], "drawers" in views["wim"]) == (True, False)
    assert "payments" not in views["screen"]
