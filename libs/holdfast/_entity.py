"""What a service writes: an entity's rules as pure functions over its state."""

import hashlib
import random
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from holdfast._messages import Actor, Audience, Command, Event, State
from holdfast._names import Name
from holdfast._upcasting import AnyUpcast

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

Cause = Literal["command", "alarm", "lazy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a decision may know besides the state. Everything in it is the same at every retry and replay."""

    name: Name
    now: datetime
    """Decision time, aware UTC: receipt by the commands stream, never before the entity's last event."""
    actor: Actor
    command_id: str
    seq: int
    """The entity's last sequence before this decision."""
    due_at: datetime | None = None
    """In `on_alarm`: the deadline that passed, which is when its consequences take effect."""
    cause: Cause = "command"
    """In `on_alarm`: `alarm` when woken for it, `lazy` when a command found it passed."""

    def new_id(self, label: str = "") -> str:
        """A UUID derived from the command id and `label`: the same again on every retry."""
        return str(UUID(bytes=self._digest(label)[:16], version=5))

    def random(self, label: str = "") -> random.Random:
        """Randomness derived from the command id and `label`: the same again on every retry."""
        return random.Random(self._digest(label))  # noqa: S311 - reproducible by design, not a secret

    def _digest(self, label: str) -> bytes:
        return hashlib.blake2b(f"{self.name}\0{self.command_id}\0{label}".encode(), digest_size=32).digest()


class Entity(Generic[S, C, E]):
    """The rules of one kind of entity. Subclasses are stateless: all state is in `S`.

    The unions of commands and events are read from the type arguments: `Entity[Lot, LotCommand, LotEvent]`.
    """

    purpose: ClassVar[str]
    """The first part of every name, and one stream of the log."""
    initial: ClassVar[State]
    """The state before the first event."""
    snapshot_every: ClassVar[int] = 100
    """Events between two snapshots. A successor reads so many at most before it answers, at some 0.2 ms each."""
    exists_from_start: ClassVar[bool] = False
    """Whether an entity reads as `initial` at seq 0 before its first event."""
    upcasters: ClassVar[tuple[AnyUpcast, ...]] = ()
    """How events that are written no more are read; they stay in the log as they are."""
    state_version: ClassVar[int] = 1
    """Raise it when the same events lead to another state than before: then snapshots are replayed."""

    state_type: ClassVar[type[State]]
    command_types: ClassVar[Mapping[str, type[Command]]]
    event_types: ClassVar[Mapping[str, type[Event]]]
    retired_types: ClassVar[Mapping[str, type[Event]]] = {}
    """The stored forms that `upcasters` read."""

    def __init_subclass__(cls, **config: Any) -> None:
        """Read the message types from the type arguments."""
        super().__init_subclass__(**config)
        for base in getattr(cls, "__orig_bases__", ()):
            arguments = get_args(base)
            if get_origin(base) is Entity and not any(isinstance(argument, TypeVar) for argument in arguments):
                state, commands, events = arguments
                cls.state_type = state
                cls.command_types = _by_tag(commands)
                cls.event_types = _by_tag(events)
        cls.retired_types = _retired(cls)

    def decide(self, state: S, command: C, ctx: Context, /) -> Sequence[E]:
        """Judge a command: the events it causes, none when it is already so, or raise `Rejected`."""
        raise NotImplementedError

    def evolve(self, state: S, event: E, /) -> S:
        """Obey an event. Raising here is a bug."""
        raise NotImplementedError

    def alarm_at(self, state: S, /) -> datetime | None:
        """Say when this state next needs waking, or None."""
        return None

    def on_alarm(self, state: S, ctx: Context, /) -> Sequence[E]:
        """The events of the deadline `ctx.due_at`; afterwards `alarm_at` must be later or None."""
        return ()

    def view(self, state: S, viewer: Actor, /) -> object:
        """The state as this viewer may see it, as something msgspec encodes to a JSON object."""
        return state

    def audience(self, event: E, state: S, /) -> Audience | None:
        """Who may see this event, given the state after it; None means everyone who may read the entity."""
        return None

    def readers(self, state: S, /) -> frozenset[str] | None:
        """The tags of those who may read the entity at all (`user:…`, `role:…`); None means the whole tenant.

        Whoever is no longer among them after an event sees neither that event nor any later one.
        """
        return None

    def may_read(self, state: S, viewer: Actor, /) -> bool:
        """Whether this viewer may read the entity at all; others get `NOT_FOUND`.

        Override it for what never changes for a viewer; a watch that has begun notices only changes of `readers`.
        """
        readers = self.readers(state)
        return readers is None or not viewer.tags.isdisjoint(readers)


def _by_tag(union: Any) -> dict[str, type[Any]]:
    members = get_args(union) if get_origin(union) in (Union, types.UnionType) else (union,)
    tagged: dict[str, type[Any]] = {}
    for member in members:
        tag: str = member.tag
        if not tag:
            raise TypeError(f'{member.__name__} has no wire tag: write class {member.__name__}(..., tag="...")')
        if tag in tagged:
            raise TypeError(f"{member.__name__} and {tagged[tag].__name__} share the wire tag {tag!r}")
        tagged[tag] = member
    return tagged


AnyEntity = Entity[Any, Any, Any]


def _retired(entity: type[AnyEntity]) -> dict[str, type[Event]]:
    retired: dict[str, type[Event]] = {}
    for upcast in entity.upcasters:
        old: type[Event] = upcast.old
        if not old.tag:
            raise TypeError(f'{old.__name__} has no wire tag: write class {old.__name__}(..., tag="...")')
        if old.tag in retired or old.tag in entity.event_types:
            raise TypeError(f"{old.__name__}: the tag {old.tag!r} is in use; a new meaning is an event with a new tag")
        retired[old.tag] = old
    return retired


@dataclass(frozen=True, slots=True, kw_only=True)
class ListForm:
    """What may be asked of one list, and what its items are."""

    filters: type[Any]
    item: type[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What others may know of a service: its purpose, its messages and its codes, for schemas and doors."""

    purpose: str
    commands: Mapping[str, type[Command]]
    events: Mapping[str, type[Event]]
    """What the log may hold: the events that are written, and those that were."""
    view: type[Any]
    """The type that `Entity.view` returns."""
    filters: type[Any] | None = None
    """The struct of filters that the purpose's list takes, when it has a list."""
    item: type[Any] | None = None
    """The struct of one item of that list."""
    lists: Mapping[str, ListForm] = field(default_factory=dict[str, ListForm])
    """The purpose's lists by name."""
    summary: str = ""
    codes: Mapping[str, int] = field(default_factory=dict[str, int])
    """The service's own error codes with their HTTP status."""
    retired: frozenset[str] = frozenset()
    """The tags among `events` that are written no more."""

    @classmethod
    def of(
        cls,
        entity: type[AnyEntity],
        *,
        view: type[Any],
        filters: type[Any] | None = None,
        item: type[Any] | None = None,
        lists: Mapping[str, ListForm] | None = None,
        summary: str = "",
    ) -> "Contract":
        """Collect the contract of an entity class."""
        codes = {error.code: error.status for command in entity.command_types.values() for error in command.raises}
        return cls(
            purpose=entity.purpose,
            commands=entity.command_types,
            events={**entity.event_types, **entity.retired_types},
            view=view,
            filters=filters,
            item=item,
            lists=lists or {},
            summary=summary,
            codes=codes,
            retired=frozenset(entity.retired_types),
        )
