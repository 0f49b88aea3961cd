"""What waits to be written to one viewer: bounded in frames and in bytes."""

import asyncio
from collections import deque
from typing import Protocol

Frame = bytes
NewestKey = tuple[str, str]


class Outbox(Protocol):
    """Live frames are refused when it is full, replayed ones wait, notices always enter."""

    def offer(self, frame: Frame) -> bool:
        """Take a live frame, or say that there is no room."""
        ...

    async def put(self, frame: Frame) -> None:
        """Take a frame as soon as there is room."""
        ...

    def push(self, frame: Frame) -> None:
        """Take a notice whatever the room: only what occurs at most once for each watch."""
        ...


class StreamOutbox:
    """A queue with one reader, who writes an event stream at the viewer's pace."""

    def __init__(self, *, frames: int, size: int) -> None:
        self._frames = frames
        self._size = size
        self._waiting: deque[Frame | None] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether another frame may enter; an empty queue takes one of any size."""
        return not self._waiting or (len(self._waiting) < self._frames and self._bytes < self._size)

    def offer(self, frame: Frame) -> bool:
        """Take a live frame, or say that there is no room."""
        if not self.has_room:
            return False
        self.push(frame)
        return True

    async def put(self, frame: Frame) -> None:
        """Take a frame as soon as there is room."""
        while not self.has_room:
            self._emptied.clear()
            await self._emptied.wait()
        self.push(frame)

    def push(self, frame: Frame) -> None:
        """Take a notice whatever the room: only what occurs at most once for each watch."""
        self._waiting.append(frame)
        self._bytes += len(frame)
        self._filled.set()

    def end(self) -> None:
        """Mark the end: `take` returns None after everything before it."""
        self._waiting.append(None)
        self._filled.set()

    async def take(self) -> Frame | None:
        """The oldest frame, as soon as there is one, or None at the end."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        frame = self._waiting.popleft()
        if frame is not None:
            self._bytes -= len(frame)
        self._emptied.set()
        return frame


class Line(Protocol):
    """Where frames are written at once, until it is congested."""

    @property
    def congested(self) -> bool:
        """Whether what was written has not been taken, so that more should wait."""
        ...

    def write(self, frames: bytes) -> None:
        """Write whole frames, whatever the congestion."""
        ...


class SocketOutbox:
    """Writes to a socket at once as long as it takes what is written, and keeps a bounded queue when it does not.

    While nothing waits, all that it holds is its bounds.
    """

    __slots__ = ("_bytes", "_emptied", "_frames", "_line", "_newest", "_size", "_waiting")

    def __init__(self, line: Line, *, frames: int, size: int) -> None:
        self._line = line
        self._frames = frames
        self._size = size
        self._bytes = 0
        self._waiting: deque[Frame] | None = None
        self._newest: dict[NewestKey, Frame] | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def has_room(self) -> bool:
        """Whether another frame may enter; an empty queue takes one of any size."""
        return self.is_empty or (self.waiting < self._frames and self._bytes < self._size)

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._waiting or ()) + len(self._newest or ())

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._waiting is None and self._newest is None

    def offer(self, frame: Frame) -> bool:
        """Take a live frame, or say that there is no room."""
        if not self.has_room:
            return False
        self.push(frame)
        return True

    def offer_newest(self, key: NewestKey, frame: Frame) -> bool:
        """Take a frame in place of one that waits under the same key, or say that there is no room for it."""
        waiting = self._newest
        if waiting is not None and (older := waiting.get(key)) is not None:
            waiting[key] = frame
            self._bytes += len(frame) - len(older)
            return True
        if self.is_empty and not self._line.congested:
            self._line.write(frame)
            return True
        if not self.has_room:
            return False
        if waiting is None:
            waiting = self._newest = {}
        waiting[key] = frame
        self._bytes += len(frame)
        return True

    async def put(self, frame: Frame) -> None:
        """Take a frame as soon as there is room."""
        while not self.has_room:
            if self._emptied is None:
                self._emptied = asyncio.Event()
            self._emptied.clear()
            await self._emptied.wait()
        self.push(frame)

    def push(self, frame: Frame) -> None:
        """Take a notice whatever the room: only what occurs at most once for each watch."""
        if self._waiting is None:
            if not self._line.congested:
                self._line.write(frame)
                return
            self._waiting = deque()
        self._waiting.append(frame)
        self._bytes += len(frame)

    def flush(self) -> None:
        """Write what waits, until it is all written or the socket takes no more."""
        while self._waiting and not self._line.congested:
            self._write(self._waiting.popleft())
        if not self._waiting:
            self._waiting = None
        if self._waiting is None and self._newest is not None:
            while self._newest and not self._line.congested:
                self._write(self._newest.pop(next(iter(self._newest))))
            if not self._newest:
                self._newest = None
        if self._emptied is not None and self.has_room:
            self._emptied.set()
            self._emptied = None

    def drop(self) -> None:
        """Forget what waits: nobody will read it."""
        self._waiting = self._newest = None
        self._bytes = 0
        if self._emptied is not None:
            self._emptied.set()
            self._emptied = None

    def _write(self, frame: Frame) -> None:
        self._bytes -= len(frame)
        self._line.write(frame)
