"""What a gateway counts, as a scrape reads it."""

import asyncio
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.tests.conftest import GatewayFactory
from gateway.tests.test_streams import not_republished
from gateway.tests.world import WAIT_SECONDS, World, pad_id


async def figures(world: World) -> dict[str, float]:
    """Every sample, by its name without the prefix and the values of its labels."""
    text = (await world.http.get("/metrics")).text
    return {
        ".".join((sample.name.removeprefix("holdfast_gateway_"), *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def until(world: World, figure: str, value: float) -> dict[str, float]:
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := await figures(world)).get(figure) != value:
            await asyncio.sleep(0.02)
    return found


async def test_sockets_watches_and_frames_are_shown(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    before = await figures(world)
    async with world.viewer("ann") as ann, world.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=f"pad:acme:{pad}")
        await world.write(pad, times=2)
        for viewer in (ann, bob):
            assert [(await viewer.hear())["seq"] for _ in range(2)] == [2, 3]
        during = await figures(world)
    after = await until(world, "sockets", 0)

    assert (before["sockets"], during["sockets"], during["sockets_opened_total"]) == (0, 2, 2)
    assert (during["watched_entities"], after["watched_entities"]) == (1, 0)
    assert during["subscriptions"] == before["subscriptions"] + 2, "its events and its presence"
    assert during["frames_total"] == 4
    assert during["frames_queued"] == 0


async def test_what_is_over_a_limit_is_counted_by_the_limit(gateway: GatewayFactory) -> None:
    world = await gateway(commands_per_second=0.01, sockets_per_user=1)
    for _ in range(2):
        await world.write(pad_id())
    async with world.viewer("ann"), world.socket() as second:
        await second.say(op="hello", token=world.token("ann"))
        assert (await second.closed())[0] == 4429
    found = await figures(world)

    assert (found["refused_total.commands"], found["refused_total.sockets"]) == (1, 1)
    assert (found["commands_total.OK.pad"], found["commands_total.RATE_LIMITED.pad"]) == (1, 1)


async def test_missing_commits_are_counted(gateway: GatewayFactory) -> None:
    world = await gateway(check_interval=3600.0)
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        async with not_republished(world, pad):
            await world.write(pad)
        await world.write(pad)
        assert [(await viewer.hear())["seq"] for _ in range(2)] == [2, 3]

    assert (await figures(world))["gaps_total"] == 1


async def test_frames_that_a_slow_viewer_has_not_taken_are_shown(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        viewer.socket.transport.pause_reading()
        async with asyncio.timeout(WAIT_SECONDS):
            while (await figures(world))["frames_queued"] == 0:
                await world.write(pad, "x" * 200_000, times=3)
        viewer.socket.transport.resume_reading()
        assert (await viewer.hear())["seq"] == 2
        await until(world, "frames_queued", 0)


def test_the_page_for_operators_tells_of_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for check in ("nats", "jetstream", "sockets", "revocations", "keys", "draining"):
        assert f"| `{check}` |" in page
