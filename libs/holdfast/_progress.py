"""How far the commands of each partition have been answered, so that a successor knows where to begin."""

from collections.abc import Iterable, Mapping


class Progress:
    """One member's partitions, in one life of the commands stream.

    A command counts as answered when nothing more will be done for it; the position of a partition is the last
    sequence before which nothing is open. All partitions are read together and in order, so that one to which nothing
    was sent is as far as the reading.
    """

    def __init__(self) -> None:
        self._read = 0
        self._received: dict[int, int] = {}
        self._open: dict[int, dict[int, None]] = {}
        self._left: dict[int, int] = {}

    def begin(self, positions: Mapping[int, int]) -> None:
        """Own these partitions from now on, each from behind its position; what is owned already stays as it is."""
        self._received = {number: self._reached(number) for number in self._received}
        for number, position in positions.items():
            self._received.setdefault(number, position)
            self._open.setdefault(number, {})
            self._left.pop(number, None)
        self._read = min(self._received.values(), default=0)

    def end(self, numbers: Iterable[int]) -> None:
        """Own these partitions no more. What was answered until now stays known, for whoever gains them."""
        for number in numbers:
            if number in self._received:
                self._left[number] = self._position(number)
                del self._received[number], self._open[number]

    def restart(self) -> None:
        """Own the same partitions in another life of the commands stream, of which nothing was read."""
        self._read = 0
        self._left.clear()
        self._received = dict.fromkeys(self._received, 0)
        self._open = {number: {} for number in self._received}

    def receive(self, number: int, sequence: int) -> bool:
        """Take a command; False when it is not for this member or was taken before."""
        self._read = max(self._read, sequence)
        if sequence <= self._received.get(number, sequence):
            return False
        self._received[number] = sequence
        self._open[number][sequence] = None
        return True

    def answer(self, number: int, sequence: int) -> None:
        """Nothing more will be done for this command."""
        opened = self._open.get(number)
        if opened is not None:
            opened.pop(sequence, None)

    def positions(self) -> dict[int, int]:
        """Of every partition that is owned or was, the sequence up to which everything is answered."""
        return {**self._left, **{number: self._position(number) for number in self._received}}

    def next_sequence(self) -> int:
        """Where reading has to begin so that no owned partition misses anything."""
        return min((self._reached(number) for number in self._received), default=0) + 1

    def _position(self, number: int) -> int:
        return next(iter(self._open[number]), self._reached(number) + 1) - 1

    def _reached(self, number: int) -> int:
        return max(self._received[number], self._read)
