"""Runs what never ends by itself for the length of a block, and waits for conditions, never for times."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

PATIENCE = 60.0
POLL = 0.01


class Runner(Protocol):
    def run(self) -> Awaitable[None]: ...


@asynccontextmanager
async def running(*runners: Runner) -> AsyncGenerator[None]:
    tasks = [asyncio.ensure_future(runner.run()) for runner in runners]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(POLL)


@asynccontextmanager
async def busy(turns: asyncio.Semaphore) -> AsyncGenerator[None]:
    """Have every turn taken until the end of the block."""
    async with AsyncExitStack() as taken:
        while not turns.locked():
            await taken.enter_async_context(turns)
        yield
