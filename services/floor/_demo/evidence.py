"""What the demo saw from outside, and what its people wrote on paper: the checks judge this, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.testing.doors import Frame
from services.floor._demo.paper import Paper


@dataclass(slots=True, kw_only=True)
class Deed:
    """One command as its sender knows it; times are seconds of one monotonic clock."""

    user: str
    name: str
    command: str
    command_id: str
    sent_at: float
    """When it was sent for the first time."""
    answered_at: float = 0.0
    answer: Frame = field(default_factory=dict[str, Any])
    attempts: int = 0

    def tried(self) -> None:
        """It is sent, for the first time or again."""
        self.attempts += 1

    @property
    def accepted(self) -> bool:
        """Whether it was acknowledged."""
        return self.answer.get("op") == "ok"


@dataclass(slots=True)
class Sighting:
    """What one tablet was shown of one entity, in the order of arrival."""

    user: str
    kind: str
    name: str
    events: list[Frame] = field(default_factory=list[Frame])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A process that was killed."""

    part: str
    pid: int
    at: float


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a whole evening has shown."""

    floor: str
    till: str
    """The names of the two entities."""
    paper: Paper
    deeds: list[Deed] = field(default_factory=list[Deed])
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    boards: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """What each tablet holds at the end of the tables, as it made it from events; by a label of the tablet."""
    views: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict[str, dict[str, dict[str, str]]])
    """By role and user, what each was answered at the end: the state, as text, of each entity by its name."""
    logs: dict[str, list[Frame]] = field(default_factory=dict[str, list[Frame]])
    """By name, as the manager reads it."""
    replays: Mapping[tuple[str, str], Sequence[Frame]] = field(default_factory=dict[tuple[str, str], Sequence[Frame]])
    """By user and name, as the users of tablets read it."""
    kills: list[Kill] = field(default_factory=list[Kill])
    returns: int = 0
    """How often a tablet came back to the network."""

    def accepted(self) -> list[Deed]:
        """The acknowledged commands."""
        return [deed for deed in self.deeds if deed.accepted]

    def of(self, name: str, *types: str) -> list[Frame]:
        """The events of some types in the log of one entity."""
        return [event for event in self.logs[name] if event["type"] in types]
