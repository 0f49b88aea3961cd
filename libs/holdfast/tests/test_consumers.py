"""Reading a stream once and in order, across losses, restarts and hostile messages."""

import asyncio
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
import structlog.testing

from holdfast import Name, Unavailable
from holdfast._bus import Bus, Message, Receive, Subscription
from holdfast._log import Judged
from holdfast._owners import PARTITIONS
from holdfast.jetstream import (
    JetStreamLog,
    NatsBus,
    OrderedConsumer,
    ReceivedMessage,
    command_subjects,
    commands,
    ensure_streams,
)
from holdfast.jetstream import _api as api
from holdfast.testing.servers import NatsServer, nats_cluster, nats_server
from holdfast.tests.waiting import until
from holdfast.tests.wiretap import PATIENCE, Reader, Request, Tapped, a_commit, a_purpose, tapped


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


async def send(bus: Bus, purpose: str, bodies: range) -> None:
    """Store each of these in the commands stream, whatever the server does meanwhile."""
    for body in bodies:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await bus.request(f"cmd.{purpose}.acme.x", str(body).encode(), timeout=PATIENCE / 4)
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)


def numbered(bodies: range) -> list[bytes]:
    return [str(body).encode() for body in bodies]


async def test_a_message_lost_on_the_way_is_fetched_again_in_its_order(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.jetstream._consumer.SILENCE_SECONDS", PATIENCE)  # a stall alone loses nothing
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
    assert reader.bodies == numbered(range(10))
    assert b"7" not in lost  # what is lost while the consumer is made anew may be read directly
    assert [message.sequence for message in reader.got] == list(range(1, 11))


async def test_what_still_comes_from_before_a_new_aim_does_not_move_it(bus: NatsBus) -> None:
    purpose, got = a_purpose(), list[int]()

    async def receive(message: ReceivedMessage) -> None:
        got.append(message.sequence)
        if message.sequence == 3 and got.count(3) == 1:
            consumer.aim(command_subjects(purpose, range(PARTITIONS)), sequence=1)
            await asyncio.sleep(0)  # the others of the batch wait behind this one

    await ensure_streams(bus, purpose)
    await send(bus, purpose, range(10))
    consumer = commands(bus, purpose, receive, renewed=lambda: None)
    consumer.aim(command_subjects(purpose, range(PARTITIONS)), sequence=1)
    async with Reader().running(consumer):
        await until(lambda: got[-1:] == [10])
    assert got == [1, 2, 3, *range(1, 11)]


async def test_commands_are_read_without_a_consumer_while_the_cluster_makes_none(bus: NatsBus) -> None:
    purpose, leaderless, refused = a_purpose(), True, 0

    async def request(forward: Request, subject: str) -> Message:
        nonlocal refused
        if leaderless and subject.startswith("$JS.API.CONSUMER.CREATE."):
            refused += 1
            await asyncio.sleep(0.5)
            raise Unavailable("nobody answers")
        return await forward()

    await ensure_streams(bus, purpose)
    await send(bus, purpose, range(5))
    reader = Reader()
    consumer = commands(tapped(bus, request), purpose, reader.receive, renewed=lambda: None)
    consumer.aim(command_subjects(purpose, range(PARTITIONS)), sequence=1)
    task = asyncio.create_task(consumer.run())
    try:
        await until(lambda: len(reader.got) == 5)
        await send(bus, purpose, range(5, 10))
        await until(lambda: len(reader.got) == 10)
        assert not consumer.ready.is_set()
        leaderless = False
        await until(consumer.caught_up.is_set)
        await send(bus, purpose, range(10, 12))
        await until(lambda: len(reader.got) == 12)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert reader.bodies == numbered(range(12))
    assert [message.sequence for message in reader.got] == list(range(1, 13))
    direct, consumed = reader.got[0], reader.got[-1]
    assert direct.subject == consumed.subject
    assert 0 < consumed.received - direct.received < PATIENCE * 1_000_000_000


async def test_an_answer_that_is_lost_in_a_direct_read_is_asked_for_again(bus: NatsBus) -> None:
    purpose, lost = a_purpose(), list[bytes]()

    class Lossy(Tapped):
        async def request_many(self, subject: str, data: bytes, *, timeout: float) -> AsyncIterator[Message]:
            async for message in bus.request_many(subject, data, timeout=timeout):
                if message.data == b"4" and not lost:
                    lost.append(message.data)
                else:
                    yield message

    async def slow(forward: Request, subject: str) -> Message:
        if subject.startswith("$JS.API.CONSUMER.CREATE."):
            await until(lambda: len(reader.got) == 10)
        return await forward()

    await ensure_streams(bus, purpose)
    await send(bus, purpose, range(10))
    reader = Reader()
    async with reader.reading(cast("Bus", Lossy(bus, slow)), purpose):
        await until(lambda: len(reader.got) >= 10)
    assert (reader.bodies, lost) == (numbered(range(10)), [b"4"])


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
