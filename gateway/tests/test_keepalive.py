"""A dead peer is found, and one that only has nothing to say is kept."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from gateway.tests.test_hostile import line
from gateway.tests.world import WAIT_SECONDS, World

Factory = Callable[..., Awaitable[World]]
PING, PONG = 0x89, 0x8A


async def upgraded(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: %s\r\n\r\n"
        % world.bearer()["Authorization"].encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")


async def frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame, which is short or of a medium length."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return first, await reader.readexactly(size)


async def test_a_client_that_only_answers_pings_stays_connected(gateway: Factory) -> None:
    world = await gateway(ping_interval=1.5, request_timeout=1.0)
    async with line(world) as (reader, writer), asyncio.timeout(WAIT_SECONDS):
        await upgraded(world, reader, writer)
        assert msgspec.json.decode((await frame(reader))[1])["op"] == "welcome"
        for _ in range(3):
            opcode, payload = await frame(reader)
            assert opcode == PING
            writer.write(bytes([PONG, 0x80 | len(payload)]) + bytes(4) + payload)


async def test_a_client_that_answers_no_ping_is_closed(gateway: Factory) -> None:
    world = await gateway(ping_interval=0.2)
    async with line(world) as (reader, writer), asyncio.timeout(WAIT_SECONDS):
        await upgraded(world, reader, writer)
        assert msgspec.json.decode((await frame(reader))[1])["op"] == "welcome"
        assert (await frame(reader))[0] == PING
        assert await reader.read(1) == b"\x88"
        while "holdfast_gateway_sockets 0" not in (await world.http.get("/metrics")).text:
            await asyncio.sleep(0.01)
