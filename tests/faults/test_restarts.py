"""Leaders that move, clusters that die as a whole, and everything restarted one after the other, under load."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast import Unavailable
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from tests.faults.fleet import fleet
from tests.faults.history import patiently
from tests.faults.load import PATIENCE, Shape, load
from tests.faults.report import report

pytestmark = pytest.mark.slow

SHAPE = Shape(entities=12, followers=4, watched=4, posters=6)
CALLS = 10
STEP_DOWNS = 3


@pytest.mark.cluster
async def test_leaders_that_step_down_under_load_lose_and_double_nothing(folder: Path) -> None:
    async with fleet(folder, nodes=3, replicas=2, gateways=2) as here, load(here, SHAPE) as running:
        for _ in range(STEP_DOWNS):
            await running.more(CALLS)
            running.note("leaders step down")
            await step_down(here.servers, "STREAM.LEADER.STEPDOWN.evt-counter")
            await step_down(here.servers, "STREAM.LEADER.STEPDOWN.cmd-counter")
            await step_down([node.system_url for node in here.nodes], "META.LEADER.STEPDOWN")
        await running.more(CALLS)
    report(running)


@pytest.mark.cluster
async def test_a_cluster_of_which_every_server_is_killed_at_once_comes_back_with_everything(folder: Path) -> None:
    async with fleet(folder, nodes=3, replicas=2, gateways=2) as here, load(here, SHAPE) as running:
        await running.more(CALLS)
        running.note("cluster killed")
        for node in here.nodes:
            node.kill()
        for node in here.nodes:
            node.start()
        await running.more(CALLS)
    report(running)


async def test_restarting_everything_in_turn_is_a_pause_and_no_error(folder: Path) -> None:
    """No caller is told an error, only the sockets of a restarted gateway end, and they resume without a gap."""
    async with fleet(folder, nodes=1, replicas=3, gateways=2) as here, load(here, SHAPE) as running:
        for part in here.replicas:
            await running.more(CALLS)
            running.note("replica restarted")
            assert await part.stop() == 0
            await part.again()
        assert running.tally.causes == [], "a replica's restart closed a connection of a gateway"
        for part, door in zip(here.gateways, here.doors, strict=True):
            await running.more(CALLS)
            running.note("gateway restarted")
            running.tally.closed.clear()
            running.tally.causes.clear()
            assert await part.stop() == 0
            await part.again()
            await running.more(CALLS)
            closed = Counter(running.tally.closed)
            print(
                f"{part.name} restarted, connections closed: {', '.join(f'{closed[each]} of {each}' for each in here.doors)}"
            )
            assert closed.keys() <= {door}, running.tally.causes
    report(running)
    assert running.tally.errors == []


async def step_down(servers: list[str], operation: str) -> None:
    """Let a leader of the cluster go, and another one come; again while there is none that could be told so."""
    bus = await patiently(lambda: NatsBus.connect(servers, name="step down"))
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(api.ApiError, Unavailable):
                    await api.call(bus, operation)
                    return
                await asyncio.sleep(0.2)
    finally:
        await bus.close()
