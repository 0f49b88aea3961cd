"""A NATS server whose store is full: callers are told so, nothing is written, and all goes on once there is room."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from holdfast import Name, Unavailable
from holdfast._bus import Message
from holdfast._log import Conflict
from holdfast.client import Client
from holdfast.jetstream import JetStreamLog, NatsBus, ensure_streams
from holdfast.jetstream import _api as api
from holdfast.testing.owner import owner
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.tests.wiretap import ANN, PATIENCE, a_commit

NAME = Name.of("counter", "acme", "x")
STORE_BYTES = 8 * 1024 * 1024
PIECES = (512 * 1024, 1024, 1)


async def fill(bus: NatsBus) -> None:
    """Take all room, with pieces that become smaller."""
    await api.call(bus, "STREAM.CREATE.filler", {"name": "filler", "subjects": ["filler"], "storage": "file"})
    for size in PIECES:
        answer = b""
        while b"error" not in answer:
            answer = (await bus.request("filler", b"x" * size, timeout=PATIENCE)).data


async def copies_of(bus: NatsBus, name: Name) -> list[bytes]:
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    await bus.subscribe(name.subject("cmd"), hear)
    await bus.flush(timeout=PATIENCE)
    return heard


async def unavailable(client: Client, command_id: str) -> bool:
    """Whether a command is refused because there is no room."""
    with pytest.raises(Unavailable) as refusal:
        await client.send(NAME, "add", by=ANN, command_id=command_id, timeout=10 * PATIENCE)
    return refusal.value.details["reason"] == "no_room"


@pytest.mark.once("it counts the copies of a call")
@pytest.mark.usefixtures("nothing_is_sent_again")
async def test_who_sends_to_a_full_log_is_told_so_at_once_and_nothing_is_written() -> None:
    with TemporaryDirectory(prefix="holdfast-") as folder:
        server = NatsServer(Path(folder), port=free_ports(1)[0], max_store=STORE_BYTES).start()
        try:
            await server.ready()
            with owner([server.url], Path(folder)):
                await told_and_healed(server)
        finally:
            server.kill()


async def told_and_healed(server: NatsServer) -> None:
    bus = await NatsBus.connect(server.url, name="filler")
    async with await Client.connect(server.url) as client, asyncio.timeout(2 * PATIENCE):
        assert (await client.send(NAME, "add", by=ANN, timeout=PATIENCE)).seq == 1
        await fill(bus)
        copies = await copies_of(bus, NAME)
        assert await unavailable(client, "first")
        assert len(copies) == 1, "it is the caller's to send it again"
        assert all(await asyncio.gather(*(unavailable(client, f"more-{number}") for number in range(20))))
        await api.call(bus, "STREAM.DELETE.filler")
        assert (await client.send(NAME, "add", by=ANN, command_id="first", timeout=PATIENCE)).seq == 2
        view = await client.view(NAME, by=ANN, timeout=PATIENCE)
        assert msgspec.json.decode(view.state)["total"] == 2
    await bus.close()


async def test_a_full_log_is_no_conflict_and_no_unknown_outcome_for_commits_that_go_together() -> None:
    with TemporaryDirectory(prefix="holdfast-") as folder:
        server = NatsServer(Path(folder), port=free_ports(1)[0], max_store=STORE_BYTES).start()
        try:
            await server.ready()
            bus = await NatsBus.connect(server.url, name="filler")
            await ensure_streams(bus, "counter")
            await fill(bus)
            log = JetStreamLog(bus)
            names = [Name.of("counter", "acme", f"x{number}") for number in range(10)]
            outcomes = await asyncio.gather(
                *(log.append(a_commit(name, 1, expected=0)) for name in names), return_exceptions=True
            )
            assert [getattr(outcome, "details", {}).get("reason") for outcome in outcomes] == ["no_room"] * 10
            assert not any(isinstance(outcome, Conflict) for outcome in outcomes)
            await api.call(bus, "STREAM.DELETE.filler")
            for name in names:
                assert await log.append(a_commit(name, 1, expected=0)) > 0
            await bus.close()
        finally:
            server.kill()
