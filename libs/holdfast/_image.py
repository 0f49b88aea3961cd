"""What an awake entity holds in memory: its state, and everything needed to judge the next command."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from holdfast._clock import EPOCH
from holdfast._entity import AnyEntity
from holdfast._log import Judged, StoredCommit
from holdfast._messages import RecordedEvent, State
from holdfast._snapshots import Snapshot

REMEMBERED_COMMANDS: Final = 10_000


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """An accepted command: the digest of its payload, and where its events stand."""

    digest: str
    position: int
    first: int
    last: int


class Image:
    """The fold of an entity's log up to `position`. Changed only by commits that the log has acknowledged."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.seq = 0
        self.position = 0
        self.last_at: datetime = EPOCH
        self.judged = Judged()
        self.commands: OrderedDict[str, Remembered] = OrderedDict()

    def apply(self, stored: StoredCommit, state: State) -> None:
        """Take over a commit and the state after it."""
        events = stored.commit.events
        self.state = state
        self.seq = events[-1].seq
        self.position = stored.position
        self.last_at = max(self.last_at, events[-1].at)
        self.judged = stored.judged
        self._remember(stored.position, events, dict(stored.digests))

    def _remember(self, position: int, events: Iterable[RecordedEvent], digests: dict[str, str]) -> None:
        spans: dict[str, tuple[int, int]] = {}
        for event in events:
            if event.command_id in digests:
                first, _ = spans.get(event.command_id, (event.seq, event.seq))
                spans[event.command_id] = (first, event.seq)
        for command_id, (first, last) in spans.items():
            self.commands[command_id] = Remembered(digests[command_id], position, first, last)
        while len(self.commands) > REMEMBERED_COMMANDS:
            self.commands.popitem(last=False)


class _SnapshotBody(msgspec.Struct, frozen=True, kw_only=True):
    state: msgspec.Raw
    last_at: datetime
    judged: Judged
    commands: list[tuple[str, Remembered]]


_encoder: Final = msgspec.msgpack.Encoder()
_body_decoder: Final = msgspec.msgpack.Decoder(_SnapshotBody)


def to_snapshot(image: Image, fingerprint: str) -> Snapshot:
    """Write an image down."""
    body = _SnapshotBody(
        state=msgspec.Raw(_encoder.encode(image.state)),
        last_at=image.last_at,
        judged=image.judged,
        commands=list(image.commands.items()),
    )
    return Snapshot(seq=image.seq, position=image.position, body=_encoder.encode(body), fingerprint=fingerprint)


def from_snapshot(entity: AnyEntity, snapshot: Snapshot) -> Image:
    """Read an image; a `msgspec` error or `ValueError` means that it cannot be used."""
    body = _body_decoder.decode(snapshot.body)
    image = Image(msgspec.msgpack.decode(body.state, type=entity.state_type))
    image.seq = snapshot.seq
    image.position = snapshot.position
    image.last_at = body.last_at
    image.judged = Judged(*body.judged)
    image.commands = OrderedDict(body.commands)
    return image
