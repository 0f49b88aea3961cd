"""Takes old commits from a log, but only what others hold: the archive, every projection, every durable reader."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from holdfast._bus import Bus
from holdfast._clock import utc_now
from holdfast._errors import Unavailable
from holdfast._log import EventLog
from holdfast.jetstream._readers import acknowledged_by_all
from holdfast.sql._trimming import TrimPlan

SHORTEST_ROUND_SECONDS: Final = 1.0
LONGEST_ROUND_SECONDS: Final = 60.0
ROUNDS_IN_A_KEEP: Final = 10

log = structlog.get_logger(__name__)


class Retention:
    """Keeps one purpose's log to what is younger than `keep_seconds`, and of each entity the newest commit.

    The newest commit stays for the fence, and because it says how far the entity's commands were judged. Any number of
    replicas may do this at once: trimming twice changes nothing.
    """

    def __init__(
        self,
        bus: Bus,
        purpose: str,
        events: EventLog,
        plan: TrimPlan,
        *,
        keep_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.purpose = purpose
        self._bus = bus
        self._events = events
        self._plan = plan
        self._keep = timedelta(seconds=keep_seconds)
        self._clock = clock

    async def run(self) -> None:
        """Trim again and again until cancelled; while NATS or the database is away, everything stays."""
        longest = max(SHORTEST_ROUND_SECONDS, self._keep.total_seconds() / ROUNDS_IN_A_KEEP)
        while True:
            try:
                await self.trim()
            except Unavailable as error:
                log.warning("retention.waiting", purpose=self.purpose, error=str(error))
            await asyncio.sleep(min(longest, LONGEST_ROUND_SECONDS) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def trim(self) -> int:
        """Take out what may go now, and say of how many entities; everything else stays."""
        trimmed = 0
        while True:
            # What was applied is asked first: a reader that is listed afterwards without anything left has read all of it.
            through = await self._plan.applied()
            acknowledged = await acknowledged_by_all(self._bus, self.purpose)
            if acknowledged is not None:
                through = min(through, acknowledged)
            window = await self._plan.window(before=self._clock() - self._keep, through=through)
            if not window.through:
                return trimmed
            if window.superseded:
                await self._plan.secure()
            for entity in window.superseded:  # one at a time: commands go before this
                await self._events.purge(entity.name, through=entity.newest - 1)
            await self._plan.mark(window)
            trimmed += len(window.superseded)
            log.info("log.trimmed", purpose=self.purpose, through=window.through, entities=len(window.superseded))
            if not window.more:
                return trimmed
