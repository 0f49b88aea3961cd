"""Runs the gateway on uvicorn, under the caller's loop and signals."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Mapping
from typing import Final

import structlog
import uvicorn

from gateway.app import create_app, drain
from gateway.settings import Settings
from holdfast import Contract, Unavailable

PING_SECONDS: Final = 20.0
STOP_SECONDS: Final = 1
BACKLOG: Final = 2048
log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to the caller, who cancels us, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        await super().startup(sockets)
        self._ready()


async def serve(
    settings: Settings,
    *,
    ready: Callable[[int], None] | None = None,
    contracts: Mapping[str, Contract] | None = None,
) -> None:
    """Serve until cancelled, then drain and stop within three seconds. `ready` gets the bound port.

    `Unavailable` when the port is taken or NATS does not answer.
    """
    app = create_app(settings, contracts=contracts)
    listener = _listen(settings.host, settings.port)
    port: int = listener.getsockname()[1]

    def on_ready() -> None:
        log.info("gateway.ready", host=settings.host, port=port)
        if ready is not None:
            ready(port)

    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=settings.max_frame,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    with listener:
        async with app.lifespan():
            server = _Server(config, on_ready)
            running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
            try:
                await asyncio.shield(running)
            finally:
                await drain(app)
                server.should_exit = True
                await running
                log.info("gateway.stopped", port=port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(f"cannot listen on {host} port {port}: {error.strerror}") from error
