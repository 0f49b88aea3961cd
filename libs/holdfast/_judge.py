"""The pure middle of the runtime: deadlines first, then the command, then the fold (rules C1 to C5)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from holdfast._entity import AnyEntity, Cause, Context
from holdfast._errors import Forbidden, NotFound, ValidationFailed
from holdfast._messages import ALARM_ACTOR, Actor, Audience, Command, Event, RecordedEvent, State
from holdfast._names import Name
from holdfast._numbers import check_numbers

DEADLINES_AT_ONCE: Final = 250
DEADLINE_BYTES_AT_ONCE: Final = 256 * 1024
"""After so many deadlines, or so much that they cause, the others that have passed wait for the next commit."""
STEPS_WITHOUT_ADVANCE: Final = 10_000
"""So often an alarm may wake at one time, or go back from it, before that counts as for ever."""
_encoder: Final = msgspec.json.Encoder()


class AlarmStuck(Exception):
    """`on_alarm` left the alarm where it was: recording its events would wake it for ever."""


class UnknownEvent(Exception):
    """The log holds an event that this code does not know: it was written by newer code."""


class UnreadableEvent(Exception):
    """A new event could not be read from the log again, where it would stop its entity for good."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """New events, still unrecorded, and the state after them."""

    events: tuple[RecordedEvent, ...]
    state: State
    more: bool = False
    """Whether more deadlines have passed, which have to be recorded next."""


class Judge:
    """One entity class with its codecs. Stateless and free of I/O; `decide` and `evolve` are called only here."""

    def __init__(self, entity: AnyEntity) -> None:
        self.entity = entity
        self._commands = {tag: msgspec.json.Decoder(kind) for tag, kind in entity.command_types.items()}
        stored = {**entity.event_types, **entity.retired_types}
        self._events = {tag: msgspec.json.Decoder(kind) for tag, kind in stored.items()}
        self._upcasts = {upcast.old.tag: upcast.into for upcast in entity.upcasters}

    def command(self, tag: str, data: bytes | msgspec.Raw) -> Command:
        """Decode a command; an unknown tag or a wrong field is `VALIDATION` with what to do."""
        decoder = self._commands.get(tag)
        if decoder is None:
            raise ValidationFailed(
                f"{self.entity.purpose} has no command {tag[:100]!r}; it knows {', '.join(sorted(self._commands))}"
            )
        check_numbers(data)
        try:
            return decoder.decode(data)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"{tag}: {error}") from None

    def event(self, recorded: RecordedEvent) -> Event:
        """Decode a recorded event, a retired one into what it means now; one of newer code is `UnknownEvent`."""
        decoder = self._events.get(recorded.type)
        if decoder is None:
            raise UnknownEvent(f"event {recorded.seq} is a {recorded.type!r}, which this code does not know")
        try:
            event = decoder.decode(recorded.data)
        except msgspec.ValidationError as error:
            raise UnknownEvent(f"event {recorded.seq}, {recorded.type!r}, is of a newer form") from error
        return self.current(event)

    def current(self, event: Event) -> Event:
        """What a stored event means now."""
        for _ in self._upcasts:
            into = self._upcasts.get(event.tag)
            if into is None:
                return event
            event = into(event)
        if event.tag not in self.entity.event_types:
            raise TypeError(f"the upcasts of {self.entity.purpose} end at {event.tag!r}, which is no event of its own")
        return event

    def fold(self, state: State, events: Iterable[RecordedEvent]) -> State:
        """Replay recorded events over a state."""
        for recorded in events:
            state = self.entity.evolve(state, self.event(recorded))
        return state

    def authorise(self, command: Command, state: State, actor: Actor, *, seq: int) -> None:
        """Refuse a caller who may not read (`NOT_FOUND`) or not send (`FORBIDDEN`), or an unwritten entity."""
        written = seq > 0 or self.entity.exists_from_start
        if written and not self.entity.may_read(state, actor):
            raise NotFound("no such entity")
        if command.roles is not None and command.roles.isdisjoint(actor.roles):
            raise Forbidden(f"{command.tag} needs one of these roles: {', '.join(sorted(command.roles))}")
        if not written and not command.creates:
            raise NotFound("no such entity")

    def expire(self, name: Name, state: State, *, seq: int, now: datetime, cause: Cause) -> Judgement:
        """Let the deadlines at or before `now` take effect, in order (rules C1, C2): all, or as many as fit in a commit."""
        events: list[RecordedEvent] = []
        steps, stayed, latest, size = 0, 0, None, 0
        while (due := self.entity.alarm_at(state)) is not None and due <= now:
            stayed = stayed + 1 if latest is not None and due <= latest else 0
            if stayed > STEPS_WITHOUT_ADVANCE:
                raise AlarmStuck(f"{name}: on_alarm comes back to the deadline {due.isoformat()} for ever")
            # Only where time goes on, so that an alarm that does not is found, however it is cut up.
            if not stayed and (steps >= DEADLINES_AT_ONCE or size >= DEADLINE_BYTES_AT_ONCE):
                return Judgement(tuple(events), state, more=True)
            latest = due if latest is None else max(latest, due)
            ctx = Context(
                name=name,
                now=now,
                actor=ALARM_ACTOR,
                command_id=_alarm_id(name, due, seq + len(events)),
                seq=seq + len(events),
                due_at=due,
                cause=cause,
            )
            step = self._record(state, self.entity.on_alarm(state, ctx), ctx)
            after = self.entity.alarm_at(step.state)
            if not step.events or (after is not None and after <= due and step.state == state):
                raise AlarmStuck(f"{name}: on_alarm left the deadline {due.isoformat()} in place")
            events.extend(step.events)
            state = step.state
            steps += 1
            size += sum(len(bytes(event.data)) for event in step.events)
        return Judgement(tuple(events), state)

    def decide(self, state: State, command: Command, ctx: Context) -> Judgement:
        """Judge one command whose sender is authorised and whose earlier deadlines are recorded."""
        return self._record(state, self.entity.decide(state, command, ctx), ctx)

    def _record(self, state: State, events: Sequence[Event], ctx: Context) -> Judgement:
        recorded: list[RecordedEvent] = []
        for offset, event in enumerate(events, start=1):
            before = self.entity.readers(state)
            data = msgspec.Raw(_encoder.encode(event))
            state = self.entity.evolve(state, self._as_loaded(event.tag, data))
            recorded.append(
                RecordedEvent(
                    seq=ctx.seq + offset,
                    type=event.tag,
                    data=data,
                    at=ctx.now,
                    by=ctx.actor,
                    command_id=ctx.command_id,
                    to=_without(before, self.entity.readers(state), self.entity.audience(event, state)),
                )
            )
        return Judgement(tuple(recorded), state)

    def _as_loaded(self, tag: str, data: msgspec.Raw) -> Event:
        """A new event as whoever loads the entity reads it."""
        decoder = self._events.get(tag)
        if decoder is None:
            raise UnreadableEvent(f"{tag!r} is no event of {self.entity.purpose}")
        try:
            event = decoder.decode(data)
        except msgspec.ValidationError as error:
            raise UnreadableEvent(f"{tag!r} could not be read again: {error}") from error
        return self.current(event)


def _without(before: frozenset[str] | None, after: frozenset[str] | None, audience: Audience | None) -> Audience | None:
    """The audience of an event, with those who may read from now on where it takes readers away."""
    if after is None or (before is not None and before <= after):
        return audience
    return msgspec.structs.replace(audience or Audience(), readers=tuple(sorted(after)))


def payload_digest(command: Command) -> str:
    """A digest of the canonical payload: equal for equal commands, whatever the JSON looked like (rule C5)."""
    canonical = _encoder.encode((command.tag, command))
    return hashlib.blake2b(canonical, digest_size=12).hexdigest()


def _alarm_id(name: Name, due: datetime, seq: int) -> str:
    """The command id of a deadline's events: the same whether an alarm or a command found it (rule C15)."""
    digest = hashlib.blake2b(f"{name}\0{due.isoformat()}\0{seq}".encode(), digest_size=8).hexdigest()
    return f"_alarm-{digest}"


def view_of(entity: Any, state: State, viewer: Actor) -> msgspec.Raw:
    """Encode what the viewer may see of the state; `NOT_FOUND` when that is nothing."""
    if not entity.may_read(state, viewer):
        raise NotFound("no such entity")
    return msgspec.Raw(_encoder.encode(entity.view(state, viewer)))
