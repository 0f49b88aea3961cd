"""When a client sends another copy of a command, and which answer is the last word then."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast import Name, RateLimited
from holdfast._bus import Message
from holdfast._errors import TimedOut
from holdfast._messages import Accepted
from holdfast.client import Client
from holdfast.jetstream import (
    H_REPLY,
    NatsBus,
)
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.tests.waiting import until
from holdfast.tests.wiretap import ANN, PATIENCE, a_purpose

pytestmark = pytest.mark.once("it answers each copy of a call by itself")


class Owner:
    """Answers commands as the test says: each copy of a call is kept until then."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self.copies: list[str] = []

    async def take(self, message: Message) -> None:
        self.copies.append(message.headers[H_REPLY])

    async def answer(self, copy: int, body: bytes) -> None:
        await self._bus.publish(self.copies[copy], body)


REFUSED = b'{"error":{"code":"TOO_MUCH","message":"no"}}'
TOO_FAST = b'{"error":{"code":"RATE_LIMITED","message":"wait","retryable":true,"details":{"retry_after_ms":1}}}'
NOTHING_TO_DO = b'{"ok":{"name":"n","seq":1,"events":[],"deduplicated":false}}'
ACCEPTED = b'{"ok":{"name":"n","seq":2,"events":[{"seq":2}],"deduplicated":false}}'


@asynccontextmanager
async def asked_twice(
    single: NatsServer, bus: NatsBus, *, timeout: float = PATIENCE
) -> AsyncGenerator[tuple[Owner, asyncio.Task[Accepted]]]:
    """A call of which two copies have come and none is answered, and who can answer them."""
    name, owner = Name.of(a_purpose(), "acme", "x"), Owner(bus)
    await bus.subscribe(name.subject("cmd"), owner.take)
    await bus.flush(timeout=PATIENCE)
    async with await Client.connect(single.url) as client:
        call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=timeout))
        await until(lambda: len(owner.copies) >= 2)
        yield owner, call


@pytest.mark.parametrize("early", [REFUSED, NOTHING_TO_DO])
async def test_what_a_later_copy_may_still_change_is_not_the_last_word(
    single: NatsServer, bus: NatsBus, early: bytes
) -> None:
    async with asked_twice(single, bus) as (owner, call):
        await owner.answer(0, early)
        await owner.answer(1, ACCEPTED)
        assert (await call).seq == 2


async def test_the_acceptance_of_an_earlier_copy_is_final(single: NatsServer, bus: NatsBus) -> None:
    async with asked_twice(single, bus) as (owner, call):
        await owner.answer(0, ACCEPTED)
        assert (await call).seq == 2


async def test_a_copy_over_the_rate_says_nothing_of_an_earlier_one(single: NatsServer, bus: NatsBus) -> None:
    async with asked_twice(single, bus) as (owner, call):
        await owner.answer(1, TOO_FAST)
        await until(lambda: len(owner.copies) >= 3)
        await owner.answer(2, ACCEPTED)
        assert (await call).seq == 2


async def test_a_copy_over_the_rate_leaves_the_outcome_open_at_the_deadline(single: NatsServer, bus: NatsBus) -> None:
    async with asked_twice(single, bus, timeout=3.0) as (owner, call):
        await owner.answer(1, TOO_FAST)
        with pytest.raises(TimedOut):
            await call


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_the_only_copy_over_the_rate_is_refused_at_once(single: NatsServer, bus: NatsBus) -> None:
    name, owner = Name.of(a_purpose(), "acme", "x"), Owner(bus)
    await bus.subscribe(name.subject("cmd"), owner.take)
    await bus.flush(timeout=PATIENCE)
    async with await Client.connect(single.url) as client:
        call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=PATIENCE))
        await until(lambda: len(owner.copies) >= 1)
        await owner.answer(0, TOO_FAST)
        with pytest.raises(RateLimited):
            await call
    assert len(owner.copies) == 1


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_what_waits_is_sent_again_once_the_commands_stream_has_a_leader(single: NatsServer, bus: NatsBus) -> None:
    name, owner = Name.of(a_purpose(), "acme", "x"), Owner(bus)
    await bus.subscribe(name.subject("cmd"), owner.take)
    await bus.flush(timeout=PATIENCE)
    elected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED"
    async with await Client.connect(single.url) as client:
        call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=PATIENCE))
        await until(lambda: len(owner.copies) >= 1)
        for stream in (f"evt-{name.purpose}", f"cmd-{name.purpose}x", f"cmd-{name.purpose}"):
            await bus.publish(f"{elected}.{stream}", b"{}")
        await until(lambda: len(owner.copies) >= 2)
        await owner.answer(1, ACCEPTED)
        assert (await call).seq == 2
    assert len(owner.copies) == 2


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_what_waits_is_sent_again_once_the_connection_is_back() -> None:
    name = Name.of(a_purpose(), "acme", "x")
    with TemporaryDirectory(prefix="holdfast-") as folder:
        server = NatsServer(Path(folder), port=free_ports(1)[0]).start()
        try:
            await server.ready()
            async with await Client.connect(server.url) as client:
                assert isinstance(client.bus, NatsBus)
                owner = Owner(client.bus)  # of a connection of its own the only copy might come before that is back
                await client.bus.subscribe(name.subject("cmd"), owner.take)
                call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=2 * PATIENCE))
                await until(lambda: len(owner.copies) >= 1)
                server.kill()
                server.start()
                await until(lambda: len(owner.copies) >= 2)
                await owner.answer(1, ACCEPTED)
                assert (await call).seq == 2
        finally:
            server.kill()
