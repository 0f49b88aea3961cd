"""Reactors: what a commit causes happens once in effect, in order, and nothing of it is lost."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from holdfast import Actor, Name, Service, Unavailable
from holdfast._effects import Effects
from holdfast._judge import Judge
from holdfast._projection import StoredEvent
from holdfast._reactors import ReactorRunner
from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.jetstream._durable import Durable
from holdfast.jetstream._work import ensure_work_streams
from holdfast.testing.counter import CounterEntity, CounterEvent, service
from holdfast.testing.history import History
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.tests.reactions import (
    ANN,
    PATIENCE,
    POLL,
    RETRY,
    Forward,
    FromTheBeginning,
    ImpatientClient,
    Notes,
    Notify,
    World,
    until_done,
)
from holdfast.tests.waiting import running, until
from holdfast.worker import Effect


async def test_an_event_becomes_one_command_in_the_name_of_the_reactor(world: World) -> None:
    runner = await world.runner()
    async with running(runner):
        await world.history.add(5)
        await world.until_amounts([5])
    [commit] = await world.client.commits(world.target(), after=0)
    assert commit.events[0].by == Actor(user="_reactor", roles=("system",))


async def test_effects_of_an_entity_leave_in_the_order_of_its_events(world: World) -> None:
    runner = await world.runner()
    for amount in range(1, 21):
        await world.history.add(amount, 100 + amount)
        await world.history.add(amount, id_="b")
    async with running(runner):
        await world.until_amounts([each for amount in range(1, 21) for each in (amount, 100 + amount)])
        await world.until_amounts(list(range(1, 21)), "b")


async def test_everything_delivered_twice_happens_once(world: World) -> None:
    for amount in (1, 2, 3):
        await world.history.add(amount)
    runner = await world.runner()
    async with running(runner):
        await until_done(runner)
    await world.bus.request(
        f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-forward", b"", timeout=PATIENCE
    )
    again = await world.runner()
    async with running(again):
        await until_done(again)
    assert await world.amounts() == [1, 2, 3]


async def test_an_entity_of_a_deleted_one_s_name_has_effects_of_its_own(world: World) -> None:
    runner = await world.runner()
    async with running(runner):
        await world.history.add(5)
        await world.until_amounts([5])
        await world.history.purge("a")
        later = History(world.bus)
        later.purpose = world.history.purpose
        await later.add(5)
        await world.until_amounts([5, 5])
    assert await world.letters() == []


class Killed(BaseException):
    """Ends a reactor as a crash does: nothing catches it."""


class DyingBus:
    """A bus whose user dies at the publication or request of this number, before or after it is sent."""

    def __init__(self, bus: NatsBus, step: int) -> None:
        self._bus = bus
        self._left = step
        self.died = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def _reached(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.died.set()
            raise Killed

    async def publish(self, *args: Any, **kwargs: Any) -> None:
        self._reached()
        await self._bus.publish(*args, **kwargs)
        self._reached()

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        self._reached()
        answer = await self._bus.request(*args, **kwargs)
        self._reached()
        return answer


async def killed_at(world: World, step: int, amounts: Sequence[int]) -> bool:
    """Run a reactor that is killed at this step; False when everything was done before."""
    dying: Any = DyingBus(world.bus, step)
    client = Client(dying)
    await client.open()
    runner = ReactorRunner(dying, world.forward(), judge=Judge(CounterEntity()), client=client)
    reading = asyncio.create_task(runner._run())  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the counts have steps of no interest
    died, finished = asyncio.create_task(dying.died.wait()), asyncio.create_task(until_all_is_done(world, amounts))
    done, _ = await asyncio.wait([died, finished], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    assert done
    for task in (reading, died, finished):
        task.cancel()
    await asyncio.gather(reading, died, finished, return_exceptions=True)
    await client.close()
    await unpin(world)
    return died in done


async def unpin(world: World) -> None:
    """Save the next reader the seconds in which a killed one could come back."""
    await Durable(world.bus, f"evt-{world.history.purpose}", "reactor-forward").leave()


async def until_all_is_done(world: World, amounts: Sequence[int]) -> None:
    await until_amounts_at_least(world, len(amounts))
    await until_done(ReactorRunner(world.bus, world.forward(), judge=Judge(CounterEntity()), client=world.client))


async def test_a_reactor_killed_at_any_step_leaves_each_effect_once_and_in_order(world: World) -> None:
    survivor = await world.runner()
    amounts: list[int] = []
    kills = 0
    while True:
        for _ in range(2):
            amounts.append(len(amounts) + 1)
            await world.history.add(amounts[-1])
        if not await killed_at(world, kills + 1, amounts):
            break
        kills += 1
        async with running(survivor):
            await world.until_amounts(amounts)
            await until_done(survivor)
    assert await world.amounts() == amounts
    assert kills >= 14  # two pulls, the reset, and a command and an acknowledgement for each event


async def until_amounts_at_least(world: World, count: int) -> None:
    while len(await world.amounts()) < count:
        await asyncio.sleep(POLL)


async def test_another_reactor_goes_on_in_order_when_the_first_stops(world: World) -> None:
    first, second = await world.runner(), await world.runner()
    async with running(second):
        async with running(first):
            for amount in range(1, 31):
                await world.history.add(amount)
            await until_amounts_at_least(world, 1)
        for amount in range(31, 41):
            await world.history.add(amount)
        await world.until_amounts(list(range(1, 41)))


async def test_a_new_reactor_starts_from_now_or_from_the_beginning_as_declared(world: World) -> None:
    await world.history.add(1)
    late = Forward(world.history.purpose, f"{world.mark}-late")
    late.name = "late"
    from_now, from_beginning = await world.runner(late), await world.runner()
    await world.history.add(2)
    async with running(from_now, from_beginning):
        await world.until_amounts([1, 2])
        await until_done(from_now)
    assert await world.amounts() == [1, 2]
    assert await world.amounts("late-a") == [2]


async def test_a_reactor_goes_on_where_it_was_whatever_it_declares_later(world: World) -> None:
    early = Forward(world.history.purpose, world.mark)
    await world.history.add(1)
    await world.runner(early)
    await world.history.add(2)
    async with running(await world.runner()):
        await world.until_amounts([2])


class Buggy(FromTheBeginning):
    broken = True

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        if self.broken and stored.name.id == "a":
            raise RuntimeError("a bug in a reactor")
        return super().react(stored)


async def test_a_bug_holds_back_the_effects_of_its_entity_alone(world: World) -> None:
    buggy = Buggy(world.history.purpose, world.mark)
    with capture_logs() as logs:
        async with running(await world.runner(buggy)):
            await world.history.add(1)
            await world.history.add(2)
            await world.history.add(3, id_="b")
            await world.until_amounts([3], "b")
            await until(lambda: "reactor.stopped" in [entry["event"] for entry in logs])
            assert await world.amounts() == []
            buggy.broken = False
            await world.until_amounts([1, 2])


class Astray(FromTheBeginning):
    def target(self, name: Name) -> Name:
        return Name.of("counter", "umbra", name.id)


async def test_no_effect_reaches_another_tenant(world: World) -> None:
    with capture_logs() as logs:
        async with running(await world.runner(Astray(world.history.purpose, world.mark))):
            await world.history.add(1, id_=world.mark)
            await until(lambda: "reactor.stopped" in [entry["event"] for entry in logs])
    assert await world.client.commits(Name.of("counter", "umbra", world.mark), after=0) == []


async def test_a_target_that_is_away_is_waited_for(single: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    history = await History(bus).open()
    await ensure_work_streams(bus, history.purpose, replicas=1)
    async with await Client.connect(single.url) as client:
        world = World(bus, client, history)
        impatient = ImpatientClient(bus)
        await impatient.open()
        runner = ReactorRunner(bus, world.forward(), judge=Judge(CounterEntity()), client=impatient)
        await runner.prepare()
        with capture_logs() as logs:
            async with running(runner):
                await history.add(4)
                await until(lambda: "reactor.waiting" in [entry["event"] for entry in logs])
                async with serving([service], single.url, tmp_path):
                    await world.until_amounts([4])
        await impatient.close()


class StumblingBus:
    """A bus on which so many reads cannot be asked for, and whose connection can be said to have been lost for a moment."""

    def __init__(self, bus: NatsBus, *, fails: int) -> None:
        self._bus = bus
        self._fails = fails
        self.gaps: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def on_gap(self, tell: Callable[[], None]) -> Callable[[], None]:
        self.gaps.append(tell)
        return lambda: self.gaps.remove(tell)

    async def publish(self, subject: str, *args: Any, **kwargs: Any) -> None:
        if self._fails and ".MSG.NEXT." in subject:
            self._fails -= 1
            raise Unavailable("NATS stumbles")
        await self._bus.publish(subject, *args, **kwargs)


async def test_a_reactor_that_has_read_well_begins_anew_at_once_however_often_it_failed_before(world: World) -> None:
    """Its pauses grow while it fails; those of its life do not add up."""
    stumbling = StumblingBus(world.bus, fails=6)
    runner = await world.runner(bus=stumbling)
    with capture_logs() as logs:

        def pauses() -> list[float]:
            return [entry["again_in"] for entry in logs if entry["event"] == "reactor.restarting"]

        async with running(runner):
            await world.history.add(1)
            await world.until_amounts([1])
            assert pauses()[5] > RETRY
            for gap in list(stumbling.gaps):
                gap()
            await world.history.add(2)
            await until(lambda: len(pauses()) > 6)
    assert pauses()[6] <= RETRY


class OnlyOf(Forward):
    """Reacts to one entity, and not to its own effects."""

    def __init__(self, source: Name, mark: str) -> None:
        super().__init__(source.purpose, mark)
        self.source = source

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        return super().react(stored) if stored.name == self.source else []


async def test_a_service_runs_what_it_declares(single: NatsServer, tmp_path: Path) -> None:
    mark = uuid4().hex[:8]
    source = Name.of("counter", "acme", uuid4().hex)
    once, notify, notes = OnlyOf(source, mark), Notify("counter"), Notes("counter")
    declared = Service(name="counter", entities=(CounterEntity(),), reactors=(once, notify), workers=(notes,))
    async with serving([declared], single.url, tmp_path), await Client.connect(single.url) as client:
        await client.send(source, "add", b'{"amount": 6}', by=ANN)
        target = once.target(source)
        async with asyncio.timeout(PATIENCE):
            while not await client.commits(target, after=0):
                await asyncio.sleep(POLL)
        await until(lambda: 6 in notes.taken)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((Forward("other", "x"),), "no entity has the purpose 'other'"),
        ((Forward("counter", "x"), Forward("counter", "y")), "share a name"),
    ],
)
async def test_a_wrong_declaration_is_refused(bus: NatsBus, wrong: tuple[Forward, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Effects(bus, [Service(name="counter", entities=(CounterEntity(),), reactors=wrong)])


async def test_what_a_deleted_entity_asked_for_is_not_done_after_a_wait(world: World) -> None:
    reacts: list[int] = []
    mended = False

    class Failing(FromTheBeginning):
        def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
            if stored.name.id == "a":
                reacts.append(stored.seq)
                if not mended:
                    raise RuntimeError("mended later")
            return super().react(stored)

    runner = await world.runner(Failing(world.history.purpose, world.mark), retry_seconds=3.0)
    async with running(runner):
        await world.history.add(1)
        await until(lambda: bool(reacts))
        await world.history.purge("a")
        mended = True
        await world.history.add(5, id_="b")
        await until_done(runner)
    assert (await world.amounts(), await world.amounts("b"), set(reacts)) == ([], [5], {1})
