"""The bus on a real NATS server: what the runtime relies on beyond nats-py itself."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast import Unavailable
from holdfast._bus import Message
from holdfast.jetstream import NatsBus
from holdfast.testing.servers import NatsServer, free_ports

MOMENTS = 40
PATIENCE = 60.0
FLUSHED_BYTES = 1_900_000
"""With so much pending, the next publish makes nats-py wait until it is sent."""


async def test_a_request_cancelled_at_any_moment_is_cancelled(bus: NatsBus) -> None:
    subject = bus.new_inbox()

    async def answer(message: Message) -> None:
        await bus.publish(message.reply, message.data)

    await bus.subscribe(subject, answer)
    for round_ in range(10 * MOMENTS):
        task = asyncio.create_task(bus.request(subject, b"", timeout=PATIENCE))
        await asyncio.wait([task], timeout=round_ % MOMENTS * 0.00005)
        if task.cancel():
            await asyncio.wait([task])
            assert task.cancelled()


async def test_a_listener_hears_every_message_in_order_until_it_stops(bus: NatsBus) -> None:
    subject = bus.new_inbox()
    heard: list[bytes] = []
    listening = await bus.listen(subject, lambda message: heard.append(message.data))
    for number in range(100):
        await bus.publish(subject, b"%d" % number, headers={"Number": str(number)})
    await bus.flush(timeout=PATIENCE)
    assert heard == [b"%d" % number for number in range(100)]
    await listening.stop()
    await listening.stop()
    await bus.publish(subject, b"after")
    await bus.flush(timeout=PATIENCE)
    assert len(heard) == 100


async def test_listeners_cost_no_task(bus: NatsBus) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(100):
        await bus.listen(bus.new_inbox(), lambda _: None)
    assert len(asyncio.all_tasks()) == before


async def test_a_listener_that_fails_stops_nobody(bus: NatsBus) -> None:
    good, bad = bus.new_inbox(), bus.new_inbox()
    heard: list[bytes] = []

    def fail(message: Message) -> None:
        raise RuntimeError(message.subject)

    await bus.listen(bad, fail)
    await bus.listen(good, lambda message: heard.append(message.data))
    for subject in (bad, good):
        await bus.publish(subject, b"x")
    await bus.flush(timeout=PATIENCE)
    assert heard == [b"x"]


async def test_a_listener_survives_a_reconnect() -> None:
    with TemporaryDirectory(prefix="holdfast-") as folder:
        server = NatsServer(Path(folder), port=free_ports(1)[0]).start()
        try:
            await hears_on_after_a_kill(server)
        finally:
            server.kill()


async def hears_on_after_a_kill(server: NatsServer) -> None:
    await server.ready()
    bus = await NatsBus.connect(server.url, name="listener")
    back, heard = asyncio.Event(), asyncio.Event()
    bus.on_gap(back.set)
    await bus.listen("live.x.y.z", lambda _: heard.set())
    server.kill()
    server.start()
    async with asyncio.timeout(60):
        await back.wait()
        await bus.publish("live.x.y.z", b"")
        await heard.wait()
    await bus.close()


async def test_servers_are_a_list_or_an_address_with_commas(single: NatsServer) -> None:
    nobody = f"nats://127.0.0.1:{free_ports(1)[0]}"
    for servers in ([nobody, single.url], f"{nobody}, {single.url}"):
        bus = await NatsBus.connect(servers, name="test")
        assert bus.connected
        await bus.close()


@pytest.mark.slow
@pytest.mark.parametrize(("messages", "size"), [(0, 0), (3_000, 4_000), (30, 1_000_000)])
async def test_a_server_that_stands_still_is_left_for_another_one(tmp_path: Path, messages: int, size: int) -> None:
    """Whatever was to be sent to it, and is more than it, the system and nats-py hold back."""
    servers = [NatsServer(tmp_path, port=port, name=f"server{port}").start() for port in free_ports(2)]
    try:
        for server in servers:
            await server.ready()
        bus = await NatsBus.connect([server.url for server in servers], name="test")
        for server in servers:  # the connection stands to one of them
            server.signal(signal.SIGSTOP)
            sending = asyncio.create_task(send(bus, messages, b"x" * size))
            await until_heard(bus)
            sending.cancel()
            await asyncio.wait([sending])
            server.signal(signal.SIGCONT)
        await bus.close()
    finally:
        for server in servers:
            server.kill()


@pytest.mark.slow
async def test_a_server_that_takes_nothing_keeps_no_connection_from_closing(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, port=free_ports(1)[0]).start()
    try:
        await server.ready()
        bus = await NatsBus.connect(server.url, name="test")
        server.signal(signal.SIGSTOP)
        sending = asyncio.create_task(send(bus, 30, b"x" * 1_000_000))
        await asyncio.wait([sending], timeout=1)
        async with asyncio.timeout(PATIENCE):
            await bus.close()
        sending.cancel()
        await asyncio.wait([sending])
    finally:
        server.kill()


async def send(bus: NatsBus, messages: int, body: bytes) -> None:
    for _ in range(messages):
        with suppress(Unavailable):
            await bus.publish("nowhere", body)


async def until_heard(bus: NatsBus) -> None:
    """Wait until what is published comes back."""
    heard = asyncio.Event()

    async def hear(_: Message) -> None:
        heard.set()

    subject = bus.new_inbox()
    subscription = await bus.subscribe(subject, hear)
    async with asyncio.timeout(PATIENCE):
        while not heard.is_set():
            with suppress(Unavailable):
                await bus.publish(subject, b"")
            await asyncio.sleep(0.1)
    await subscription.stop()


async def test_a_flush_ends_after_everything_that_was_sent_before_it(bus: NatsBus) -> None:
    subject = bus.new_inbox()
    heard: list[bytes] = []
    listening = await bus.listen(subject, lambda message: heard.append(message.data))
    for number in range(1000):
        await bus.publish(subject, b"%d" % number)
        await bus.flush(timeout=PATIENCE)
        assert heard[-1:] == [b"%d" % number]
    await listening.stop()


async def overflow_until(bus: NatsBus, enough: Callable[[int], bool]) -> int:
    """Send more than is taken until this is so; how often that was told."""
    subject, go_on, told = bus.new_inbox(), asyncio.Event(), 0

    async def receive(_: Message) -> None:
        await go_on.wait()

    def tell() -> None:
        nonlocal told
        told += 1

    end = bus.on_gap(tell)
    subscription = await bus.subscribe(subject, receive)
    async with asyncio.timeout(PATIENCE):
        while not enough(told):
            for _ in range(1000):
                await bus.publish(subject, b"x")
            await bus.flush(timeout=PATIENCE)
    go_on.set()
    end()
    await subscription.stop()
    return told


async def test_an_overflow_is_told_of_at_once_and_not_for_each_message_that_it_drops(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.jetstream._bus.PENDING_MESSAGES", 10)
    monkeypatch.setattr("holdfast.jetstream._bus.OVERFLOW_SECONDS", 10 * PATIENCE)
    assert await overflow_until(bus, lambda told: told > 0) == 1


async def test_an_overflow_that_goes_on_is_told_of_again(bus: NatsBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.jetstream._bus.PENDING_MESSAGES", 10)
    assert await overflow_until(bus, lambda told: told > 1) > 1


async def test_a_task_that_publishes_much_ends_when_it_is_cancelled_while_nats_py_flushes(bus: NatsBus) -> None:
    async def work() -> None:
        while True:
            await bus.publish("nowhere", b"x" * 900_000)

    for _ in range(20):
        task = asyncio.create_task(work())
        while bus._nats._pending_data_size < FLUSHED_BYTES:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - when nats-py waits for its flusher
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        assert done
        assert task.cancelled()


async def test_a_connection_that_looks_for_its_server_gives_up_when_it_is_cancelled_at_any_moment() -> None:
    with TemporaryDirectory(prefix="holdfast-") as folder:
        server = NatsServer(Path(folder), port=free_ports(1)[0]).start()
        try:
            await server.ready()
            bus = await NatsBus.connect(server.url, name="test")
        finally:
            server.kill()
        nats = bus._nats  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what closing and reconnecting cancel
        await bus.close()
        nats.options["reconnect_time_wait"] = 0
        for round_ in range(10 * MOMENTS):
            looking = asyncio.create_task(nats._select_next_server())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            for _ in range(round_ % MOMENTS):
                await asyncio.sleep(0)
            looking.cancel()
            done, _ = await asyncio.wait([looking], timeout=PATIENCE)
            assert done
