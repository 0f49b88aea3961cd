"""Jobs and their workers: done once in effect, tried again, shared among replicas."""

import asyncio
from typing import Any, ClassVar, Literal

import pytest

from holdfast import Rejected
from holdfast._bus import Bus, Receive
from holdfast._dead_letters import redrive
from holdfast.tests.reactions import PATIENCE, Note, Notes, Notify, World, until_done
from holdfast.tests.waiting import running, until
from holdfast.worker import Work


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
        await world.bus.request(
            f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-notify", b"", timeout=PATIENCE
        )
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


class Misled(Notes):
    """Waits at first for something that somebody else cancels."""

    async def handle(self, work: Work[Note], /) -> None:
        if work.attempt == 1:
            waiting = asyncio.get_running_loop().create_future()
            waiting.cancel()
            await waiting
        await super().handle(work)


async def test_a_job_that_waited_for_something_cancelled_is_tried_again_and_its_worker_goes_on(world: World) -> None:
    misled = Misled(world.history.purpose)
    async with running(await world.runner(Notify(world.history.purpose)), await world.worker(misled)):
        for number in (3, 4, 5):
            await world.history.add(number)
        await until(lambda: sorted(misled.taken) == [3, 4, 5])


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
        async with asyncio.timeout(60):
            async with running(await world.worker(notes)):
                await until(lambda: notes.taken == [3])


class Noted:
    """A bus that notes who stops to listen, and who gives a job back."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.noted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def subscribe(self, subject: str, receive: Receive) -> Any:
        noted, subscription = self.noted, await self._bus.subscribe(subject, receive)

        class Stopping:
            async def stop(self) -> None:
                noted.append("stop")
                await subscription.stop()

        return Stopping()

    async def publish(self, subject: str, data: bytes, **options: Any) -> None:
        if data.startswith(b"-NAK"):
            self.noted.append("back")
        await self._bus.publish(subject, data, **options)


async def test_a_stopping_worker_gives_a_job_back_when_none_of_its_own_readers_could_get_it(world: World) -> None:
    endless, noted = Patient(world.history.purpose), Noted(world.bus)
    reactor, worker = await world.runner(Notify(world.history.purpose)), await world.worker(endless, bus=noted)
    async with running(reactor, worker):
        await world.history.add(3)
        await until(lambda: endless.taken == [3])
        noted.noted.clear()
    assert noted.noted[-1:] == ["back"]
    assert noted.noted.count("stop") == endless.at_once


async def test_a_job_that_takes_too_long_has_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patient, "seconds", 0.05)
    endless = Patient(world.history.purpose)
    async with running(await world.runner(Notify(world.history.purpose)), await world.worker(endless)):
        await world.history.add(3)
        [filed] = await world.until_letters(1)
    assert "TimeoutError" in filed.letter.error.message
