"""Bringing an entity into memory: the newest snapshot, checked against the log, then the tail; or a past state."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Final

import msgspec
import structlog

from holdfast._errors import HoldfastError, NotFound, Unavailable
from holdfast._history import EntityHistory
from holdfast._image import Image, from_snapshot, to_snapshot
from holdfast._judge import Judge
from holdfast._messages import RecordedEvent, State
from holdfast._names import Name
from holdfast._remembered import Bounds
from holdfast._snapshots import Snapshots, schema_fingerprint
from holdfast.telemetry import EntityMeasures, Measures, name_of

STORE_CALLS_AT_ONCE: Final = 4
"""Fewer than a database has connections: who waits here does not run into the pool's own limit."""

log = structlog.get_logger(__name__)


class Loader:
    """Loads entities of one kind. A snapshot that cannot be used means replay, never failure."""

    def __init__(
        self,
        judge: Judge,
        history: EntityHistory,
        snapshots: Snapshots,
        *,
        bounds: Bounds | None = None,
        measures: EntityMeasures | None = None,
    ) -> None:
        self._judge = judge
        self._history = history
        self._bounds = bounds or Bounds()
        self._snapshots = snapshots
        self._measures = measures or Measures().of(judge.entity.purpose)
        self._fingerprint = schema_fingerprint(judge.entity)
        self._turns = asyncio.Semaphore(STORE_CALLS_AT_ONCE)
        self._saving: Counter[Name] = Counter()
        self._forgotten: set[Name] = set()

    async def load(self, name: Name) -> tuple[Image, int]:
        """The entity as the log has it now, and the seq of the snapshot it came from, 0 for none."""
        image = await self._from_snapshot(name) or Image(self._judge.entity.initial, self._bounds)
        saved = image.seq
        async for stored in self._history.commits(name, position=image.position + 1, seq=saved):
            image.apply(stored, self._judge.fold(image.state, stored.commit.events))
        if image.seq == 0:
            image.judged = await self._history.buried(name)  # what came before a deletion revives nothing
        return image, saved

    async def save(self, name: Name, image: Image) -> bool:
        """Keep a snapshot; a store that fails costs only time at the next load. Says whether it was kept."""
        self._saving[name] += 1
        try:
            saved = await self._save(name, image)
            if name in self._forgotten:
                with suppress(Unavailable):  # it is of no use to anyone: the log has nothing of it
                    await self._delete(name)
                return False
        finally:
            self._saving[name] -= 1
            if not self._saving[name]:
                del self._saving[name]
                self._forgotten.discard(name)
        return saved

    async def _save(self, name: Name, image: Image) -> bool:
        try:
            async with self._turns:
                await self._snapshots.save(name, to_snapshot(image, self._fingerprint))
        except Exception as error:  # noqa: BLE001 - whatever the store says, the log has everything
            log.warning("snapshot.not_saved", name=str(name), seq=image.seq, error=name_of(error))
            self._measures.saved(kept=False)
            return False
        self._measures.saved(kept=True)
        return True

    async def forget(self, name: Name) -> None:
        """Drop the snapshot of a deleted entity, and once more behind a save that is under way."""
        if name in self._saving:
            self._forgotten.add(name)
        await self._delete(name)

    async def _delete(self, name: Name) -> None:
        try:
            async with self._turns:
                await self._snapshots.delete(name)
        except (HoldfastError, OSError) as error:
            raise Unavailable("the snapshot of this entity cannot be removed just now; try again") from error

    async def past(self, name: Name, *, seq: int | None, at: datetime | None) -> tuple[State, int]:
        """The state after event `seq`, or after the last event at or before `at`, and its seq."""
        state: State = self._judge.entity.initial
        reached = 0
        async for stored in self._until(name, seq=seq, at=at):
            state = self._judge.fold(state, stored)
            reached = stored[-1].seq
        if reached == 0 and not self._judge.entity.exists_from_start:
            raise NotFound("no such entity")
        return state, reached

    async def _until(
        self, name: Name, *, seq: int | None, at: datetime | None
    ) -> AsyncIterator[Sequence[RecordedEvent]]:
        """The events of each commit up to a bound, none of them empty."""
        async with aclosing(self._history.commits(name)) as commits:
            async for stored in commits:
                events = [event for event in stored.commit.events if _is_before(event, seq=seq, at=at)]
                if events:
                    yield events
                if len(events) < len(stored.commit.events):
                    return

    async def _from_snapshot(self, name: Name) -> Image | None:
        try:
            async with self._turns:
                snapshot = await self._snapshots.load(name)
        except Exception as error:  # noqa: BLE001 - whatever the store says, the log has everything
            log.warning("snapshot.not_loaded", name=str(name), error=name_of(error))
            return None
        if snapshot is None:
            return None
        if snapshot.fingerprint != self._fingerprint:
            log.info("snapshot.outdated", name=str(name), seq=snapshot.seq)
            return None
        if not await self._history.reaches(name, position=snapshot.position, seq=snapshot.seq):
            log.warning("snapshot.not_of_this_log", name=str(name), seq=snapshot.seq)
            with suppress(Unavailable):  # its seq would keep those of this log out
                await self._delete(name)
            return None
        try:
            return from_snapshot(self._judge.entity, snapshot, self._bounds)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            log.warning("snapshot.unreadable", name=str(name), seq=snapshot.seq, error=name_of(error))
            return None


def _is_before(event: RecordedEvent, *, seq: int | None, at: datetime | None) -> bool:
    return (seq is None or event.seq <= seq) and (at is None or event.at <= at)
