"""Real NATS servers for tests: one, or a cluster of three, on ports that the system chose."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from holdfast._errors import Unavailable
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
PORTS: Final = range(10_000, 32_768)
"""Below those that Linux gives to connections and to whoever asks for any port."""
MAX_PAYLOAD: Final = 8 * 1024 * 1024
ACCOUNTS: Final = """
accounts {
  APP { jetstream: enabled, users: [{ user: app, password: app }] }
  SYS { users: [{ user: sys, password: sys }] }
}
system_account: SYS
no_auth_user: app
"""
"""Of a cluster: only the system account may move the leader of all leaders."""


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now, and that the system gives to nobody who asks for any."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)  # noqa: S311 - so that tests side by side choose different ones
        with socket.socket() as trial, suppress(OSError):
            trial.bind((LOOPBACK, port))
            found += [port] if port not in found else []
    return found


class NatsServer:
    """One nats-server process with JetStream that syncs every message; its data outlive a kill.

    `routes` are its own port for the others of a cluster, and their addresses; `inside` is the command that it is
    started by, such as one that puts it into a network namespace; `max_store` is the bytes that its streams may take on
    disk, 0 for what the disk has.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        name: str = "single",
        host: str = LOOPBACK,
        routes: tuple[int, Sequence[str]] | None = None,
        inside: Sequence[str] = (),
        max_store: int = 0,
    ) -> None:
        self.url = f"nats://{host}:{port}"
        self.system_url = f"nats://sys:sys@{host}:{port}"
        self.name = name
        self._inside = inside
        self.log = folder / f"{name}.log"
        self._configuration = folder / f"{name}.conf"
        self._process: subprocess.Popen[bytes] | None = None
        limit = f", max_file_store: {max_store}" if max_store else ""
        cluster = ""
        if routes is not None:
            own, others = routes
            urls = ", ".join(f"nats://{other}" for other in others)
            cluster = f"cluster {{ name: test, listen: {host}:{own}, routes: [{urls}] }}\n{ACCOUNTS}"
        self._configuration.write_text(
            f"server_name: {name}\nlisten: {host}:{port}\nmax_payload: {MAX_PAYLOAD}\n"
            f'jetstream {{ store_dir: "{folder / name}", sync_interval: always{limit} }}\n{cluster}'
        )

    def start(self) -> Self:
        """Start the process; `ready` tells when it serves."""
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
        with self.log.open("ab") as log:
            command = [*self._inside, binary, "-c", str(self._configuration)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal; it stands still by the time that `SIGSTOP` was sent."""
        if self._process is not None:
            self._process.send_signal(number)
            if number is signal.SIGSTOP:
                os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def ready(self) -> None:
        """Wait until JetStream answers."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()}")
                with suppress(Unavailable, api.ApiError):
                    bus = await NatsBus.connect(self.url, name="ready")
                    try:
                        await api.call(bus, "INFO", timeout=1)
                    finally:
                        await bus.close()
                    return
                await asyncio.sleep(POLL_SECONDS)


@contextmanager
def nats_server(folder: Path) -> Generator[NatsServer]:
    """One server that serves, ended at the end. Not for use inside a running loop."""
    server = NatsServer(folder, port=free_ports(1)[0]).start()
    try:
        asyncio.run(server.ready())
        yield server
    finally:
        server.kill()


def nats_nodes(folder: Path, count: int) -> list[NatsServer]:
    """One server, or a cluster of as many as are asked for; none of them is started yet."""
    if count == 1:
        return [NatsServer(folder, port=free_ports(1)[0])]
    ports = free_ports(2 * count)
    clients, routes = ports[:count], ports[count:]
    nodes: list[NatsServer] = []
    for number in range(count):
        others = [f"{LOOPBACK}:{port}" for port in routes if port != routes[number]]
        nodes.append(NatsServer(folder, port=clients[number], name=f"node{number}", routes=(routes[number], others)))
    return nodes


@contextmanager
def nats_cluster(folder: Path) -> Generator[list[NatsServer]]:
    """Three servers that have found each other and elected a leader, ended at the end. Not for use inside a loop."""
    with ExitStack() as stack:
        servers = nats_nodes(folder, 3)
        for server in servers:
            stack.callback(server.kill)
            server.start()
        for server in servers:
            asyncio.run(server.ready())
        yield servers
