"""Durable commands per second and their latency, next to what the log alone can take in the same run.

`python -m bench` starts a NATS server that syncs every message, an owner in a process of its own, and sends from here.
"""

import argparse
import asyncio
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from bench._sink import sink
from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from holdfast.telemetry import Tracing
from holdfast.telemetry.otlp import exporting
from holdfast.testing.owner import owner
from holdfast.testing.servers import nats_server

ANN: Final = Actor(user="ann", roles=())
IN_FLIGHT: Final = (1, 16, 256)
ENTITIES: Final = 1000

Send = Callable[[int], Awaitable[object]]


async def measure(send: Send, *, in_flight: int, seconds: float) -> tuple[float, list[float]]:
    """Keep `in_flight` sends under way for some seconds; returns sends per second and their latencies."""
    latencies: list[float] = []
    numbers = iter(range(sys.maxsize))
    begin = time.perf_counter()
    end = begin + seconds

    async def sender() -> None:
        while (start := time.perf_counter()) < end:
            await send(next(numbers))
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(sender() for _ in range(in_flight)))
    return len(latencies) / (time.perf_counter() - begin), sorted(latencies)


def row(what: str, in_flight: int, rate: float, latencies: list[float], ceiling: float | None = None) -> str:
    """One line of the table; the ratio is to the raw appends with as many in flight."""
    middle, late = (latencies[math.floor((len(latencies) - 1) * share)] * 1000 for share in (0.5, 0.99))
    ratio = f"{rate / ceiling:8.2f}" if ceiling else " " * 8
    return f"{what:<34}{in_flight:>10}{rate:>12,.0f}{middle:>10.2f}{late:>10.2f}{ratio}"


async def raw_appends(url: str, seconds: float) -> dict[int, float]:
    """What the server takes when every append is a message of its own, unfenced, with an ack after the fsync."""
    bus = await NatsBus.connect(url, name="bench appends")
    config = {"name": "raw", "subjects": ["raw.*"], "storage": "file", "num_replicas": 1}
    await api.call(bus, "STREAM.CREATE.raw", config)
    ceilings: dict[int, float] = {}
    body = b"x" * 200

    async def append(_: int) -> None:
        await bus.request("raw.x", body, timeout=10)

    for in_flight in IN_FLIGHT:
        ceilings[in_flight], latencies = await measure(append, in_flight=in_flight, seconds=seconds)
        print(row("raw append, fsync before ack", in_flight, ceilings[in_flight], latencies), flush=True)
    await bus.close()
    return ceilings


async def commands(url: str, seconds: float, ceilings: dict[int, float], tracing: Tracing | None) -> float:
    """Commands to one entity, then to many; returns the rate on one entity with the most in flight."""
    best = 0.0
    async with await Client.connect(url, name="bench client", tracing=tracing) as client:
        one = Name.of("counter", "bench", "one")
        names = [Name.of("counter", "bench", f"n{number}") for number in range(ENTITIES)]
        await client.send(one, "add", by=ANN)

        async def to_one(_: int) -> None:
            await client.send(one, "add", by=ANN)

        async def to_many(number: int) -> None:
            await client.send(names[number % ENTITIES], "add", by=ANN)

        for in_flight in IN_FLIGHT:
            best, latencies = await measure(to_one, in_flight=in_flight, seconds=seconds)
            print(row("command on one entity", in_flight, best, latencies, ceilings[in_flight]), flush=True)
        await measure(to_many, in_flight=256, seconds=seconds / 2)
        rate, latencies = await measure(to_many, in_flight=256, seconds=seconds)
        print(row(f"command on {ENTITIES:,} entities", 256, rate, latencies, ceilings[256]), flush=True)
        await report_commits(client.bus, best)
    return best


async def report_commits(bus: object, best: float) -> None:
    """Say how many commands shared a commit, and so an fsync, over the whole run."""
    if not isinstance(bus, NatsBus):
        return
    info = await api.call(bus, "STREAM.INFO.evt-counter")
    print(
        f"\n{info['state']['messages']:,} commits in the log after the run; best on one entity {best:,.0f} commands/s"
    )


@contextmanager
def _collected(*, traced: bool) -> Generator[None]:
    """Have spans sent somewhere for the length of the block, by this process and those that it starts; or nowhere."""
    for variable in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[variable]
    if not traced:
        yield
        return
    with sink() as url:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
        yield


def main() -> int:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each line of the table")
    parser.add_argument("--traced", action="store_true", help="with spans on both sides, sent to a collector")
    given = parser.parse_args()
    seconds: float = given.seconds
    print(f"{'':<34}{'in flight':>10}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'ratio':>8}")
    with TemporaryDirectory(prefix="holdfast-bench-") as name, nats_server(Path(name)) as server:
        ceilings = uvloop.run(raw_appends(server.url, seconds))
        with (
            _collected(traced=given.traced),
            owner([server.url], Path(name)),
            exporting("bench", os.environ) as tracing,
        ):
            uvloop.run(commands(server.url, seconds, ceilings, tracing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
