"""The commands that wait for one entity, bounded in number and in bytes."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from holdfast._clock import from_ns
from holdfast._log import Judged
from holdfast._messages import CommandEnvelope
from holdfast.telemetry import Step


class Received(NamedTuple):
    """A command with its place in the commands stream and where its answer goes ("" for nowhere)."""

    envelope: CommandEnvelope
    place: Judged
    reply: str
    step: Step | None = None
    """Its span at this owner, where it is traced."""
    begun: bool = False
    """Whether some of the deadlines before it were recorded for its sake already."""

    @property
    def at(self) -> datetime:
        """The server's time of receipt."""
        return from_ns(self.place.received)

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return memoryview(self.envelope.data).nbytes


class Mailbox:
    """Oldest first. A single command may be larger than the bound in bytes."""

    def __init__(self, *, size: int, max_bytes: int) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._waiting: deque[Received] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, received: Received) -> bool:
        """Add a command behind the others; False when there is no room."""
        size = received.size
        if len(self._waiting) >= self._size or (self._waiting and self._bytes + size > self._max_bytes):
            return False
        self._waiting.append(received)
        self._bytes += size
        return True

    def first(self) -> Received:
        """The oldest command, which stays where it is."""
        return self._waiting[0]

    def next(self, count: int) -> Sequence[Received]:
        """Up to so many of the oldest commands, which stay where they are."""
        return tuple(islice(self._waiting, count))

    def take(self) -> Received:
        """Take the oldest command."""
        received = self._waiting.popleft()
        self._bytes -= received.size
        return received

    def put_back(self, taken: Sequence[Received]) -> None:
        """Put commands back where they were, before all others."""
        self._waiting.extendleft(reversed(taken))
        self._bytes += sum(received.size for received in taken)
