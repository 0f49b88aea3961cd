"""The runtime on real NATS servers: what it sets up, and what it makes of losses, restarts and hostile messages."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest
import structlog.testing

from holdfast import Actor, Name, Unavailable
from holdfast._bus import Bus, Message, Receive, Subscription
from holdfast._clock import utc_now
from holdfast._host import Host
from holdfast._log import Conflict, Judged, NewCommit
from holdfast._messages import CommandEnvelope, Commit, RecordedEvent
from holdfast._owners import PARTITIONS
from holdfast.client import Client
from holdfast.jetstream import (
    H_REPLY,
    JetStreamAlarms,
    JetStreamLog,
    NatsBus,
    OrderedConsumer,
    ReceivedMessage,
    command_subjects,
    commands,
    ensure_streams,
)
from holdfast.jetstream import _api as api
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity
from holdfast.testing.servers import NatsServer, free_ports, nats_cluster, nats_server

ANN = Actor(user="ann", roles=())
PATIENCE = 20.0
Request = Callable[..., Coroutine[Any, Any, Message]]


@pytest.fixture
def server() -> Generator[NatsServer]:
    """A server of the test's own, to kill."""
    with TemporaryDirectory(prefix="holdfast-") as folder, nats_server(Path(folder)) as running:
        yield running


@pytest.fixture
def own_cluster() -> Generator[list[NatsServer]]:
    """Three servers of the test's own, to kill."""
    with TemporaryDirectory(prefix="holdfast-") as folder, nats_cluster(Path(folder)) as running:
        yield running


def a_purpose() -> str:
    return f"p{uuid4().hex[:12]}"


class Tapped:
    """A bus whose requests pass through the test's hands; everything else is the real one's."""

    def __init__(self, bus: NatsBus, request: Callable[[Request, str], Coroutine[Any, Any, Message]]) -> None:
        self._bus = bus
        self._tap = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def request(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Message:
        async def forward() -> Message:
            return await self._bus.request(subject, data, headers=headers, timeout=timeout)

        return await self._tap(forward, subject)


def tapped(bus: NatsBus, request: Callable[[Request, str], Coroutine[Any, Any, Message]]) -> Bus:
    return cast("Bus", Tapped(bus, request))


async def configuration(bus: NatsBus, stream: str) -> dict[str, Any]:
    return (await api.call(bus, f"STREAM.INFO.{stream}"))["config"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_purpose_gets_its_streams_and_setting_them_up_again_changes_nothing(bus: NatsBus) -> None:
    purpose, operations = a_purpose(), list[str]()

    async def listen(forward: Request, subject: str) -> Message:
        operations.append(subject)
        return await forward()

    for _ in range(2):
        await ensure_streams(tapped(bus, listen), purpose)
    assert [one for one in operations if ".CREATE." in one] == [
        f"$JS.API.STREAM.CREATE.{stream}-{purpose}" for stream in ("evt", "cmd", "ckpt", "alarm")
    ]
    assert not [one for one in operations if ".UPDATE." in one]
    assert (await configuration(bus, f"evt-{purpose}"))["storage"] == "file"
    assert (await configuration(bus, f"cmd-{purpose}"))["storage"] == "memory"


async def test_a_stream_of_an_older_configuration_is_upgraded_and_keeps_what_we_do_not_set(bus: NatsBus) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    stream = f"cmd-{purpose}"
    older = {**await configuration(bus, stream), "max_age": 5_000_000_000, "duplicate_window": 0, "description": "ours"}
    await api.call(bus, f"STREAM.UPDATE.{stream}", older)
    await ensure_streams(bus, purpose)
    upgraded = await configuration(bus, stream)
    assert (upgraded["max_age"], upgraded["description"]) == (30_000_000_000, "ours")


async def test_a_stream_that_another_program_owns_is_a_clear_error(bus: NatsBus) -> None:
    purpose = a_purpose()
    await api.call(
        bus, f"STREAM.CREATE.foreign-{purpose}", {"name": f"foreign-{purpose}", "subjects": [f"evt.{purpose}.>"]}
    )
    with pytest.raises(Unavailable, match="an account of its own"):
        await ensure_streams(bus, purpose)


async def test_a_server_that_is_too_old_is_a_clear_error(bus: NatsBus) -> None:
    class Old(Tapped):
        server_version = "2.14.5"

    async def untouched(_forward: Request, subject: str) -> Message:
        raise AssertionError(subject)

    with pytest.raises(Unavailable, match=r"2\.14\.5; Holdfast needs 2\.15"):
        await ensure_streams(cast("Bus", Old(bus, untouched)), a_purpose())


async def test_a_server_without_jetstream_is_a_clear_error() -> None:
    port = free_ports(1)[0]
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    process = await asyncio.create_subprocess_exec(
        binary, "-a", "127.0.0.1", "-p", str(port), stderr=subprocess.DEVNULL
    )
    try:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="test")
        with pytest.raises(Unavailable, match="start the server with a jetstream block"):
            await ensure_streams(bus, a_purpose())
        await bus.close()
    finally:
        process.kill()
        await process.wait()


class Reader:
    """Reads a stream by an ordered consumer."""

    def __init__(self) -> None:
        self.got: list[ReceivedMessage] = []
        self.bodies: list[bytes] = []

    async def receive(self, message: ReceivedMessage) -> None:
        self.got.append(message)
        self.bodies.append(message.data)

    @asynccontextmanager
    async def reading(self, bus: Bus, purpose: str, *, replicas: int = 1) -> AsyncGenerator[None]:
        consumer = commands(bus, purpose, self.receive, renewed=lambda: None, replicas=replicas)
        consumer.aim(command_subjects(purpose, range(PARTITIONS)), sequence=1)
        async with self.running(consumer):
            yield

    @asynccontextmanager
    async def running(self, consumer: OrderedConsumer) -> AsyncGenerator[None]:
        task = asyncio.create_task(consumer.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await consumer.ready.wait()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def send(bus: Bus, purpose: str, bodies: range) -> None:
    """Store each of these in the commands stream, whatever the server does meanwhile."""
    for body in bodies:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await bus.request(f"cmd.{purpose}.acme.x", str(body).encode(), timeout=1)
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)


def numbered(bodies: range) -> list[bytes]:
    return [str(body).encode() for body in bodies]


async def test_a_message_lost_on_the_way_is_fetched_again_in_its_order(bus: NatsBus) -> None:
    purpose, lost = a_purpose(), [b"7", b"9", b"9"]

    class Lossy(Tapped):
        async def subscribe(self, subject: str, receive: Receive, *, queue: str = "") -> Subscription:
            async def lossy(message: Message) -> None:
                if lost and message.data == lost[0]:
                    lost.pop(0)
                else:
                    await receive(message)

            return await bus.subscribe(subject, lossy, queue=queue)

    async def straight(forward: Request, _subject: str) -> Message:
        return await forward()

    await ensure_streams(bus, purpose)
    reader = Reader()
    async with reader.reading(cast("Bus", Lossy(bus, straight)), purpose):
        await send(bus, purpose, range(10))
        await until(lambda: len(reader.got) >= 10)
    assert (reader.bodies, lost) == (numbered(range(10)), [])
    assert [message.sequence for message in reader.got] == list(range(1, 11))


async def test_consumers_that_are_restarted_again_and_again_leave_none_behind(bus: NatsBus) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    for _ in range(5):
        async with Reader().reading(bus, purpose):
            pass
    async with asyncio.timeout(PATIENCE):
        while (await api.call(bus, f"STREAM.INFO.cmd-{purpose}"))["state"]["consumer_count"] > 0:
            await asyncio.sleep(0.01)


async def test_a_stream_on_disk_is_read_once_and_in_order_across_a_restart_of_the_server(server: NatsServer) -> None:
    bus = await NatsBus.connect(server.url, name="test")
    await ensure_streams(bus, "x")
    reader = Reader()

    async def nothing() -> None:
        pass

    async def store(seqs: range) -> None:
        log, name = JetStreamLog(bus), Name.of("x", "acme", "y")
        async with asyncio.timeout(PATIENCE):
            for seq in seqs:
                while True:
                    try:
                        last = await log.last(name)
                        await log.append(a_commit(name, seq, expected=last.position if last else 0))
                        break
                    except Unavailable:
                        await asyncio.sleep(0.05)

    async with reader.running(OrderedConsumer(bus, "evt-x", ["evt.x.*.*"], reader.receive, ensure=nothing)):
        await store(range(1, 6))
        await until(lambda: len(reader.got) == 5)
        server.kill()
        server.start()
        await store(range(6, 11))
        await until(lambda: len(reader.got) == 10)
    assert [message.sequence for message in reader.got] == list(range(1, 11))
    await bus.close()


async def test_a_stream_in_memory_that_begins_anew_is_read_from_its_beginning(server: NatsServer) -> None:
    bus = await NatsBus.connect(server.url, name="test")
    await ensure_streams(bus, "x")
    reader = Reader()
    async with reader.reading(bus, "x"):
        await send(bus, "x", range(5))
        await until(lambda: len(reader.got) == 5)
        server.kill()
        server.start()
        await send(bus, "x", range(5, 8))
        await until(lambda: len(reader.got) == 8)
    assert reader.bodies == numbered(range(8))
    assert [message.sequence for message in reader.got] == [1, 2, 3, 4, 5, 1, 2, 3]
    later, earlier = reader.got[5], reader.got[4]
    assert not Judged(earlier.received, earlier.sequence).covers(Judged(later.received, later.sequence))
    await bus.close()


@pytest.mark.cluster
@pytest.mark.slow
async def test_commands_are_taken_again_after_a_whole_cluster_was_down(own_cluster: list[NatsServer]) -> None:
    bus = await NatsBus.connect([node.url for node in own_cluster], name="test")
    await ensure_streams(bus, "x", replicas=3)
    created = (await api.call(bus, "STREAM.INFO.cmd-x"))["created"]
    reader = Reader()
    async with reader.reading(bus, "x", replicas=3):
        await send(bus, "x", range(5))
        await until(lambda: len(reader.got) == 5)
        for node in own_cluster:
            node.kill()
        for node in own_cluster:
            node.start()
        await send(bus, "x", range(5, 8))
        await until(lambda: len(reader.got) == 8)
    assert reader.bodies == numbered(range(8))
    assert (await api.call(bus, "STREAM.INFO.cmd-x"))["created"] == created
    await bus.close()


HOSTILE = {
    "headers that are none": b"HPUB cmd.%s.acme.bad 8 8\r\nNATS/1.0\r\n",
    "a status that is no text": b"HPUB cmd.%s.acme.bad 16 16\r\nNATS/1.0 \xff\xfe\xff\r\n\r\n\r\n",
    "a status of the server": b"HPUB cmd.%s.acme.bad 16 16\r\nNATS/1.0 100\r\n\r\n\r\n",
    "a status in a header": b"HPUB cmd.%s.acme.bad 25 25\r\nNATS/1.0\r\nStatus: 100\r\n\r\n\r\n",
    "a gap in a header": b"HPUB cmd.%s.acme.bad 48 48\r\nNATS/1.0\r\nStatus: 100\r\nNats-Last-Consumer: 9\r\n\r\n\r\n",
    "a subject that is no text": b"PUB cmd.%s.acme.\xff\xfe 2\r\nhi\r\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_message_is_one_message_and_stops_nobody(single: NatsServer, bus: NatsBus, kind: str) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    host, _, port = single.url.removeprefix("nats://").partition(":")
    reader = Reader()
    async with reader.reading(bus, purpose):
        source, sink = await asyncio.open_connection(host, int(port))
        await source.readline()
        sink.write(b'CONNECT {"verbose":false,"headers":true}\r\n')
        sink.write(HOSTILE[kind].replace(b"%s", purpose.encode()) + b"PING\r\n")
        assert await source.readline() == b"PONG\r\n"
        sink.close()
        await send(bus, purpose, range(3))
        await until(lambda: len(reader.got) >= 4)
    assert reader.bodies[1:] == numbered(range(3))


def a_commit(name: Name, seq: int, *, expected: int) -> NewCommit:
    event = RecordedEvent(
        seq=seq, type="added", data=msgspec.Raw(b"{}"), at=utc_now(), by=ANN, command_id=f"c{seq}-{uuid4().hex}"
    )
    commit = Commit(v=1, name=str(name), events=(event,))
    return NewCommit(name, expected, uuid4().hex, commit, Judged(1, seq), ((event.command_id, "d"),))


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


async def test_no_server_for_a_while_is_one_warning(server: NatsServer) -> None:
    bus = await NatsBus.connect(server.url, name="test")
    refused = 0

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        refused += 1
        writer.close()

    with structlog.testing.capture_logs() as logs:
        server.kill()
        host, _, port = server.url.removeprefix("nats://").partition(":")
        async with await asyncio.start_server(hang_up, host, int(port)):
            await until(lambda: refused >= 5)
        server.start()
        await until(lambda: bus.connected and logs[-1]["event"] == "nats.reconnected")
    assert len([entry for entry in logs if entry["event"] == "nats.error"]) <= 2
    await bus.close()


class Owner:
    """Answers commands as the test says: each copy of a call is kept until then."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self.copies: list[str] = []

    async def take(self, message: Message) -> None:
        self.copies.append(message.headers[H_REPLY])

    async def answer(self, copy: int, body: bytes) -> None:
        await self._bus.publish(self.copies[copy], body)


REFUSED = b'{"error":{"code":"TOO_MUCH","message":"no"}}'
NOTHING_TO_DO = b'{"ok":{"name":"n","seq":1,"events":[],"deduplicated":false}}'
ACCEPTED = b'{"ok":{"name":"n","seq":2,"events":[{"seq":2}],"deduplicated":false}}'


@pytest.mark.parametrize("early", [REFUSED, NOTHING_TO_DO])
async def test_what_a_later_copy_may_still_change_is_not_the_last_word(
    single: NatsServer, bus: NatsBus, early: bytes
) -> None:
    name, owner = Name.of(a_purpose(), "acme", "x"), Owner(bus)
    await bus.subscribe(name.subject("cmd"), owner.take)
    async with await Client.connect(single.url) as client:
        call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=PATIENCE))
        await until(lambda: len(owner.copies) == 2)
        await owner.answer(0, early)
        await owner.answer(1, ACCEPTED)
        assert (await call).seq == 2


async def test_the_acceptance_of_an_earlier_copy_is_final(single: NatsServer, bus: NatsBus) -> None:
    name, owner = Name.of(a_purpose(), "acme", "x"), Owner(bus)
    await bus.subscribe(name.subject("cmd"), owner.take)
    async with await Client.connect(single.url) as client:
        call = asyncio.create_task(client.send(name, "add", by=ANN, timeout=PATIENCE))
        await until(lambda: len(owner.copies) == 2)
        await owner.answer(0, ACCEPTED)
        assert (await call).seq == 2
