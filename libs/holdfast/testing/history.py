"""Counters in a log of their own, written without a host: what projectors and archives read in tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from holdfast._log import Judged, NewCommit
from holdfast._messages import Actor, Audience, Commit, Event, RecordedEvent
from holdfast._names import Name
from holdfast.jetstream import JetStreamLog, NatsBus, ensure_streams
from holdfast.testing.counter import Added

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
ANN = Actor(user="ann", roles=("clerk",), device="till-2")


class History:
    """The log of one purpose that no other test uses."""

    def __init__(self, bus: NatsBus) -> None:
        self.purpose = f"counter-{uuid4().hex[:12]}"
        self.commits: list[tuple[int, Commit]] = []
        self._bus = bus
        self._log = JetStreamLog(bus)
        self._ends: dict[Name, tuple[int, int]] = {}

    async def open(self) -> "History":
        """Make the streams."""
        await ensure_streams(self._bus, self.purpose)
        return self

    def name(self, id_: str = "a", tenant: str = "acme") -> Name:
        """The name of one of its counters."""
        return Name.of(self.purpose, tenant, id_)

    async def add(self, *amounts: int, id_: str = "a", tenant: str = "acme") -> int:
        """Append one commit with an event for each amount."""
        return await self.append([Added(amount=amount) for amount in amounts], id_=id_, tenant=tenant)

    async def append(
        self,
        events: Sequence[Event],
        *,
        id_: str = "a",
        tenant: str = "acme",
        tag: str | None = None,
        command_id: str | None = None,
        to: Audience | None = None,
        traceparent: str = "",
    ) -> int:
        """Append one commit and return its position; `tag` replaces those of the events."""
        name = self.name(id_, tenant)
        seq, position = self._ends.get(name, (0, 0))
        command = command_id or uuid4().hex
        recorded = tuple(
            RecordedEvent(
                seq=seq + offset,
                type=tag or event.tag,
                data=msgspec.Raw(msgspec.json.encode(event)),
                at=NOON,
                by=ANN,
                command_id=command,
                to=to,
            )
            for offset, event in enumerate(events, start=1)
        )
        commit = Commit(v=1, name=str(name), events=recorded)
        new = NewCommit(name, position, uuid4().hex, commit, Judged(), [(command, "digest")], traceparent)
        position = await self._log.append(new)
        self._ends[name] = (seq + len(recorded), position)
        self.commits.append((position, commit))
        return position

    async def purge(self, id_: str) -> None:
        """Remove every commit of one counter from the log."""
        name = self.name(id_)
        await self._log.purge(name)
        self._ends.pop(name, None)
        self.commits = [(position, commit) for position, commit in self.commits if commit.name != str(name)]
