"""Commands, events and states, and the envelopes in which they travel."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, dataclass_transform

import msgspec

from holdfast._errors import HoldfastError

_TAG: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class MessageMeta(msgspec.StructMeta):
    """Makes every message frozen, keyword-only, strict about unknown fields and explicitly tagged."""

    def __new__(
        mcls: type["MessageMeta"],
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        tag: str | None = None,
        **config: Any,
    ) -> Any:
        """Build the struct class; a concrete command or event without a lower-case `tag` is a `TypeError`."""
        config = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True, **config}
        cls: Any = super().__new__(mcls, name, bases, namespace, **config)
        if tag is not None and not _TAG.fullmatch(tag):
            raise TypeError(f"{name}: a wire tag is snake_case, not {tag!r}")
        cls.tag = tag or ""
        return cls


class Message(msgspec.Struct, metaclass=MessageMeta):
    """What commands, events and states have in common."""

    tag: ClassVar[str]

    def __init_subclass__(cls, *, tag: str | None = None, **config: Any) -> None: ...


class State(Message):
    """What an entity is; replaced, never changed."""


class Event(Message):
    """One fact, in the past tense, with the decision in it rather than the input."""


class Command(Message, omit_defaults=True):
    """One wish, in the imperative. Who may send it and whether it creates its entity stand on the class."""

    roles: ClassVar[frozenset[str] | None] = None
    """Any one of these lets a caller send it; None means every member of the tenant."""
    creates: ClassVar[bool] = False
    """Whether it may be the first command of its entity."""
    raises: ClassVar[tuple[type[HoldfastError], ...]] = ()
    """The service's own refusals, for the documents."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who acts or looks: user, roles and, where it names one, the device."""

    user: str
    roles: tuple[str, ...]
    device: str | None = None

    @property
    def tags(self) -> frozenset[str]:
        """`user:…` and `role:…` strings, as an audience names them."""
        return frozenset((f"user:{self.user}", *(f"role:{role}" for role in self.roles)))


ALARM_ACTOR: Final = Actor(user="_alarm", roles=("system",))
"""Who acts when a deadline passes; no credential can carry this name."""


class Audience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who sees an event: `only` these tags (others get it redacted), and for single `fields` only those tags.

    Tags are `user:…` and `role:…`; fields are those of the event's data, and `by` for who sent the command.
    """

    only: tuple[str, ...] | None = None
    fields: Mapping[str, tuple[str, ...]] = {}
    readers: tuple[str, ...] | None = None
    """Written by the runtime where an event takes readers away: who may read the entity from this event on."""


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event as the log holds it; `data` is the event's own JSON, `to` is absent when everyone sees all."""

    seq: int
    type: str
    data: msgspec.Raw
    at: datetime
    by: Actor
    command_id: str
    to: Audience | None = None


COMMIT_VERSION: Final = 1
"""Raised when a commit or its events get a field that no reader may overlook."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the log: the events of one or more commands to one entity."""

    v: int
    name: str
    events: tuple[RecordedEvent, ...]


class CommandEnvelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A command on `ask.` and `cmd.` subjects; `by` is set by the door that checked the credential."""

    command: str
    command_id: str
    by: Actor
    data: msgspec.Raw = msgspec.Raw(b"{}")
    expected_seq: int | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command that was carried out; `seq` is that of its last event."""

    name: str
    seq: int
    events: tuple[msgspec.Raw, ...]
    deduplicated: bool = False


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An entity as one viewer may see it at `seq`; `state` is JSON, or JSON null when it was not asked for."""

    name: str
    seq: int
    state: msgspec.Raw
    server_now: datetime
