"""Our WebSocket protocol for uvicorn: once a socket is authenticated, it is a transport and a session, and no task."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import structlog
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

from gateway.patience import PatientConfig

EXTENSION: Final = "holdfast.connection"
"""Where the ASGI scope holds the connection, for the handler that takes it over."""
CLOSE_STALLED: Final = 1013
HELLO_BYTES: Final = 64 * 1024
"""Whoever has shown no credential yet gets no room for more."""
CLOSE_NO_UTF8: Final = 1007
MAX_REASON_BYTES: Final = 123  # RFC 6455, section 5.5: a control frame holds 125, two are the code's
log = structlog.get_logger(__name__)


class Peer(Protocol):
    """What a connection is handed over to. Nothing here may wait."""

    def receive(self, frame: str | bytes) -> None:
        """Take a whole message of the client."""
        ...

    def writable(self) -> None:
        """Go on writing: the client has taken what was written."""
        ...

    def lost(self) -> None:
        """The connection is closed or closing; may be called more than once."""
        ...


class Connection(WebSocketsSansIOProtocol):
    """A WebSocket that can be handed over, after which the ASGI handler returns and its task ends.

    A client that takes neither frames nor the close that follows is cut off.
    """

    config: PatientConfig

    def __init__(self, config: PatientConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self.congested = False
        """Whether the client has not taken what was written: write only what cannot wait."""
        self._peer: Peer | None = None
        self._stall: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Begin with room for a hello only, unless the credential stands in a header."""
        if "authorization" not in event.headers:
            self.conn.max_message_size = min(HELLO_BYTES, self.config.settings.max_frame)
        super().handle_connect(event)

    def hand_over(self, peer: Peer) -> None:
        """Leave an accepted socket to `peer`: what came in meanwhile, and everything from now on."""
        self.conn.max_message_size = self.config.settings.max_frame
        waiting = self.queue
        self._peer = peer
        self.queue = cast("asyncio.Queue[Any]", _Events(peer))
        self.writable = _NOBODY_WAITS
        self.request.headers.clear()  # the parser keeps the request for as long as the socket lives
        del self.scope, self.request, self.response
        self.__dict__ = dict(self.__dict__)  # as large as what is left
        while not waiting.empty():
            self.queue.put_nowait(waiting.get_nowait())
        if self.disconnected or self.transport.is_closing():
            peer.lost()
            return
        self.read_on()

    async def run_asgi(self) -> None:
        """Run the handler; the connection ends with it unless it was handed over."""
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"][EXTENSION] = self
        try:
            await self.app(self.scope, self.receive, self.send)  # pyright: ignore[reportUnknownMemberType] - uvicorn's gap
        except ClientDisconnected:
            pass
        except Exception:  # a bug ends this socket, not the server
            log.exception("gateway.socket_failed")
        finally:
            if self._peer is not None:
                scope.clear()  # the framework holds it in a cycle, which nothing collects while all sockets wait
            else:
                self.send_500_response()
                if self.close_timer is None:
                    self.transport.close()

    def write(self, frames: bytes) -> None:
        """Write whole frames; nothing once the socket is closing."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames)

    def end(self, code: int, reason: str = "", *, last: bytes = b"") -> None:
        """Close after what was written and `last` frames, and wait for the client's part of it, though not for long."""
        if self.close_sent or self.transport.is_closing():
            return
        words = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        try:
            self.conn.send_close(code, words)
        except InvalidState:
            self.transport.close()
            return
        self.transport.write(b"".join((last, *self.conn.data_to_send())))
        self.close_sent = True
        self.stop_keepalive()
        self.read_on()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def read_no_more(self) -> None:
        """Leave what the client sends unread until `read_on`."""
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Read what the client sends."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on to the session, or queue it while there is none."""
        if self._peer is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self._peer.receive(bytes(data))
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.end(CLOSE_NO_UTF8, "a text frame must be UTF-8")
            self._peer.lost()
        else:
            self._peer.receive(text)

    def keepalive_timeout(self) -> None:
        """End a client that answers no ping."""
        super().keepalive_timeout()
        self._lose()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take something."""
        super().pause_writing()
        self.congested = True
        if self._stall is None:
            self._stall = self.loop.call_later(self.config.settings.stall_timeout, self._stalled)

    def resume_writing(self) -> None:
        """The client takes what is written."""
        super().resume_writing()
        self.congested = False
        self._forget_stall()
        if self._peer is not None:
            self._peer.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._forget_stall()
        super().connection_lost(exc)
        self._lose()

    def _stalled(self) -> None:
        """Say why, and cut the client off: a close that is not taken either would wait for ever."""
        log.info("gateway.connection_stalled")
        self.end(CLOSE_STALLED, "nothing was read for too long")
        self._lose()
        self._stall = self.loop.call_later(self.config.settings.close_timeout, self.transport.abort)

    def _forget_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _lose(self) -> None:
        if self._peer is not None:
            self._peer.lost()


class _Events:
    """Stands where the queue of ASGI events was: of those only the end concerns a session."""

    __slots__ = ("_peer",)

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def put_nowait(self, event: Mapping[str, Any]) -> None:
        """Tell the session of a message or of the end."""
        if event["type"] == "websocket.receive":
            text: str | None = event.get("text")
            self._peer.receive(text if text is not None else event["bytes"])
        elif event["type"] == "websocket.disconnect":
            self._peer.lost()


_NOBODY_WAITS: Final = asyncio.Event()
