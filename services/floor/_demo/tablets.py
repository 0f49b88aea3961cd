"""The tablets and screens: they follow the floor and the till, and come back after every loss with what they saw last."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from holdfast.testing.doors import JSON, MSGPACK, Frame, Lost, Refused, open_socket
from services.floor._demo.evidence import Sighting

Kind = Literal["plain", "msgpack", "roaming"]
KINDS: Final[tuple[Kind, ...]] = ("plain", "msgpack", "roaming")
AGAIN_SECONDS: Final = 0.2
SILENCE_SECONDS: Final = 60.0
LATE_SECONDS: Final = 180.0
"""How long something may take to be told; kills of several parts lie in between."""
FRAME_FIELDS: Final = frozenset({"op", "name", "server_now"})
"""What a frame adds to the event that it carries."""
LEAVES_AFTER: Final = (60, 400)
"""How many events the roaming tablet takes before it is off the network."""
AWAY_SECONDS: Final = (0.3, 2.5)


class TooLate(Exception):
    """Something that has to happen did not; the message says what."""


class Board:
    """The evening as one tablet knows it, made of the events that it was shown."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        self.tabs: dict[str, Mapping[str, Any]] = {}
        self.heard = 0
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    def take(self, event: Frame) -> None:
        """Learn from an event."""
        data: Mapping[str, Any] = event.get("data", {})
        match event["type"]:
            case "table_status_changed":
                self.tables.update(dict.fromkeys(data["table_ids"], data["to"]))
            case "order_placed":
                self.lines.update({placed["line"]["line_id"]: "ordered" for placed in data["lines"]})
            case "item_advanced":
                self.lines[data["line_id"]] = data["to"]
            case "till_heard":
                self.heard = data["post"]
            case "tab_balance_changed":
                self.tabs[data["tab_id"]] = data
            case _:
                return
        notice = asyncio.get_running_loop().create_task(self._notify())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool], what: Callable[[], str]) -> None:
        """Wait until the board shows something."""
        try:
            async with asyncio.timeout(LATE_SECONDS), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise TooLate(f"after {LATE_SECONDS:g} s {what()}") from None

    def encoded(self) -> bytes:
        """All of it, the same for the same evening."""
        return json.dumps([self.tables, self.lines, self.tabs, self.heard], sort_keys=True, default=dict).encode()


class Tablet:
    """Follows some entities until it has seen the heads that it is told in the end."""

    def __init__(
        self, user: str, kind: Kind, *, url: str, token: str, names: tuple[str, ...], chance: random.Random
    ) -> None:
        self.user = user
        self.kind: Kind = kind
        self.board = Board()
        self.sightings = {name: Sighting(user, kind, name) for name in names}
        self.returns = 0
        self.begun = asyncio.Event()
        self.heard: Callable[[str, Frame], None] = lambda _name, _event: None
        self._url = url
        self._token = token
        self._chance = chance
        self._seen = dict.fromkeys(names, 0)
        self._heads: Mapping[str, int] | None = None
        self._woken = asyncio.Event()

    def finish(self, heads: Mapping[str, int]) -> None:
        """End once the events up to these are seen."""
        self._heads = heads
        self._woken.set()

    @property
    def _is_done(self) -> bool:
        return self._heads is not None and all(self._seen[name] >= head for name, head in self._heads.items())

    async def run(self) -> None:
        """Follow; comes back after every loss."""
        while not self._is_done:
            try:
                await self._follow()
            except (Lost, TimeoutError):
                pass
            except Refused as error:
                if not error.retryable:
                    raise
            if not self._is_done:
                self.returns += 1
                away = self._chance.uniform(*AWAY_SECONDS) if self.kind == "roaming" else AGAIN_SECONDS
                await asyncio.sleep(away)

    async def _follow(self) -> None:
        socket = await open_socket(self._url, self._token, subprotocol=MSGPACK if self.kind == "msgpack" else JSON)
        try:
            for number, (name, seen) in enumerate(self._seen.items(), start=1):
                await socket.put({"op": "watch", "id": number, "name": name, "after": seen})
            leaves_in = self._chance.randint(*LEAVES_AFTER) if self.kind == "roaming" else 0
            while not self._is_done:
                frame = await self._next(socket.take)
                if frame is None:
                    continue
                self._obey(frame)
                leaves_in -= frame["op"] == "event"
                if leaves_in == 0 and self.kind == "roaming":
                    return
        finally:
            socket.abort()

    async def _next(self, take: Callable[[], Any]) -> Frame | None:
        """The next frame; None when the evening has ended meanwhile."""
        taking = asyncio.ensure_future(take())
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            done, _ = await asyncio.wait(
                (taking, waking) if self._heads is None else (taking,),
                timeout=SILENCE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            waking.cancel()
            if not taking.done():
                taking.cancel()
        if taking in done:
            return taking.result()
        if not done:
            raise TimeoutError
        return None

    def _obey(self, frame: Frame) -> None:
        match frame["op"]:
            case "event":
                name = frame["name"]
                event = {key: value for key, value in frame.items() if key not in FRAME_FIELDS}
                self.sightings[name].events.append(event)
                self._seen[name] = event["seq"]
                self.board.take(event)
                self.heard(name, event)
            case "watching":
                self.begun.set()
            case "error":
                raise Refused(frame)
            case _:  # lagging or draining: come back
                raise Lost(frame["op"])
