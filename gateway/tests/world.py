"""A running gateway as a test's client sees it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.auth import issue_token

WAIT_SECONDS = 60.0
HOUR = timedelta(hours=1)


class Viewer:
    """A socket that speaks in objects."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    @property
    def binary(self) -> bool:
        return self.socket.subprotocol == "holdfast.v1.msgpack"

    async def say(self, **frame: Any) -> None:
        await self.socket.send(msgspec.msgpack.encode(frame) if self.binary else msgspec.json.encode(frame).decode())

    async def hear(self) -> Any:
        async with asyncio.timeout(WAIT_SECONDS):
            frame = await self.socket.recv()
        return msgspec.json.decode(frame) if isinstance(frame, str) else msgspec.msgpack.decode(frame)

    async def hear_until(self, op: str) -> Any:
        while (frame := await self.hear())["op"] != op:
            pass
        return frame

    async def ask(self, op: str, **frame: Any) -> Any:
        """Send an operation and return the frame that answers it."""
        id_ = uuid4().hex
        await self.say(op=op, id=id_, **frame)
        while (answer := await self.hear()).get("id") != id_:
            pass
        return answer

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the close, and return its code and reason."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


@dataclass(frozen=True)
class World:
    http: httpx.AsyncClient
    port: int
    secret: str
    nats_url: str
    stop: Callable[[], Awaitable[None]]

    def token(
        self, user: str = "ann", *, roles: tuple[str, ...] = (), tenant: str = "acme", lifetime: timedelta = HOUR
    ) -> str:
        return issue_token(self.secret, tenant, user, roles, lifetime)

    def bearer(self, user: str = "ann", **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user, **claims)}"}

    @asynccontextmanager
    async def socket(self, *, subprotocol: str = "holdfast.v1", **options: Any) -> AsyncGenerator[Viewer, None]:
        """An upgraded socket that has said nothing yet."""
        async with connect(
            f"ws://127.0.0.1:{self.port}/v1/ws",
            subprotocols=[Subprotocol(subprotocol)],
            proxy=None,
            max_size=None,
            max_queue=None,
            open_timeout=WAIT_SECONDS,
            **options,
        ) as socket:
            yield Viewer(socket)

    @asynccontextmanager
    async def viewer(
        self, user: str = "ann", *, subprotocol: str = "holdfast.v1", **claims: Any
    ) -> AsyncGenerator[Viewer, None]:
        """A socket that has been welcomed."""
        async with self.socket(subprotocol=subprotocol) as viewer:
            await viewer.say(op="hello", token=self.token(user, **claims))
            assert (await viewer.hear())["op"] == "welcome"
            yield viewer

    async def write(self, id_: str, text: str = "hello", **data: Any) -> httpx.Response:
        """Write a note over HTTP, as a keeper."""
        return await self.http.post(
            f"/v1/pad/{id_}/write-note", json={"text": text, **data}, headers=self.bearer("kim", roles=("keeper",))
        )


def pad_id() -> str:
    """An id that no other test uses."""
    return f"p-{uuid4().hex[:12]}"
