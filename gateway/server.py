"""Runs the gateway on uvicorn, under the caller's loop and signals."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Mapping
from typing import Final

import structlog
import uvicorn
from litestar import Litestar

from gateway.app import create_app, drain
from gateway.connection import Connection
from gateway.patience import PatientConfig
from gateway.settings import Settings
from gateway.turnstile import Turnstile
from holdfast import Contract, HoldfastError, Unavailable
from holdfast.telemetry import Tracing

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
    tracing: Tracing | None = None,
) -> None:
    """Serve until cancelled, then drain and stop within three seconds. `ready` gets the bound port.

    `Unavailable` when the port is taken or NATS does not answer.
    """
    app = create_app(settings, contracts=contracts, tracing=tracing)
    listener = _listen(settings.host, settings.port)
    port: int = listener.getsockname()[1]

    def on_ready() -> None:
        log.info("gateway.ready", host=settings.host, port=port)
        if ready is not None:
            ready(port)

    config = PatientConfig(
        Turnstile(app),
        settings,
        ws=Connection,
        ws_max_size=settings.max_frame,
        ws_ping_interval=settings.ping_interval,
        ws_ping_timeout=settings.ping_interval,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    with listener:
        try:
            async with app.lifespan():
                await _run(_Server(config, on_ready), app, listener)
        except* HoldfastError as group:  # Litestar's lifespan wraps what goes wrong in a group
            raise _first(group) from None
    log.info("gateway.stopped", port=port)


async def _run(server: uvicorn.Server, app: Litestar, listener: socket.socket) -> None:
    running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    try:
        await asyncio.shield(running)
    finally:
        await drain(app)
        server.should_exit = True
        await running


def _first(group: BaseExceptionGroup[HoldfastError]) -> HoldfastError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(f"cannot listen on {host} port {port}: {error.strerror}") from error
