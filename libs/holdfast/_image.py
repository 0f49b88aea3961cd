"""What an awake entity holds in memory: its state, and everything needed to judge the next command."""

from datetime import datetime
from typing import Final

import msgspec

from holdfast._clock import EPOCH
from holdfast._entity import AnyEntity
from holdfast._log import Judged, StoredCommit
from holdfast._messages import State
from holdfast._remembered import Bounds, CommandMemory, Forgotten, Remembered
from holdfast._snapshots import Snapshot


class Image:
    """The fold of an entity's log up to `position`. Changed only by commits that the log has acknowledged."""

    def __init__(self, state: State, bounds: Bounds | None = None) -> None:
        self.state = state
        self.seq = 0
        self.position = 0
        self.last_at: datetime = EPOCH
        self.judged = Judged()
        self.commands = CommandMemory(bounds or Bounds())

    def apply(self, stored: StoredCommit, state: State) -> None:
        """Take over a commit and the state after it."""
        events = stored.commit.events
        self.state = state
        self.seq = events[-1].seq
        self.position = stored.position
        self.last_at = max(self.last_at, events[-1].at)
        self.judged = stored.judged
        self.commands.add(stored)


class _SnapshotBody(msgspec.Struct, frozen=True, kw_only=True):
    state: msgspec.Raw
    last_at: datetime
    judged: Judged
    commands: list[tuple[str, Remembered]]
    forgotten: Forgotten


_encoder: Final = msgspec.msgpack.Encoder()
_body_decoder: Final = msgspec.msgpack.Decoder(_SnapshotBody)


def to_snapshot(image: Image, fingerprint: str) -> Snapshot:
    """Write an image down."""
    body = _SnapshotBody(
        state=msgspec.Raw(_encoder.encode(image.state)),
        last_at=image.last_at,
        judged=image.judged,
        commands=list(image.commands.items()),
        forgotten=image.commands.forgotten,
    )
    return Snapshot(seq=image.seq, position=image.position, body=_encoder.encode(body), fingerprint=fingerprint)


def from_snapshot(entity: AnyEntity, snapshot: Snapshot, bounds: Bounds | None = None) -> Image:
    """Read an image; a `msgspec` error or `ValueError` means that it cannot be used."""
    body = _body_decoder.decode(snapshot.body)
    image = Image(msgspec.msgpack.decode(body.state, type=entity.state_type))
    image.seq = snapshot.seq
    image.position = snapshot.position
    image.last_at = body.last_at
    image.judged = Judged(*body.judged)
    image.commands = CommandMemory(bounds or Bounds(), body.commands, body.forgotten)
    return image
