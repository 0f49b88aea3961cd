"""The servers that `bench.sockets` compares, each in a process of its own."""

import argparse
import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
import uvloop
from litestar import Litestar, WebSocket, post, websocket

from gateway import framing
from gateway.connection import EXTENSION, Connection
from gateway.patience import PatientConfig
from gateway.server import serve
from gateway.settings import Settings
from holdfast import Contract
from holdfast.testing.counter import Counter, CounterEntity

QUEUE: Final = 1000
PAYLOAD: Final = b'{"op":"event","data":"' + b"x" * 300 + b'"}'

_queues: set[asyncio.Queue[str]] = set()
_connections: set[Connection] = set()


class _Listener:
    """A session that says nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self, frame: str | bytes) -> None:
        """Take no notice."""

    def writable(self) -> None:
        """Write nothing more."""

    def lost(self) -> None:
        """Leave."""
        _connections.discard(self._connection)


@websocket("/plain")
async def _plain(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    queue = asyncio.Queue[str](QUEUE)
    _queues.add(queue)
    try:
        while True:
            await socket.send_text(await queue.get())
    finally:
        _queues.discard(queue)


@websocket("/handed-over")
async def _handed_over(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    scope: Any = socket.scope
    connection: Connection = scope["extensions"][EXTENSION]
    connection.hand_over(_Listener(connection))
    _connections.add(connection)


@post("/plain/burst/{frames:int}", status_code=200)
async def _burst_plain(frames: int) -> None:
    text = PAYLOAD.decode()
    for _ in range(frames):
        for queue in tuple(_queues):
            await queue.put(text)
        await asyncio.sleep(0)


@post("/handed-over/burst/{frames:int}", status_code=200)
async def _burst_handed_over(frames: int) -> None:
    for _ in range(frames):
        frame = framing.text(PAYLOAD)
        for connection in _connections:
            connection.write(frame)
        await asyncio.sleep(0)
        while any(connection.congested for connection in _connections):  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0)


app = Litestar(
    [_plain, _handed_over, _burst_plain, _burst_handed_over], openapi_config=None, logging_config=None, debug=False
)


async def _uvicorn(port: int) -> None:
    options: dict[str, Any] = {"port": port, "log_config": None, "access_log": False, "ws_per_message_deflate": False}
    await uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", lifespan="off", **options)).serve()


async def _own(port: int) -> None:
    options: dict[str, Any] = {"port": port, "log_config": None, "access_log": False, "ws_per_message_deflate": False}
    await uvicorn.Server(PatientConfig(app, Settings(), ws=Connection, lifespan="off", **options)).serve()


async def _gateway(port: int, nats: str, coalesce: float) -> None:
    settings = Settings(
        nats=nats, port=port, sockets_per_user=100_000, commands_per_second=0, entity_share=1, coalesce=coalesce
    )
    await serve(settings, contracts={"counter": Contract.of(CounterEntity, view=Counter, summary="Counts")})


def _granian(port: int) -> None:
    """It is installed for this process only."""
    server: Any = importlib.import_module("granian.server")
    server.Server("bench._socket_servers:app", port=port, interface="asgi", loop="uvloop", log_enabled=False).serve()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["uvicorn", "own", "granian", "gateway"])
    parser.add_argument("port", type=int)
    parser.add_argument("--nats", default="")
    parser.add_argument("--coalesce", type=float, default=0.0)
    given = parser.parse_args()
    if given.kind == "granian":
        _granian(given.port)
        return
    kinds: dict[str, Callable[[], Awaitable[None]]] = {
        "uvicorn": lambda: _uvicorn(given.port),
        "own": lambda: _own(given.port),
        "gateway": lambda: _gateway(given.port, given.nats, given.coalesce),
    }
    uvloop.run(_awaited(kinds[given.kind]()))


async def _awaited(work: Awaitable[None]) -> None:
    await work


if __name__ == "__main__":
    sys.exit(main())
