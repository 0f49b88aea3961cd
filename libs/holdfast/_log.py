"""The event log as the runtime needs it: fenced appends, reads by position, nothing else."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from holdfast._messages import Commit
from holdfast._names import Name


class Judged(NamedTuple):
    """How far the commands of an entity have been judged: the latest time of receipt (ns) and the last sequence.

    A commands stream in memory that begins anew counts from 1 again, with the same name and the same date of creation
    on a cluster; only the time of receipt goes on.
    """

    received: int = 0
    sequence: int = 0

    def covers(self, other: "Judged") -> bool:
        """Whether the command at `other` was judged before, so that seeing it again means reading it twice."""
        return other.received <= self.received and other.sequence <= self.sequence

    def and_then(self, other: "Judged") -> "Judged":
        """How far it is after the command at `other`, which may be one read twice."""
        return self if self.covers(other) else Judged(max(self.received, other.received), other.sequence)


class StoredCommit(NamedTuple):
    """A commit with what the log knows about it."""

    position: int
    """Its sequence in the stream; positions of one entity grow, with gaps."""
    commit: Commit
    commit_id: str
    judged: Judged
    digests: Sequence[tuple[str, str]]
    """The accepted command ids of this commit with the digests of their payloads, in order."""


class NewCommit(NamedTuple):
    """A commit to append. `expected` is the position of the entity's last commit, 0 for none."""

    name: Name
    expected: int
    commit_id: str
    commit: Commit
    judged: Judged
    digests: Sequence[tuple[str, str]]
    traceparent: str = ""
    """The span of this commit, for those who follow the log; "" where it is not traced."""


class Conflict(Exception):
    """Someone else appended since: drop the state, reload, decide again."""


class EventLog(Protocol):
    """One entity's commits in one order. Reads see everything that was acknowledged before they began."""

    async def append(self, commit: NewCommit, /) -> int:
        """Store a commit durably and return its position.

        `Conflict` when the fence does not hold, `TooLarge` when no message can hold it, `Unavailable` when the
        outcome stays unknown: then only reading the log tells.
        """
        ...

    async def read(self, name: Name, /, *, position: int = 0, limit: int = 1000) -> Sequence[StoredCommit]:
        """Up to `limit` commits of the entity from `position` on, oldest first; empty at the end."""
        ...

    async def last(self, name: Name, /) -> StoredCommit | None:
        """The entity's newest commit."""
        ...

    async def locate(self, name: Name, seq: int, /) -> int | None:
        """The position of the first commit that holds an event at or after `seq`, or None when there is none."""
        ...

    async def purge(self, name: Name, /, *, through: int | None = None) -> None:
        """Remove everything of the entity, or its commits up to the position `through`. Then 0 fences an append.

        `read` may show what was removed for a moment more, where a replica lags.
        """
        ...

    async def bury(self, name: Name, place: Judged, /) -> None:
        """Remember that the entity is deleted at this place among its commands, as long as they may be read again."""
        ...

    async def buried(self, name: Name, /) -> Judged:
        """Where the entity was deleted last, as far as that is remembered."""
        ...
