"""A relay in front of a server: it lets everything through, loses every answer, or lets nobody in."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes connections on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._lost = False
        self.lost_answers = 0
        self.port = 0

    async def open(self) -> None:
        """Let everything through."""
        self._lost = False
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections, and let nobody in."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in [*self._writers]:
            writer.transport.abort()

    def lose_answers(self) -> None:
        """Pass on what is asked, and break the connection at each answer."""
        self._lost = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._behind)
            self._writers.add(back_writer)
            try:
                await asyncio.gather(
                    self._pass(reader, back_writer, answers=False), self._pass(back_reader, writer, answers=True)
                )
            finally:
                back_writer.transport.abort()
                self._writers.discard(back_writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if answers and self._lost:
                    self.lost_answers += 1
                    break
                writer.write(data)
                await writer.drain()
        for each in [*self._writers] if answers and self._lost else [writer]:
            each.transport.abort()


@asynccontextmanager
async def relay(port: int) -> AsyncGenerator[Relay]:
    """A relay in front of a port, until the end of the block."""
    made = Relay(port)
    await made.open()
    try:
        yield made
    finally:
        await made.cut()
