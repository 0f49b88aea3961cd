"""A whole system in processes of its own: NATS servers, replicas of the counter's service, and gateways."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from gateway.auth import issue_token
from gateway.settings import DEVELOPMENT_SECRET
from holdfast._program.keeper import READY_VARIABLE
from holdfast.client import Client
from holdfast.testing.servers import LOOPBACK, NatsServer, free_ports, nats_nodes
from tests.faults.network import Network

ROOT = Path(__file__).parents[2]
NATS_PORT, ROUTE_PORT = 4222, 6222
"""Of NATS servers that have a host for themselves."""
START_SECONDS = 120.0
STOP_SECONDS = 60.0
PATIENCE = 120.0
COMMAND_SECONDS = 30.0
"""How long a gateway waits for an owner: longer than any disk stands still, since tests say that no caller is told an error."""
DAY = timedelta(days=1)


class Part:
    """A process that says when it serves, and may be ended and started any number of times."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._said = -1

    def start(self) -> None:
        """Start it; `ready` tells when it serves."""
        self._said, say = os.pipe()
        environment = {**os.environ, **self._environment, READY_VARIABLE: str(say)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=ROOT, env=environment, pass_fds=[say]
            )
        os.close(say)

    async def ready(self) -> None:
        """Wait until it serves."""
        async with asyncio.timeout(START_SECONDS):
            said = await asyncio.to_thread(os.read, self._said, 1)
        os.close(self._said)
        if not said:
            raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def stop(self) -> int:
        """Ask it to end, and wait until it has; returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        self._process = None
        return code

    async def again(self) -> None:
        """Start it after it was ended, and wait until it serves."""
        self.start()
        await self.ready()


@dataclass(frozen=True)
class Needs:
    """What a replica uses instead of what all others use; empty means the same."""

    database: str = ""
    nats: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Condition:
    """What a replica tells its operators."""

    ready: bool
    failing: frozenset[str]
    """The names of the checks that fail."""
    partitions: int


@dataclass(frozen=True)
class Fleet:
    """What runs, and where the callers find it."""

    nodes: list[NatsServer]
    replicas: list[Part]
    gateways: list[Part]
    doors: list[str]
    """The gateways' addresses, in their order."""
    operators: list[str]
    """The addresses of the replicas' doors for operators, in their order; out of reach on a network of hosts."""

    async def condition(self, number: int) -> Condition:
        """How a replica says that it is."""
        async with httpx.AsyncClient(base_url=self.operators[number], timeout=START_SECONDS) as http:
            report = (await http.get("/readyz")).json()
            figures = (await http.get("/metrics")).text
        owned = re.search(r"^holdfast_partitions_owned\{.*\} (\S+)$", figures, re.MULTILINE)
        return Condition(
            ready=report["ready"],
            failing=frozenset(name for name, check in report["checks"].items() if not check["ok"]),
            partitions=int(float(owned[1])) if owned else 0,
        )

    async def until(self, number: int, wanted: Callable[[Condition], bool]) -> None:
        """Wait until a replica is in this condition."""
        found: Condition | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                while not wanted(found := await self.condition(number)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"replica{number} stays {found}") from None

    @property
    def servers(self) -> list[str]:
        """The addresses of the NATS servers."""
        return [node.url for node in self.nodes]

    def token(self, user: str) -> str:
        """A credential for any gateway of this fleet."""
        return issue_token(DEVELOPMENT_SECRET, "acme", user, (), DAY)

    async def client(self) -> Client:
        """A client of the NATS servers; close it in the end."""
        return await Client.connect(self.servers, name="history", replicas=len(self.nodes))

    async def start(self) -> None:
        """Start everything and wait until it serves."""
        for node in self.nodes:
            node.start()
        await asyncio.gather(*(node.ready() for node in self.nodes))
        for part in (*self.replicas, *self.gateways):
            part.start()
        await asyncio.gather(*(part.ready() for part in (*self.replicas, *self.gateways)))

    def kill(self) -> None:
        """End everything as a power cut does."""
        for each in (*self.gateways, *self.replicas, *self.nodes):
            each.kill()


def replica(
    number: int,
    folder: Path,
    nodes: Sequence[NatsServer],
    *,
    operators: int,
    needs: Needs,
    inside: Sequence[str] = (),
) -> Part:
    """A replica of the counter's service; all that need nothing else share one database."""
    command = [*inside, sys.executable, "-m", "holdfast.cli", "serve", "holdfast.testing.counter:service"]
    command += ["--nats", needs.nats or ",".join(node.url for node in nodes), "--replicas", str(len(nodes))]
    command += ["--database", needs.database or f"sqlite+aiosqlite:///{folder}/{{service}}.db"]
    command += ["--operators-port", str(operators)]
    return Part(f"replica{number}", command, folder=folder, environment=needs.environment)


def nodes_on(network: Network, folder: Path, count: int) -> list[NatsServer]:
    """NATS servers on hosts of their own, not started yet."""
    hosts = [network.host(f"node{number}") for number in range(count)]
    return [
        NatsServer(
            folder,
            port=NATS_PORT,
            name=f"node{number}",
            host=host.address,
            routes=(ROUTE_PORT, [f"{other.address}:{ROUTE_PORT}" for other in hosts if other != host])
            if count > 1
            else None,
            inside=host.inside,
        )
        for number, host in enumerate(hosts)
    ]


def _servers(folder: Path, count: int, network: Network | None) -> list[NatsServer]:
    return nats_nodes(folder, count) if network is None else nodes_on(network, folder, count)


def gateway(number: int, folder: Path, nodes: Sequence[NatsServer], *, port: int) -> Part:
    """A gateway in front of the counters."""
    environment = {
        "HOLDFAST_NATS": ",".join(node.url for node in nodes),
        "HOLDFAST_REPLICAS": str(len(nodes)),
        "HOLDFAST_PORT": str(port),
        "HOLDFAST_COMMANDS_PER_SECOND": "0",
        "HOLDFAST_COMMAND_TIMEOUT": str(COMMAND_SECONDS),
    }
    return Part(f"gateway{number}", [sys.executable, "-m", "tests.faults.door"], folder=folder, environment=environment)


@asynccontextmanager
async def fleet(
    folder: Path,
    *,
    nodes: int | Sequence[NatsServer],
    replicas: int,
    gateways: int,
    network: Network | None = None,
    needs: Mapping[int, Needs] | None = None,
) -> AsyncGenerator[Fleet]:
    """A system that serves until the end of the block; `nodes` are that many NATS servers, or these.

    With a network, NATS servers and replicas have hosts of their own there, by their names; gateways stay outside.
    """
    servers = list(nodes) if not isinstance(nodes, int) else _servers(folder, nodes, network)
    needs = needs or {}
    inside = [() if network is None else network.host(f"replica{number}").inside for number in range(replicas)]
    found = free_ports(gateways + replicas)
    ports, operators = found[:gateways], found[gateways:]
    running = Fleet(
        nodes=servers,
        replicas=[
            replica(number, folder, servers, operators=port, needs=needs.get(number, Needs()), inside=inside[number])
            for number, port in enumerate(operators)
        ],
        gateways=[gateway(number, folder, servers, port=port) for number, port in enumerate(ports)],
        doors=[f"http://{LOOPBACK}:{port}" for port in ports],
        operators=[f"http://{LOOPBACK}:{port}" for port in operators],
    )
    try:
        await running.start()
        yield running
    finally:
        running.kill()
