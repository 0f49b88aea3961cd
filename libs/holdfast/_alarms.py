"""Wake-ups as the runtime needs them. A deadline is data in the state; an alarm may ring too early, never too late."""

from datetime import datetime
from typing import Final, NamedTuple, Protocol

from holdfast._log import Conflict
from holdfast._names import Name

_ARM_ATTEMPTS: Final = 5


class Armed(NamedTuple):
    """An alarm that stands armed, and the sequence that fences changes to it."""

    sequence: int
    at: datetime


class Alarms(Protocol):
    """At most one armed time per entity, changed only by whoever knows the sequence of the last change."""

    async def arm(self, name: Name, at: datetime, /, *, expected: int) -> int:
        """Arm, or replace what stands armed with sequence `expected` (0: nothing); `Conflict` when it changed."""
        ...

    async def armed(self, name: Name, /) -> Armed | None:
        """What stands armed now, None when nothing does or it has rung."""
        ...

    async def remove(self, sequence: int, /) -> None:
        """Take away the armed alarm or the ring with this sequence; harmless when it is gone."""
        ...


class EntityAlarm:
    """Keeps one awake entity's alarm no later than its state asks, whatever crashes in between.

    Before a commit that changes the time, the earlier of the old and the new one stands armed, written by this
    owner: so a predecessor that wakes up again finds its fence broken. Afterwards the new time takes its place.
    """

    def __init__(self, alarms: Alarms, name: Name) -> None:
        self._alarms = alarms
        self._name = name
        self._armed: Armed | None = None
        self._mine = False

    async def before_commit(self, old: datetime | None, new: datetime | None) -> None:
        """Make sure that the earlier time stands armed before the state says so."""
        if new is None or old == new:
            return
        earlier = new if old is None else min(old, new)
        if self._mine and self._armed is not None and self._armed.at <= earlier:
            return
        for _ in range(_ARM_ATTEMPTS):
            try:
                await self._arm(earlier)
            except Conflict:
                self._armed = await self._alarms.armed(self._name)
            else:
                return
        raise Conflict(f"{self._name}: someone else keeps arming its alarm")

    async def settle(self, wanted: datetime | None) -> None:
        """After a commit or a ring: bring what stands armed to the wanted time, or to nothing."""
        if self._armed is not None and wanted is None:
            await self._alarms.remove(self._armed.sequence)
            self._armed = None
        if wanted is None or (self._armed is not None and self._armed.at == wanted):
            return
        try:
            await self._arm(wanted)
        except Conflict:
            self._armed = await self._alarms.armed(self._name)
            if self._armed is None or self._armed.at > wanted:
                await self._arm(wanted)

    def rang(self) -> None:
        """The armed alarm has gone off: nothing is known to stand armed."""
        self._armed = None
        self._mine = False

    async def _arm(self, at: datetime) -> None:
        sequence = await self._alarms.arm(self._name, at, expected=self._armed.sequence if self._armed else 0)
        self._armed = Armed(sequence, at)
        self._mine = True
