"""`/v1/ws`: the upgrade, the credential, and the orderly end of every socket."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from litestar import WebSocket

from gateway import frames
from gateway.auth import Identity
from gateway.connection import EXTENSION, MAX_REASON_BYTES, Connection
from gateway.frames import CODECS, JSON, Codec
from gateway.limits import Limits
from gateway.operations import Doors
from gateway.session import CLOSE_CREDENTIAL, CLOSE_MALFORMED, CLOSE_RATE, CLOSE_RESTART, Session
from holdfast import RateLimited, Unauthenticated, Unavailable

CLOSE_FORBIDDEN: Final = 4403
CLOSE_HELLO_MISSING: Final = 4408
CLOSE_AGAIN: Final = 1013  # RFC 6455's registry: try again later
DRAIN_TURN_SECONDS: Final = 0.005
"""How long sockets are told of the drain before answers and probes get a turn."""
log = structlog.get_logger(__name__)

AnySocket = WebSocket[Any, Any, Any]


class Closing(Exception):
    """The socket must close with this code before it is welcomed; None when it is closed already."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Sockets:
    """All open sockets of this process. `running` owns their tasks."""

    def __init__(self, doors: Doors, limits: Limits) -> None:
        self._doors = doors
        self.limits = limits
        self._sessions: set[Session] = set()
        self._crew: asyncio.TaskGroup | None = None
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.draining = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Sockets", None]:
        """Own the tasks of all sockets until the end of the block."""
        async with asyncio.TaskGroup() as crew:
            self._crew = crew
            yield self

    @property
    def count(self) -> int:
        """How many sockets have been welcomed and are open."""
        return len(self._sessions)

    @property
    def tasks(self) -> int:
        """How many operations are being carried out; a socket that waits has none."""
        return sum(session.tasks for session in self._sessions)

    @property
    def queued(self) -> int:
        """How many frames wait for all sockets."""
        return sum(session.queued for session in self._sessions)

    async def serve(self, socket: AnySocket) -> None:
        """Take one socket from the upgrade to its welcome, and leave it to a session."""
        codec = _choose(socket.scope["subprotocols"])
        if codec is None or not self._origin_allowed(socket):
            await socket.close(CLOSE_FORBIDDEN)
            return
        await socket.accept(subprotocols=codec.subprotocol if socket.scope["subprotocols"] else None)
        try:
            self._refuse_when_draining()
            who = await self._identify(socket, codec)
            self._refuse_when_draining()
            self._welcome(_connection(socket), codec, who)
        except Closing as closing:
            if closing.code is not None:
                await self._close(socket, closing.code, closing.reason)

    async def drain(self, *, timeout: float) -> None:
        """Tell every socket to come again elsewhere, take no new ones, and wait until all have closed.

        They are told to come at different times. After `timeout` seconds, whoever still waits for an answer is closed.
        """
        if not self.draining:
            log.info("gateway.draining", sockets=self.count)
        self.draining = True
        spread = self.count / self._doors.settings.drain_returns_per_second
        try:
            async with asyncio.timeout(timeout):
                await self._send_away(spread)
                await self._none_left.wait()
        except TimeoutError:
            log.warning("gateway.drain_incomplete", sockets=self.count)
            for session in tuple(self._sessions):
                self._send_one_away(session, spread)
                session.close(CLOSE_RESTART, "the server restarts")

    async def _send_away(self, spread: float) -> None:
        """Tell all sockets, and let what is under way go on meanwhile."""
        clock = asyncio.get_running_loop().time
        pause_at = clock() + DRAIN_TURN_SECONDS
        for session in tuple(self._sessions):
            self._send_one_away(session, spread)
            if clock() >= pause_at:
                await asyncio.sleep(0)
                pause_at = clock() + DRAIN_TURN_SECONDS

    def _send_one_away(self, session: Session, spread: float) -> None:
        retry_after = self._doors.settings.drain_retry_after + random.uniform(0, spread)  # noqa: S311 - jitter is no secret
        session.drain(retry_after_ms=int(retry_after * 1000))

    def _welcome(self, connection: Connection, codec: Codec, who: Identity) -> None:
        crew = self._crew
        if crew is None:
            raise Closing(CLOSE_RESTART, "the server restarts")
        try:
            self.limits.take_place(who)
        except RateLimited as error:
            self._doors.door.metrics.count("refused", limit="sockets")
            raise Closing(CLOSE_RATE, error.message) from None
        session = Session(connection, codec, who, doors=self._doors, crew=crew, ended=self._on_end)
        self._sessions.add(session)
        self._none_left.clear()
        self._doors.door.metrics.count("sockets_opened")
        session.begin()

    def _on_end(self, session: Session) -> None:
        self._sessions.discard(session)
        self.limits.give_place(session.who)
        if not self._sessions:
            self._none_left.set()

    def _refuse_when_draining(self) -> None:
        if self.draining:
            raise Closing(CLOSE_RESTART, "the server restarts")

    async def _identify(self, socket: AnySocket, codec: Codec) -> Identity:
        authenticator = self._doors.authenticator
        header = socket.headers.get("authorization")
        try:
            if header is not None:
                return await authenticator.authenticate_header(header)
            async with asyncio.timeout(self._doors.settings.hello_timeout):
                op = codec.read(await _first_frame(socket))
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


async def _first_frame(socket: AnySocket) -> str | bytes:
    message: Any = await socket.receive()
    if message["type"] != "websocket.receive":
        raise Closing(None)
    text: str | None = message.get("text")
    return text if text is not None else message["bytes"]


def _connection(socket: AnySocket) -> Connection:
    scope: Any = socket.scope
    connection = scope["extensions"].get(EXTENSION)
    if not isinstance(connection, Connection):
        raise TypeError("sockets need the gateway's own server: run gateway.server.serve")
    return connection


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
