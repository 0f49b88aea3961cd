"""What the fan-out asks the log for, by the requests that it makes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.fanout import Fanout, Watch
from gateway.frames import sse_event
from gateway.metrics import Metrics
from gateway.outbox import StreamOutbox
from gateway.tests.test_streams import not_republished
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.wire import Message, Reach

ENTITIES = 40
NEVER = 3600.0


@asynccontextmanager
async def asked(client: Client) -> AsyncGenerator[list[str]]:
    """The requests that anybody makes of the log in this block."""
    found: list[str] = []

    def note(message: Message) -> None:
        if ".evt-pad" in message.subject:
            found.append(message.subject.removeprefix("$JS.API."))

    listening = await client.bus.listen("$JS.API.>", note)
    await client.bus.flush(timeout=WAIT_SECONDS)
    yield found
    await client.bus.flush(timeout=WAIT_SECONDS)
    await listening.stop()


def a_watch(pad: str, seq: int) -> Watch:
    outbox = StreamOutbox(frames=100, size=100_000)
    return Watch(Name.of("pad", "acme", pad), Actor(user="ann", roles=()).tags, sse_event, outbox, print, seq)


async def test_what_is_lost_behind_an_event_that_was_heard_during_a_check_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, quiet = pad_id(), pad_id()
    async with (
        await Client.connect(world.nats_url) as client,
        Fanout(client, Metrics(), check_interval=NEVER).running() as fanout,
    ):
        watches = [a_watch(pad, (await world.write(pad)).json()["seq"]) for pad in (hot, quiet)]
        for watch in watches:
            await fanout.join(watch)
            await fanout.go_live(watch)
        outbox, reach = cast("StreamOutbox", watches[0].outbox), client.reach

        async def writing(purpose: str) -> Reach:
            await heard("heard during the check")
            async with not_republished(world, hot):
                await world.write(hot, "lost")
            return await reach(purpose)

        async def heard(text: str) -> None:
            await world.write(hot, text)
            assert text.encode() in (await outbox.take() or b"")

        async with asyncio.timeout(WAIT_SECONDS):
            await fanout._check_all(gap=False)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - at these moments
            await heard("before the check")
            with monkeypatch.context() as patch:
                patch.setattr(client, "reach", writing)
                await fanout._check_all(gap=False)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for _ in range(3):
                await fanout._check_all(gap=False)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            assert b"lost" in (await outbox.take() or b"")


async def test_an_event_that_one_form_cannot_write_reaches_all_other_viewers(world: World) -> None:
    pad, ended = pad_id(), list[Watch]()
    seq = (await world.write(pad)).json()["seq"]

    def unwritable(_: object) -> bytes:
        raise OverflowError("too large a number")

    async with (
        await Client.connect(world.nats_url) as client,
        Fanout(client, Metrics(), check_interval=NEVER).running() as fanout,
    ):
        watches = [a_watch(pad, seq) for _ in range(10)]
        bad = replace(a_watch(pad, seq), form=unwritable, dropped=ended.append)
        for watch in (*watches, bad):
            await fanout.join(watch)
            await fanout.go_live(watch)
        await world.write(pad, "for all")
        async with asyncio.timeout(WAIT_SECONDS):
            for watch in watches:
                assert b"for all" in (await cast("StreamOutbox", watch.outbox).take() or b"")
    assert ended == [bad]


async def test_after_a_lost_connection_few_requests_find_what_was_missed(world: World) -> None:
    pads = [pad_id() for _ in range(ENTITIES)]
    outbox = StreamOutbox(frames=100, size=100_000)
    async with (
        await Client.connect(world.nats_url) as other,
        await Client.connect(world.nats_url) as client,
        Fanout(client, Metrics(), check_interval=NEVER).running() as fanout,
    ):
        for pad in pads:
            seq = (await world.write(pad)).json()["seq"]
            watch = Watch(Name.of("pad", "acme", pad), Actor(user="ann", roles=()).tags, sse_event, outbox, print, seq)
            await fanout.join(watch)
            await fanout.go_live(watch)
        async with not_republished(world, pads[0]):
            for pad in pads[:2]:
                await world.write(pad, "missed")
        async with asked(other) as requests, asyncio.timeout(WAIT_SECONDS):
            cast("Any", client.bus)._report_gap()  # noqa: SLF001 - as after a lost connection
            missed = {await outbox.take() for _ in range(2)}
        assert all(b"missed" in (frame or b"") for frame in missed)
        assert len(requests) < ENTITIES
