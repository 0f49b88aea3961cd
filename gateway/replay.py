"""Reading committed events from the log, in order and without a hole."""

import asyncio
from collections.abc import Sequence
from typing import Final

from holdfast import Name, ResumeGap, Unavailable
from holdfast.client import Client
from holdfast.wire import RecordedEvent

PATIENCE: Final = 5.0
"""Seconds that a replica of the log may be behind what has been answered."""
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5


async def events_after(
    client: Client, name: Name, after: int, *, target: int, limit: int = 1000
) -> Sequence[RecordedEvent]:
    """About `limit` events from `after + 1` on, none only when `target` has been reached.

    `RESUME_GAP` when the next event is no longer kept, `UNAVAILABLE` when the log stays behind `target`.
    """
    pause = _FIRST_PAUSE
    waited = 0.0
    while True:
        commits = await client.commits(name, after=after, limit=limit)
        events = [event for commit in commits for event in commit.events if event.seq > after]
        if events or after >= target:
            break
        if waited >= PATIENCE:
            raise Unavailable(f"the log is still behind event {target}: try again")
        await asyncio.sleep(pause)
        waited += pause
        pause = min(pause * 2, _LONGEST_PAUSE)
    if events and events[0].seq != after + 1:
        raise ResumeGap(f"event {after + 1} is no longer kept; the first one is {events[0].seq}", first=events[0].seq)
    return events
