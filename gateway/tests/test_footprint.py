"""What a socket costs while nothing happens, by counts: tasks, and subscriptions at NATS."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats.aio.client
import pytest

from gateway import framing
from gateway.tests.world import Viewer, World, pad_id

SOCKETS = 60
OURS = (
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[2] / "libs"),
    str(Path(nats.aio.client.__file__).parent),
)


def tasks() -> int:
    """The tasks of the gateway and of its connection to NATS; those of a test's clients do not count."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    files = [code.co_filename for code in codes if code is not None and "/tests/" not in code.co_filename]
    return sum(file.startswith(OURS) for file in files)


async def figure(world: World, name: str) -> int:
    lines = (await world.http.get("/metrics")).text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith(f"holdfast_gateway_{name} "))


@asynccontextmanager
async def viewers(world: World, names: list[str]) -> AsyncGenerator[list[Viewer]]:
    """A socket for each of these entities, which it watches."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(world.viewer(f"u{number}")) for number in range(len(names))]
        for viewer, name in zip(found, names, strict=True):
            assert (await viewer.ask("watch", name=name))["op"] == "state"
        yield found


async def test_an_idle_socket_that_watches_has_no_task(world: World) -> None:
    pads = [pad_id() for _ in range(SOCKETS)]
    for pad in pads:
        await world.write(pad)
    before = tasks()
    async with viewers(world, [f"pad:acme:{pad}" for pad in pads]) as found:
        for viewer in found:
            assert (await viewer.ask("ping"))["op"] == "pong"
        assert tasks() - before < SOCKETS // 10  # those of the entities that have just been read
        assert await figure(world, "sockets") == SOCKETS


async def test_an_entity_costs_two_subscriptions_however_many_sockets_watch_it(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    before = await figure(world, "subscriptions")
    async with viewers(world, [f"pad:acme:{pad}"] * SOCKETS):
        assert await figure(world, "watched_entities") == 1
        assert await figure(world, "subscriptions") - before == 2  # its commits, and who else is here


@pytest.mark.parametrize("together", [True, False])
async def test_subscriptions_end_with_the_last_socket(world: World, *, together: bool) -> None:
    pads = [pad_id(), pad_id()]
    for pad in pads:
        await world.write(pad)
    names = [f"pad:acme:{pads[0 if together else number]}" for number in range(2)]
    before = await figure(world, "subscriptions")
    async with viewers(world, names):
        assert await figure(world, "subscriptions") - before == (2 if together else 4)
    async with asyncio.timeout(30):
        while await figure(world, "subscriptions") > before:
            await asyncio.sleep(0.01)


async def test_one_frame_is_built_for_all_viewers_with_the_same_sight(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[bytes] = []
    text = framing.text

    def counted(payload: bytes) -> bytes:
        frame = text(payload)
        if b'"op":"event"' in payload:
            built.append(frame)
        return frame

    monkeypatch.setattr("gateway.framing.text", counted)
    pad = pad_id()
    await world.write(pad)
    async with viewers(world, [f"pad:acme:{pad}"] * 20) as found:
        await world.write(pad, "to all")
        for viewer in found:
            assert (await viewer.hear_until("event"))["data"]["text"] == "to all"
    assert len(built) == 1
