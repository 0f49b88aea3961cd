"""What one viewer may have under way: bounded in operations and in bytes."""

import asyncio


class Allowance:
    """Counts what has begun and not ended. It has one taker, who waits for room; one thing of any size fits alone."""

    def __init__(self, *, operations: int, size: int) -> None:
        self._operations = operations
        self._size = size
        self._begun = 0
        self._bytes = 0
        self._ended = asyncio.Event()

    async def take(self, size: int) -> None:
        """Begin something of `size` bytes as soon as there is room for it."""
        while self._begun and (self._begun >= self._operations or self._bytes + size > self._size):
            self._ended.clear()
            await self._ended.wait()
        self._begun += 1
        self._bytes += size

    def give(self, size: int) -> None:
        """End something of `size` bytes."""
        self._begun -= 1
        self._bytes -= size
        self._ended.set()
