"""Hosts that are cut off, deaf or mute for a while, processes that stand still, and come back: nobody is told anything wrong."""

import signal
from pathlib import Path

import pytest

from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from tests.faults.fleet import Fleet, fleet
from tests.faults.history import patiently
from tests.faults.load import Load, Shape, load
from tests.faults.network import Network, network, why_not
from tests.faults.report import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_not() != "", reason=why_not() or "networks can be made here"),
]

SHAPE = Shape(entities=12, followers=4, watched=4, posters=6)
CALLS = 10
"""Of every entity before, during and after each fault."""


def disturb(net: Network, host: str, how: str) -> None:
    {"cut off": net.cut, "deaf": net.deafen, "mute": net.mute}[how](host)


async def through(running: Load, net: Network, host: str, how: str) -> None:
    """Callers are answered while a host is disturbed, and after it healed."""
    await running.more(CALLS)
    running.note(f"{host} {how}")
    disturb(net, host, how)
    await running.more(CALLS)
    net.heal(host)
    await running.more(CALLS)


@pytest.mark.parametrize("how", ["cut off", "deaf", "mute"])
async def test_a_replica_whose_host_is_disturbed_is_replaced_and_may_come_back(folder: Path, how: str) -> None:
    with network() as net:
        async with fleet(folder, nodes=1, replicas=2, gateways=1, network=net) as here, load(here, SHAPE) as running:
            await through(running, net, "replica0", how)
        report(running)
    assert running.tally.errors == []


async def test_a_replica_that_stands_still_is_replaced_and_may_come_back(folder: Path) -> None:
    async with fleet(folder, nodes=1, replicas=2, gateways=1) as here, load(here, SHAPE) as running:
        for zombie in here.replicas:
            await running.more(CALLS)
            running.note("replica frozen")
            zombie.signal(signal.SIGSTOP)
            await running.more(CALLS)
            zombie.signal(signal.SIGCONT)
        await running.more(CALLS)
    report(running)
    assert running.tally.errors == []


@pytest.mark.cluster
@pytest.mark.parametrize("how", ["cut off", "mute"])
async def test_a_nats_server_whose_host_is_disturbed_loses_nothing_that_was_acknowledged(
    folder: Path, how: str
) -> None:
    with network() as net:
        async with fleet(folder, nodes=3, replicas=2, gateways=2, network=net) as here, load(here, SHAPE) as running:
            await through(running, net, await leader_of(here, "evt-counter"), how)
        report(running)


async def leader_of(here: Fleet, stream: str) -> str:
    """The name of the NATS server that leads a stream."""
    bus = await patiently(lambda: NatsBus.connect(here.servers, name="leader"))
    try:
        return (await patiently(lambda: api.call(bus, f"STREAM.INFO.{stream}")))["cluster"]["leader"]
    finally:
        await bus.close()
