import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from holdfast._program import keeper as keeping
from holdfast._program.errors import CannotStart
from holdfast._program.keeper import Keeper, Part, pause_after
from holdfast.tests.waiting import until

SERVE = """
import os, signal, time
os.write(int(os.environ["HOLDFAST_READY_FD"]), b"1")
while True: time.sleep(60)
"""
LINGER = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE
PARENT = f"""
import asyncio, os, sys
from holdfast._program.keeper import Keeper, Part
async def main():
    keeper = Keeper(Part(name="x", command=(sys.executable, "-c", {SERVE!r}), environment=os.environ), tell=print)
    keeper.start()
    await keeper.ready(timeout=60)
    print(keeper.pid, flush=True)
    await keeper.failed()
asyncio.run(main())
"""


def part(script: str) -> Part:
    return Part(name="part", command=(sys.executable, "-c", script), environment=os.environ)


@asynccontextmanager
async def kept(script: str, said: list[str]) -> AsyncGenerator[Keeper]:
    keeper = Keeper(part(script), tell=said.append)
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


def alive(pid: int | None) -> bool:
    assert pid is not None
    with suppress(FileNotFoundError), open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a few bytes of the kernel
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_a_killed_process_is_started_again() -> None:
    said: list[str] = []
    async with kept(SERVE, said) as keeper:
        await keeper.ready(timeout=60)
        first = keeper.pid
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await until(lambda: len(said) == 2)

        assert keeper.pid != first
        assert said == [
            f"part (pid {first}) was ended by SIGKILL: starting it again",
            f"part serves again, pid {keeper.pid}",
        ]


async def test_stopping_ends_the_process() -> None:
    async with kept(SERVE, []) as keeper:
        await keeper.ready(timeout=60)
    assert not alive(keeper.pid)


async def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "STOP_SECONDS", 0.1)
    said: list[str] = []
    async with kept(LINGER, said) as keeper:
        await keeper.ready(timeout=60)
    assert not alive(keeper.pid)
    assert "was killed" in said[0]


async def test_a_process_that_refuses_to_start_is_not_tried_again() -> None:
    said: list[str] = []
    async with kept("raise SystemExit(2)", said) as keeper:
        with pytest.raises(CannotStart, match="part could not start: its message stands above"):
            await keeper.ready(timeout=60)
    assert said == []


async def test_a_process_that_keeps_dying_before_it_serves_is_given_up() -> None:
    async with kept("raise SystemExit(1)", []) as keeper:
        with pytest.raises(CannotStart, match="part could not start: exit code 1"):
            await keeper.ready(timeout=60)


async def test_a_process_that_never_serves_is_given_up_after_the_timeout() -> None:
    async with kept("import time; time.sleep(60)", []) as keeper:
        with pytest.raises(CannotStart, match="did not serve within 0 s"):
            await keeper.ready(timeout=0.05)


async def test_a_process_that_served_once_is_never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_SECONDS", 0.01)
    said: list[str] = []
    once = 'import os; os.write(int(os.environ["HOLDFAST_READY_FD"]), b"1"); raise SystemExit(2)'
    async with kept(once, said) as keeper:
        await keeper.ready(timeout=60)
        await until(lambda: sum("starting it again" in line for line in said) > keeping.START_ATTEMPTS)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_parent_killed_by_force_leaves_no_orphan() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    try:
        assert parent.stdout is not None
        child = int(await asyncio.wait_for(parent.stdout.readline(), 60))
        assert alive(child)
    finally:
        parent.kill()
        await parent.wait()
    await until(lambda: not alive(child))


def test_the_first_restart_is_immediate_and_later_ones_wait_longer() -> None:
    assert pause_after(1) == 0
    assert 0.125 <= pause_after(2) <= 0.25
    assert 0.25 <= pause_after(3) <= 0.5
    assert 5 <= pause_after(1000) <= 10
