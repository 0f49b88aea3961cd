"""What waiting costs: sockets that are open, entities that sleep, and how such a gateway stops.

`python -m bench.idle` runs `holdfast serve auction` and `holdfast gateway` as they are, opens 10,000 WebSockets that
watch a lot each, lets the lots fall asleep, and prints what both programs hold. Then one bid reaches its one viewer,
and SIGTERM sends everybody away while some of them wait for answers.
"""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx
import msgspec
import uvloop

from bench._parts import Worker, program, workers
from bench._processes import Memory, cpu_seconds, memory, raise_file_limit
from gateway.auth import issue_token
from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.testing.servers import free_ports, nats_server

SECRET: Final = "a secret for one benchmark, 32 bytes long"  # noqa: S105 - of a system that lives for a minute
SAM: Final = Actor(user="sam", roles=("seller",))
TENANT: Final = "bench"
SLEEP_SECONDS: Final = 5
"""After so long without commands a lot sleeps here; the default is a minute."""
IN_FLIGHT: Final = 128
ASLEEP_SECONDS: Final = 120.0
QUIET_SECONDS: Final = 10.0
MEBIBYTE: Final = 1024
"""In KiB."""
CLIENT_PROCESSES: Final = 2
_AWAKE: Final = re.compile(r"^holdfast_entities_awake\{[^}]*\} (\S+)$", re.MULTILINE)


class Programs:
    """The two whose cost is looked at."""

    def __init__(self, service: int, gateway: int) -> None:
        self.pids = {"service": service, "gateway": gateway}

    def show(self, when: str) -> Memory:
        """Print what both hold; returns the sum."""
        found = {name: memory(pid) for name, pid in self.pids.items()}
        total = Memory(*map(sum, zip(*found.values(), strict=True)))
        for name, held in (*found.items(), ("together", total)):
            columns = "".join(f"{kib / MEBIBYTE:>10.1f}" for kib in held)
            print(f"{when if name == 'service' else '':<44}{name:<10}{columns}", flush=True)
        return total

    def of(self, name: str) -> Memory:
        """What one of them holds."""
        return memory(self.pids[name])


async def create(client: Client, count: int) -> None:
    """Write all lots."""
    room = asyncio.Semaphore(IN_FLIGHT)
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    terms = msgspec.json.encode({"currency": "EUR", "start_minor": 1000, "ends_at": ends_at, "title": "A lamp"})

    async def one(number: int) -> None:
        async with room:
            await client.send(Name.of("auction", TENANT, f"n{number}"), "create_lot", terms, by=SAM, timeout=60)

    await asyncio.gather(*(one(number) for number in range(count)))


async def asleep(http: httpx.AsyncClient) -> float:
    """Wait until the service has no entity in memory; returns the seconds that it took."""
    begin = time.perf_counter()
    async with asyncio.timeout(ASLEEP_SECONDS):
        while sum(float(number) for number in _AWAKE.findall((await http.get("/metrics")).text)) > 0:  # noqa: ASYNC110 - a figure sets no event
            await asyncio.sleep(0.1)
    return time.perf_counter() - begin


async def run(given: argparse.Namespace, nats: str, programs: Programs, *, port: int, operators: int) -> bool:
    """Do all of it; says whether everything is as promised."""
    print(f"{'MiB':<54}{'RSS':>10}{'PSS':>10}{'USS':>10}")
    programs.show("when started")
    token = issue_token(SECRET, TENANT, "ann", ("bidder",), timedelta(hours=1))
    each = given.sockets // CLIENT_PROCESSES
    count = each * CLIENT_PROCESSES
    async with (
        await Client.connect(nats) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{operators}", timeout=ASLEEP_SECONDS) as http,
    ):
        await create(client, count)
        await asleep(http)
        empty = {name: programs.of(name) for name in programs.pids}
        programs.show(f"{count:,} lots written, all asleep")
        with workers(CLIENT_PROCESSES, "bench._idlers", str(port), str(each), token) as idlers:
            opened = await asyncio.gather(*(idler.do("open") for idler in idlers))
            seconds = max(float(each["seconds"]) for each in opened)
            programs.show(f"{count:,} sockets watch, opened in {seconds:.1f} s")
            await asleep(http)
            total = programs.show("all asleep again")
            grown = {name: (programs.of(name).resident - empty[name].resident) / count for name in programs.pids}
            for name, kib in grown.items():
                print(f"  the {name} holds {kib:.2f} KiB for each socket and its sleeping lot")
            await quiet(programs)
            reached = await one_event(client, idlers)
            gone = await drained(programs, idlers, count=count, sending=given.sending, port=port)
    fits = total.resident < given.limit * MEBIBYTE
    lean = sum(grown.values()) < given.each
    print(f"{'within' if fits else 'OVER'} {given.limit} MiB of resident memory together")
    print(f"{'within' if lean else 'OVER'} {given.each:g} KiB for each socket and its sleeping lot")
    return fits and lean and reached and gone


async def quiet(programs: Programs) -> None:
    """Print what both use of a processor while nothing happens."""
    before = {name: cpu_seconds(pid) for name, pid in programs.pids.items()}
    await asyncio.sleep(QUIET_SECONDS)
    used = {name: (cpu_seconds(pid) - before[name]) / QUIET_SECONDS for name, pid in programs.pids.items()}
    print("while nothing happens: " + ", ".join(f"{name} {share:.1%}" for name, share in used.items()) + " of a core")


async def one_event(client: Client, idlers: Sequence[Worker]) -> bool:
    """Change one lot, and see who hears of it."""
    idlers[0].tell("hear")
    begin = time.perf_counter()
    bid = msgspec.json.encode({"max_minor": 1500})
    await client.send(Name.of("auction", TENANT, "n1"), "place_bid", bid, by=Actor(user="bob", roles=("bidder",)))
    heard = await idlers[0].said()
    took = (heard["at"] - begin) * 1000
    print(f"a bid woke its lot, and {heard['sockets']} socket heard {heard['events']} event after {took:.1f} ms")
    return heard["sockets"] == 1


async def drained(programs: Programs, idlers: Sequence[Worker], *, count: int, sending: int, port: int) -> bool:
    """Stop the gateway while some commands are under way; says whether nobody was left without a word."""
    sent = sum([(await idler.do("send", sending // len(idlers)))["sent"] for idler in idlers])
    begin = time.perf_counter()
    signal_to(programs.pids["gateway"])
    unready = await unready_after(begin, port)
    ends = await asyncio.gather(*(idler.do("closed") for idler in idlers))
    answers = {word: sum(end["answers"].get(word, 0) for end in ends) for word in ("ok", "error")}
    told, both = (sum(end[key] for end in ends) for key in ("told", "both"))
    last = max(end["last_closed"] for end in ends) - begin
    returns = [wait for end in ends for wait in end["returns"]]
    print(
        f"SIGTERM: {told:,} of {count:,} sockets were told, the first after"
        f" {(min(end['first_told'] for end in ends) - begin) * 1000:.0f} ms; {both:,} of these closed with 1012,"
        f" the last after {last:.2f} s; not ready after {unready}"
    )
    print(
        f"  they were asked to come back after {min(returns) / 1000:.1f} to {max(returns) / 1000:.1f} s;"
        f" of {sent} commands sent just before {answers['ok']} were accepted and {answers['error']} refused"
    )
    return both == count and not answers["error"]


def signal_to(pid: int) -> None:
    """Ask a program to end."""
    subprocess.run(["kill", "-s", signal.SIGTERM.name, str(pid)], check=True)  # noqa: S603, S607


async def unready_after(begin: float, port: int) -> str:
    """When the gateway said that it is not ready, or took no connection any more."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        while True:
            try:
                ready = (await http.get("/readyz")).status_code == 200  # noqa: PLR2004
            except httpx.TransportError:
                return f"{(time.perf_counter() - begin) * 1000:.0f} ms (closed)"
            if not ready:
                return f"{(time.perf_counter() - begin) * 1000:.0f} ms"


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--sending", type=int, default=200, help="commands under way when the gateway is stopped")
    parser.add_argument("--limit", type=int, default=400, help="MiB for gateway and service together")
    parser.add_argument("--each", type=float, default=30.0, help="KiB of both for each socket and its sleeping lot")
    given = parser.parse_args()
    raise_file_limit()
    port, operators = free_ports(2)
    with TemporaryDirectory(prefix="holdfast-bench-") as name, nats_server(Path(name)) as server:
        folder = Path(name)
        environment = {
            "HOLDFAST_NATS": server.url,
            "HOLDFAST_DATA": name,
            "HOLDFAST_SECRET": SECRET,
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_OPERATORS_PORT": str(operators),
            "HOLDFAST_IDLE_SECONDS": str(SLEEP_SECONDS),
            "HOLDFAST_SOCKETS_PER_USER": str(given.sockets),
        }
        with (
            program("service", ["serve", "auction"], folder=folder, environment=environment) as service,
            program("gateway", ["gateway"], folder=folder, environment=environment) as gateway,
        ):
            programs = Programs(service.pid, gateway.pid)
            well = uvloop.run(run(given, server.url, programs, port=port, operators=operators))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
