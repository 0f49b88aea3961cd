"""Keep one process running: started again when it dies, gone when this process is gone, however that ends."""

import asyncio
import ctypes
import os
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from holdfast._program.errors import CannotStart

READY_VARIABLE: Final = "HOLDFAST_READY_FD"
"""Names the file descriptor on which a child says, with one byte, that it serves."""
REFUSED: Final = 2
"""The exit code of a program that will not start until something outside it is changed."""
START_ATTEMPTS: Final = 3
STEADY_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 10.0
STOP_SECONDS: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the program: what it is called, how it starts, and how to tell that it serves."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    answers: Callable[[], Awaitable[None]] | None = None
    """Returns when the process serves; None for one that says so itself on `READY_VARIABLE`."""


class Keeper:
    """Keeps one part running from `start` to `stop`."""

    def __init__(self, part: Part, *, tell: Callable[[str], None]) -> None:
        self.part = part
        self.pid: int | None = None
        self._tell = tell
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the process running."""
        self._task = asyncio.create_task(self._keep())

    async def ready(self, *, timeout: float) -> None:
        """Wait until it serves; `CannotStart` when it refuses to start, keeps dying, or takes too long."""
        assert self._task is not None, "start it first"  # noqa: S101 - a caller's bug
        serving = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({serving, self._task}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
        if self._task.done():
            self._task.result()
        if not self._ready.is_set():
            raise CannotStart(f"{self.part.name} did not serve within {timeout:.0f} s")

    async def failed(self) -> None:
        """Return when it can not be kept running any more; the reason is raised."""
        assert self._task is not None, "start it first"  # noqa: S101 - a caller's bug
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End the process: politely, and after `STOP_SECONDS` by force."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        deaths = 0
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            lived = asyncio.get_running_loop().time() - began
            deaths = 1 if lived >= STEADY_SECONDS else deaths + 1
            if not self._ready.is_set() and (code == REFUSED or deaths == START_ATTEMPTS):
                raise CannotStart(f"{self.part.name} could not start: {_cause(code)}")
            self._tell(f"{self.part.name} (pid {self.pid}) was ended by {_cause(code)}: starting it again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_after(deaths))

    async def _run_once(self) -> int:
        read_end, write_end = os.pipe()
        loop = asyncio.get_running_loop()
        loop.add_reader(read_end, self._heard, read_end)
        watch: asyncio.Task[None] | None = None
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.part.command,
                    env={**self.part.environment, READY_VARIABLE: str(write_end)},
                    stdin=DEVNULL,
                    pass_fds=(write_end,),
                    process_group=0,  # Ctrl-C reaches only the parent, which ends the parts in order
                    preexec_fn=die_with_parent(os.getpid()),
                )
            finally:
                os.close(write_end)
            self.pid = process.pid
            if self.part.answers is not None:
                watch = asyncio.create_task(self._wait_for(self.part.answers))
            return await self._until_end(process)
        finally:
            if watch is not None:
                watch.cancel()
            loop.remove_reader(read_end)
            os.close(read_end)

    async def _until_end(self, process: Process) -> int:
        stopping = asyncio.create_task(self._stopping.wait())
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.terminate()
                await asyncio.wait({ended}, timeout=STOP_SECONDS)
            if not ended.done():
                self._tell(f"{self.part.name} (pid {self.pid}) did not end within {STOP_SECONDS:.0f} s and was killed")
                process.kill()
            return await ended
        finally:
            stopping.cancel()
            ended.cancel()

    def _heard(self, read_end: int) -> None:
        if os.read(read_end, 1):
            self._became_ready()
        asyncio.get_running_loop().remove_reader(read_end)

    async def _wait_for(self, answers: Callable[[], Awaitable[None]]) -> None:
        await answers()
        self._became_ready()

    def _became_ready(self) -> None:
        if self._ready.is_set():
            self._tell(f"{self.part.name} serves again, pid {self.pid}")
        self._ready.set()


def pause_after(deaths: int) -> float:
    """Seconds until the next start: none after the first death, then growing, with jitter."""
    if deaths <= 1:
        return 0.0
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(deaths - 2, 30), LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads restarts, guards nothing


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """What a child does before it starts, so that a parent killed by force leaves no orphan; Linux only."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def say_ready(environment: Mapping[str, str]) -> None:
    """Tell the keeper, if there is one, that this process serves."""
    descriptor = environment.get(READY_VARIABLE)
    if descriptor is not None:
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))


def _cause(code: int) -> str:
    if code == REFUSED:
        return "its message stands above"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
