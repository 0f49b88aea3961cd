"""A gateway that stops sends its sockets away one and all, and loses nothing that they sent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from gateway.tests.conftest import GatewayFactory
from gateway.tests.test_sends import SILENT, owner
from gateway.tests.world import Viewer, World, pad_id

SOCKETS = 300
PADS = 10
LONG = 60.0
"""As a limit of a drain: more than a test waits for anything."""


@dataclass
class Visitor:
    """A socket that watches a pad and writes on it, and what it heard until it was sent away."""

    viewer: Viewer
    pad: str
    text: str
    seen: int = 0
    answers: list[Any] = field(default_factory=list[Any])
    notices: list[Any] = field(default_factory=list[Any])
    in_order: bool = True

    @property
    def name(self) -> str:
        return f"pad:acme:{self.pad}"

    async def watch(self, **how: Any) -> None:
        self.seen = (await self.viewer.ask("watch", name=self.name, **how))["seq"]

    async def write(self) -> None:
        await self.viewer.say(
            op="send", id=7, name=self.name, command="write_note", data={"text": self.text}, command_id=self.text
        )

    def take(self, frame: Any) -> None:
        match frame["op"]:
            case "event":
                self.in_order = self.in_order and frame["seq"] == self.seen + 1
                self.seen = frame["seq"]
            case "draining":
                self.notices.append(frame)
            case _:
                self.answers.append(frame)

    async def sent_away(self) -> int | None:
        """Hear until the socket is closed; returns with which code."""
        try:
            while True:
                self.take(await self.viewer.hear())
        except ConnectionClosed:
            return (await self.viewer.closed())[0]

    async def come_back(self, viewer: Viewer) -> None:
        """Resume after what was seen; sends what was not answered again."""
        before, self.viewer = self.seen, viewer
        await viewer.say(op="watch", id=8, name=self.name, after=before)
        while (frame := await viewer.hear())["op"] != "watching":
            self.take(frame)
        assert frame["seq"] == self.seen
        if not self.answers:
            await self.write()
            while not self.answers:
                self.take(await viewer.hear())

    async def catch_up(self, seq: int) -> None:
        while self.seen < seq:
            self.take(await self.viewer.hear())


@asynccontextmanager
async def visitors(world: World, pads: list[str]) -> AsyncGenerator[list[Visitor]]:
    async with AsyncExitStack() as stack:
        found: list[Visitor] = []
        for number in range(SOCKETS):
            viewer = await stack.enter_async_context(world.viewer(f"u{number}"))
            found.append(Visitor(viewer, pads[number % len(pads)], f"note-{number}"))
        await asyncio.gather(*(each.watch() for each in found))
        yield found


@pytest.mark.slow
async def test_no_send_is_lost_and_no_event_missed_when_hundreds_are_sent_to_another_gateway(
    gateway: GatewayFactory,
) -> None:
    first, second = await gateway(drain_timeout=LONG), await gateway()
    pads = [pad_id() for _ in range(PADS)]
    for pad in pads:
        await first.write(pad)
    async with visitors(first, pads) as there, AsyncExitStack() as stack:
        await asyncio.gather(*(each.write() for each in there))
        stopping = asyncio.ensure_future(first.stop())
        codes = await asyncio.gather(*(each.sent_away() for each in there))
        await stopping
        assert set(codes) == {1012}
        assert [len(each.notices) for each in there] == [1] * SOCKETS
        assert {answer["op"] for each in there for answer in each.answers} <= {"ok"}
        viewers = [await stack.enter_async_context(second.viewer(f"u{number}")) for number in range(SOCKETS)]
        await asyncio.gather(*(each.come_back(viewer) for each, viewer in zip(there, viewers, strict=True)))
        written = 1 + SOCKETS // PADS
        await asyncio.gather(*(each.catch_up(written) for each in there))
        assert {(each.seen, each.in_order) for each in there} == {(written, True)}
    for pad in pads:
        page = (await second.http.get(f"/v1/pad/{pad}/events?limit=1000", headers=second.bearer())).json()
        texts = [event["command_id"] for event in page["events"][1:]]
        assert sorted(texts) == sorted(each.text for each in there if each.pad == pad)


@pytest.mark.once("it takes commands off the wire one by one")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_what_is_under_way_is_answered_before_the_close_and_nothing_new_is_taken(gateway: GatewayFactory) -> None:
    world = await gateway(contracts={"silent": SILENT}, drain_timeout=LONG)
    async with owner(world) as silent, world.viewer() as viewer:
        await viewer.say(op="send", id=1, name="silent:acme:x", command="write_note", data={"text": "1"})
        command = await silent.hear()
        stopping = asyncio.ensure_future(world.stop())
        assert (await viewer.hear())["op"] == "draining"
        await viewer.say(op="send", id=2, name="silent:acme:x", command="write_note", data={"text": "2"})
        await silent.answer(command, seq=1)
        answer = await viewer.hear()
        assert (answer["op"], answer["id"], answer["seq"]) == ("ok", 1, 1)
        assert (await viewer.closed())[0] == 1012
        await stopping
        assert await silent.nothing_waits()


async def test_who_waits_longer_than_the_limit_is_told_and_closed_too(gateway: GatewayFactory) -> None:
    world = await gateway(contracts={"silent": SILENT}, drain_timeout=0.2)
    async with owner(world) as silent, world.viewer() as viewer:
        await viewer.say(op="send", id=1, name="silent:acme:x", command="write_note", data={"text": "1"})
        await silent.hear()
        await world.stop()
        assert (await viewer.hear())["op"] == "draining"
        assert (await viewer.closed())[0] == 1012


async def test_sockets_are_asked_to_come_back_at_different_times(gateway: GatewayFactory) -> None:
    world = await gateway(drain_retry_after=1.0, drain_returns_per_second=10.0)
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(world.viewer()) for _ in range(30)]
        stopping = asyncio.ensure_future(world.stop())
        waits = [(await viewer.hear())["retry_after_ms"] for viewer in viewers]
        await stopping
    assert all(1000 <= wait <= 4000 for wait in waits)
    assert len(set(waits)) > 10
    assert max(waits) - min(waits) > 1000
