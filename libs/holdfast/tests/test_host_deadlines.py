"""Deadlines and the alarms that wake an entity for them."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from holdfast import Name, Unavailable
from holdfast._log import Conflict, NewCommit
from holdfast.memory import MemoryAlarms, MemoryLog
from holdfast.testing.counter import CounterEntity
from holdfast.tests.world import NAME, START, World, commit_of_another_owner


async def test_a_deadline_is_recorded_before_the_command_that_finds_it_passed() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(milliseconds=1000)
    answer = await world.ask("add")
    assert [event["type"] for event in answer["ok"]["events"]] == ["added"]
    stored = await world.log.read(NAME)
    rang = msgspec.json.decode(stored[1].commit.events[0].data)
    assert await world.events() == [(1, "reminded"), (2, "rang"), (3, "added")]
    assert rang == {"effective_at": "2026-01-01T12:00:01Z", "cause": "lazy"}


async def test_just_before_the_deadline_nothing_expires() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(microseconds=999_999)
    await world.ask("add")
    assert await world.events() == [(1, "reminded"), (2, "added")]


async def test_a_deadline_is_recorded_even_when_the_command_is_refused() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1})
    world.now += timedelta(seconds=1)
    assert (await world.ask("add", data={"amount": 9_999_999}))["error"]["code"] == "TOO_MUCH"
    assert await world.events() == [(1, "reminded"), (2, "rang")]


async def test_decision_time_never_goes_back() -> None:
    world = World()
    await world.ask("add")
    world.now -= timedelta(hours=1)
    await world.ask("add")
    times = [event.at for stored in await world.log.read(NAME) for event in stored.commit.events]
    assert times == [START, START]


async def test_the_earlier_time_stands_armed_before_the_commit_and_the_new_one_after() -> None:
    world = World()
    armed_at_commit: list[Any] = []

    class Watching(MemoryLog):
        async def append(self, commit: NewCommit, /) -> int:
            armed = await world.alarms.armed(NAME)
            armed_at_commit.append(armed.at if armed else None)
            return await super().append(commit)

    world.log = Watching()
    world.host = world.new_host()
    for milliseconds in (5000, 2000, 9000):
        await world.ask("remind", data={"milliseconds": milliseconds})
    assert armed_at_commit == [START + timedelta(seconds=seconds) for seconds in (5, 2, 2)]
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    assert armed.at == START + timedelta(seconds=9)


async def test_a_predecessor_that_wakes_up_cannot_move_the_alarm_later() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 5000})
    zombie_knows = await world.alarms.armed(NAME)
    assert zombie_knows is not None
    world.host = world.new_host()
    await world.ask("remind", data={"milliseconds": 9000})
    with pytest.raises(Conflict):
        await world.alarms.arm(NAME, START + timedelta(days=1), expected=zombie_knows.sequence)


async def test_a_ring_records_the_deadline_and_is_settled() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "reminded"), (2, "rang")]
    assert await world.alarms.armed(NAME) is None


async def test_a_ring_that_finds_nothing_due_does_nothing_and_the_alarm_stands() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    await world.host.ring(NAME, 77)
    await world.settled()
    assert await world.events() == [(1, "reminded")]
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    assert armed.at == START + timedelta(seconds=1)


class Failing(CounterEntity):
    """Its alarm fails as often as it is told to."""

    purpose = "counter"
    failures = 1

    def on_alarm(self, counter: Any, ctx: Any, /) -> Any:
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("a bug in on_alarm")
        return super().on_alarm(counter, ctx)


@pytest.mark.once("its alarm fails once, and the second copy would succeed")
async def test_a_failing_alarm_is_rung_again_until_it_succeeds() -> None:
    world = World(Failing())
    await world.ask("remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "reminded")]
    sweeping = asyncio.create_task(world.host.run())
    async with asyncio.timeout(30):
        while len(await world.events()) < 2:
            await asyncio.sleep(0.01)
    sweeping.cancel()
    await world.settled()
    assert await world.events() == [(1, "reminded"), (2, "rang")]


class Stuck(CounterEntity):
    """Its alarm leaves the deadline in place."""

    purpose = "counter"

    def on_alarm(self, counter: Any, ctx: Any, /) -> Any:
        return ()


async def test_an_alarm_that_leaves_itself_due_is_refused_instead_of_spinning() -> None:
    world = World(Stuck())
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(seconds=1)
    assert (await world.ask("add"))["error"]["code"] == "UNAVAILABLE"
    assert await world.events() == [(1, "reminded")]


async def test_a_ring_that_somebody_made_up_takes_no_alarm_away() -> None:
    world = World()
    other = Name.of("counter", "other", "y")
    await world.ask("remind", data={"milliseconds": 1000}, name=other)
    armed = await world.alarms.armed(other)
    assert armed is not None
    await world.ask("add")
    await world.post("_alarm", data={"due": armed.sequence})
    await world.post("_alarm", data={"due": "no number"})
    await world.settled()
    assert await world.alarms.armed(other) == armed


class Clocks(MemoryAlarms):
    """Counts, and refuses to arm when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.arms = 0
        self.removed: list[int] = []
        self.broken = False

    async def arm(self, name: Name, at: datetime, /, *, expected: int) -> int:
        if self.broken:
            raise Unavailable("the alarms do not answer")
        self.arms += 1
        return await super().arm(name, at, expected=expected)

    async def remove(self, sequence: int, /) -> None:
        self.removed.append(sequence)
        await super().remove(sequence)


async def a_world_with(alarms: Clocks, **remind: int) -> World:
    world = World()
    world.alarms = alarms
    world.host = world.new_host()
    await world.ask("remind", data=remind)
    return world


async def test_a_ring_is_kept_until_the_next_alarm_stands_armed() -> None:
    alarms = Clocks()
    world = await a_world_with(alarms, milliseconds=1000)
    await world.ask("remind", data={"milliseconds": 3_600_000})
    alarms.broken = True
    await world.host.ring(NAME, 77)
    await world.settled()
    assert 77 not in alarms.removed
    alarms.broken = False
    await world.host.ring(NAME, 77)
    await world.settled()
    assert 77 in alarms.removed


async def test_a_ring_before_its_deadline_waits_for_it_instead_of_being_armed_again_and_again() -> None:
    alarms = Clocks()
    world = await a_world_with(alarms, milliseconds=100)
    armed = await alarms.armed(NAME)
    assert armed is not None
    running = asyncio.create_task(world.host.run())
    await alarms.remove(armed.sequence)
    await world.host.ring(NAME, 77)
    await world.settled()
    assert (alarms.arms, alarms.removed) == (1, [armed.sequence])
    world.now += timedelta(milliseconds=100)
    async with asyncio.timeout(30):
        while 77 not in alarms.removed:
            await asyncio.sleep(0.01)
    running.cancel()
    assert await world.events() == [(1, "reminded"), (2, "rang")]
    assert 2 <= len(world.passed_rings) <= 4


async def test_an_owner_that_is_behind_takes_no_ring_away() -> None:
    world = World()
    await world.ask("add")
    await commit_of_another_owner(world, "remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "added"), (2, "reminded"), (3, "rang")]
