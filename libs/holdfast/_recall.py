"""Looks old command ids up before they are judged, so that none is carried out twice."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import structlog

from holdfast._errors import Unavailable
from holdfast._history import EntityHistory
from holdfast._mailbox import Received
from holdfast._names import Name
from holdfast._remembered import CommandMemory, Remembered

PAUSE_SECONDS: Final = 1.0
"""After a failed look-up the next ones fail at once for so long, so that other commands do not wait for them."""
NOT_KNOWN: Final = "whether this command was accepted before cannot be known just now; send the same command id again"

log = structlog.get_logger(__name__)


class Recalled(NamedTuple):
    """The answers for some ids that an entity may have accepted and let go."""

    asked: frozenset[str] = frozenset()
    found: Mapping[str, Remembered] = {}
    failure: Unavailable | None = None

    def get(self, command_id: str) -> Remembered | None:
        """What became of this command, if it was accepted; `Unavailable` when that cannot be known just now."""
        if self.failure is not None and command_id in self.asked:
            raise self.failure
        return self.found.get(command_id)


NOTHING: Final = Recalled()


def needs_recall(memory: CommandMemory, received: Received) -> bool:
    """Whether this command must not be judged before it is looked up."""
    envelope = received.envelope
    return not envelope.command.startswith("_") and memory.may_have_let_go(envelope.command_id)


class Recall:
    """One for all entities of a host. `seconds` is how long an accepted id gives its first result again."""

    def __init__(self, history: EntityHistory, *, seconds: float) -> None:
        self._history = history
        self._kept = timedelta(seconds=seconds)
        self._down_until = 0.0

    async def look_up(self, name: Name, memory: CommandMemory, waiting: Sequence[Received]) -> Recalled:
        """Ask for all ids of these commands that only the archive or the log can know, in one go."""
        if not memory.forgotten.position:
            return NOTHING
        old = [each for each in waiting if needs_recall(memory, each)]
        asked = frozenset(each.envelope.command_id for each in old)
        if not asked:
            return NOTHING
        if asyncio.get_running_loop().time() < self._down_until:
            return Recalled(asked, {}, Unavailable(NOT_KNOWN))
        since = min(each.at for each in old) - self._kept
        try:
            found = await self._history.recall(name, asked, through=memory.forgotten.position, since=since)
        except (Unavailable, TimeoutError) as error:
            self._down_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
            log.warning("command.not_recalled", name=str(name), ids=len(asked), error=str(error))
            return Recalled(asked, {}, Unavailable(NOT_KNOWN))
        return Recalled(asked, found)
