"""Which commands an entity remembers to have accepted: the newest ones by itself, older ones by the archive's index."""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from holdfast._log import StoredCommit

REMEMBERED_COMMANDS: Final = 10_000
REMEMBERED_SECONDS: Final = 3600.0
COMMAND_ID_SECONDS: Final = 7 * 86_400.0
_UUID7: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
_RANDOM_BITS: Final = 74


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """An accepted command: the digest of its payload ("" when nobody knows it any more), and where its events stand."""

    digest: str
    position: int
    first: int
    last: int
    at: int = 0
    """When it was accepted, in Unix seconds."""


class Forgotten(msgspec.Struct, frozen=True, array_like=True):
    """What an entity knows of the ids that it let go: enough to say of a fresh one that it is none of them."""

    position: int = 0
    """The newest commit that accepted one of them, 0 for none."""
    newest_ms: int = -1
    """The latest own time among those that carry one, in Unix milliseconds. No clock needs to be right for this."""
    others: bool = False
    """Whether there were ids without a time of their own."""

    def may_hold(self, command_id: str) -> bool:
        """Whether this id may have been accepted and let go."""
        if not self.position:
            return False
        made = made_ms(command_id)
        return self.others if made is None else made <= self.newest_ms

    def and_also(self, command_id: str, position: int) -> "Forgotten":
        """What is known after letting go of one more."""
        made = made_ms(command_id)
        return Forgotten(
            max(self.position, position),
            self.newest_ms if made is None else max(self.newest_ms, made),
            self.others or made is None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much an entity remembers by itself: at most so many ids, none older than so many seconds."""

    count: int = REMEMBERED_COMMANDS
    seconds: float = REMEMBERED_SECONDS


class CommandMemory:
    """The newest accepted command ids of one entity. A function of its log and the bounds."""

    def __init__(
        self, bounds: Bounds, commands: Iterable[tuple[str, Remembered]] = (), forgotten: Forgotten | None = None
    ) -> None:
        self.forgotten = forgotten or Forgotten()
        self._bounds = bounds
        self._commands = OrderedDict(commands)

    def get(self, command_id: str) -> Remembered | None:
        """What became of this command, None when it is not remembered here."""
        return self._commands.get(command_id)

    def items(self) -> Iterable[tuple[str, Remembered]]:
        """All that is remembered, oldest first."""
        return self._commands.items()

    def may_have_let_go(self, command_id: str) -> bool:
        """Whether only the archive can say that this command was never accepted."""
        return command_id not in self._commands and self.forgotten.may_hold(command_id)

    def add(self, stored: StoredCommit) -> None:
        """Remember the commands of a commit, and let go of what is beyond the bounds."""
        for command_id, remembered in accepted_in(stored):
            self._commands[command_id] = remembered
            self._commands.move_to_end(command_id)
        oldest = stored.commit.events[-1].at.timestamp() - self._bounds.seconds
        while self._commands:
            command_id, remembered = next(iter(self._commands.items()))
            if len(self._commands) <= self._bounds.count and remembered.at >= oldest:
                return
            self.forgotten = self.forgotten.and_also(command_id, remembered.position)
            del self._commands[command_id]


def accepted_in(stored: StoredCommit) -> Iterator[tuple[str, Remembered]]:
    """The accepted commands of a commit."""
    digests = dict(stored.digests)
    spans: dict[str, tuple[int, int]] = {}
    for event in stored.commit.events:
        if event.command_id in digests:
            first, _ = spans.get(event.command_id, (event.seq, event.seq))
            spans[event.command_id] = (first, event.seq)
    at = int(stored.commit.events[-1].at.timestamp())
    for command_id, (first, last) in spans.items():
        yield command_id, Remembered(digests[command_id], stored.position, first, last, at)


def new_command_id() -> str:
    """A UUIDv7 (RFC 9562): it tells by its own time that no older command can have had it."""
    milliseconds, random = time.time_ns() // 1_000_000, secrets.randbits(_RANDOM_BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low))


def made_ms(command_id: str) -> int | None:
    """The time in a UUIDv7, in Unix milliseconds; None for ids of any other shape."""
    if _UUID7.fullmatch(command_id) is None:
        return None
    return int(command_id[:8] + command_id[9:13], 16)
