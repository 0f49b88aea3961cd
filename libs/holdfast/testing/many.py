"""Long logs, written fast: one entity's history under as many names as are asked for."""

import asyncio
from itertools import groupby
from typing import Final
from uuid import uuid4

from holdfast._bus import Bus
from holdfast._log import Judged, NewCommit
from holdfast._messages import COMMIT_VERSION, Commit, RecordedEvent
from holdfast._names import Name
from holdfast.jetstream import JetStreamLog, ensure_streams
from holdfast.testing._scenario import Scenario

AT_ONCE: Final = 512
"""Entities under way at the same time: their commits share batches, and so fsyncs."""


async def write_copies(bus: Bus, history: Scenario, *, events: int, tenant: str = "acme") -> int:
    """Append whole copies of a scenario's log, until there are at least so many events; returns how many there are."""
    purpose = history.entity.purpose
    await ensure_streams(bus, purpose)
    log = JetStreamLog(bus)
    commits = [tuple(group) for _, group in groupby(history.log, key=lambda event: event.command_id)]
    numbers = iter(range(-(-events // len(history.log))))
    written = 0

    async def write() -> None:
        nonlocal written
        for number in numbers:
            await _copy(log, Name.of(purpose, tenant, f"copy-{number}"), commits)
            written += len(history.log)

    await asyncio.gather(*(write() for _ in range(AT_ONCE)))
    return written


async def _copy(log: JetStreamLog, name: Name, commits: list[tuple[RecordedEvent, ...]]) -> None:
    position = 0
    for events in commits:
        commit = Commit(v=COMMIT_VERSION, name=str(name), events=events)
        digests = [(events[-1].command_id, "")]
        position = await log.append(NewCommit(name, position, uuid4().hex, commit, Judged(), digests))
