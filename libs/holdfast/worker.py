"""What leaves an entity after its commit: reactors turn events into commands and jobs, workers do the jobs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec

from holdfast._messages import Actor, Command, Event
from holdfast._names import Name
from holdfast._projection import StoredEvent

__all__ = ["REACTOR_ACTOR", "AnyReactor", "AnyWorker", "Effect", "Job", "Reactor", "Send", "Work", "Worker"]

REACTOR_ACTOR: Final = Actor(user="_reactor", roles=("system",))
"""Who sends the commands of reactors that name nobody else; no credential can carry this name."""

E = TypeVar("E", bound=Event)
P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A command to another entity of the same tenant; `step` is unique among the effects of one event."""

    name: Name
    command: Command
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work outside of every entity; `step` is unique among the effects of one event."""

    kind: str
    payload: msgspec.Struct
    step: str = ""


Effect = Send | Job


class Reactor(Generic[E]):
    """Turns the events of one purpose of its service into effects, in the order of each entity."""

    name: str
    """Unique in the purpose, lower-case letters, digits and '-'. Another name is another reactor, with effects anew."""
    purpose: str
    starts: ClassVar[Literal["now", "beginning"]] = "now"
    """Where it begins when it is first served; later it goes on where it was."""
    actor: ClassVar[Actor] = REACTOR_ACTOR
    """Who sends its commands."""

    def react(self, stored: StoredEvent[E], /) -> Sequence[Effect]:
        """The effects of one event: the same at every call, without I/O. Raising holds back that entity's effects."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[P]):
    """A job in a worker's hands."""

    id: str
    """The same at every attempt: the idempotency key towards others."""
    name: Name
    """The entity whose event asked for it."""
    seq: int
    """The event's place among that entity's."""
    attempt: int
    """1 at first."""
    payload: P


class Worker(Generic[P]):
    """Does the jobs of one kind. Every job is done at least once: what it changes elsewhere must bear a second time."""

    kind: str
    """Unique in the purpose, lower-case letters, digits and '-'."""
    purpose: str
    payload: type[P]
    """What the jobs carry."""
    at_once: ClassVar[int] = 8
    """Jobs that one process does at the same time."""
    seconds: ClassVar[float] = 60.0
    """How long one attempt may take."""
    attempts: ClassVar[int] = 10
    """After so many a job is a dead letter."""
    retry_seconds: ClassVar[float] = 1.0
    """The pause after the first failure; it doubles up to `max_retry_seconds`."""
    max_retry_seconds: ClassVar[float] = 300.0

    async def handle(self, work: Work[P], /) -> None:
        """Do one job. `Rejected` is final, everything else that is raised is tried again."""
        raise NotImplementedError


AnyReactor = Reactor[Any]
AnyWorker = Worker[Any]


def effect_id(stored: StoredEvent[Any], reactor: str, step: str) -> str:
    """The id of one effect, the same however often its event is delivered.

    The event's command tells the lives of an entity apart: after a deletion, seqs begin anew.
    """
    parts = (str(stored.name), str(stored.seq), stored.recorded.command_id, reactor, step)
    return f"r-{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=16).hexdigest()}"
