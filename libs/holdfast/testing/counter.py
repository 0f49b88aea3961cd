"""The smallest entity with a deadline, a secret and everything else that the tests of the runtime need."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from holdfast import Actor, Audience, Command, Context, Entity, Event, NotFound, Rejected, Service, State


class TooMuch(Rejected):
    """The counter would pass its limit."""

    code = "TOO_MUCH"


class Counter(State):
    total: int = 0
    rings_at: datetime | None = None
    rung: int = 0


class Add(Command, tag="add"):
    creates = True
    amount: int = 1
    note: str = ""


class Remind(Command, tag="remind"):
    creates = True
    milliseconds: int


class Reset(Command, tag="reset"):
    roles = frozenset({"admin"})


class Break(Command, tag="break"):
    """Raises what no rule raises."""

    because: str = "a bug in a domain"


class Added(Event, tag="added"):
    amount: int
    note: str = ""


class Reminded(Event, tag="reminded"):
    rings_at: datetime


class Rang(Event, tag="rang"):
    effective_at: datetime
    cause: str


class WasReset(Event, tag="was_reset"):
    pass


CounterCommand = Add | Remind | Reset | Break
CounterEvent = Added | Reminded | Rang | WasReset

LIMIT = 1_000_000


class CounterEntity(Entity[Counter, CounterCommand, CounterEvent]):
    purpose = "counter"
    initial = Counter()

    def decide(self, counter: Counter, command: CounterCommand, ctx: Context, /) -> Sequence[CounterEvent]:
        match command:
            case Add(amount=0):
                return []
            case Add(amount=amount, note=note):
                if counter.total + amount > LIMIT:
                    raise TooMuch(f"at most {LIMIT - counter.total} more", left=LIMIT - counter.total)
                return [Added(amount=amount, note=note)]
            case Remind(milliseconds=milliseconds):
                return [Reminded(rings_at=ctx.now + timedelta(milliseconds=milliseconds))]
            case Reset():
                return [WasReset()]
            case Break(because=because):
                raise RuntimeError(because)
            case _:
                assert_never(command)

    def evolve(self, counter: Counter, event: CounterEvent, /) -> Counter:
        match event:
            case Added(amount=amount):
                return msgspec.structs.replace(counter, total=counter.total + amount)
            case Reminded(rings_at=rings_at):
                return msgspec.structs.replace(counter, rings_at=rings_at)
            case Rang():
                return msgspec.structs.replace(counter, rings_at=None, rung=counter.rung + 1)
            case WasReset():
                return Counter()
            case _:
                assert_never(event)

    def alarm_at(self, counter: Counter, /) -> datetime | None:
        return counter.rings_at

    def on_alarm(self, counter: Counter, ctx: Context, /) -> Sequence[CounterEvent]:
        if ctx.due_at is None:
            raise NotFound("no deadline")
        return [Rang(effective_at=ctx.due_at, cause=ctx.cause)]

    def audience(self, event: CounterEvent, counter: Counter, /) -> Audience | None:
        match event:
            case Added(note=note) if note:
                return Audience(fields={"note": ("role:admin",)})
            case WasReset():
                return Audience(only=("role:admin",))
            case _:
                return None

    def may_read(self, counter: Counter, viewer: Actor, /) -> bool:
        return "stranger" not in viewer.roles


service = Service(name="counter", entities=(CounterEntity(),))
