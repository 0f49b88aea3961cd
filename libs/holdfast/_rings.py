"""Alarms that have rung, until what they rang for is recorded."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from holdfast._alarms import Alarms
from holdfast._errors import Unavailable
from holdfast._messages import ALARM_ACTOR, CommandEnvelope
from holdfast._names import Name

ALARM_COMMAND: Final = "_alarm"
AGAIN_SECONDS: Final = 2.0
AGAIN_MAX_SECONDS: Final = 60.0
REST_SECONDS: Final = 0.01
"""Between two rounds: rings that come together go out together."""

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Ring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data of `_alarm`: the sequence under which the ring waits to be settled."""

    due: int


@dataclass(slots=True)
class _Waiting:
    attempts: int
    again_at: float


class Rings:
    """Passes each ring on into the commands stream, again and again until it is settled.

    The rings themselves stay in the alarm stream meanwhile, so that a crash forgets none.
    """

    def __init__(self, alarms: Alarms, pass_on: Callable[[Name, bytes], Awaitable[None]]) -> None:
        self._alarms = alarms
        self._pass_on = pass_on
        self._waiting: dict[tuple[Name, int], _Waiting] = {}
        self._sooner = asyncio.Event()
        self._next_round = -math.inf

    async def ring(self, name: Name, due: int) -> None:
        """Pass a ring on: it takes its place behind the commands received before it."""
        waiting = self._waiting.setdefault((name, due), _Waiting(0, 0.0))
        await self._pass(name, due, waiting)

    def knows(self, name: Name, due: int) -> bool:
        """Whether this ring was heard here; anyone who may send commands can make one up."""
        return (name, due) in self._waiting

    def again(self, name: Name, due: int, *, seconds: float) -> None:
        """Pass a ring on again after so long."""
        waiting = self._waiting.get((name, due))
        if waiting is not None:
            waiting.attempts = 0
            waiting.again_at = asyncio.get_running_loop().time() + seconds
            if waiting.again_at < self._next_round:
                self._sooner.set()

    async def settle(self, name: Name, due: int) -> None:
        """The deadline is recorded and the next alarm armed: this ring need not wait any more."""
        try:
            await self._alarms.remove(due)
        except Unavailable as error:
            log.warning("ring.not_settled", name=str(name), error=str(error))
        else:
            self._waiting.pop((name, due), None)

    def release(self, lost: Callable[[Name], bool]) -> None:
        """Leave the rings of these names to their new owner."""
        for key in [key for key in self._waiting if lost(key[0])]:
            del self._waiting[key]

    async def run(self) -> None:
        """Repeat what is not settled, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._sooner.clear()
            for (name, due), waiting in list(self._waiting.items()):
                if waiting.again_at <= loop.time():
                    await self._pass(name, due, waiting)
            earliest = min((waiting.again_at for waiting in self._waiting.values()), default=math.inf)
            self._next_round = min(earliest, loop.time() + AGAIN_SECONDS / 2)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_round):
                    await self._sooner.wait()
            await asyncio.sleep(REST_SECONDS)

    async def _pass(self, name: Name, due: int, waiting: _Waiting) -> None:
        delay = min(AGAIN_SECONDS * 2**waiting.attempts, AGAIN_MAX_SECONDS)
        waiting.attempts = min(waiting.attempts + 1, 10)
        waiting.again_at = asyncio.get_running_loop().time() + delay
        envelope = CommandEnvelope(
            command=ALARM_COMMAND,
            command_id=f"{ALARM_COMMAND}-{due}",
            by=ALARM_ACTOR,
            data=msgspec.Raw(_encoder.encode(Ring(due=due))),
        )
        try:
            await self._pass_on(name, _encoder.encode(envelope))
        except Unavailable as error:
            log.warning("ring.not_passed_on", name=str(name), error=str(error))
