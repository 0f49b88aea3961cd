"""The `Snapshots` port in a dictionary, for tests and for runs without a database."""

from holdfast._names import Name
from holdfast._snapshots import Snapshot


class MemorySnapshots:
    """Snapshots that live as long as this object."""

    def __init__(self) -> None:
        self._stored: dict[Name, Snapshot] = {}

    async def load(self, name: Name) -> Snapshot | None:
        """The newest snapshot, or None when there is none."""
        return self._stored.get(name)

    async def save(self, name: Name, snapshot: Snapshot) -> None:
        """Keep this snapshot, unless the stored one is newer, or as new and of the same schema."""
        stored = self._stored.get(name)
        if (
            stored is None
            or stored.seq < snapshot.seq
            or (stored.seq == snapshot.seq and stored.fingerprint != snapshot.fingerprint)
        ):
            self._stored[name] = snapshot

    async def delete(self, name: Name) -> None:
        """Forget the entity's snapshot."""
        self._stored.pop(name, None)
