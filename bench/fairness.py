"""What a quiet tenant notices of a noisy one that sends ten times its limit.

`python -m bench.fairness` runs a NATS server that syncs every message, a service, a gateway with a limit for tenants,
and the two tenants' callers, each in a process of its own. The quiet tenant is measured alone and beside the noisy one
in turn, over HTTP and over WebSockets. All of them share the processors of this machine, the callers too.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from bench._parts import Worker, program
from bench._processes import cpu_seconds
from gateway.auth import issue_token
from gateway.settings import DEVELOPMENT_SECRET
from holdfast.testing.servers import free_ports, nats_server

KINDS: Final = {"http": "HTTP", "ws": "WebSockets"}
LEAD_SECONDS: Final = 0.5
"""How much longer the noisy tenant sends, at both ends."""
WARM_SECONDS: Final = 2.0
PROMISED: Final = 2.0


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return sorted(seconds)[math.floor((len(seconds) - 1) * share)] * 1000


def caller(kind: str, port: int, tenant: str) -> Worker:
    """A process that sends for a tenant."""
    token = issue_token(DEVELOPMENT_SECRET, tenant, "ann", (), timedelta(hours=1))
    return Worker("bench._callers", kind, str(port), tenant, token)


async def beside(quiet: Worker, noisy: Worker, given: argparse.Namespace) -> tuple[Any, Any]:
    """One round with both: what the quiet one got, and what became of the noise."""
    noisy.tell(given.limit * given.times, given.seconds + 2 * LEAD_SECONDS)
    await asyncio.sleep(LEAD_SECONDS)
    found = await quiet.do(given.quiet, given.seconds)
    return found, await noisy.said()


async def measure(kind: str, port: int, gateway: int, given: argparse.Namespace) -> float:
    """Print how the quiet tenant fares alone and beside the noisy one; returns the ratio of the 99th percentiles."""
    quiet, noisy = caller(kind, port, "quiet"), caller(kind, port, "noisy")
    alone: list[float] = []
    shared: list[float] = []
    ratios: list[float] = []
    noise: list[Any] = []
    used = 0.0
    try:
        await quiet.do(given.quiet, WARM_SECONDS)
        for _ in range(given.rounds):
            first = await quiet.do(given.quiet, given.seconds)
            before = cpu_seconds(gateway)
            second, loud = await beside(quiet, noisy, given)
            used += (cpu_seconds(gateway) - before) / loud["took"] / given.rounds
            for found in (first, second):
                if found.get("accepted") != found["offered"]:
                    raise RuntimeError(f"the quiet tenant was refused: {found | {'seconds': ()}}")
            alone += first["seconds"]
            shared += second["seconds"]
            ratios.append(percentile(second["seconds"], 0.99) / percentile(first["seconds"], 0.99))
            noise.append(loud)
    finally:
        quiet.end()
        noisy.end()
    return report(KINDS[kind], alone, shared, ratios=ratios, noise=noise, used=used)


def report(
    what: str, alone: Sequence[float], shared: Sequence[float], *, ratios: list[float], noise: list[Any], used: float
) -> float:
    """Print two lines and what the noise was."""
    for name, seconds in (("alone", alone), ("beside the noisy one", shared)):
        columns = "".join(f"{percentile(seconds, share):>10.2f}" for share in (0.5, 0.9, 0.99))
        print(f"{what + ', ' + name:<40}{len(seconds):>10,}{columns}")
    ratio = percentile(shared, 0.99) / percentile(alone, 0.99)
    took = sum(loud["took"] for loud in noise)
    words = ("offered", "accepted", "refused", "unread")
    rates = {word: sum(loud.get(word, 0) for loud in noise) / took for word in words}
    rest = sum(loud.get("other", 0) + loud.get("lost", 0) for loud in noise)
    print("  the noise, a second: " + ", ".join(f"{rate:,.0f} {word}" for word, rate in rates.items()), end="")
    print(f", {rest} otherwise; the gateway used {used:.0%} of a core")
    print(
        f"  p99 beside / alone: {ratio:.2f} over all; by rounds {', '.join(f'{each:.2f}' for each in ratios)}",
        flush=True,
    )
    return ratio


async def run(port: int, gateway: int, given: argparse.Namespace) -> int:
    """Measure all doors."""
    print(f"the noisy tenant sends {given.limit * given.times:,} a second, its limit is {given.limit:,}")
    print(f"{'ms':<40}{'commands':>10}{'p50':>10}{'p90':>10}{'p99':>10}")
    found = [await measure(kind, port, gateway, given) for kind in given.doors]
    return 0 if max(found) <= PROMISED else 1


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=100, help="commands a second that a tenant may send")
    parser.add_argument("--times", type=int, default=10, help="how many times that the noisy one sends")
    parser.add_argument("--quiet", type=int, default=50, help="commands a second of the quiet one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--doors", nargs="+", choices=list(KINDS), default=list(KINDS))
    given = parser.parse_args()
    (port,) = free_ports(1)
    with TemporaryDirectory(prefix="holdfast-bench-") as name, nats_server(Path(name)) as server:
        environment = {
            "HOLDFAST_NATS": server.url,
            "HOLDFAST_DATA": name,
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_TENANT_COMMANDS_PER_SECOND": str(given.limit),
        }
        start = partial(program, folder=Path(name), environment=environment)
        with (
            start("service", ["serve", "holdfast.testing.counter:service"]),
            start("gateway", [], module="bench._gateway") as gateway,
        ):
            return uvloop.run(run(port, gateway.pid, given))


if __name__ == "__main__":
    sys.exit(main())
