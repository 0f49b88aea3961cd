"""Those who only look on: over a WebSocket, with msgpack, over server-sent events, and one who keeps leaving."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Literal

from holdfast.testing.doors import JSON, MSGPACK, Frame, Lost, Refused, open_socket, stream
from services.auction._demo.evidence import Sighting

Kind = Literal["plain", "resuming", "msgpack", "sse"]
KINDS: Final[tuple[Kind, ...]] = ("plain", "resuming", "msgpack", "sse")
AGAIN_SECONDS: Final = 0.2
SILENCE_SECONDS: Final = 60.0
FRAME_FIELDS: Final = frozenset({"op", "name", "server_now"})
"""What a frame adds to the event that it carries."""
LEAVES_AFTER: Final = (20, 200)
"""How many events the resuming watcher takes before it leaves and comes back."""


class Watcher:
    """Watches a lot until it has seen `done`, coming back after every loss with the last seq it saw."""

    def __init__(
        self,
        user: str,
        kind: Kind,
        *,
        url: str,
        path: str,
        name: str,
        token: str,
        chance: random.Random,
        hear: Callable[[Frame], None],
    ) -> None:
        self.sighting = Sighting(user, kind)
        self.begun = asyncio.Event()
        self._url = url
        self._path = path
        self._name = name
        self._token = token
        self._chance = chance
        self._hear = hear
        self._seen = 0

    async def run(self) -> None:
        """Watch until `auction_closed`; returns with everything in `sighting`."""
        follow = self._follow_stream if self.sighting.kind == "sse" else self._follow_socket
        while True:
            try:
                if await follow():
                    return
            except (Lost, TimeoutError):
                pass
            except Refused as error:
                if not error.retryable:
                    raise
            self.sighting.resumes += 1
            await asyncio.sleep(AGAIN_SECONDS * self._chance.random())

    async def _follow_stream(self) -> bool:
        events = stream(self._url, self._path, self._token, after=self._seen)
        async with aclosing(events):
            self.begun.set()
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    event = await anext(events)
                self.sighting.note(event)
                if self._take(event):
                    return True

    async def _follow_socket(self) -> bool:
        packed = self.sighting.kind == "msgpack"
        socket = await open_socket(self._url, self._token, subprotocol=MSGPACK if packed else JSON)
        try:
            watch: Frame = {"op": "watch", "id": 1, "name": self._name}
            if self._seen or self.sighting.kind != "plain":
                watch["after"] = self._seen
            await socket.put(watch)
            leaves_in = self._chance.randint(*LEAVES_AFTER) if self.sighting.kind == "resuming" else None
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = await socket.take()
                self.sighting.note(frame)
                if await self._obey(frame):
                    return True
                if leaves_in is not None and frame["op"] == "event":
                    leaves_in -= 1
                    if not leaves_in:
                        return False
        finally:
            socket.abort()

    async def _obey(self, frame: Frame) -> bool:
        match frame["op"]:
            case "event":
                return self._take({key: value for key, value in frame.items() if key not in FRAME_FIELDS})
            case "state":
                self.sighting.first = frame["seq"] + 1
                self._seen = frame["seq"]
                self.begun.set()
            case "watching":
                self.begun.set()
            case "error":
                raise Refused(frame)
            case _:  # lagging or draining: come back
                raise Lost(frame["op"])
        return False

    def _take(self, event: Frame) -> bool:
        self.sighting.events.append(event)
        self._seen = event["seq"]
        self._hear(event)
        return event["type"] == "auction_closed"
