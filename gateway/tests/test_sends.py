"""Many commands from one socket: in order, and without waiting for each other."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client as Nats

from gateway.allowance import Allowance
from gateway.tests.pad import contract
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast.jetstream import H_REPLY

Factory = Callable[..., Awaitable[World]]
SILENT = replace(contract, purpose="silent")
"""A purpose without an owner: a test answers its commands, or does not."""


class Owner:
    """Hears commands as an owner does."""

    def __init__(self, client: Any, subscription: Any) -> None:
        self._client = client
        self._subscription = subscription

    async def hear(self) -> Any:
        """The next command."""
        return await self._subscription.next_msg(timeout=WAIT_SECONDS)

    async def nothing_waits(self) -> bool:
        """Whether all commands that were published so far have been heard."""
        await self._client.flush()
        return self._subscription.pending_msgs == 0

    async def answer(self, command: Any, *, seq: int) -> None:
        """Accept a command."""
        ok: dict[str, Any] = {"name": "silent:acme:x", "seq": seq, "events": [], "deduplicated": False}
        await self._client.publish(command.headers[H_REPLY], msgspec.json.encode({"ok": ok}))


@asynccontextmanager
async def owner(world: World) -> AsyncGenerator[Owner, None]:
    client: Any = Nats()
    await client.connect(world.nats_url)
    try:
        subscription = await client.subscribe("cmd.silent.acme.x")
        await client.flush()
        yield Owner(client, subscription)
    finally:
        await client.close()


def number_of(command: Any) -> int:
    return int(msgspec.json.decode(command.data)["data"]["text"])


async def test_sends_to_one_entity_are_judged_in_their_order(world: World) -> None:
    name = f"pad:acme:{pad_id()}"
    async with world.viewer() as viewer:
        for number in range(300):
            await viewer.say(op="send", id=number, name=name, command="write_note", data={"text": str(number)})
        answers = [await viewer.hear() for _ in range(300)]
    assert {answer["id"]: answer["seq"] for answer in answers} == {number: number + 1 for number in range(300)}


@pytest.mark.once("it takes commands off the wire one by one")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_a_command_does_not_wait_for_the_answer_to_the_one_before_up_to_a_bound(gateway: Factory) -> None:
    world = await gateway(contracts={"silent": SILENT}, sends_in_flight=3)
    async with owner(world) as silent, world.viewer() as viewer:
        for number in range(5):
            await viewer.say(
                op="send", id=number, name="silent:acme:x", command="write_note", data={"text": str(number)}
            )
        commands = [await silent.hear() for _ in range(3)]
        assert [number_of(command) for command in commands] == [0, 1, 2]
        assert await silent.nothing_waits()
        await silent.answer(commands[1], seq=7)
        assert (await viewer.hear())["id"] == 1
        assert number_of(await silent.hear()) == 3


def test_a_socket_has_bounded_bytes_under_way_but_one_thing_of_any_size() -> None:
    allowance = Allowance(operations=10, size=100)
    assert allowance.has_room(1000)
    allowance.take(1000)
    assert not allowance.has_room(1)
    allowance.give(1000)
    allowance.take(60)
    assert not allowance.has_room(60)
    assert allowance.has_room(40)


def test_a_socket_has_a_bounded_number_of_operations_under_way() -> None:
    allowance = Allowance(operations=2, size=100)
    for _ in range(2):
        assert allowance.has_room(1)
        allowance.take(1)
    assert not allowance.has_room(1)
    allowance.give(1)
    assert allowance.has_room(1)
