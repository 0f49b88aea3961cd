"""How long an HTTP connection may keep us waiting: for the rest of its request, and for taking its answer."""

import asyncio
from typing import Any

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.settings import Settings

log = structlog.get_logger(__name__)


class Timer:
    """Aborts one connection unless it is stopped in time."""

    def __init__(self, seconds: float, why: str) -> None:
        self._seconds = seconds
        self._why = why
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport) -> None:
        """Count from now, unless it counts already."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._abort, transport)

    def stop(self) -> None:
        """Count no longer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _abort(self, transport: asyncio.Transport) -> None:
        log.info("gateway.connection_aborted", why=self._why)
        transport.abort()  # closing would wait for the client to take what is still to be written


class PatientConfig(uvicorn.Config):
    """uvicorn's configuration with our settings, for our protocols."""

    def __init__(self, app: Any, settings: Settings, **options: Any) -> None:
        super().__init__(app, http=PatientHttp, **options)
        self.settings = settings


class PatientHttp(H11Protocol):
    """HTTP that ends with a client that does not finish its request, or does not take its answer."""

    config: PatientConfig

    def __init__(self, config: PatientConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._request = Timer(config.settings.request_timeout, "the request did not arrive whole")
        self._stall = Timer(config.settings.stall_timeout, "the answer was not taken")

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own narrowing
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._request.start(transport)

    def data_received(self, data: bytes) -> None:
        """Wait on until the request is whole, or has become a WebSocket."""
        super().data_received(data)
        if self.transport.get_protocol() is self and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._request.start(self.transport)
        else:
            self._request.stop()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take something."""
        super().pause_writing()
        self._stall.start(self.transport)

    def resume_writing(self) -> None:
        """The client takes what is written."""
        super().resume_writing()
        self._stall.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._request.stop()
        self._stall.stop()
        super().connection_lost(exc)
