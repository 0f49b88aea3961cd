"""What one reactor or worker still has before it, and what it gave up."""

import asyncio
from contextlib import suppress
from typing import Final

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast.jetstream import ApiError
from holdfast.jetstream._durable import Durable
from holdfast.jetstream._work import count_letters

COUNT_SECONDS: Final = 5.0


class Backlog:
    """Counts of all replicas together, a few seconds old."""

    def __init__(self, bus: Bus, durable: Durable, *, purpose: str, origin: str) -> None:
        self.lag = 0
        """Messages of the stream that are not done with."""
        self.dead = 0
        """Dead letters."""
        self._bus = bus
        self._durable = durable
        self.purpose = purpose
        self.origin = origin

    async def look(self) -> None:
        """Count now."""
        self.lag = await self._durable.waiting()
        self.dead = await count_letters(self._bus, self.purpose, self.origin)

    async def run(self) -> None:
        """Count again and again until cancelled; while NATS is away, the last counts stand."""
        while True:
            with suppress(Unavailable, ApiError):  # whoever reads or stores meanwhile says so in the log
                await self.look()
            await asyncio.sleep(COUNT_SECONDS)
