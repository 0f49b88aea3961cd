"""Where entities keep their snapshots: a cache of the log, never its replacement."""

import hashlib
from typing import Final, Protocol

import msgspec

from holdfast._entity import AnyEntity
from holdfast._names import Name

BODY_FORM: Final = 2
"""Counted up when what a snapshot holds beside the state changes."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An entity's image after the commit at stream sequence `position`.

    `body` is opaque to the store. `fingerprint` names the schema it was written with: another one means replay.
    """

    seq: int
    position: int
    body: bytes
    fingerprint: str


class Snapshots(Protocol):
    """One newest snapshot per entity. A store that fails raises; the runtime then goes on without it."""

    async def load(self, name: Name) -> Snapshot | None:
        """The newest snapshot, or None when there is none or its checksum does not fit."""
        ...

    async def save(self, name: Name, snapshot: Snapshot) -> None:
        """Keep this snapshot, unless the stored one is newer, or as new and of the same schema."""
        ...

    async def delete(self, name: Name) -> None:
        """Forget the entity's snapshot."""
        ...


def schema_fingerprint(entity: AnyEntity) -> str:
    """A digest of what a stored state depends on: its schema, its version, and how retired events are read."""
    parts = (BODY_FORM, msgspec.json.schema(entity.state_type), entity.state_version, sorted(entity.retired_types))
    schema = msgspec.json.encode(parts, order="sorted")
    return hashlib.blake2b(schema, digest_size=12).hexdigest()
