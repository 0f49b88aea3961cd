"""The programs of a whole system, each in a process of its own that has said that it serves."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

READY_VARIABLE: Final = "HOLDFAST_READY_FD"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20
SAYING_SECONDS: Final = 300.0
LONGEST_WORD: Final = 16 * 1024 * 1024


@contextmanager
def program(
    name: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    module: str = "holdfast.cli",
) -> Generator[subprocess.Popen[bytes]]:
    """Run `holdfast`, or another module, until the end of the block, which begins when it serves."""
    said, say = os.pipe()
    told = {**_without_settings(), **environment, READY_VARIABLE: str(say)}
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", module, *arguments]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=told, pass_fds=[say])  # noqa: S603 - ours
    os.close(say)
    try:
        if not select.select([said], [], [], START_SECONDS)[0] or not os.read(said, 1):
            raise RuntimeError(f"{name} did not start:\n{log.read_text()}")
        yield process
    finally:
        os.close(said)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Worker:
    """A process of this folder that does what it is told, one word in and one JSON line out."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a module of this folder
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_without_settings(),
        )

    def tell(self, *words: object) -> None:
        """Say what to do."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self._process.stdin.flush()

    async def said(self) -> Any:
        """What it has to say next."""
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        async with asyncio.timeout(SAYING_SECONDS):
            line = await asyncio.to_thread(self._process.stdout.readline)
        if not line:
            raise RuntimeError("a worker ended: its error is above")
        return msgspec.json.decode(line)

    async def do(self, *words: object) -> Any:
        """Say what to do, and return what became of it."""
        self.tell(*words)
        return await self.said()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def workers(count: int, module: str, *arguments: str) -> Generator[list[Worker]]:
    """So many of them, until the end of the block; each gets its number behind the arguments."""
    found: list[Worker] = []
    try:
        found += (Worker(module, *arguments, str(number)) for number in range(count))
        yield found
    finally:
        for worker in found:
            worker.end()


async def words() -> asyncio.StreamReader:
    """What a worker is told, on its standard input."""
    reader = asyncio.StreamReader(LONGEST_WORD)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(what: object) -> None:
    """Say something to whoever started this worker."""
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def _without_settings() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("HOLDFAST_")}
