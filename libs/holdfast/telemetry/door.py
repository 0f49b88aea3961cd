"""The operators' HTTP door: `/livez`, `/readyz` and `/metrics`."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import msgspec
import structlog
import uvicorn
from litestar import Litestar, MediaType, Response, get
from litestar.datastructures import State
from prometheus_client import CollectorRegistry

from holdfast._errors import Unavailable
from holdfast.telemetry._health import Health
from holdfast.telemetry._measures import CONTENT_TYPE, expose

STOP_SECONDS: Final = 1
BACKLOG: Final = 128
_UNAVAILABLE: Final = 503

log = structlog.get_logger(__name__)


@get("/livez", include_in_schema=False, media_type=MediaType.TEXT)
async def livez() -> str:
    """Say that the loop turns, and nothing else: a restart would help against no other trouble."""
    return "ok\n"


@get("/readyz", include_in_schema=False)
async def readyz(state: State) -> Response[bytes]:
    """Say by status whether this process can do its work, and by checks why not."""
    health: Health = state.health
    report = health.report()
    return Response(
        msgspec.json.encode(report),
        status_code=200 if report.ready else _UNAVAILABLE,
        media_type=MediaType.JSON,
        headers={"Cache-Control": "no-store"},
    )


@get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response[bytes]:
    """Show the figures of this process."""
    registry: CollectorRegistry = state.registry
    return Response(expose(registry), media_type=CONTENT_TYPE)


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def operators_door(host: str, port: int, *, health: Health, registry: CollectorRegistry) -> AsyncGenerator[int]:
    """Serve operators until the end of the block, at port 0 on a free one; yields the port. `Unavailable` if taken."""
    app = Litestar(
        route_handlers=[livez, readyz, metrics],
        state=State({"health": health, "registry": registry}),
        openapi_config=None,
        logging_config=None,
    )
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=STOP_SECONDS
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]), name="operators' door")
        bound: int = listener.getsockname()[1]
        log.info("operators.ready", host=host, port=bound)
        try:
            yield bound
        finally:
            server.should_exit = True
            await running


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host} port {port} for operators: {error.strerror}; "
            "choose another with --operators-port, or 0 for any"
        ) from error
