# nats-py leaves its options untyped.
# pyright: reportUnknownMemberType=false
import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig

from holdfast._program.embedded_nats import LOOPBACK, complaint, greeting, nats_part, nats_url
from holdfast._program.errors import CannotStart
from holdfast._program.keeper import Keeper
from holdfast.testing.servers import free_ports


@asynccontextmanager
async def server(folder: Path, *, port: int) -> AsyncGenerator[Keeper]:
    (folder / "nats").mkdir(parents=True, exist_ok=True)
    keeper = Keeper(nats_part(folder, port=port), tell=print)
    keeper.start()
    try:
        await keeper.ready(timeout=60)
        yield keeper
    finally:
        await keeper.stop()


async def test_a_client_with_the_token_finds_jetstream(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    async with server(tmp_path, port=port):
        client = await nats.connect(nats_url(tmp_path, port=port))
        account = await client.jetstream().account_info()
        await client.close()

    assert account.streams == 0


async def test_a_client_without_the_token_is_turned_away(tmp_path: Path) -> None:
    port = free_ports(1)[0]

    async def ignore(_error: Exception) -> None: ...

    async with server(tmp_path, port=port):
        with pytest.raises(NatsError, match="Authorization Violation"):
            await nats.connect(f"nats://{LOOPBACK}:{port}", allow_reconnect=False, error_cb=ignore)


async def test_a_second_start_finds_the_messages_of_the_first(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    async with server(tmp_path, port=port):
        client = await nats.connect(nats_url(tmp_path, port=port))
        await client.jetstream().add_stream(StreamConfig(name="kept", subjects=["kept.>"]))
        await client.jetstream().publish("kept.one", b"1")
        await client.close()

    port = free_ports(1)[0]
    async with server(tmp_path, port=port):
        client = await nats.connect(nats_url(tmp_path, port=port))
        message = await client.jetstream().get_msg("kept", 1)
        await client.close()

    assert message.data == b"1"


def test_the_server_acknowledges_only_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    nats_part(tmp_path, port=1)

    assert "sync_interval: always" in (tmp_path / "nats" / "server.conf").read_text()


def test_the_token_stands_in_no_argument_and_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    part = nats_part(tmp_path, port=1)
    token = (tmp_path / "nats" / "token").read_text().strip()

    assert token not in " ".join(part.command)
    assert token not in (tmp_path / "nats" / "server.conf").read_text()
    assert token in part.environment.values()


async def test_a_server_that_cannot_start_leaves_its_complaint(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        (tmp_path / "nats").mkdir()
        part = nats_part(tmp_path, port=taken.getsockname()[1])
        keeper = Keeper(part, tell=print)
        keeper.start()
        try:
            with pytest.raises(CannotStart, match="nats-server could not start: exit code 1"):
                await keeper.ready(timeout=60)
        finally:
            await keeper.stop()

    assert "address already in use" in complaint(tmp_path)


async def test_a_server_that_breaks_off_or_says_nothing_at_first_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast._program.embedded_nats.GREETING_SECONDS", 0.2)
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("again")
        match len(asked):
            case 1:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()  # with the lingering above, that is a reset
            case 2:
                writer.close()
            case 3:
                await reader.read()
                writer.close()
            case _:
                writer.write(b"INFO {}\r\n")
                writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as listening, asyncio.timeout(60):
        await greeting(listening.sockets[0].getsockname()[1])
    assert len(asked) >= 4
