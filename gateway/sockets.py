"""`/v1/ws`: the upgrade, the credential, and the orderly end of every socket."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from litestar import WebSocket

from gateway import frames
from gateway.auth import Identity
from gateway.frames import CODECS, JSON, Codec
from gateway.limits import Limits
from gateway.session import CLOSE_CREDENTIAL, CLOSE_MALFORMED, CLOSE_RESTART, Closing, Doors, Session, Wire
from holdfast import RateLimited, Unauthenticated, Unavailable

CLOSE_FORBIDDEN: Final = 4403
CLOSE_HELLO_MISSING: Final = 4408
CLOSE_RATE: Final = 4429
CLOSE_AGAIN: Final = 1013  # RFC 6455's registry: try again later
MAX_REASON_BYTES: Final = 123  # RFC 6455, section 5.5: a control frame holds 125, two are the code's
log = structlog.get_logger(__name__)

AnySocket = WebSocket[Any, Any, Any]


class Sockets:
    """All open sockets of this process."""

    def __init__(self, doors: Doors, limits: Limits) -> None:
        self._doors = doors
        self.limits = limits
        self._sessions: set[Session] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.draining = False

    @property
    def count(self) -> int:
        """How many sockets have been welcomed and are open."""
        return len(self._sessions)

    async def serve(self, socket: AnySocket) -> None:
        """Serve one socket from the upgrade to its close."""
        codec = _choose(socket.scope["subprotocols"])
        if codec is None or not self._origin_allowed(socket):
            await socket.close(CLOSE_FORBIDDEN)
            return
        await socket.accept(subprotocols=codec.subprotocol if socket.scope["subprotocols"] else None)
        try:
            await self._converse(socket, codec)
        except Closing as closing:
            if closing.code is not None:
                await self._close(socket, closing.code, closing.reason)

    async def drain(self, *, timeout: float) -> None:
        """Tell every socket to come again elsewhere, take no new ones, and wait until they are closed."""
        self.draining = True
        for session in self._sessions:
            session.drain()
        try:
            async with asyncio.timeout(timeout):
                await self._none_left.wait()
        except TimeoutError:
            log.warning("gateway.drain_incomplete", sockets=self.count)

    async def _converse(self, socket: AnySocket, codec: Codec) -> None:
        self._refuse_when_draining()
        wire = Wire(socket.receive, socket.send)
        who = await self._identify(socket, wire, codec)
        try:
            with self.limits.socket(who):
                await self._run(Session(wire, codec, who, self._doors))
        except RateLimited as error:
            raise Closing(CLOSE_RATE, error.message) from None

    async def _run(self, session: Session) -> None:
        self._refuse_when_draining()
        self._sessions.add(session)
        self._none_left.clear()
        self._doors.door.metrics.count("sockets_opened")
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._none_left.set()

    def _refuse_when_draining(self) -> None:
        if self.draining:
            raise Closing(CLOSE_RESTART, "the server restarts")

    async def _identify(self, socket: AnySocket, wire: Wire, codec: Codec) -> Identity:
        authenticator = self._doors.authenticator
        header = socket.headers.get("authorization")
        try:
            if header is not None:
                return await authenticator.authenticate_header(header)
            async with asyncio.timeout(self._doors.settings.hello_timeout):
                op = codec.read(await wire.read())
            if not isinstance(op, frames.Hello):
                raise Closing(CLOSE_HELLO_MISSING, "the first frame must be hello")
            return await authenticator.authenticate(op.token)
        except TimeoutError:
            raise Closing(CLOSE_CREDENTIAL, "no hello in time") from None
        except frames.Malformed as error:
            raise Closing(CLOSE_MALFORMED, str(error)) from None
        except Unauthenticated as error:
            raise Closing(CLOSE_CREDENTIAL, error.message) from None
        except Unavailable as error:
            raise Closing(CLOSE_AGAIN, error.message) from None

    async def _close(self, socket: AnySocket, code: int, reason: str) -> None:
        """Close without waiting long for a peer that takes nothing any more."""
        words = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(self._doors.settings.close_timeout):
                await socket.close(code, words)
        except (TimeoutError, OSError):
            log.info("gateway.close_not_sent", code=code)

    def _origin_allowed(self, socket: AnySocket) -> bool:
        """Browsers always send an Origin; other clients need none."""
        origin = socket.headers.get("origin")
        if origin is None:
            return True
        origin = origin.lower()
        return (
            origin in self._doors.settings.allowed_origins or _host_of(origin) == socket.headers.get("host", "").lower()
        )


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _choose(offered: Sequence[str]) -> Codec | None:
    """The first subprotocol that we speak; a client that offers none gets JSON."""
    if not offered:
        return JSON
    return next((CODECS[name] for name in offered if name in CODECS), None)
