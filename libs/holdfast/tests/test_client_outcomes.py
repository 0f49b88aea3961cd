"""What a caller is told when parts of a real system die: refused, not sent, or not known; and that it need not care."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
import pytest_asyncio

from holdfast import Name, Rejected, TimedOut, Unavailable
from holdfast._bus import Message
from holdfast._errors import OutcomeUnknown
from holdfast._messages import CommandEnvelope
from holdfast.client import Client
from holdfast.jetstream import H_REPLY, NatsBus, ensure_streams
from holdfast.testing.owner import owner
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.tests.waiting import until
from holdfast.tests.wiretap import ANN, PATIENCE

pytestmark = pytest.mark.once("it counts and loses the copies of a call")
NAME = Name.of("counter", "acme", "x")
SILENT = Name.of("silent", "acme", "x")
"""Of a purpose that has streams, and no owner."""
NOT_NOW = b'{"error":{"code":"UNAVAILABLE","message":"not now","retryable":true}}'
NOT_KNOWN = msgspec.json.encode({"error": OutcomeUnknown("the log did not acknowledge in time").body()})


class Copies:
    """The commands that pass on the way to an entity's owner."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self.replies: list[str] = []
        self.ids: list[str] = []
        self.first_answer: bytes | None = NOT_NOW

    async def take(self, message: Message) -> None:
        self.replies.append(message.headers[H_REPLY])
        self.ids.append(msgspec.json.decode(message.data, type=CommandEnvelope).command_id)

    async def refuse(self, message: Message) -> None:
        await self.take(message)
        answer = self.first_answer if len(self.ids) == 1 else NOT_NOW
        if answer is not None:
            await self._bus.publish(message.headers[H_REPLY], answer)


class System:
    """A server and a client of the test's own, and an owner that comes and goes."""

    def __init__(self, server: NatsServer, client: Client, bus: NatsBus, folder: Path) -> None:
        self.server = server
        self.client = client
        self._bus = bus
        self._folder = folder
        self._owner = ExitStack()

    async def start_owner(self) -> None:
        await asyncio.to_thread(self._owner.enter_context, owner([self.server.url], self._folder))

    async def kill_owner(self) -> None:
        await asyncio.to_thread(self._owner.close)

    async def copies(self, name: Name, *, refused: bool = False) -> Copies:
        found = Copies(self._bus)
        await self._bus.subscribe(name.subject("cmd"), found.refuse if refused else found.take)
        await self._bus.flush(timeout=PATIENCE)
        return found

    async def cut_off(self) -> None:
        """Wait until the client has noticed that there is no server."""
        bus = self.client.bus
        assert isinstance(bus, NatsBus)
        await until(lambda: not bus.connected)

    async def total(self) -> int:
        view = await self.client.view(NAME, by=ANN, timeout=PATIENCE)
        return msgspec.json.decode(view.state)["total"]


@pytest.fixture
def folder() -> Generator[Path]:
    with TemporaryDirectory(prefix="holdfast-") as name:
        yield Path(name)


@pytest_asyncio.fixture
async def system(folder: Path) -> AsyncGenerator[System]:
    server = NatsServer(folder, port=free_ports(1)[0]).start()
    try:
        await server.ready()
        bus = await NatsBus.connect(server.url, name="test")
        await ensure_streams(bus, SILENT.purpose)
        async with await Client.connect(server.url) as client:
            found = System(server, client, bus, folder)
            try:
                yield found
            finally:
                await found.kill_owner()
        await bus.close()
    finally:
        server.kill()


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_a_refusal_is_told_at_once_and_not_repeated(system: System) -> None:
    await system.start_owner()
    copies = await system.copies(NAME)
    with pytest.raises(Rejected) as refusal:
        await system.client.send(NAME, "add", b'{"amount": 9999999}', by=ANN, timeout=PATIENCE)
    assert (refusal.value.code, refusal.value.retryable) == ("TOO_MUCH", False)
    assert len(copies.ids) == 1


async def test_what_could_not_be_sent_is_unavailable(system: System) -> None:
    system.server.kill()
    await system.cut_off()
    with pytest.raises(Unavailable) as refusal:
        await system.client.send(SILENT, "add", by=ANN, timeout=1.0)
    assert refusal.value.retryable


async def test_what_was_sent_and_not_answered_is_not_known_until_it_is_sent_again(system: System) -> None:
    await system.start_owner()
    await system.client.send(NAME, "add", by=ANN, timeout=PATIENCE)
    await system.kill_owner()
    with pytest.raises(TimedOut) as refusal:
        await system.client.send(NAME, "add", by=ANN, command_id="again", timeout=0.5)
    assert (refusal.value.retryable, refusal.value.details) == (True, {"command_id": "again"})
    await system.start_owner()
    assert (await system.client.send(NAME, "add", by=ANN, command_id="again", timeout=PATIENCE)).seq == 2
    assert await system.total() == 2


async def test_what_was_sent_before_the_connection_was_lost_is_not_known_either(system: System) -> None:
    copies = await system.copies(SILENT)
    call = asyncio.create_task(system.client.send(SILENT, "add", by=ANN, command_id="lost", timeout=3.0))
    await until(lambda: len(copies.ids) >= 1)
    system.server.kill()
    with pytest.raises(TimedOut) as refusal:
        await call
    assert refusal.value.details == {"command_id": "lost"}


@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_what_an_owner_does_not_know_is_not_known_whatever_is_told_afterwards(system: System) -> None:
    copies = await system.copies(SILENT, refused=True)
    copies.first_answer = NOT_KNOWN
    with pytest.raises(TimedOut) as refusal:
        await system.client.send(SILENT, "add", by=ANN, command_id="perhaps", timeout=3.0)
    assert refusal.value.details == {"command_id": "perhaps"}
    assert len(copies.ids) > 1


async def test_what_a_copy_may_have_done_that_nobody_answered_is_not_known_though_later_ones_are_refused(
    system: System,
) -> None:
    copies = await system.copies(SILENT, refused=True)
    copies.first_answer = None
    with pytest.raises(TimedOut) as refusal:
        await system.client.send(SILENT, "add", by=ANN, command_id="perhaps", timeout=4.0)
    assert refusal.value.details == {"command_id": "perhaps"}
    assert len(copies.ids) > 2


@pytest.mark.slow
async def test_a_send_outlives_the_death_of_its_owner_under_one_id(system: System) -> None:
    await system.start_owner()
    await system.client.send(NAME, "add", by=ANN, timeout=PATIENCE)
    await system.kill_owner()
    copies = await system.copies(NAME)
    call = asyncio.create_task(system.client.send(NAME, "add", by=ANN, timeout=PATIENCE))
    await until(lambda: len(copies.ids) >= 2)
    await system.start_owner()
    assert (await call).seq == 2
    assert len(set(copies.ids)) == 1
    assert await system.total() == 2


@pytest.mark.slow
async def test_a_send_outlives_the_death_of_its_server(system: System) -> None:
    await system.start_owner()
    await system.client.send(NAME, "add", by=ANN, timeout=PATIENCE)
    system.server.kill()
    call = asyncio.create_task(system.client.send(NAME, "add", by=ANN, timeout=PATIENCE))
    system.server.start()
    assert (await call).seq == 2
    assert await system.total() == 2


async def test_who_is_told_to_come_again_does_so_less_and_less_often_and_until_the_deadline(system: System) -> None:
    copies = await system.copies(SILENT, refused=True)
    with pytest.raises((Unavailable, TimedOut)):  # the latter when the last copy is not answered in time
        await system.client.send(SILENT, "add", by=ANN, timeout=3.0)
    assert 3 <= len(copies.ids) <= 12
    assert len(set(copies.ids)) == 1
