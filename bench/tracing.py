"""What tracing costs the owner of an entity: CPU time of a command, without a disk or a network, off and on.

`python -m bench.tracing` alternates both in one process, on a log in memory, and prints the ratios of the best rounds.
"""

import argparse
import asyncio
import sys
import time
from uuid import uuid4

import msgspec
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from holdfast import Actor, Name
from holdfast._host import Host
from holdfast._log import Judged
from holdfast._messages import CommandEnvelope
from holdfast.memory import MemoryAlarms, MemoryLog
from holdfast.telemetry import Tracing
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity

ANN = Actor(user="ann", roles=())
NAME = Name.of("counter", "bench", "one")
AT_ONCE = 16
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LEFT_OUT = CALLER.removesuffix("01") + "00"


class _Nowhere(SpanExporter):
    def export(self, spans: object) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


async def _ignore(*_: object) -> None:
    """Answers and rings go nowhere."""


async def cpu_seconds(commands: int, tracing: Tracing | None, caller: str) -> float:
    """CPU time of one command, as a mean over so many, a few of them in the mailbox at once."""
    host = Host(
        CounterEntity(),
        events=MemoryLog(),
        alarms=MemoryAlarms(),
        snapshots=MemorySnapshots(),
        answer=_ignore,
        pass_ring=_ignore,
        tracing=tracing,
    )
    bodies = [
        msgspec.json.encode(CommandEnvelope(command="add", command_id=str(uuid4()), by=ANN)) for _ in range(commands)
    ]
    began, received = time.process_time(), time.time_ns()
    for number, body in enumerate(bodies, 1):
        place = Judged(received + number, number)
        await host.deliver(NAME.subject("cmd"), body, place=place, reply="_INBOX.bench", traceparent=caller)
        if number % AT_ONCE == 0:
            await host.settled()
    await host.settled()
    return (time.process_time() - began) / commands


def main() -> int:
    """Run the benchmark and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    ways = {
        "off": (None, ""),
        "left out by the sampler": (Tracing(provider), LEFT_OUT),
        "on": (Tracing(provider), CALLER),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way, (tracing, caller) in ways.items():
            found[way].append(asyncio.run(cpu_seconds(given.commands, tracing, caller)))
    off = min(found["off"])
    for way, rounds in found.items():
        best = min(rounds)
        print(f"CPU of a command at its owner, {way:<24}{best * 1e6:8.1f} us  ratio {best / off:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
