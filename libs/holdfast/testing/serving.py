"""Runs things that report when they are ready, such as services, for the length of a block."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from holdfast._service import Service
from holdfast.client import Client
from holdfast.runtime import serve
from holdfast.testing.servers import nats_server

START_SECONDS: Final = 60.0


@asynccontextmanager
async def running(start: Callable[[Callable[..., None]], Awaitable[None]]) -> AsyncGenerator[Any]:
    """Run `start(ready)` until the end of the block; yields what `ready` was called with."""
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(start(lambda *report: ready.set_result(report)))
    try:
        async with asyncio.timeout(START_SECONDS):
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield ready.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(services: Sequence[Service], url: str, folder: Path, **options: Any) -> AsyncGenerator[None]:
    """Serve these services in this process, with their databases in `folder`; options are those of `serve`."""
    database = f"sqlite+aiosqlite:///{folder}/{{service}}.db"
    async with running(lambda ready: serve(services, servers=url, database=database, ready=ready, **options)):
        yield


def standalone(service: Service, act: Callable[[Client], Awaitable[None]]) -> None:
    """Serve on a NATS server of its own, with nothing kept, and act as a client of it. Needs no other program."""

    async def run(url: str) -> None:
        async with serving([service], url, Path(folder)), await Client.connect(url) as client:
            await act(client)

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with TemporaryDirectory(prefix="holdfast-") as folder, nats_server(Path(folder)) as server:
        asyncio.run(run(server.url))
