"""Reactors and workers: what a commit causes happens once in effect, in order, and nothing of it is lost."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from holdfast import Actor, Name, Rejected, Service
from holdfast._dead_letters import FiledLetter, letters, redrive
from holdfast._effects import Effects
from holdfast._jobs import WorkerRunner
from holdfast._judge import Judge
from holdfast._projection import StoredEvent
from holdfast._reactors import ReactorRunner
from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.jetstream._durable import Durable
from holdfast.jetstream._work import ensure_work_streams
from holdfast.testing.counter import LIMIT, Add, Added, CounterEntity, CounterEvent, service
from holdfast.testing.history import History
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.worker import Effect, Job, Reactor, Send, Work, Worker

PATIENCE = 30.0
POLL = 0.02
RETRY = 0.01
ANN = Actor(user="ann", roles=("clerk",))


class Note(msgspec.Struct, frozen=True):
    amount: int


class Forward(Reactor[CounterEvent]):
    """Adds what was added here to a served counter of the same id, marked so that every test has its own."""

    name = "forward"

    def __init__(self, purpose: str, mark: str) -> None:
        self.purpose = purpose
        self.mark = mark

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        match stored.event:
            case Added(amount=amount):
                return [Send(name=self.target(stored.name), command=Add(amount=amount))]
            case _:
                return []

    def target(self, name: Name) -> Name:
        return Name.of("counter", name.tenant, f"{self.mark}-{name.id}")


class FromTheBeginning(Forward):
    starts: ClassVar[Literal["now", "beginning"]] = "beginning"


class Notify(Reactor[CounterEvent]):
    name = "notify"

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        match stored.event:
            case Added(amount=amount):
                return [Job(kind="note", payload=Note(amount=amount))]
            case _:
                return []


class Notes(Worker[Note]):
    """Takes notes; `fails` says how often each one fails first."""

    kind = "note"
    payload = Note
    retry_seconds = RETRY
    attempts = 3

    def __init__(self, purpose: str, *, fails: int = 0, error: type[Exception] = RuntimeError) -> None:
        self.purpose = purpose
        self.fails = fails
        self.error = error
        self.attempts_seen: list[tuple[str, int]] = []
        self.taken: list[int] = []

    async def handle(self, work: Work[Note], /) -> None:
        self.attempts_seen.append((work.id, work.attempt))
        if work.attempt <= self.fails:
            raise self.error("the printer is out of paper")
        self.taken.append(work.payload.amount)


class World:
    """A source log of its own, and counters that are served."""

    def __init__(self, bus: NatsBus, client: Client, history: History) -> None:
        self.bus = bus
        self.client = client
        self.history = history
        self.mark = uuid4().hex[:8]

    def forward(self) -> Forward:
        return FromTheBeginning(self.history.purpose, self.mark)

    def target(self, id_: str = "a") -> Name:
        return Name.of("counter", "acme", f"{self.mark}-{id_}")

    async def runner(self, reactor: Reactor[Any] | None = None, bus: Any = None) -> ReactorRunner:
        runner = ReactorRunner(
            bus or self.bus,
            reactor or self.forward(),
            judge=Judge(CounterEntity()),
            client=self.client,
            retry_seconds=RETRY,
        )
        await runner.prepare()
        return runner

    async def worker(self, worker: Notes) -> WorkerRunner:
        runner = WorkerRunner(self.bus, worker)
        await runner.prepare()
        return runner

    async def amounts(self, id_: str = "a") -> list[int]:
        """What was added to the served counter, in the order of its log."""
        commits = await self.client.commits(self.target(id_), after=0)
        events = [msgspec.json.decode(event.data) for commit in commits for event in commit.events]
        return [event["amount"] for event in events]

    async def until_amounts(self, wanted: Sequence[int], id_: str = "a") -> None:
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.amounts(id_)) < len(wanted):
                await asyncio.sleep(POLL)
        assert found == list(wanted)

    async def letters(self) -> list[FiledLetter]:
        return [filed async for filed in letters(self.bus, self.history.purpose)]

    async def until_letters(self, count: int) -> list[FiledLetter]:
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.letters()) < count:
                await asyncio.sleep(POLL)
        return found


@pytest.fixture
async def world(single: NatsServer, bus: NatsBus, tmp_path: Path) -> AsyncGenerator[World]:
    history = await History(bus).open()
    await ensure_work_streams(bus, history.purpose, replicas=1)
    async with serving([service], single.url, tmp_path), await Client.connect(single.url) as client:
        yield World(bus, client, history)


@asynccontextmanager
async def running(*runners: ReactorRunner | WorkerRunner) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(POLL)


async def until_done(runner: ReactorRunner | WorkerRunner) -> None:
    """Wait until everything of the stream is acknowledged."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await runner.backlog.look()
            if runner.backlog.lag == 0:
                return
            await asyncio.sleep(POLL)


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
    await world.bus.request(f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-forward", b"", timeout=5)
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


async def test_a_refused_command_is_a_dead_letter_and_holds_nothing_up(world: World) -> None:
    runner = await world.runner()
    async with running(runner):
        await world.history.add(LIMIT + 1)
        await world.history.add(7)
        await world.until_amounts([7])
        [filed] = await world.until_letters(1)
        await until_done(runner)
    letter = filed.letter
    assert (letter.origin, letter.name, letter.seq) == ("forward", str(world.history.name()), 1)
    assert (letter.error.code, letter.error.message) == ("TOO_MUCH", f"at most {LIMIT} more")
    assert runner.backlog.dead == 1


async def test_a_refusal_that_is_met_again_is_one_dead_letter(world: World) -> None:
    await world.history.add(LIMIT + 1)
    async with running(await world.runner()):
        await world.until_letters(1)
    await world.bus.request(f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-forward", b"", timeout=5)
    again = await world.runner()
    async with running(again):
        await until_done(again)
    assert len(await world.letters()) == 1


async def test_a_refused_command_that_is_driven_again_happens_and_its_letter_is_gone(world: World) -> None:
    await world.client.send(world.target(), "add", msgspec.json.encode({"amount": LIMIT}), by=ANN)
    async with running(await world.runner()):
        await world.history.add(7)
        [filed] = await world.until_letters(1)
    with pytest.raises(Rejected, match="at most 0 more"):
        await redrive(world.client, world.history.purpose, filed)
    assert await world.letters() == [filed]
    await world.client.send(world.target(), "add", b'{"amount": -10}', by=ANN)
    await redrive(world.client, world.history.purpose, filed)
    await redrive(world.client, world.history.purpose, filed)
    assert await world.amounts() == [LIMIT, -10, 7]
    assert await world.letters() == []


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


class ImpatientClient(Client):
    async def send(self, *args: Any, **kwargs: Any) -> Any:
        return await super().send(*args, **{**kwargs, "timeout": 0.2})


async def test_a_job_is_done(world: World) -> None:
    notes = Notes(world.history.purpose)
    reactor, worker = await world.runner(Notify(world.history.purpose)), await world.worker(notes)
    async with running(reactor, worker):
        for amount in range(20):
            await world.history.add(amount)
        await until_done(reactor)
        await until_done(worker)
    assert sorted(notes.taken) == list(range(20))


async def test_replicas_of_a_worker_share_its_jobs(world: World) -> None:
    some, others = Notes(world.history.purpose), Notes(world.history.purpose)
    reactor = await world.runner(Notify(world.history.purpose))
    async with running(reactor, await world.worker(some), await world.worker(others)):
        for amount in range(1, 41):
            await world.history.add(amount)
        await until(lambda: len(some.taken) + len(others.taken) == 40)
    assert sorted(some.taken + others.taken) == list(range(1, 41))
    assert some.taken
    assert others.taken


class NotifyFromTheBeginning(Notify):
    starts: ClassVar[Literal["now", "beginning"]] = "beginning"


async def test_a_job_asked_for_twice_is_on_the_queue_once(world: World) -> None:
    await world.history.add(1)
    worker = await world.worker(Notes(world.history.purpose))
    for _ in range(2):
        reactor = await world.runner(NotifyFromTheBeginning(world.history.purpose))
        await reactor.backlog.look()
        assert reactor.backlog.lag == 1
        async with running(reactor):
            await until_done(reactor)
        await world.bus.request(f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-notify", b"", timeout=5)
    await worker.backlog.look()
    assert worker.backlog.lag == 1


async def test_a_failing_job_is_tried_again_under_the_same_id(world: World) -> None:
    notes = Notes(world.history.purpose, fails=2)
    async with running(await world.runner(Notify(world.history.purpose)), await world.worker(notes)):
        await world.history.add(8)
        await until(lambda: notes.taken == [8])
    assert [attempt for _, attempt in notes.attempts_seen] == [1, 2, 3]
    assert len({id_ for id_, _ in notes.attempts_seen}) == 1
    assert await world.letters() == []


async def test_a_job_that_fails_too_often_is_a_dead_letter_and_can_be_driven_again(world: World) -> None:
    notes = Notes(world.history.purpose, fails=99)
    worker = await world.worker(notes)
    async with running(await world.runner(Notify(world.history.purpose)), worker):
        await world.history.add(9)
        [first] = await world.until_letters(1)
        await redrive(world.client, world.history.purpose, first)
        [second] = await world.until_letters(1)
        await until_done(worker)
        assert worker.backlog.dead == 1
        notes.fails = 0
        await redrive(world.client, world.history.purpose, second)
        await until(lambda: notes.taken == [9])
    assert await world.letters() == []
    message = "failed 3 times, at last with RuntimeError('the printer is out of paper')"
    assert [filed.letter.error.message for filed in (first, second)] == [message, message]
    assert len({id_ for id_, _ in notes.attempts_seen}) == 1
    assert len(notes.attempts_seen) == 7


async def test_a_job_that_is_refused_is_not_tried_again(world: World) -> None:
    notes = Notes(world.history.purpose, fails=99, error=Rejected)
    async with running(await world.runner(Notify(world.history.purpose)), await world.worker(notes)):
        await world.history.add(9)
        await world.until_letters(1)
    assert [attempt for _, attempt in notes.attempts_seen] == [1]


class Patient(Notes):
    """Never ends."""

    async def handle(self, work: Work[Note], /) -> None:
        await super().handle(work)
        await asyncio.Event().wait()


async def test_a_job_whose_worker_is_stopped_goes_to_another_at_once(world: World) -> None:
    endless, notes = Patient(world.history.purpose), Notes(world.history.purpose)
    async with running(await world.runner(Notify(world.history.purpose))):
        async with running(await world.worker(endless)):
            await world.history.add(3)
            await until(lambda: endless.taken == [3])
        async with asyncio.timeout(10):
            async with running(await world.worker(notes)):
                await until(lambda: notes.taken == [3])


async def test_a_job_that_takes_too_long_has_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patient, "seconds", 0.05)
    endless = Patient(world.history.purpose)
    async with running(await world.runner(Notify(world.history.purpose)), await world.worker(endless)):
        await world.history.add(3)
        [filed] = await world.until_letters(1)
    assert "TimeoutError" in filed.letter.error.message


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


async def holdfast(url: str, *arguments: str) -> tuple[int, str]:
    """Run the program; returns its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast.cli", "dead", *arguments, "--nats", url, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_dead_letters_are_listed_shown_and_driven_again_from_the_command_line(
    world: World, single: NatsServer
) -> None:
    purpose = world.history.purpose
    await world.client.send(world.target(), "add", msgspec.json.encode({"amount": LIMIT}), by=ANN)
    async with running(await world.runner()):
        await world.history.add(7)
        await world.until_letters(1)
    code, listed = await holdfast(single.url, "list", "--purpose", purpose)
    assert code == 0
    assert listed.startswith(f"{purpose}/1  ")
    assert listed.endswith(
        f"{world.history.name()} seq 1, forward: add to {world.target()}: TOO_MUCH: at most 0 more\n"
    )
    code, shown = await holdfast(single.url, "show", f"{purpose}/1")
    assert (code, msgspec.json.decode(shown)["content"]["data"]) == (0, {"amount": 7})
    code, said = await holdfast(single.url, "redrive", f"{purpose}/1")
    assert (code, said) == (1, f"{purpose}/1: TOO_MUCH: at most 0 more; it stays\n")
    await world.client.send(world.target(), "add", b'{"amount": -10}', by=ANN)
    assert await holdfast(single.url, "redrive", f"{purpose}/1") == (0, f"{purpose}/1: done\n")
    assert await holdfast(single.url, "list", "--purpose", purpose) == (0, "no dead letters\n")
    code, said = await holdfast(single.url, "redrive", f"{purpose}/1")
    assert code == 2
    assert f"there is no dead letter {purpose}/1" in said
    assert await world.amounts() == [LIMIT, -10, 7]
