"""`DELETE /v1/{purpose}/{id}`: gone everywhere, for admins only."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Name
from holdfast.jetstream import NatsBus

ADMIN = {"roles": ("admin",)}


async def delete(world: World, pad: str, key: str | None = None, **claims: Any) -> httpx.Response:
    headers = world.bearer("root", **{**ADMIN, **claims}) | ({"Idempotency-Key": key} if key else {})
    return await world.http.delete(f"/v1/pad/{pad}", headers=headers)


async def test_a_deleted_entity_reads_as_never_written_and_begins_anew(world: World) -> None:
    pad = pad_id()
    await world.write(pad, "one")
    await world.write(pad, "two")
    answer = await delete(world, pad)
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (f"/v1/pad/{pad}", f"/v1/pad/{pad}?seq=1", f"/v1/pad/{pad}/events"):
        assert (await world.http.get(path, headers=world.bearer())).status_code == 404
    assert (await world.write(pad, "anew")).json()["seq"] == 1


async def test_only_admins_delete(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    for roles in ((), ("keeper",), ("administrator",)):
        assert (await delete(world, pad, roles=roles)).json()["code"] == "FORBIDDEN"
    assert (await world.http.delete(f"/v1/pad/{pad}")).status_code == 401
    assert (await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())).json()["seq"] == 1


async def test_another_tenants_admin_finds_nothing_to_delete(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    assert (await delete(world, pad, tenant="umbra")).json()["code"] == "NOT_FOUND"
    assert (await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())).json()["seq"] == 1


async def test_the_same_deletion_sent_twice_is_done_and_another_one_finds_nothing(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    assert [(await delete(world, pad, key)).status_code for key in ("d1", "d1", "d2")] == [204, 204, 404]


@pytest.mark.parametrize("path", ["/v1/pad/{}/_delete", "/v1/pad/{}/-delete"])
async def test_no_command_of_a_door_deletes(world: World, path: str) -> None:
    pad = pad_id()
    await world.write(pad)
    refused = await world.http.post(path.format(pad), json={}, headers=world.bearer("root", **ADMIN))
    assert refused.json()["code"] == "VALIDATION"
    bus = await NatsBus.connect(world.nats_url, name="test")
    asked = {"command": "_delete", "by": {"user": "root", "roles": ["admin"]}}
    answer = await bus.request(f"ask.pad.acme.{pad}", msgspec.json.encode(asked), timeout=WAIT_SECONDS)
    await bus.close()
    assert msgspec.json.decode(answer.data)["error"]["code"] == "VALIDATION"
    assert (await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())).json()["seq"] == 1


async def test_a_watch_of_a_deleted_entity_ends_and_a_new_one_sees_the_new_life(world: World) -> None:
    pad = pad_id()
    name = str(Name.of("pad", "acme", pad))
    await world.write(pad, "old")
    async with world.viewer() as viewer:
        assert (await viewer.ask("watch", name=name))["seq"] == 1
        await delete(world, pad)
        ended = await viewer.hear_until("error")
        assert (ended["name"], ended["code"], ended["id"]) == (name, "NOT_FOUND", None)
        await world.write(pad, "new")
        assert (await viewer.ask("watch", name=name))["state"]["last"] == "new"
        await world.write(pad, "newer")
        event = await viewer.hear_until("event")
        assert (event["seq"], event["data"]["text"]) == (2, "newer")


async def test_an_event_stream_of_a_deleted_entity_ends(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    headers = {**world.bearer(), "Accept": "text/event-stream"}
    async with (
        asyncio.timeout(WAIT_SECONDS),
        world.http.stream("GET", f"/v1/pad/{pad}/events", headers=headers, timeout=WAIT_SECONDS) as stream,
    ):
        lines = stream.aiter_lines()
        while not (await anext(lines)).startswith("data:"):
            pass
        await delete(world, pad)
        async for _ in lines:
            pass


async def test_a_watch_ends_though_the_news_of_the_deletion_was_lost(gateway: Any, nats: Any) -> None:
    world: World = await gateway(check_interval=0.05)
    pad = pad_id()
    name = Name.of("pad", "acme", pad)
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=str(name))
        bus = await NatsBus.connect(nats.url, name="test")
        purge = msgspec.json.encode({"filter": name.subject("evt")})
        await bus.request("$JS.API.STREAM.PURGE.evt-pad", purge, timeout=WAIT_SECONDS)
        await bus.close()
        assert (await viewer.hear_until("error"))["code"] == "NOT_FOUND"
