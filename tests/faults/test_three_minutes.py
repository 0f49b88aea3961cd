"""Replicas, gateways and NATS servers killed in turn, some replicas frozen, under a steady load.

`python -m tests.faults.test_three_minutes` runs it for three minutes and prints what callers waited.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.fleet import Fleet, Part, fleet
from tests.faults.load import Load, Shape, load
from tests.faults.report import percentile, report, report_elections

FULL_SECONDS = 180.0
SHORT_SECONDS = 40.0
ROUND_SECONDS = 20.0
NODE_AT, FREEZE_AT, GATEWAY_AT = 4.0, 12.5, 16.5
"""Within a round, which begins with a killed replica. NATS takes up to nine seconds to elect a leader."""
DOWN_SECONDS, FREEZE_SECONDS = 2.0, 4.0
"""What is killed comes back once others have taken over: its machine is a machine of its own, and starting a program is
costly. A replica stands still for longer than a takeover may last, so that it cannot be the one who answers."""
FULL = Shape(entities=48, followers=24, watched=4, posters=4)
KILLED_SECONDS, FROZEN_SECONDS = 1.0, 3.0
TARGETS = {"replica killed": KILLED_SECONDS, "replica frozen": FROZEN_SECONDS, "gateway killed": KILLED_SECONDS}
GENEROUS = 40.0
"""How many times longer a takeover may last on a busy machine before the test says that something is wrong."""


async def disturb(here: Fleet, running: Load, *, seconds: float) -> None:
    """Every round: a replica killed, a NATS server killed, another replica frozen, a gateway killed; each comes back."""
    loop = asyncio.get_running_loop()
    rounds = range(round(seconds / ROUND_SECONDS))
    parts = zip(
        rounds,
        cycle(here.replicas),
        cycle(here.replicas[1:] + here.replicas[:1]),
        cycle(here.nodes),
        cycle(here.gateways),
    )
    for _, killed, frozen, node, gateway in parts:
        begun = loop.time()
        running.note("replica killed", killed.name)
        await _kill(killed)
        await asyncio.sleep(max(0.0, begun + NODE_AT - loop.time()))
        running.note("NATS server killed", node.name)
        node.kill()
        await asyncio.sleep(DOWN_SECONDS)
        node.start()
        await node.ready()
        await asyncio.sleep(max(0.0, begun + FREEZE_AT - loop.time()))
        running.note("replica frozen", frozen.name)
        await _freeze(frozen)
        await asyncio.sleep(max(0.0, begun + GATEWAY_AT - loop.time()))
        running.note("gateway killed", gateway.name)
        await _kill(gateway)
        await asyncio.sleep(max(0.0, begun + ROUND_SECONDS - loop.time()))


async def _kill(part: Part) -> None:
    part.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await part.again()


async def _freeze(part: Part) -> None:
    part.signal(signal.SIGSTOP)
    await asyncio.sleep(FREEZE_SECONDS)
    part.signal(signal.SIGCONT)


async def run(folder: Path, *, seconds: float, shape: Shape) -> Load:
    """Disturb a system under load, check every promise against its log, and print what callers waited."""
    async with fleet(folder, nodes=3, replicas=3, gateways=2) as here, load(here, shape) as running:
        before, began = running.calls, time.monotonic()
        await disturb(here, running, seconds=seconds)
        answered, took = running.calls - before, time.monotonic() - began
    due = shape.per_second * took
    print(f"{due:,.0f} commands due in {took:.0f} s ({shape.per_second:.0f}/s), {answered:,} answered by then")
    report(running, targets=TARGETS)
    report_elections(running, "NATS server killed", here.nodes)
    return running


def in_time(running: Load, *, patience: float = 1.0) -> bool:
    """Whether every kind of takeover was within its target, times `patience`."""
    return all(percentile(running.takeovers(kind), 0.99) < patience * target for kind, target in TARGETS.items())


@pytest.mark.slow
@pytest.mark.cluster
async def test_nothing_is_lost_doubled_or_out_of_order_whatever_is_killed_or_frozen(folder: Path) -> None:
    seconds = float(os.environ.get("HOLDFAST_TEST_FAULT_SECONDS", SHORT_SECONDS))
    running = await run(folder, seconds=seconds, shape=Shape())
    assert in_time(running, patience=GENEROUS)


def main() -> int:
    """Run for three minutes, or as long as told; the exit code says whether takeovers were as fast as they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory(prefix="holdfast-faults-") as folder:
        return 0 if in_time(asyncio.run(run(Path(folder), seconds=seconds, shape=FULL))) else 1


if __name__ == "__main__":
    sys.exit(main())
