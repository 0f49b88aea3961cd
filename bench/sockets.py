"""What a WebSocket costs by server: deliveries a second to many sockets on one entity, and memory while they wait.

`python -m bench.sockets` compares, in one run and with the same clients: Litestar's own sockets on uvicorn and on
granian (installed for the run, where a package index is reached), our connections on uvicorn, and the whole gateway.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx
import uvloop

from bench._crowd import Member, crowd
from bench._processes import cpu_seconds, raise_file_limit, resident_kib
from gateway.auth import issue_token
from gateway.settings import DEVELOPMENT_SECRET
from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.testing.owner import owner
from holdfast.testing.servers import free_ports, nats_server

START_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02
BURST: Final = 100
IN_FLIGHT: Final = 32
COALESCE_SECONDS: Final = 0.005
ANN: Final = Actor(user="ann", roles=())
NAME: Final = Name.of("counter", "bench", "one")

Drive = Callable[[int], Awaitable[None]]
"""Makes every socket hear at least so many frames more."""


@asynccontextmanager
async def serving(kind: str, *options: str, path: str = "") -> AsyncGenerator[tuple[int, int]]:
    """A server of this kind in a process of its own; yields its pid and port."""
    port = free_ports(1)[0]
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": path} if path else os.environ
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - this very module, which is awaited below
        [sys.executable, "-m", "bench._socket_servers", kind, str(port), *options], env=environment
    )
    worker = process.pid
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(POLL_SECONDS)
        worker = _worker(process.pid)
        yield worker, port
    finally:
        process.kill()
        process.wait()
        if worker != process.pid:
            os.kill(worker, signal.SIGKILL)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _worker(pid: int) -> int:
    """The process that serves: granian's is a child of the one that was started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[-1]) if children else pid


async def measure(what: str, pid: int, members: list[Member], *, empty_kib: int, drive: Drive, seconds: float) -> None:
    """Print one line: the memory of a waiting socket, and deliveries to all of them for some seconds."""
    each = (resident_kib(pid) - empty_kib) / len(members)
    await drive(BURST)  # what is slow at first
    before, cpu, begin = _heard(members), cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - begin < seconds:
        await drive(BURST)
    took, used = time.perf_counter() - begin, cpu_seconds(pid) - cpu
    heard = _heard(members) - before
    print(f"{what:<44}{each:>10.1f}{heard / took:>14,.0f}{heard / used:>18,.0f}", flush=True)


def _heard(members: list[Member]) -> int:
    return sum(member.frames for member in members)


async def server(what: str, kind: str, *, sockets: int, seconds: float, path: str = "") -> None:
    """Measure a server without anything behind it."""
    where = "handed-over" if kind == "own" else "plain"
    async with serving(kind, path=path) as (pid, port):
        async with crowd(port, f"/{where}", count=1):
            pass
        empty = resident_kib(pid)
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
            crowd(port, f"/{where}", count=sockets) as members,
        ):

            async def drive(frames: int) -> None:
                wanted = [member.frames + frames for member in members]
                await http.post(f"/{where}/burst/{frames}")
                await _until_heard(members, wanted)

            await measure(what, pid, members, empty_kib=empty, drive=drive, seconds=seconds)


async def gateway(what: str, url: str, *, sockets: int, seconds: float, coalesce: float) -> None:
    """Measure the gateway: commands to one entity that all sockets watch."""
    token = issue_token(DEVELOPMENT_SECRET, "bench", "ann", (), timedelta(hours=1))
    async with (
        await Client.connect(url) as client,
        serving("gateway", "--nats", url, "--coalesce", str(coalesce)) as (pid, port),
    ):
        await client.send(NAME, "add", by=ANN)
        async with crowd(port, "/v1/ws", count=1, tokens=[token]):
            pass
        empty = resident_kib(pid)
        async with crowd(port, "/v1/ws", count=sockets, tokens=[token]) as members:
            for member in members:
                await member.ask(op="watch", name=str(NAME))

            async def drive(frames: int) -> None:
                wanted = [member.frames + frames for member in members]
                room = asyncio.Semaphore(IN_FLIGHT)

                async def send() -> None:
                    async with room:
                        await client.send(NAME, "add", by=ANN)

                await asyncio.gather(*(send() for _ in range(frames)))
                await _until_heard(members, wanted)

            await measure(what, pid, members, empty_kib=empty, drive=drive, seconds=seconds)


async def _until_heard(members: list[Member], wanted: list[int]) -> None:
    async with asyncio.timeout(60):
        while any(member.frames < least for member, least in zip(members, wanted, strict=True)):  # noqa: ASYNC110 - a count sets no event
            await asyncio.sleep(0.001)


def install_granian(folder: str) -> bool:
    """Install granian into this folder; False when no package index has it."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "granian"]
    return subprocess.run(install, check=False, capture_output=True).returncode == 0  # noqa: S603 - pip itself


async def run(*, sockets: int, seconds: float, granian: str | None, nats: str) -> None:
    """Measure everything and print a table."""
    print(f"{sockets:,} sockets on one entity")
    print(f"{'':<44}{'KiB each':>10}{'deliveries/s':>14}{'per cpu second':>18}")
    await server("Litestar's sockets on uvicorn", "uvicorn", sockets=sockets, seconds=seconds)
    if granian is not None:
        await server("Litestar's sockets on granian", "granian", sockets=sockets, seconds=seconds, path=granian)
    await server("our connections on uvicorn", "own", sockets=sockets, seconds=seconds)
    for coalesce in (0.0, COALESCE_SECONDS):
        what = f"the gateway, {coalesce * 1000:.0f} ms gathered" if coalesce else "the gateway"
        await gateway(what, nats, sockets=sockets, seconds=seconds, coalesce=coalesce)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each line of the table")
    given = parser.parse_args()
    raise_file_limit()
    with TemporaryDirectory(prefix="holdfast-bench-") as name, nats_server(Path(name)) as server_:
        granian = str(Path(name) / "granian")
        found = granian if install_granian(granian) else None
        with owner([server_.url], Path(name)):
            uvloop.run(run(sockets=given.sockets, seconds=given.seconds, granian=found, nats=server_.url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
