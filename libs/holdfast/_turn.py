"""One pass over an entity's mailbox: what has been decided on top of its image and is not committed yet."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

import msgspec

from holdfast._errors import ErrorBody
from holdfast._image import Image
from holdfast._log import Judged
from holdfast._mailbox import Received
from holdfast._messages import Accepted, RecordedEvent, State, View
from holdfast._recall import Recalled
from holdfast._remembered import Remembered
from holdfast.telemetry import Step

VIEW_COMMAND: Final = "_view"
Reply = dict[str, object]
"""`{"ok": …}` or `{"error": …}`; sent after the commit that it depends on."""
Lookup = Callable[[], Awaitable[Reply]]


class ViewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data of `_view`: now or in the past, with the state or only the seq."""

    seq: int | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    state: bool = True


@dataclass(slots=True, kw_only=True)
class Turn:
    """Starts as the image stands. Nothing in it gets out before its events are in the log."""

    state: State
    seq: int
    last_at: datetime
    judged: Judged
    recalled: Recalled
    taken: list[Received] = field(default_factory=list[Received])
    events: list[RecordedEvent] = field(default_factory=list[RecordedEvent])
    bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict[str, str])
    replies: list[tuple[Received, Reply]] = field(default_factory=list[tuple[Received, Reply]])
    lookups: list[tuple[Received, Lookup]] = field(default_factory=list[tuple[Received, Lookup]])
    """Replies for which the log must be read."""
    pasts: list[tuple[Received, ViewQuery]] = field(default_factory=list[tuple[Received, ViewQuery]])
    rings: dict[int, datetime] = field(default_factory=dict[int, datetime])
    """The rings that this host heard, and when each was received as a command."""
    unfinished: Received | None = None
    """The last that was taken, when deadlines before it have to be committed before it can be judged."""

    @classmethod
    def on(cls, image: Image, recalled: Recalled) -> "Turn":
        """A turn in which nothing has happened yet."""
        return cls(state=image.state, seq=image.seq, last_at=image.last_at, judged=image.judged, recalled=recalled)

    def add(self, events: Sequence[RecordedEvent], state: State) -> None:
        """Take over what was decided."""
        self.state = state
        if events:
            self.seq = events[-1].seq
            self.last_at = max(self.last_at, events[-1].at)
            self.events.extend(events)
            self.bytes += sum(len(bytes(event.data)) for event in events)

    def answer_with(self, other: "Turn") -> None:
        """Take over what another turn on the same image answers, and nothing that it decided."""
        self.replies += other.replies
        self.lookups += other.lookups
        self.pasts += other.pasts
        self.rings |= other.rings

    def outcomes(self) -> Mapping[str, int]:
        """How many of the commands that are answered without a look-up had each outcome; views are no commands."""
        return Counter(
            outcome_of(reply) for received, reply in self.replies if received.envelope.command != VIEW_COMMAND
        )

    def steps(self) -> Sequence[Step]:
        """The spans of what was taken, where it is traced."""
        return [received.step for received in self.taken if received.step is not None]

    def committed_steps(self) -> Sequence[Step]:
        """The spans of the commands whose events these are; of whatever found a deadline passed, where there are none."""
        traced = [received for received in self.taken if received.step is not None]
        accepted = [each.step for each in traced if each.step and each.envelope.command_id in self.digests]
        return accepted or self.steps()

    def accepted(self, command_id: str) -> Remembered | None:
        """What became of this command earlier in the same turn; its position is not known yet."""
        digest = self.digests.get(command_id)
        if digest is None:
            return None
        span = [event.seq for event in self.events if event.command_id == command_id]
        return Remembered(digest, 0, span[0], span[-1])


def seq_of(reply: Mapping[str, object]) -> int | None:
    """The entity's seq that an answer tells, where it tells one."""
    match reply:
        case {"ok": Accepted(seq=seq) | View(seq=seq)}:
            return seq
        case _:
            return None


def outcome_of(reply: Mapping[str, object]) -> str:
    """The code of an error, `REPEATED` for a first result given again, else `OK`."""
    match reply:
        case {"error": ErrorBody(code=code)}:
            return code
        case {"ok": Accepted(deduplicated=True)}:
            return "REPEATED"
        case _:
            return "OK"
