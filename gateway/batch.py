"""Events of one entity on their way to many viewers: what several of them see alike is built once."""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.outbox import Frame
from holdfast import Name
from holdfast.wire import EVERYTHING, RecordedEvent, render, shuts_out, sight

Form = Callable[[Name, int, bytes], Frame]
"""Makes a frame of one kind from a rendered event; equal forms share frames."""
Sight = tuple[bool, ...]
_OPEN: Final[tuple[Sight, ...]] = ()
"""Nothing in the batch is hidden from anybody."""


class Batch:
    """Events with consecutive seqs, at least one; only the first may take the entity away from viewers."""

    def __init__(self, name: Name, events: Sequence[RecordedEvent]) -> None:
        self.last = events[-1].seq
        self._name = name
        self._events = events
        self._first = events[0].seq
        self._is_open = all(event.to is None for event in events)
        self._frames: dict[tuple[int, Sight, Form], Frame] = {}
        self._runs: dict[tuple[int, tuple[Sight, ...], Form], Frame] = {}

    def after(self, seq: int) -> int:
        """How many of the events come after this seq."""
        return self.last - max(seq, self._first - 1)

    def shuts_out(self, seq: int, tags: frozenset[str]) -> bool:
        """Whether a viewer with these tags, who was told of its events up to `seq`, may no longer read the entity."""
        return self._first > seq and shuts_out(self._events[0], tags)

    def run(self, seq: int, tags: frozenset[str], form: Form) -> Frame:
        """The frames of all events after this seq, in one piece, as a viewer with these tags may see them."""
        start = max(0, seq + 1 - self._first)
        seen = _OPEN if self._is_open else tuple(_sight(event, tags) for event in self._events[start:])
        key = (start, seen, form)
        found = self._runs.get(key)
        if found is None:
            sights = seen or (EVERYTHING,) * (len(self._events) - start)
            found = b"".join(self._frame(start + number, each, form) for number, each in enumerate(sights))
            self._runs[key] = found
        return found

    def _frame(self, number: int, seen: Sight, form: Form) -> Frame:
        key = (number, seen, form)
        found = self._frames.get(key)
        if found is None:
            event = self._events[number]
            found = self._frames[key] = form(self._name, event.seq, render(event, seen))
        return found


def _sight(event: RecordedEvent, tags: frozenset[str]) -> Sight:
    return EVERYTHING if event.to is None else sight(event.to, tags)
