"""What waits to be written to one viewer: bounded in frames and in bytes."""

import asyncio
from collections import deque

Frame = str | bytes


class Outbox:
    """A queue with one reader. Live frames are refused when it is full, replayed ones wait, notices always enter."""

    def __init__(self, *, frames: int, size: int) -> None:
        self._frames = frames
        self._size = size
        self._waiting: deque[Frame | None] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

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
