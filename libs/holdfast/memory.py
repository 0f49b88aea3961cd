"""An event log and alarms in memory, for tests of domains. They pass the same contract suite as JetStream's."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from holdfast._alarms import Armed
from holdfast._errors import TooLarge
from holdfast._log import Conflict, Judged, NewCommit, StoredCommit
from holdfast._names import Name


class MemoryLog:
    """All entities' commits in one list of positions, as a stream has them."""

    def __init__(self, *, largest: int = 1024 * 1024) -> None:
        self._commits: defaultdict[Name, list[StoredCommit]] = defaultdict(list)
        self._buried: dict[Name, Judged] = {}
        self._position = 0
        self._largest = largest

    async def append(self, commit: NewCommit, /) -> int:
        """Store a commit unless another one came first."""
        if sum(len(bytes(event.data)) for event in commit.commit.events) > self._largest:
            raise TooLarge(f"a commit holds at most {self._largest} bytes of events")
        stored = self._commits[commit.name]
        if commit.expected != (stored[-1].position if stored else 0):
            raise Conflict(str(commit.name))
        self._position += 1
        stored.append(
            StoredCommit(self._position, commit.commit, commit.commit_id, commit.judged, tuple(commit.digests))
        )
        return self._position

    async def read(self, name: Name, /, *, position: int = 0, limit: int = 1000) -> Sequence[StoredCommit]:
        """Up to `limit` commits from `position` on."""
        return [stored for stored in self._commits[name] if stored.position >= position][:limit]

    async def last(self, name: Name, /) -> StoredCommit | None:
        """The newest commit."""
        stored = self._commits[name]
        return stored[-1] if stored else None

    async def locate(self, name: Name, seq: int, /) -> int | None:
        """The position of the first commit with an event at or after `seq`."""
        for stored in self._commits[name]:
            if stored.commit.events[-1].seq >= seq:
                return stored.position
        return None

    async def purge(self, name: Name, /, *, through: int | None = None) -> None:
        """Remove the entity's commits up to a position, or all."""
        self._commits[name] = [
            stored for stored in self._commits[name] if through is not None and stored.position > through
        ]

    async def bury(self, name: Name, place: Judged, /) -> None:
        """Remember where the entity was deleted."""
        self._buried[name] = place

    async def buried(self, name: Name, /) -> Judged:
        """Where the entity was deleted last."""
        return self._buried.get(name, Judged())


class MemoryAlarms:
    """One armed time per entity; the test decides when it rings."""

    def __init__(self) -> None:
        self._armed: dict[Name, Armed] = {}
        self._sequence = 0

    async def arm(self, name: Name, at: datetime, /, *, expected: int) -> int:
        """Arm or replace the entity's alarm if `expected` is still the armed one's sequence."""
        current = self._armed.get(name)
        if expected != (current.sequence if current else 0):
            raise Conflict(str(name))
        self._sequence += 1
        self._armed[name] = Armed(self._sequence, at)
        return self._sequence

    async def armed(self, name: Name, /) -> Armed | None:
        """What stands armed now."""
        return self._armed.get(name)

    async def remove(self, sequence: int, /) -> None:
        """Take away the alarm or ring with this sequence, if it is still there."""
        for name, armed in list(self._armed.items()):
            if armed.sequence == sequence:
                del self._armed[name]
