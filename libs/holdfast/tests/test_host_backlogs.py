"""More deadlines that passed at once than one commit takes, as after an outage."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from holdfast import Command, Context, Entity, Event, State
from holdfast._judge import DEADLINE_BYTES_AT_ONCE, DEADLINES_AT_ONCE, STEPS_WITHOUT_ADVANCE
from holdfast._log import Conflict, NewCommit
from holdfast.memory import MemoryLog
from holdfast.testing import given
from holdfast.tests.test_measures import figures
from holdfast.tests.world import NAME, START, World

MANY = 3 * DEADLINES_AT_ONCE + 1
SECOND = timedelta(seconds=1)


class Plan(Command, tag="plan"):
    """So many deadlines, so many milliseconds after each other."""

    creates = True
    count: int = MANY
    milliseconds: int = 1
    note: str = ""


class Look(Command, tag="look"): ...


class Planned(Event, tag="planned"):
    dues: tuple[datetime, ...]
    note: str = ""


class Passed(Event, tag="passed"):
    due: datetime
    note: str = ""


class Looked(Event, tag="looked"):
    left: int


class Plans(State):
    dues: tuple[datetime, ...] = ()
    note: str = ""


class Planner(Entity[Plans, Plan | Look, Planned | Passed | Looked]):
    purpose = "counter"
    initial = Plans()

    def decide(self, plans: Plans, command: Plan | Look, ctx: Context, /) -> Sequence[Planned | Looked]:
        match command:
            case Plan(count=count, milliseconds=step, note=note):
                dues = tuple(ctx.now + timedelta(milliseconds=1 + step * number) for number in range(count))
                return [Planned(dues=dues, note=note)]
            case Look():
                return [Looked(left=len(plans.dues))]

    def evolve(self, plans: Plans, event: Planned | Passed | Looked, /) -> Plans:
        match event:
            case Planned(dues=dues, note=note):
                return Plans(dues=dues, note=note)
            case Passed():
                return msgspec.structs.replace(plans, dues=plans.dues[1:])
            case Looked():
                return plans

    def alarm_at(self, plans: Plans, /) -> datetime | None:
        return plans.dues[0] if plans.dues else None

    def on_alarm(self, plans: Plans, ctx: Context, /) -> Sequence[Passed]:
        return [Passed(due=plans.dues[0], note=plans.note)]


class Again(Planner):
    """Its alarms come round for ever."""

    purpose = "counter"

    def evolve(self, plans: Plans, event: Planned | Passed | Looked, /) -> Plans:
        if isinstance(event, Passed):
            return msgspec.structs.replace(plans, dues=(*plans.dues[1:], plans.dues[0]))
        return super().evolve(plans, event)


async def overdue(world: World, **plan: Any) -> World:
    await world.ask("plan", data=plan)
    world.now += timedelta(minutes=1)
    return world


async def sizes(world: World) -> list[int]:
    return [len(stored.commit.events) for stored in await world.log.read(NAME)]


async def test_a_command_waits_until_all_deadlines_before_it_are_recorded_however_many_they_are() -> None:
    world = await overdue(World(Planner()))
    await world.post("look", reply="_INBOX.a")
    await world.post("look", reply="_INBOX.b")
    await world.settled()
    for reply, seq in (("_INBOX.a", MANY + 2), ("_INBOX.b", MANY + 3)):
        [answer] = world.answers[reply]
        assert (answer["ok"]["seq"], answer["ok"]["events"][0]["data"]) == (seq, {"left": 0})
    assert [seq for seq, _ in await world.events()] == list(range(1, MANY + 4))
    assert max(await sizes(world)) <= DEADLINES_AT_ONCE + 2
    assert await world.alarms.armed(NAME) is None


async def test_a_ring_records_them_all_and_is_settled() -> None:
    world = await overdue(World(Planner()))
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert [kind for _, kind in await world.events()] == ["planned", *["passed"] * MANY]
    assert await world.alarms.armed(NAME) is None
    assert figures(world.measures)["holdfast_alarm_late_seconds_count.counter"] == 1


async def test_deadlines_that_cause_much_are_recorded_in_commits_that_the_log_takes() -> None:
    world = await overdue(World(Planner()), note="x" * 10_000)
    assert (await world.ask("look"))["ok"]["events"][0]["data"] == {"left": 0}
    assert max(await sizes(world)) <= DEADLINE_BYTES_AT_ONCE // 10_000 + 2


async def test_an_owner_that_another_one_overtakes_meanwhile_goes_on_with_what_is_left() -> None:
    class Overtaken(MemoryLog):
        """Takes the second of the commits, and says that somebody else was faster."""

        appends = 0

        async def append(self, commit: NewCommit, /) -> int:
            self.appends += 1
            position = await super().append(commit)
            if self.appends == 3:
                raise Conflict("somebody else was faster")
            return position

    world = World(Planner())
    world.log = Overtaken()
    world.host = world.new_host()
    await overdue(world)
    assert (await world.ask("look"))["ok"]["seq"] == MANY + 2
    assert [kind for _, kind in await world.events()] == ["planned", *["passed"] * MANY, "looked"]


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_alarms_that_come_round_for_ever_are_found_however_many_they_are(count: int) -> None:
    world = await overdue(World(Again()), count=count)
    assert (await world.ask("look"))["error"]["code"] == "UNAVAILABLE"
    assert await world.events() == [(1, "planned")]


async def test_deadlines_of_one_moment_are_recorded_together() -> None:
    world = await overdue(World(Planner()), count=STEPS_WITHOUT_ADVANCE, milliseconds=0)
    assert (await world.ask("look"))["ok"]["seq"] == STEPS_WITHOUT_ADVANCE + 2


def test_a_scenario_records_them_all() -> None:
    scenario = given(Planner()).when(Plan()).when(Look(), at=START + timedelta(days=1)).then(Looked(left=0))
    assert len(scenario.log) == MANY + 2
