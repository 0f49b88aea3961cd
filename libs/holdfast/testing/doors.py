"""A client of the public doors: frames over a WebSocket, pages and event streams over HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

JSON: Final = "holdfast.v1"
MSGPACK: Final = "holdfast.v1.msgpack"
OPEN_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 30.0
PAGE: Final = 1000
HTTP_OK: Final = 200

Frame = dict[str, Any]
"""A decoded JSON object, as the wire contract describes it."""


class Lost(Exception):
    """The connection is gone or never came to be: connect again."""


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        super().__init__(f"{frame.get('code')}: {frame.get('message') or frame.get('detail')}")
        self.retryable = bool(frame.get("retryable"))


class Socket:
    """One welcomed WebSocket."""

    def __init__(self, connection: ClientConnection, subprotocol: str) -> None:
        self._connection = connection
        self._packed = subprotocol == MSGPACK

    async def put(self, frame: Frame) -> None:
        """Send one frame, or `Lost`."""
        try:
            await self._connection.send(msgspec.msgpack.encode(frame) if self._packed else json.dumps(frame))
        except (WebSocketException, OSError) as error:
            raise Lost(str(error)) from error

    async def take(self) -> Frame:
        """The next frame of the server, or `Lost`."""
        try:
            received = await self._connection.recv()
        except (WebSocketException, OSError) as error:
            raise Lost(str(error)) from error
        return msgspec.json.decode(received) if isinstance(received, str) else msgspec.msgpack.decode(received)

    def abort(self) -> None:
        """Cut the connection without a word, as a lost network does."""
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close in order."""
        await self._connection.close()


async def open_socket(url: str, token: str, *, subprotocol: str = JSON) -> Socket:
    """Open `/v1/ws` and say hello; `Lost` when nobody answers."""
    address = "ws" + url.removeprefix("http") + "/v1/ws"
    try:
        connection = await connect(
            address,
            subprotocols=[Subprotocol(subprotocol)],
            proxy=None,
            compression=None,
            open_timeout=OPEN_SECONDS,
        )
    except (WebSocketException, OSError, TimeoutError) as error:
        raise Lost(str(error)) from error
    socket = Socket(connection, subprotocol)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await socket.put({"op": "hello", "token": token})
            welcome = await socket.take()
    except TimeoutError as error:
        socket.abort()
        raise Lost("no welcome") from error
    if welcome["op"] != "welcome":
        raise Refused(welcome)
    return socket


async def get(url: str, path: str, token: str) -> Frame:
    """Fetch a JSON document; `Refused` with the problem when the status is not 200, `Lost` when nobody answers."""
    try:
        async with (
            asyncio.timeout(REQUEST_SECONDS),
            _requested(url, path, token, {"Accept": "application/json"}) as (status, chunks),
        ):
            body = b"".join([chunk async for chunk in chunks])
    except TimeoutError as error:
        raise Lost(f"no answer to GET {path}") from error
    document: Frame = json.loads(body)
    if status != HTTP_OK:
        raise Refused(document)
    return document


async def read_log(url: str, path: str, token: str, *, after: int = 0) -> list[Frame]:
    """All events of an entity beyond `after` that the token's owner may read, page by page."""
    events: list[Frame] = []
    following: int | None = after
    while following is not None:
        page = await get(url, f"{path}/events?after={following}&limit={PAGE}", token)
        events += page["events"]
        following = page["next"]
    return events


async def stream(url: str, path: str, token: str, *, after: int) -> AsyncGenerator[Frame]:
    """Follow the server-sent events of an entity beyond `after`; `Lost` when the stream ends."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    async with _requested(url, f"{path}/events", token, headers) as (status, chunks):
        if status != HTTP_OK:
            raise Refused(json.loads(b"".join([chunk async for chunk in chunks])))
        waiting = b""
        async for chunk in chunks:
            *records, waiting = (waiting + chunk).split(b"\n\n")
            for record in records:
                for line in record.split(b"\n"):
                    if line.startswith(b"data: "):
                        yield json.loads(line.removeprefix(b"data: "))
    raise Lost("the event stream ended")


@contextlib.asynccontextmanager
async def _requested(
    url: str, path: str, token: str, headers: Mapping[str, str]
) -> AsyncGenerator[tuple[int, AsyncGenerator[bytes]]]:
    """Send a GET request; its status, and its body in pieces."""
    where = urlsplit(url)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            reader, writer = await asyncio.open_connection(where.hostname, where.port or 80)
    except (OSError, TimeoutError) as error:
        raise Lost(str(error)) from error
    try:
        told = {"Host": where.netloc, "Authorization": f"Bearer {token}", "Connection": "close", **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        yield await _head(reader)
    except (OSError, EOFError) as error:
        raise Lost(str(error)) from error
    finally:
        writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, AsyncGenerator[bytes]]:
    status = int((await reader.readuntil(b"\r\n")).split()[1])
    headers: dict[str, str] = {}
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip().lower()
    if headers.get("transfer-encoding") == "chunked":
        return status, _chunks(reader)
    return status, _whole(reader, int(headers.get("content-length", "0")))


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunk = await reader.readexactly(size + 2)
        yield chunk[:-2]


async def _whole(reader: asyncio.StreamReader, size: int) -> AsyncGenerator[bytes]:
    yield await reader.readexactly(size)
