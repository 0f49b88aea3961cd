"""Limits as callers meet them, at every door."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from gateway.tests.conftest import GatewayFactory
from gateway.tests.pad import PadEntity, PadView
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Actor, Contract, Name, RateLimited, Service
from holdfast._host import HostSettings
from holdfast.client import Client
from holdfast.runtime import serve
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running


class SlowPadEntity(PadEntity):
    """Pads in front of which their owner keeps a limit."""

    purpose = "slow-pad"


slow_service = Service(name="slow_pad", entities=(SlowPadEntity(),))
slow_contract = Contract.of(SlowPadEntity, view=PadView)


def limits_of(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


async def test_every_answer_to_a_command_tells_limits_and_standing(gateway: GatewayFactory) -> None:
    world = await gateway(
        commands_per_second=0.05, tenant_commands_per_second=0, entity_commands_per_second=0.1, entity_share=1
    )
    pad, policy = pad_id(), '"user";q=1;w=20, "entity";q=1;w=10'
    told, standing = limits_of(await world.write(pad))
    assert told == policy
    assert re.fullmatch(r'"user";r=0;t=(1[0-9]|20), "entity";r=0;t=([1-9]|10)', standing)
    late = await world.write(pad_id())
    assert (late.status_code, limits_of(late)[0]) == (429, policy)
    assert 0 < int(late.headers["retry-after"]) <= 21
    wrong = await world.http.post(f"/v1/pad/{pad_id()}/write-note", json={"nonsense": 1}, headers=world.bearer())
    assert (wrong.status_code, limits_of(wrong)[0]) == (400, policy)
    view = await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())
    assert "ratelimit" not in view.headers


async def test_a_tenant_is_limited_over_all_its_users(gateway: GatewayFactory) -> None:
    world = await gateway(tenant_commands_per_second=0.1)
    codes: list[int] = []
    for user, tenant in (("ann", "acme"), ("bob", "acme"), ("dan", "globex")):
        answer = await world.http.post(
            f"/v1/pad/{pad_id()}/write-note", json={"text": "x"}, headers=world.bearer(user, tenant=tenant)
        )
        codes.append(answer.status_code)
    assert codes == [200, 429, 200]


async def send(viewer: Any, pad: str) -> Any:
    return await viewer.ask("send", name=f"pad:acme:{pad}", command="write_note", data={"text": "x"})


async def test_one_client_that_hammers_an_entity_leaves_another_ones_command_its_place(gateway: GatewayFactory) -> None:
    world = await gateway(entity_commands_per_second=4, entity_share=0.005)
    pad = pad_id()
    name, path = f"pad:acme:{pad}", f"/v1/pad/{pad}/write-note"
    async with world.viewer("ann") as hammer, world.viewer("bob") as bidder:
        for number in range(100):
            await hammer.say(op="send", id=number, name=name, command="write_note", data={"text": "x"})
        answers = [await hammer.hear() for _ in range(100)]
        refusals = [answer for answer in answers if answer["op"] == "error"]
        assert len(refusals) == 99
        assert {(refusal["code"], refusal["message"].partition(":")[0]) for refusal in refusals} == {
            ("RATE_LIMITED", "too many commands of this user to this entity")
        }
        assert (await bidder.ask("send", name=name, command="write_note", data={"text": "mine"}))["op"] == "ok"
        posted = await world.http.post(path, json={"text": "x"}, headers=world.bearer("ann"))
        assert posted.status_code == 429
        assert limits_of(posted)[0].endswith('"user-entity";q=1;w=50, "entity";q=8;w=2')
        assert '"user-entity";r=0;t=' in limits_of(posted)[1]
        request: Any = {"command": "write_note", "data": {"text": "x"}, "by": {"user": "ann", "roles": []}}
        async with await Client.connect(world.nats_url) as client:
            asked = await client.bus.request(f"ask.pad.acme.{pad}", msgspec.json.encode(request), timeout=WAIT_SECONDS)
        assert msgspec.json.decode(asked.data)["error"]["code"] == "RATE_LIMITED"
        posted = await world.http.post(path, json={"text": "also mine"}, headers=world.bearer("cat"))
        assert posted.status_code == 200


async def test_a_socket_is_told_when_to_come_again_and_goes_on(gateway: GatewayFactory) -> None:
    world = await gateway(entity_commands_per_second=0.1, entity_share=1)
    pad = pad_id()
    async with world.viewer() as viewer:
        assert (await send(viewer, pad))["op"] == "ok"
        refusal = await send(viewer, pad)
        assert (refusal["op"], refusal["code"], refusal["retryable"]) == ("error", "RATE_LIMITED", True)
        assert 0 < refusal["details"]["retry_after_ms"] <= 10_001
        assert (await send(viewer, pad_id()))["op"] == "ok"


async def test_a_socket_that_never_slows_down_is_closed_with_4429(gateway: GatewayFactory) -> None:
    world = await gateway(commands_per_second=0.01, refusals_per_socket=5)
    pad = pad_id()
    async with world.viewer() as viewer:
        assert (await send(viewer, pad))["op"] == "ok"
        for _ in range(5):
            await viewer.say(op="send", id=1, name=f"pad:acme:{pad}", command="write_note", data={"text": "x"})
        assert (await viewer.closed())[0] == 4429
    async with world.viewer() as viewer:
        assert (await viewer.ask("ping"))["op"] == "pong"


async def test_requests_over_nats_are_limited_too(gateway: GatewayFactory) -> None:
    world = await gateway(commands_per_second=0.1)
    pad = pad_id()
    request = msgspec.json.encode({"command": "write_note", "data": {"text": "x"}, "by": {"user": "ann", "roles": []}})
    async with await Client.connect(world.nats_url) as client:
        answers = [
            msgspec.json.decode((await client.bus.request(f"ask.pad.acme.{pad}", request, timeout=WAIT_SECONDS)).data)
            for _ in range(2)
        ]
    assert [answer["error"]["code"] if "error" in answer else "ok" for answer in answers] == ["ok", "RATE_LIMITED"]


@pytest_asyncio.fixture
async def slow_pads(nats: NatsServer, database: str) -> AsyncGenerator[None]:
    """A service whose entities take one command in ten seconds."""
    settings = HostSettings(commands_per_second=0.1)
    async with running(
        lambda ready: serve([slow_service], servers=nats.url, database=database, settings=settings, ready=ready)
    ):
        yield


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_the_limit_of_an_entity_is_one_for_all_gateways_and_for_whoever_sends_past_them(
    gateway: GatewayFactory, slow_pads: None
) -> None:
    assert slow_pads is None
    worlds = [await gateway(contracts={"slow-pad": slow_contract}) for _ in range(2)]
    id_ = pad_id()

    async def write(world: World) -> int:
        answer = await world.http.post(f"/v1/slow-pad/{id_}/write-note", json={"text": "x"}, headers=world.bearer())
        return answer.status_code

    async with asyncio.timeout(WAIT_SECONDS):
        codes = [await write(world) for world in (*worlds, *worlds)]
    assert codes == [200, 429, 429, 429]
    async with await Client.connect(worlds[0].nats_url) as client:
        name = Name.of("slow-pad", "acme", id_)
        with pytest.raises(RateLimited):
            await client.send(name, "write_note", b'{"text": "x"}', by=Actor(user="x", roles=()))
