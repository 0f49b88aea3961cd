"""What one viewer may have under way: bounded in operations and in bytes."""


class Allowance:
    """Counts what has begun and not ended; one thing of any size fits alone."""

    __slots__ = ("_begun", "_bytes", "_operations", "_size")

    def __init__(self, *, operations: int, size: int) -> None:
        self._operations = operations
        self._size = size
        self._begun = 0
        self._bytes = 0

    def has_room(self, size: int) -> bool:
        """Whether something of `size` bytes may begin."""
        return not self._begun or (self._begun < self._operations and self._bytes + size <= self._size)

    def take(self, size: int) -> None:
        """Begin something of `size` bytes."""
        self._begun += 1
        self._bytes += size

    def give(self, size: int) -> None:
        """End something of `size` bytes."""
        self._begun -= 1
        self._bytes -= size
