"""One tenant takes no more than its share: what is over a limit is refused early, and no queue is its alone."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import msgspec
import pytest

from gateway.tests.conftest import GatewayFactory, known
from gateway.tests.test_hostile import line
from gateway.tests.test_sends import SILENT, owner
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast.client import Client

LONG = 60.0
"""More than anything here takes."""


async def post(
    world: World, pad: str, *, tenant: str = "acme", content: bytes = b'{"text":"x"}', **headers: str
) -> Any:
    return await world.http.post(
        f"/v1/pad/{pad}/write-note", content=content, headers=world.bearer("ann", tenant=tenant) | headers
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_what_is_over_a_limit_is_refused_before_its_body_is_read(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1)
    pad = pad_id()
    assert (await post(world, pad)).status_code == 200
    token = world.token()
    async with line(world) as (reader, writer):
        writer.write(
            f"POST /v1/pad/{pad}/write-note HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n".encode()
        )
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await reader.readline()).startswith(b"HTTP/1.1 429 ")
    assert code(await post(world, pad, content=b"no json")) == (429, "RATE_LIMITED")
    assert code(await post(world, pad, tenant="globex", content=b"no json")) == (400, "VALIDATION")


async def test_a_refusal_is_kept_back_and_holds_up_nobody_else(
    gateway: GatewayFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.turnstile.PAUSE_SECONDS", LONG)
    world = await gateway(tenant_commands_per_second=0.001)
    pad = pad_id()
    assert (await post(world, pad)).status_code == 200
    refused = asyncio.ensure_future(post(world, pad))
    assert (await post(world, pad, tenant="globex")).status_code == 200
    assert (await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())).status_code == 200
    assert not refused.done()
    refused.cancel()


async def test_a_refusal_says_as_much_as_ever(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1, commands_per_second=0, entity_commands_per_second=0)
    pad = pad_id()
    await post(world, pad)
    answer = await post(world, pad)
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["retryable"]) == (429, "RATE_LIMITED", True)
    assert 0 < problem["details"]["retry_after_ms"] <= 10_001
    assert answer.headers["content-type"] == "application/problem+json"
    assert 0 < int(answer.headers["retry-after"]) <= 11
    assert answer.headers["ratelimit-policy"] == '"tenant";q=1;w=10'
    assert answer.headers["ratelimit"].startswith('"tenant";r=0;t=')
    figures = (await world.http.get("/metrics")).text
    assert 'holdfast_gateway_commands_total{outcome="RATE_LIMITED",purpose="pad"} 1.0' in figures
    assert 'holdfast_gateway_refused_total{limit="commands"} 1.0' in figures


async def test_who_has_no_valid_token_is_not_told_of_limits(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1)
    pad = pad_id()
    await post(world, pad)
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = await world.http.post(f"/v1/pad/{pad}/write-note", headers=headers)
        assert code(answer) == (401, "UNAUTHENTICATED")


async def test_a_page_of_another_origin_may_read_its_refusal(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1, origins="https://shop.example")
    pad = pad_id()
    for status in (200, 429):
        answer = await post(world, pad, Origin="https://shop.example")
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"


async def test_a_deletion_over_a_limit_is_refused_and_a_view_is_not(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1)
    pad = pad_id()
    await post(world, pad)
    admin = world.bearer("root", roles=("admin",))
    assert code(await world.http.delete(f"/v1/pad/{pad}", headers=admin)) == (429, "RATE_LIMITED")
    assert (await world.http.get(f"/v1/pad/{pad}", headers=admin)).status_code == 200


async def test_a_socket_that_floods_is_answered_in_full_and_goes_on(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.001, sends_in_flight=3)
    name = f"pad:acme:{pad_id()}"
    async with world.viewer() as viewer:
        assert (await viewer.ask("send", name=name, command="write_note", data={"text": "x"}))["op"] == "ok"
        for number in range(300):
            await viewer.say(op="send", id=number, name=name, command="write_note", data="not even an object")
        answers = [await viewer.hear() for _ in range(300)]
        assert [(answer["id"], answer["code"]) for answer in answers] == [(n, "RATE_LIMITED") for n in range(300)]
        assert (await viewer.ask("ping"))["op"] == "pong"


@pytest.mark.once("it takes commands off the wire one by one")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_a_tenant_that_waits_for_an_owner_fills_its_own_places_only(gateway: GatewayFactory) -> None:
    world = await gateway(contracts={"silent": SILENT} | known, tenant_in_flight=8, sends_in_flight=10)
    async with owner(world) as silent, AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(world.viewer(user)) for user in ("ann", "bob", "cat", "dan")]
        ann = viewers[0]
        for viewer in viewers:
            for number in range(3):
                await viewer.say(
                    op="send", id=number, name="silent:acme:x", command="write_note", data={"text": str(number)}
                )
        commands = [await silent.hear() for _ in range(8)]
        for viewer in viewers:
            refusal = await viewer.hear()
            assert (refusal["id"], refusal["code"], refusal["retryable"]) == (2, "RATE_LIMITED", True)
        looked = await world.http.get("/v1/silent/x", headers=world.bearer("eve"))
        assert code(looked) == (429, "RATE_LIMITED")
        assert (await world.write(pad_id())).status_code == 200, "another purpose goes on"
        for command in commands:
            await silent.answer(command, seq=1)
        assert (await ann.hear())["op"] == "ok"
        await ann.say(op="send", id=3, name="silent:acme:x", command="write_note", data={"text": "3"})
        await silent.hear()


async def test_lists_that_wait_are_bounded_too(gateway: GatewayFactory) -> None:
    world = await gateway(contracts={"silent": SILENT}, tenant_in_flight=4)
    asked = [asyncio.ensure_future(world.http.get("/v1/silent", headers=world.bearer("ann"))) for _ in range(2)]
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=WAIT_SECONDS)
    assert [code(await each) for each in done] == [(429, "RATE_LIMITED")]
    for each in waiting:
        each.cancel()


@pytest.mark.once("it takes commands off the wire one by one")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_a_user_who_looks_at_an_entity_again_and_again_leaves_room_for_others(
    gateway: GatewayFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.limits.USER_AT_ENTITY", 2)
    world = await gateway(contracts={"silent": SILENT})
    async with owner(world) as silent, world.viewer("ann") as hammer, world.viewer("bob") as bidder:
        looks = [
            asyncio.ensure_future(world.http.get("/v1/silent/x", headers=world.bearer("ann"), timeout=WAIT_SECONDS))
            for _ in range(5)
        ]
        seen = [await silent.hear() for _ in range(2)]
        assert [msgspec.json.decode(look.data)["command"] for look in seen] == ["_view", "_view"]
        refused = await hammer.ask("send", name="silent:acme:x", command="write_note", data={"text": "x"})
        assert refused["code"] == "RATE_LIMITED"
        await bidder.say(op="send", id=1, name="silent:acme:x", command="write_note", data={"text": "mine"})
        await silent.answer(await silent.hear(), seq=1)
        assert (await bidder.hear())["op"] == "ok"
        for look in looks:
            look.cancel()


@pytest.mark.once("it takes commands off the wire one by one")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_a_tenant_that_asks_over_nats_leaves_places_for_others(
    gateway: GatewayFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ask.MAX_IN_FLIGHT", 8)
    world = await gateway(contracts={"silent": SILENT} | known)
    request = msgspec.json.encode({"command": "write_note", "data": {"text": "1"}, "by": {"user": "a", "roles": []}})

    async def ask(client: Client, tenant: str) -> Any:
        answer = await client.bus.request(f"ask.silent.{tenant}.x", request, timeout=WAIT_SECONDS)
        return msgspec.json.decode(answer.data)

    async with owner(world) as silent, await Client.connect(world.nats_url) as client:
        waiting = [asyncio.ensure_future(ask(client, "acme")) for _ in range(2)]
        commands = [await silent.hear() for _ in range(2)]
        assert (await ask(client, "acme"))["error"]["code"] == "UNAVAILABLE"
        another_purpose = await client.bus.request(f"ask.pad.acme.{pad_id()}", request, timeout=WAIT_SECONDS)
        assert "ok" in msgspec.json.decode(another_purpose.data)
        other = asyncio.ensure_future(ask(client, "globex"))
        for command in commands:
            await silent.answer(command, seq=1)
        assert [("ok" in await each) for each in waiting] == [True, True]
        assert not other.done()
        other.cancel()
