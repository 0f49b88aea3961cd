"""One entity's commits from its first one on: what the stream no longer keeps comes from the archive."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, Protocol

import structlog

from holdfast._errors import Unavailable
from holdfast._judge import UnknownEvent
from holdfast._log import EventLog, Judged, StoredCommit
from holdfast._messages import COMMIT_VERSION, RecordedEvent
from holdfast._names import Name
from holdfast._remembered import Remembered, accepted_in

COMMITS_A_READ: Final = 500
EVENTS_A_READ: Final = 1000

log = structlog.get_logger(__name__)


class Archived(Protocol):
    """Commits that left the log for good, or may. A database that fails is `Unavailable`."""

    async def position(self, purpose: str) -> int:
        """Everything of the purpose up to this position is archived."""
        ...

    async def find(self, name: Name, command_ids: Collection[str], *, since: datetime) -> Mapping[str, Remembered]:
        """Those of these commands that are archived and were accepted since."""
        ...

    async def commits(self, name: Name, *, after: int, limit: int = EVENTS_A_READ) -> Sequence[StoredCommit]:
        """Whole commits beyond seq `after`, oldest first, about `limit` events; empty at the end."""
        ...

    async def commit_at(self, name: Name, position: int) -> StoredCommit | None:
        """The commit at this position, if it is archived."""
        ...


class EntityHistory:
    """Reads the log first, and the archive for what the log lacks. Without an archive the log has to have everything.

    The order of the two makes it right while a keeper moves the line between them: it removes from the log only what
    is archived, so what a read of the log just missed is in the archive when that is asked next.
    """

    def __init__(self, events: EventLog, archive: Archived | None = None) -> None:
        self._events = events
        self._archive = archive

    async def commits(self, name: Name, *, position: int = 0, seq: int = 0) -> AsyncGenerator[StoredCommit]:
        """Everything from `position` on, which follows event `seq`. A hole that nothing fills is `Unavailable`."""
        while page := await self._events.read(name, position=position, limit=COMMITS_A_READ):
            first = page[0].commit.events[0].seq
            if first > seq + 1:
                async with aclosing(self._archived(name, after=seq, before=first)) as archived:
                    async for stored in archived:
                        seq = _follows(stored, seq)
                        yield stored
            for stored in page:
                seq = _follows(stored, seq)
                yield stored
            if len(page) < COMMITS_A_READ:
                return
            position = page[-1].position + 1

    async def commit_at(self, name: Name, position: int) -> StoredCommit | None:
        """The commit at this position, wherever it is kept."""
        found = await self._events.read(name, position=position, limit=1)
        if found and found[0].position == position:
            return found[0]
        return await self._archive.commit_at(name, position) if self._archive else None

    async def reaches(self, name: Name, *, position: int, seq: int) -> bool:
        """Whether event `seq` is the last of the entity's commit at this position, and the log goes at least so far.

        What left the log is in the archive, but the newest commit never leaves: without one the entity was deleted.
        """
        found = await self._events.read(name, position=position, limit=1)
        if not found or (found[0].position > position and found[0].commit.events[0].seq <= seq):
            return False
        if found[0].position == position:
            return found[0].commit.events[-1].seq == seq
        archived = await self._archive.commit_at(name, position) if self._archive else None
        return archived is not None and archived.commit.events[-1].seq == seq

    async def buried(self, name: Name) -> Judged:
        """Where an entity of which nothing is kept was deleted, as long as older commands to it may be read again."""
        return await self._events.buried(name)

    async def events(self, name: Name, *, after: int, until: int, limit: int) -> Sequence[RecordedEvent]:
        """Up to `limit` events beyond seq `after` and up to `until`, oldest first."""
        found: list[RecordedEvent] = []
        async with aclosing(self._beyond(name, after)) as commits:
            async for stored in commits:
                found += [event for event in stored.commit.events if after < event.seq <= until]
                if len(found) >= limit or stored.commit.events[-1].seq >= until:
                    break
        return found[:limit]

    async def _beyond(self, name: Name, after: int) -> AsyncGenerator[StoredCommit]:
        """Whole commits from the one that holds the event after `after`."""
        position = await self._events.locate(name, after + 1)
        if position is None:
            return
        begins = await self._events.read(name, position=position, limit=1)
        if self._archive is not None and begins and begins[0].commit.events[0].seq > after + 1:
            begins = await self._archive.commits(name, after=after, limit=1) or begins
        seq = min(after, begins[0].commit.events[0].seq - 1) if begins else after
        async with aclosing(self.commits(name, position=position, seq=seq)) as commits:
            async for stored in commits:
                yield stored

    async def recall(
        self, name: Name, command_ids: Collection[str], *, through: int, since: datetime
    ) -> Mapping[str, Remembered]:
        """What became of those commands that were accepted at or before the position `through`; `Unavailable` if unsure."""
        found: dict[str, Remembered] = {}
        archived = 0
        if self._archive is not None:
            archived = await self._archive.position(name.purpose)
            found.update(await self._archive.find(name, command_ids, since=since))
        if archived < through:
            tail = await self._in_log(name, command_ids, behind=archived, through=through)
            found.update((key, each) for key, each in tail.items() if each.at >= int(since.timestamp()))
            missing = [command_id for command_id in command_ids if command_id not in found]
            if missing and self._archive is not None:  # what left the log meanwhile was archived before
                found.update(await self._archive.find(name, missing, since=since))
        return {command_id: await self._with_digest(name, command_id, each) for command_id, each in found.items()}

    async def _archived(self, name: Name, *, after: int, before: int) -> AsyncGenerator[StoredCommit]:
        """The archived commits beyond `after` that end before `before`."""
        while self._archive is not None and (page := await self._archive.commits(name, after=after)):
            for stored in page:
                if stored.commit.events[-1].seq >= before:
                    return
                yield stored
                after = stored.commit.events[-1].seq

    async def _in_log(
        self, name: Name, command_ids: Collection[str], *, behind: int, through: int
    ) -> Mapping[str, Remembered]:
        found: dict[str, Remembered] = {}
        position = behind + 1
        while position <= through:
            page = await self._events.read(name, position=position, limit=COMMITS_A_READ)
            for stored in page:
                if stored.position <= through:
                    found.update((key, value) for key, value in accepted_in(stored) if key in command_ids)
            if len(page) < COMMITS_A_READ:
                break
            position = page[-1].position + 1
        return found

    async def _with_digest(self, name: Name, command_id: str, remembered: Remembered) -> Remembered:
        """Events that were archived before digests were: the log may have the digest still."""
        if remembered.digest:
            return remembered
        found = await self._events.read(name, position=remembered.position, limit=1)
        if not found or found[0].position != remembered.position:
            return remembered
        return dict(accepted_in(found[0])).get(command_id, remembered)


def _follows(stored: StoredCommit, seq: int) -> int:
    """The seq after a commit that has to begin right after `seq`. A message lost on the way must not go unseen."""
    events = stored.commit.events
    if events[0].seq != seq + 1:
        log.error("log.read_with_a_hole", name=stored.commit.name, after=seq, found=events[0].seq)
        raise Unavailable(f"the log was read with a hole after event {seq}; try again")
    if stored.commit.v > COMMIT_VERSION:
        raise UnknownEvent(f"the commit of event {seq + 1} is of version {stored.commit.v}")
    return events[-1].seq
