"""A whole system under test: started for the occasion, or one that runs already; its tokens, and the processes to kill."""

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.cli import main as holdfast
from holdfast.testing.servers import free_ports

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 30.0
LINES_KEPT: Final = 30
LONGEST_LINE: Final = 4 * 1024 * 1024
KEPT: Final = ("HOLDFAST_SECRET", "HOLDFAST_TEST_TWICE", "HOLDFAST_TEST_TWICE_REPORT")
"""Of the settings in the environment only these count for the system: what signs its tokens, and a mode of tests."""
COMMAND_SECONDS: Final = 25.0
"""How long a door waits for an answer: a restart on a busy machine takes longer than callers wait; testers wait longer still."""
_ADDRESS: Final = re.compile(r"^Holdfast runs at (http://\S+)\. ")
_STARTED: Final = re.compile(r"^  (\S+) +pid (\d+)\b")
_AGAIN: Final = re.compile(r"holdfast: (\S+) serves again, pid (\d+)(?!\d)")
"""Anywhere in a line: parts log to the same pipe, and lines of two processes may run into one another."""


class CannotRun(Exception):
    """A demo cannot begin or go on; the message says why."""


@dataclass(frozen=True, slots=True)
class System:
    """Where the system answers, where its data is, and which processes of it may be killed."""

    url: str
    data: Path
    processes: "Processes"
    said: Sequence[str] = ()
    """The last lines that it said, when it was started here."""

    def token(self, tenant: str, user: str, roles: Sequence[str]) -> str:
        """Issue a token with `holdfast token`."""
        wanted = [flag for role in roles for flag in ("--role", role)]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = holdfast(["token", "--data", str(self.data), "--tenant", tenant, "--user", user, *wanted])
        if code:
            raise CannotRun(f"`holdfast token` failed: give the --data folder of the system at {self.url}")
        return said.getvalue().strip()


class Processes:
    """The pids of a system's parts, as `holdfast up` says them."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._changed = asyncio.Condition()

    async def pid(self, name: str) -> int:
        """The pid of a part; waits until it runs again when it is down."""
        async with self._changed, asyncio.timeout(START_SECONDS):
            await self._changed.wait_for(lambda: name in self._pids)
            return self._pids[name]

    async def kill(self, name: str) -> int:
        """Kill a part with SIGKILL as soon as it runs; returns its pid."""
        pid = await self.pid(name)
        del self._pids[name]
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError) as error:
            raise CannotRun(f"process {pid} cannot be killed: {error.strerror}") from None
        return pid

    async def serves(self, name: str, pid: int) -> None:
        """Note that a part runs, with this pid."""
        async with self._changed:
            self._pids[name] = pid
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def started(
    folder: Path, *services: str, level: str = "warning", hear: Callable[[str], None] | None = None
) -> AsyncGenerator[System]:
    """Run these services by `holdfast up`, with the data in this folder and on free ports, until the end of the block.

    `hear` is told every line that any of its processes says.
    """
    hear = hear or _nothing
    kept = {key: value for key, value in os.environ.items() if key in KEPT or not key.startswith("HOLDFAST_")}
    port, nats_port = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli", "up", *services),
        *("--data", str(folder), "--port", str(port), "--nats-port", str(nats_port), "--log", level),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LONGEST_LINE,
        env={**kept, "HOLDFAST_COMMAND_TIMEOUT": str(COMMAND_SECONDS)},
    )
    reading = asyncio.create_task(_until_ready(process, folder, hear))
    try:
        async with asyncio.timeout(START_SECONDS):
            system, said = await reading
        reading = asyncio.create_task(_follow(process, system.processes, said, hear))
        yield system
        if process.returncode is not None:
            raise CannotRun("`holdfast up` ended by itself:\n" + "\n".join(said))
    finally:
        await _end(process)
        await _read_to_the_end(reading)


async def _until_ready(
    process: asyncio.subprocess.Process, folder: Path, hear: Callable[[str], None]
) -> tuple[System, deque[str]]:
    said: deque[str] = deque(maxlen=LINES_KEPT)
    url, pids = "", dict[str, int]()
    while line := await _line(process):
        hear(line)
        said.append(line.rstrip())
        if found := _ADDRESS.match(line):
            url = found[1]
        if found := _STARTED.match(line):
            pids[found[1]] = int(found[2])
        if url and pids and not line.strip():
            return System(url, folder, Processes(pids), said), said
    raise CannotRun("`holdfast up` did not start:\n" + "\n".join(said))


async def _follow(
    process: asyncio.subprocess.Process, processes: Processes, said: deque[str], hear: Callable[[str], None]
) -> None:
    while line := await _line(process):
        hear(line)
        said.append(line.rstrip())
        for name, pid in again(line):
            await processes.serves(name, pid)


def again(line: str) -> Sequence[tuple[str, int]]:
    """The parts that serve again by this line, with their pids."""
    return [(found[1], int(found[2])) for found in _AGAIN.finditer(line)]


async def _read_to_the_end(reading: asyncio.Task[Any]) -> None:
    """Hear what was said last; a process that outlived its parent keeps nobody waiting."""
    await asyncio.wait([reading], timeout=STOP_SECONDS)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


def _nothing(_line: str) -> None:
    """Where nobody listens."""


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    return (await process.stdout.readline()).decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
