"""What nobody sends by accident: each gets its documented answer, and the server goes on."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from gateway.tests.world import WAIT_SECONDS, World, pad_id

Factory = Callable[..., Awaitable[World]]
SOON = 30.0
"""Half as long as a request may take by default."""


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.status_code, answer.json()["code"]


@asynccontextmanager
async def line(world: World) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """A bare TCP connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def say(world: World, request: str) -> bytes:
    """The whole answer to a request written by hand."""
    async with line(world) as (reader, writer):
        writer.write(request.encode("latin-1"))
        return await until_end(reader)


async def until_end(reader: asyncio.StreamReader, *, seconds: float = WAIT_SECONDS) -> bytes:
    """What is heard until the other side closes, or resets, the connection."""
    heard = b""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            while some := await reader.read(1 << 20):
                heard += some
    return heard


@pytest.mark.parametrize(
    "query",
    ["seq=-1", "seq=9007199254740992", "seq=1e3", "seq=", "seq=99", "seq=1&seq=2", "seq=" + "9" * 5000, "at=", "at=0",
     "at=1700000000", "at=yesterday", "at=2026-13-01T00:00:00Z", "at=2026-01-01", "at=99999-01-01T00:00:00Z",
     "at=2026-01-01T00:00:00+00:00", "at=2026-01-01T00:00:00Z&at=2026-01-01T00:00:00Z"],
)  # fmt: skip
async def test_a_past_that_is_no_past_is_refused(world: World, query: str) -> None:
    pad = pad_id()
    await world.write(pad)
    assert code_of(await world.http.get(f"/v1/pad/{pad}?{query}", headers=world.bearer())) == (400, "VALIDATION")


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=9007199254740992", "after=x", "after=", "after=2", "after=0&after=1", "limit=0", "limit=-1",
     "limit=1001", "limit=x", "limit=1&limit=2", "limit=" + "9" * 5000],
)  # fmt: skip
async def test_a_page_that_cannot_be_is_refused(world: World, query: str) -> None:
    pad = pad_id()
    await world.write(pad)
    answer = await world.http.get(f"/v1/pad/{pad}/events?{query}", headers=world.bearer())
    assert code_of(answer) == (400, "VALIDATION")


@pytest.mark.parametrize("last", ["", "-1", "1.0", "x", "9" * 30, "0" * 20 + "9"])
async def test_a_last_event_id_that_no_event_has_is_refused(world: World, last: str) -> None:
    pad = pad_id()
    await world.write(pad)
    headers = {**world.bearer(), "Accept": "text/event-stream", "Last-Event-ID": last}
    assert code_of(await world.http.get(f"/v1/pad/{pad}/events", headers=headers)) == (400, "VALIDATION")


@pytest.mark.parametrize(
    "tag", ["57", '"57', '"-1"', '""', "*", '"1", "2"', '"' + "9" * 17 + '"', '"99999999999999999"']
)
async def test_an_if_match_that_is_no_etag_of_ours_is_refused(world: World, tag: str) -> None:
    headers = {**world.bearer(), "If-Match": tag}
    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", json={"text": "a"}, headers=headers)
    assert code_of(answer) == (400, "VALIDATION")


async def test_a_weakened_etag_still_counts(world: World) -> None:
    """Proxies that compress weaken an ETag."""
    pad = pad_id()
    await world.write(pad)
    headers = {**world.bearer(), "If-Match": 'W/"1"'}
    answer = await world.http.post(f"/v1/pad/{pad}/write-note", json={"text": "a"}, headers=headers)
    assert answer.json()["seq"] == 2


@pytest.mark.parametrize("key", ["", "_alarm-1", "a b", "a" * 101, "a,b", "*", '""'])
async def test_an_idempotency_key_that_is_no_command_id_is_refused(world: World, key: str) -> None:
    headers = {**world.bearer(), "Idempotency-Key": key}
    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", json={"text": "a"}, headers=headers)
    assert code_of(answer) == (400, "VALIDATION")


@pytest.mark.parametrize("path", ["/v1/pad/{}%00", "/v1/pad/{}%2e", "/v1/pad/%2e%2e", "/v1/pad/..%2f{}", "/v1/pad/%252f",
                                  "/v1/pad/{}%EF%BC%8F", "/v1/pad/%ff", "/v1/pad/{}%0d%0aX-Evil:%201"])  # fmt: skip
async def test_an_escape_in_a_name_leads_nowhere(world: World, path: str) -> None:
    pad = pad_id()
    await world.write(pad)
    for method in ("GET", "POST"):
        target = path.format(pad) + ("/write-note" if method == "POST" else "")
        answer = await say(
            world,
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {world.bearer()['Authorization']}\r\n"
            "Connection: close\r\nContent-Length: 2\r\n\r\n{}",
        )
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"VALIDATION"' in answer
        assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    "path", ["/v1/pad//{}", "/v1//pad/{}", "/v1/pad/{}/../{}", "/v1/pad/{}/events/1", "/v1/pad/{}/", "//v1/pad/{}"]
)
async def test_a_path_beside_the_documented_ones_never_shows_a_state(world: World, path: str) -> None:
    pad = pad_id()
    await world.write(pad, "private")
    answer = await say(
        world,
        f"GET {path.format(pad, pad)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
    assert b"private" not in answer


async def test_a_token_in_a_query_string_is_no_credential(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    for query in ("token", "access_token", "authorization"):
        answer = await world.http.get(f"/v1/pad/{pad}", params={query: world.token()})
        assert code_of(answer) == (401, "UNAUTHENTICATED")


async def test_two_bodies_in_one_are_never_both_obeyed(world: World) -> None:
    pad = pad_id()
    content = b'{"text": "first", "text": "second"}'
    answer = await world.http.post(f"/v1/pad/{pad}/write-note", content=content, headers=world.bearer())
    assert answer.json()["events"][0]["data"]["text"] == "second"


@pytest.mark.parametrize(
    "body",
    [b'{"text": Infinity}', b'{"text": 1e999}', b'{"text": "a", "times": 1e999}', b'{"text": "\\ud800"}', b"\xef\xbb\xbf{}",
     b'{"times": true, "text": "a"}', b'{"type": "lock", "text": "a"}'],
)  # fmt: skip
async def test_json_that_is_almost_right_is_refused(world: World, body: bytes) -> None:
    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", content=body, headers=world.bearer())
    assert code_of(answer) == (400, "VALIDATION")


async def test_a_chunked_body_over_the_limit_is_too_large(gateway: Factory) -> None:
    world = await gateway(max_body=1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", content=chunks(), headers=world.bearer())
    assert code_of(answer) == (413, "TOO_LARGE")
    assert (await world.write(pad_id())).status_code == 200


async def test_overlong_headers_are_refused(world: World) -> None:
    answer = await say(world, f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 200_000}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4") or answer == b""  # what was not read may reset the connection first
    assert (await world.http.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    "begun",
    ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
     "POST /v1/pad/x/write-note HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 100\r\n\r\n{{"],
)  # fmt: skip
async def test_a_request_that_never_becomes_whole_ends_its_connection(
    gateway: Factory, begun: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await gateway(request_timeout=0.2)
    async with line(world) as (reader, writer):
        writer.write(begun.format(world.bearer()["Authorization"]).encode())
        assert b"500" not in await until_end(reader, seconds=SOON)
    assert (await world.write(pad_id())).status_code == 200
    assert "gateway.request_failed" not in capsys.readouterr().out  # it is no bug of ours


async def test_a_second_request_that_never_becomes_whole_ends_its_connection(gateway: Factory) -> None:
    world = await gateway(request_timeout=0.2)
    async with line(world) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET")
        assert await until_end(reader, seconds=SOON) == b""


async def test_an_event_stream_that_is_never_read_ends(gateway: Factory) -> None:
    world = await gateway(stall_timeout=0.3)
    pad = pad_id()
    for _ in range(20):
        await world.write(pad, "x" * 500_000)
    async with line(world) as (reader, writer):
        writer.write(
            f"GET /v1/pad/{pad}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
            f"Authorization: {world.bearer()['Authorization']}\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(WAIT_SECONDS):
            while "watched_entities 1" in (await world.http.get("/metrics")).text:
                await asyncio.sleep(0.01)


async def test_a_socket_that_is_never_read_ends(gateway: Factory) -> None:
    world = await gateway(stall_timeout=0.3, close_timeout=0.1)
    pad = pad_id()
    for _ in range(20):
        await world.write(pad, "x" * 500_000)
    async with line(world) as (reader, writer):
        writer.write(
            b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: %s\r\n\r\n"
            % world.bearer()["Authorization"].encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        watch = json.dumps({"op": "watch", "name": f"pad:acme:{pad}", "after": 0}).encode()
        writer.write(bytes([0x81, 0x80 | len(watch)]) + bytes(4) + watch)
        async with asyncio.timeout(WAIT_SECONDS):
            while "sockets_opened_total 1" not in (await world.http.get("/metrics")).text:
                await asyncio.sleep(0.01)
            while "gateway_sockets 1" in (await world.http.get("/metrics")).text:
                await asyncio.sleep(0.01)
            while not writer.is_closing():  # a reset is only noticed by writing
                writer.write(bytes([0x89, 0x80, 0, 0, 0, 0]))
                await asyncio.sleep(0.01)
