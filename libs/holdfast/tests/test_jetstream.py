"""The log on a real server when acknowledgements are lost, rivals write and replicas lag."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import msgspec
import pytest
import structlog.testing

from holdfast import Name, Unavailable
from holdfast._bus import Bus, Message
from holdfast._errors import OutcomeUnknown
from holdfast._host import Host
from holdfast._log import Conflict, Judged
from holdfast._messages import CommandEnvelope
from holdfast.jetstream import (
    JetStreamAlarms,
    JetStreamLog,
    NatsBus,
    ensure_streams,
    newest,
    reach,
)
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity
from holdfast.testing.servers import NatsServer
from holdfast.tests.waiting import until
from holdfast.tests.wiretap import ANN, PATIENCE, Reader, Request, Tapped, a_commit, a_purpose, tapped


def losing_the_first_ack(bus: NatsBus, instead: Callable[[Request], Coroutine[Any, Any, object]]) -> Bus:
    lost = False

    async def lose(forward: Request, subject: str) -> Message:
        nonlocal lost
        if lost or not subject.startswith("evt."):
            return await forward()
        lost = True
        await instead(forward)
        raise Unavailable("the ack was lost")

    return tapped(bus, lose)


async def test_an_append_whose_ack_was_lost_is_told_its_own_position(bus: NatsBus) -> None:
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)
    log = JetStreamLog(losing_the_first_ack(bus, lambda forward: forward()))
    position = await log.append(a_commit(name, 1, expected=0))
    last = await log.last(name)
    assert last is not None
    assert (last.position, len(await log.read(name))) == (position, 1)


async def test_commits_whose_shared_ack_was_lost_are_told_their_own_positions(bus: NatsBus) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    names = [Name.of(purpose, "acme", f"x{number}") for number in range(20)]
    log = JetStreamLog(losing_the_first_ack(bus, lambda forward: forward()))
    positions = await asyncio.gather(*(log.append(a_commit(name, 1, expected=0)) for name in names))
    assert [[stored.position for stored in await log.read(name)] for name in names] == [[each] for each in positions]


async def test_a_rival_that_commits_while_an_ack_is_lost_is_a_conflict(bus: NatsBus) -> None:
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)
    rival = JetStreamLog(bus)

    async def overtake(_forward: Request) -> None:
        await rival.append(a_commit(name, 1, expected=0))

    log = JetStreamLog(losing_the_first_ack(bus, overtake))
    with pytest.raises(Conflict):
        await log.append(a_commit(name, 1, expected=0))
    assert len(await log.read(name)) == 1


@pytest.mark.parametrize("stored", [True, False])
async def test_an_append_that_nobody_acknowledges_is_not_known_to_be_stored_or_not(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    monkeypatch.setattr("holdfast.jetstream._log.APPEND_SECONDS", 0.5)
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)

    async def silent(forward: Request, subject: str) -> Message:
        if subject.startswith("evt."):
            if not stored:
                raise Unavailable("no answer from NATS")
            answer = await forward()
            if b"error" in answer.data:
                return answer  # the second copy is refused by the fence, and then nobody can be asked
        raise Unavailable("no answer from NATS")

    with pytest.raises(OutcomeUnknown) as refusal:
        await JetStreamLog(tapped(bus, silent)).append(a_commit(name, 1, expected=0))
    assert refusal.value.details == {"reason": "unknown"}
    assert (await JetStreamLog(bus).last(name) is not None) == stored


class Lagging(Tapped):
    """Direct gets find nothing at first, as on a replica that is behind."""

    def __init__(self, bus: NatsBus, *, times: int) -> None:
        super().__init__(bus, self._straight)
        self._real = bus
        self.times = times

    @staticmethod
    async def _straight(forward: Request, _subject: str) -> Message:
        return await forward()

    async def request_many(self, subject: str, data: bytes, *, timeout: float) -> AsyncIterator[Message]:
        if self.times > 0:
            self.times -= 1
            yield Message("_INBOX.x", b"", {"Status": "404"}, "")
            return
        async for message in self._real.request_many(subject, data, timeout=timeout):
            yield message


async def test_a_replica_that_lags_hides_no_commit(bus: NatsBus) -> None:
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)
    log, position, positions = JetStreamLog(bus), 0, list[int]()
    for seq in range(1, 9):
        position = await log.append(a_commit(name, seq, expected=position))
        positions.append(position)
    for times in (1, 2, 3):
        lagging = JetStreamLog(cast("Bus", Lagging(bus, times=times)), replicas=3)
        assert [stored.position for stored in await lagging.read(name)] == positions
        for seq in (1, 5, 8):
            lagging = JetStreamLog(cast("Bus", Lagging(bus, times=times)), replicas=3)
            assert await lagging.locate(name, seq) == positions[seq - 1]


@pytest.mark.cluster
async def test_a_replica_that_lags_hides_no_commit_from_one_who_was_not_told_of_it(
    cluster: list[NatsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.jetstream._log.SINGLE_SECONDS", 0.0)
    name = Name.of(a_purpose(), "acme", "x")
    bus = await NatsBus.connect([node.url for node in cluster], name="test")
    try:
        await ensure_streams(bus, name.purpose)
        lagging = Lagging(bus, times=0)
        log = JetStreamLog(cast("Bus", lagging))
        position = await log.append(a_commit(name, 1, expected=0))
        assert [stored.position for stored in await log.read(name)] == [position]
        await ensure_streams(bus, name.purpose, replicas=3)  # another process was told of the servers
        lagging.times = 2
        assert [stored.position for stored in await log.read(name)] == [position]
    finally:
        await bus.close()


async def test_a_replica_that_never_catches_up_is_an_error_and_not_the_end(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.jetstream._log.READ_SECONDS", 0.2)
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)
    log = JetStreamLog(cast("Bus", Lagging(bus, times=1_000_000)), replicas=3)
    await log.append(a_commit(name, 1, expected=0))
    with pytest.raises(Unavailable, match="lag"):
        await log.read(name)


async def test_a_log_larger_than_one_answer_is_read_completely(bus: NatsBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.jetstream._log.BATCH_BYTES", 2000)
    name = Name.of(a_purpose(), "acme", "x")
    await ensure_streams(bus, name.purpose)
    log, position = JetStreamLog(bus), 0
    for seq in range(1, 31):
        position = await log.append(a_commit(name, seq, expected=position))
    assert [stored.commit.events[0].seq for stored in await log.read(name)] == list(range(1, 31))


async def test_whatever_is_raised_during_an_append_reaches_whoever_waits_for_it(bus: NatsBus) -> None:
    purpose, faults = a_purpose(), 1
    await ensure_streams(bus, purpose)

    async def fail_once(forward: Request, subject: str) -> Message:
        nonlocal faults
        if subject.startswith("evt.") and faults:
            faults -= 1
            raise ValueError("what nobody expected")
        return await forward()

    log = JetStreamLog(tapped(bus, fail_once))
    names = [Name.of(purpose, "acme", f"x{number}") for number in range(3)]
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(
            *(log.append(a_commit(name, 1, expected=0)) for name in names), return_exceptions=True
        )
        assert any(isinstance(outcome, ValueError) for outcome in outcomes)
        last = await log.last(names[0])
        assert await log.append(a_commit(names[0], 2, expected=last.position if last else 0)) > 0


async def test_an_entity_wakes_from_a_snapshot_with_the_places_of_a_real_stream(bus: NatsBus) -> None:
    purpose, answers = a_purpose(), dict[str, Any]()

    class Named(CounterEntity):
        pass

    Named.purpose = purpose
    await ensure_streams(bus, purpose)
    name, snapshots, reader = Name.of(purpose, "acme", "x"), MemorySnapshots(), Reader()

    async def answer(reply: str, body: bytes) -> None:
        answers[reply] = msgspec.json.decode(body)

    async def nothing(name: Name, body: bytes) -> None:
        pass

    alarms = JetStreamAlarms(bus, purpose)
    host = Host(Named(), events=JetStreamLog(bus), alarms=alarms, snapshots=snapshots, answer=answer, pass_ring=nothing)

    async def ask(command: str, data: bytes, reply: str) -> Any:
        envelope = CommandEnvelope(command=command, command_id=reply, by=ANN, data=msgspec.Raw(data))
        await bus.request(name.subject("cmd"), msgspec.json.encode(envelope), timeout=PATIENCE)
        await until(lambda: bool(reader.got))
        message = reader.got.pop()
        place = Judged(message.received, message.sequence)
        await host.deliver(message.subject, message.data, place=place, reply=f"_INBOX.{reply}")
        await host.settled()
        return answers[f"_INBOX.{reply}"]

    async with reader.reading(bus, purpose):
        await ask("add", b'{"amount":7}', "a")
        await host.hibernate(name)
        assert await snapshots.load(name) is not None
        with structlog.testing.capture_logs() as logs:
            again = await ask("add", b'{"amount":7}', "a")
        assert again["ok"]["deduplicated"] is True
        assert not [entry for entry in logs if entry["event"].startswith("snapshot.")]


async def test_what_waits_for_a_slow_log_is_bounded(bus: NatsBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.jetstream._committer.WAITING_BYTES", 2000)
    purpose, go_on = a_purpose(), asyncio.Event()
    await ensure_streams(bus, purpose)

    async def wait(forward: Request, _subject: str) -> Message:
        await go_on.wait()
        return await forward()

    log = JetStreamLog(tapped(bus, wait))
    appends = [
        asyncio.create_task(log.append(a_commit(Name.of(purpose, "acme", f"x{number}"), 1, expected=0)))
        for number in range(50)
    ]
    async with asyncio.timeout(PATIENCE):
        while not any(append.done() for append in appends):
            await asyncio.sleep(0)
        go_on.set()
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert 0 < len(refused) < 50
    assert len(refused) + sum(isinstance(outcome, int) for outcome in outcomes) == 50
    assert await log.append(a_commit(Name.of(purpose, "acme", "x49"), 1, expected=0)) > 0


async def test_what_is_new_for_many_entities_is_asked_for_at_once(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    names = [Name.of(purpose, "acme", f"x{number}") for number in range(40)]
    log = JetStreamLog(bus)
    positions = [await log.append(a_commit(name, 1, expected=0)) for name in names[:-1]]
    assert await newest(bus, names, after=0) == (dict.fromkeys(names[:-1], 1), 39)
    assert await newest(bus, names, after=39) == ({}, 39)
    assert await newest(bus, names[-1:], after=7) == ({}, 7), "who never wrote does not tell how far the log is known"
    await log.append(a_commit(names[3], 2, expected=positions[3]))
    assert await newest(bus, names, after=39) == ({names[3]: 2}, 40)
    monkeypatch.setattr("holdfast.jetstream._newest.NEWEST_BYTES", 2000)
    assert await newest(bus, names, after=0) == ({**dict.fromkeys(names[:-1], 1), names[3]: 2}, 40)


async def test_a_log_tells_how_far_it_goes_and_that_something_left_it(bus: NatsBus) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    log, names = JetStreamLog(bus), [Name.of(purpose, "acme", f"x{number}") for number in range(3)]
    for name in names:
        await log.append(a_commit(name, 1, expected=0))
    before = await reach(bus, purpose)
    assert (before.end, before.removed) == (3, 0)
    for removed, name in enumerate(names, start=1):
        await log.purge(name)
        assert await reach(bus, purpose) == before._replace(removed=removed)
