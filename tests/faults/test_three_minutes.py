"""Replicas, gateways and NATS servers killed in turn, some replicas frozen, under a steady load.

`python -m tests.faults.test_three_minutes` runs it for three minutes and prints what callers waited.
"""

import argparse
import asyncio
import os
import signal
import sys
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.fleet import Fleet, Part, fleet
from tests.faults.load import Load, Shape, load, percentile

FULL_SECONDS = 180.0
SHORT_SECONDS = 40.0
ROUND_SECONDS = 20.0
AFTER_A_REPLICA, AFTER_A_NODE, DOWN_SECONDS = 5.0, 11.0, 2.0
FULL = Shape(entities=48, followers=24, watched=4, posters=4)
KILLED_SECONDS, FROZEN_SECONDS, NODE_SECONDS = 1.0, 3.0, 20.0
GENEROUS = 10.0
"""How many times longer a takeover may last on a busy machine before the test says that something is wrong."""


async def disturb(here: Fleet, running: Load, *, seconds: float) -> None:
    """Every round: a replica killed or frozen, then a NATS server killed, then a gateway, each started again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    faults = cycle(("replica killed", "replica frozen"))
    for replica, node, gateway in zip(cycle(here.replicas), cycle(here.nodes), cycle(here.gateways), strict=False):
        begun = loop.time()
        if begun + ROUND_SECONDS > end + 0.1:
            return
        kind = next(faults)
        running.note(kind)
        await (_kill(replica) if kind == "replica killed" else _freeze(replica))
        await asyncio.sleep(max(0.0, begun + AFTER_A_REPLICA - loop.time()))
        running.note("NATS server killed")
        node.kill()
        await asyncio.sleep(DOWN_SECONDS)
        node.start()
        await node.ready()
        await asyncio.sleep(max(0.0, begun + AFTER_A_REPLICA + AFTER_A_NODE - loop.time()))
        running.note("gateway killed")
        await _kill(gateway)
        await asyncio.sleep(max(0.0, begun + ROUND_SECONDS - loop.time()))


async def _kill(part: Part) -> None:
    part.kill()
    await part.again()


async def _freeze(part: Part) -> None:
    part.signal(signal.SIGSTOP)
    await asyncio.sleep(DOWN_SECONDS)
    part.signal(signal.SIGCONT)


async def run(folder: Path, *, seconds: float, shape: Shape) -> Load:
    """Disturb a system under load, and check every promise against its log."""
    async with fleet(folder, nodes=3, replicas=3, gateways=2) as here, load(here, shape) as running:
        await disturb(here, running, seconds=seconds)
    print(f"{shape.per_second:.0f} commands/s wanted for {seconds:.0f} s")
    running.report()
    return running


@pytest.mark.slow
@pytest.mark.cluster
async def test_nothing_is_lost_doubled_or_out_of_order_whatever_is_killed_or_frozen(folder: Path) -> None:
    seconds = float(os.environ.get("HOLDFAST_TEST_FAULT_SECONDS", SHORT_SECONDS))
    running = await run(folder, seconds=seconds, shape=Shape())
    assert percentile(sorted(running.takeovers("replica killed")), 0.99) < KILLED_SECONDS * GENEROUS
    assert percentile(sorted(running.takeovers("replica frozen")), 0.99) < FROZEN_SECONDS * GENEROUS


def main() -> int:
    """Run for three minutes, or as long as told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory(prefix="holdfast-faults-") as folder:
        asyncio.run(run(Path(folder), seconds=seconds, shape=FULL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
