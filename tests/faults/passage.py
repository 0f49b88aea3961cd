"""A way to a server that can be shut: its connections end, and new ones are refused, until it is opened again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from holdfast.testing.servers import LOOPBACK, free_ports

PIECE = 64 * 1024

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Passage:
    """Passes on what comes to its port, to wherever `connect` leads."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self.port = free_ports(1)[0]
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def shut(self) -> None:
        """End every connection, and take none."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):
            try:
                await self._pass_on(reader, writer)
            finally:
                writer.transport.abort()
                self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await self._connect()
        pumps = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            back.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE):
        sink.write(piece)
        await sink.drain()


@asynccontextmanager
async def passage(connect: Callable[[], Awaitable[Connection]]) -> AsyncGenerator[Passage]:
    """A passage that is open, until the end of the block."""
    made = Passage(connect)
    await made.open()
    try:
        yield made
    finally:
        await made.shut()
