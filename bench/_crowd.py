"""Many WebSocket clients that cost little: they count frames, answer pings, and look at a frame only when asked to."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self, cast

import msgspec

OPENED_AT_ONCE: Final = 64
ANSWER_SECONDS: Final = 120.0
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
_KEY: Final = b64encode(bytes(16)).decode()


class Member(asyncio.Protocol):
    """One client of the crowd."""

    def __init__(self) -> None:
        self.frames = 0
        """Text and binary frames that were heard."""
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard: asyncio.Queue[bytes] | None = None

    @classmethod
    async def join(cls, port: int, path: str, *, token: str = "") -> Self:
        """Open a socket."""
        _, member = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        member.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n{authorization}\r\n".encode()
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            await member.upgraded
        return member

    @property
    def transport(self) -> asyncio.Transport:
        """What it writes to."""
        assert self._transport is not None  # noqa: S101 - it is connected
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.closed.set()
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionError("refused"))

    def data_received(self, data: bytes) -> None:
        """Read whole frames."""
        data = self._buffer + data if self._buffer else data
        if not self.upgraded.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if b" 101 " in head.partition(b"\r\n")[0]:
                self.upgraded.set_result(None)
            else:
                self.upgraded.set_exception(ConnectionError(head.decode(errors="replace")))
        self._buffer = self._frames(data)

    def send(self, **frame: Any) -> None:
        """Send a frame of the protocol."""
        self._write(_TEXT, msgspec.json.encode(frame))

    async def ask(self, **frame: Any) -> Any:
        """Send a frame and return the one that answers it."""
        self._heard = asyncio.Queue(1000)
        try:
            self.send(id="bench", **frame)
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    answer = msgspec.json.decode(await self._heard.get())
                    if answer.get("id") == "bench":
                        return answer
        finally:
            self._heard = None

    def write_text(self, payload: bytes) -> None:
        """Send a text frame."""
        self._write(_TEXT, payload)

    def take(self, payload: bytes) -> None:
        """Look at a frame."""

    def leave(self) -> None:
        """Close without a word."""
        self.transport.abort()

    def _frames(self, data: bytes) -> bytes:
        at, size = 0, len(data)
        while size - at >= 2:  # noqa: PLR2004 - the shortest header
            length, start = data[at + 1], at + 2
            if length >= 126:  # noqa: PLR2004 - RFC 6455, section 5.2
                start += 2 if length == 126 else 8  # noqa: PLR2004
                length = int.from_bytes(data[at + 2 : start], "big")
            if size < start + length:
                break
            self._frame(data[at] & 0xF, data[start : start + length])
            at = start + length
        return data[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode in (_TEXT, _BINARY):
            self.frames += 1
            self.take(payload)
            if self._heard is not None:
                self._heard.put_nowait(payload)
        elif opcode == _PING:
            self._write(_PONG, payload)
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self._write(_CLOSE, payload[:2])

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes((_MASKED | size,)) if size < 126 else bytes((_MASKED | 126,)) + size.to_bytes(2, "big")  # noqa: PLR2004
        self.transport.write(bytes((0x80 | opcode,)) + length + _NO_MASK + payload)


@asynccontextmanager
async def crowd(port: int, path: str, *, count: int, tokens: Sequence[str] = ("",)) -> AsyncGenerator[list[Member]]:
    """Open sockets, and end them at the end; the tokens are used in turn."""
    room = asyncio.Semaphore(OPENED_AT_ONCE)

    async def join(number: int) -> Member:
        async with room:
            return await Member.join(port, path, token=tokens[number % len(tokens)])

    members = await asyncio.gather(*(join(number) for number in range(count)))
    try:
        yield members
    finally:
        for member in members:
            member.leave()
