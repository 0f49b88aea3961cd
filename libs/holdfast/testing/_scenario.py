"""Given these events, when this happens, then these events or this refusal: never a look inside the state."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec

from holdfast._entity import AnyEntity, Cause, Context
from holdfast._errors import HoldfastError
from holdfast._judge import Judge, Judgement, view_of
from holdfast._messages import Actor, Command, Event, RecordedEvent
from holdfast._names import Name
from holdfast._sight import render_for

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANYONE = Actor(user="anyone", roles=())


def given(entity: AnyEntity, *events: Event, at: datetime = START, id_: str = "x") -> "Scenario":
    """Start from a history of events, all recorded at `at`."""
    return Scenario(entity, events, at=at, name=Name.of(entity.purpose, "acme", id_))


class Scenario:
    """One entity under test: its log so far, its clock, and what the last step did."""

    def __init__(self, entity: AnyEntity, history: tuple[Event, ...], *, at: datetime, name: Name) -> None:
        self.entity = entity
        self.name = name
        self.now = at
        self.log: list[RecordedEvent] = []
        self._judge = Judge(entity)
        self._state = entity.initial
        self._last: tuple[Event, ...] = ()
        self._refusal: HoldfastError | None = None
        self._commands = 0
        ctx = self._context(ANYONE)
        self._apply(self._judge._record(self._state, history, ctx))  # pyright: ignore[reportPrivateUsage] # noqa: SLF001

    def at(self, now: datetime) -> Self:
        """Move the clock, without waking anything."""
        self.now = now
        return self

    def after(self, delay: timedelta) -> Self:
        """Move the clock on, without waking anything."""
        return self.at(self.now + delay)

    def when(
        self, command: Command, *, by: Actor = ANYONE, at: datetime | None = None, command_id: str | None = None
    ) -> Self:
        """Send a command as the runtime would: deadlines first, then authorisation, then `decide`, twice alike."""
        self.now = at or self.now
        self._refusal = None
        self._commands += 1
        self._expire("lazy")
        self._expired = self._last
        ctx = self._context(by, command_id)
        judged, again = self._judged(command, ctx), self._judged(command, ctx)
        assert _told(judged) == _told(again), f"decide is not deterministic:\n  {_told(judged)}\n  {_told(again)}"  # noqa: S101 - a test's own words
        if isinstance(judged, HoldfastError):
            self._refusal = judged
            self._last = ()
        else:
            self._apply(judged)
        return self

    def wake(self, *, at: datetime | None = None) -> Self:
        """Let the alarm ring; afterwards `then` sees the events of the deadlines that had passed."""
        self.now = at or self.now
        self._refusal = None
        self._expire("alarm")
        return self

    def then(self, *events: Event) -> Self:
        """The last step caused exactly these events (for `when`: those of the command itself)."""
        self._assert_not_refused()
        assert self._last == events, f"\n  expected {events}\n  but got  {self._last}"  # noqa: S101 - a test's own words
        return self

    def then_first_expired(self, *events: Event) -> Self:
        """The deadlines that the last command found passed caused exactly these events (rule C1)."""
        assert self._expired == events, f"\n  expected {events}\n  but got  {self._expired}"  # noqa: S101 - as above
        return self

    def then_types(self, *kinds: type[Event]) -> Self:
        """The last step caused events of exactly these types, in this order."""
        self._assert_not_refused()
        found = tuple(type(event) for event in self._last)
        assert found == kinds, f"\n  expected {kinds}\n  but got  {self._last}"  # noqa: S101 - as above
        return self

    def then_includes(self, kind: type[Event], /, **fields: Any) -> Self:
        """Among the events of the last step is one of this type with at least these fields."""
        self._assert_not_refused()
        candidates = [event for event in self._last if type(event) is kind]
        matches = [event for event in candidates if all(getattr(event, key) == fields[key] for key in fields)]
        assert matches, f"\n  expected {kind.__name__} with {fields}\n  but got  {candidates or self._last}"  # noqa: S101 - as above
        return self

    def then_nothing(self) -> Self:
        """The last step caused no events and no refusal."""
        return self.then()

    def then_rejected(self, error: type[HoldfastError], **details: Any) -> Self:
        """The last command was refused with this error and at least these details."""
        assert self._refusal is not None, f"not refused, but caused {self._last}"  # noqa: S101 - as above
        assert type(self._refusal) is error, f"refused with {self._refusal!r}"  # noqa: S101 - as above
        found = {key: self._refusal.details.get(key) for key in details}
        assert found == details, f"details {dict(self._refusal.details)}"  # noqa: S101 - as above
        return self

    def view(self, viewer: Actor = ANYONE) -> Any:
        """What a viewer sees of the state now, as decoded JSON."""
        return msgspec.json.decode(view_of(self.entity, self._state, viewer))

    def seen_by(self, viewer: Actor) -> list[Any]:
        """The whole log as a viewer sees it, as decoded JSON."""
        return [msgspec.json.decode(render_for(event, viewer)) for event in self.log]

    @property
    def refusal(self) -> HoldfastError | None:
        """Why the last command was refused, if it was."""
        return self._refusal

    @property
    def alarm_at(self) -> datetime | None:
        """When the state next needs waking."""
        return self.entity.alarm_at(self._state)

    @property
    def events(self) -> tuple[Event, ...]:
        """The log so far, decoded."""
        return tuple(self._judge.event(recorded) for recorded in self.log)

    @property
    def state_json(self) -> bytes:
        """The state as a snapshot would hold it, to compare with another one."""
        return msgspec.json.encode(self._state)

    def replayed(self) -> "Scenario":
        """The same entity, loaded anew from its log alone."""
        return self.as_of(len(self.log))

    def as_of(self, seq: int) -> "Scenario":
        """The entity as it was after event `seq`, loaded anew from its log."""
        past = Scenario(self.entity, (), at=self.now, name=self.name)
        past.log = self.log[:seq]
        past._state = self._judge.fold(self.entity.initial, past.log)
        return past

    _expired: tuple[Event, ...] = ()

    def _assert_not_refused(self) -> None:
        if self._refusal is not None:
            raise AssertionError(f"refused with {self._refusal.code}: {self._refusal.message}")

    def _context(self, actor: Actor, command_id: str | None = None) -> Context:
        return Context(
            name=self.name,
            now=self.now,
            actor=actor,
            command_id=command_id or f"command-{self._commands}",
            seq=len(self.log),
        )

    def _judged(self, command: Command, ctx: Context) -> Judgement | HoldfastError:
        """What the command would do now, or why it is refused."""
        try:
            self._judge.authorise(command, self._state, ctx.actor, seq=ctx.seq)
            return self._judge.decide(self._state, command, ctx)
        except HoldfastError as refusal:
            return refusal

    def _expire(self, cause: Cause) -> None:
        happened: tuple[Event, ...] = ()
        more = True
        while more:
            expired = self._judge.expire(self.name, self._state, seq=len(self.log), now=self.now, cause=cause)
            self._apply(expired)
            happened += self._last
            more = expired.more
        self._last = happened

    def _apply(self, judgement: Judgement) -> None:
        replayed = self._judge.fold(self._state, judgement.events)
        assert replayed == judgement.state, "evolve is not deterministic"  # noqa: S101 - a test's own words
        self._last = tuple(self._judge.event(recorded) for recorded in judgement.events)
        self.log.extend(judgement.events)
        self._state = judgement.state


def _told(judged: Judgement | HoldfastError) -> object:
    """What a sender is told of it, to compare."""
    return judged.body() if isinstance(judged, HoldfastError) else judged.events
