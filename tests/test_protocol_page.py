"""`docs/protocol.md` is what a gateway does: its tables are those of the code, its examples are sent to one."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

import services
from gateway import connection, frames, passes, presence, session, sockets
from gateway.asyncapi import CLOSES, asyncapi_document
from gateway.auth import Claims, issue_token
from gateway.contracts import discover
from gateway.errors import MethodNotAllowed
from gateway.openapi import openapi_document
from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.world import HOUR
from holdfast import Name
from holdfast._errors import NO_ROOM, UNKNOWN
from holdfast.client import Client
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running, serving
from holdfast.wire import COMMON_ERRORS
from services.auction.service import service

pytest_plugins = ["holdfast.testing._servers"]

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text()
CONTRACTS = {"auction": discover(services)["auction"]}
LOT = Name.of("auction", "acme", "lot-7")
ANYTHING = "…"
PATIENCE = 60.0


def table(head: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    [rows] = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]


def words(cell: str) -> list[str]:
    """What stands in code in a cell; an optional one has its question mark."""
    return [f"{name}{mark}" for name, mark in re.findall(r"`([^`]+)`(\??)", cell)]


def test_the_codes_of_errors_are_those_of_the_code() -> None:
    told = {(words(code)[0], int(status), retryable == "yes") for code, status, retryable, _ in table("Code")}
    assert told == {(each.code, each.status, each.retryable) for each in (*COMMON_ERRORS, MethodNotAllowed)}


def test_the_reasons_of_unavailable_are_those_of_the_code() -> None:
    assert {words(reason)[0] for reason, _ in table("`details.reason`")} == {NO_ROOM, UNKNOWN}


def test_the_claims_of_a_token_are_those_of_the_code() -> None:
    told = {name for claims, _ in table("Claim") for name in words(claims)}
    assert told == {*Claims.__struct_encode_fields__, "nbf", "iss", "aud"}


def test_the_operations_of_a_socket_are_those_of_the_code() -> None:
    told = {words(op)[0]: set(words(fields)) for op, fields, _ in table("The client sends")}
    assert told == {
        kind.__struct_config__.tag: {
            field.name + ("" if field.required else "?") for field in msgspec.structs.fields(kind)
        }
        for kind in get_args(frames.Op)
    }


def test_the_frames_of_the_server_are_those_of_the_code() -> None:
    made: dict[str, set[str]] = {"event": {"name", "server_now"}}
    for kind in get_args(frames.Answer):
        made.setdefault(kind.__struct_config__.tag, set()).update(kind.__struct_fields__)
    told = {words(op)[0]: set(words(fields)) - {"send"} for op, fields, _ in table("The server sends")}
    assert told == made


def test_the_close_codes_are_those_of_the_code_and_of_the_asyncapi_document() -> None:
    named = {
        value
        for module in (connection, session, sockets)
        for name, value in vars(module).items()
        if name.startswith("CLOSE_")
    }
    told = {int(code) for code, _ in table("Close code")}
    assert told == CLOSES.keys() == named | {1009, 1011}
    description = asyncapi_document(CONTRACTS)["channels"]["socket"]["description"]
    assert all(str(code) in description for code in told)


def test_the_subjects_are_those_of_the_asyncapi_document() -> None:
    told = {words(subject)[0].replace("{purpose}", "auction") for subject, _ in table("Subject")}
    channels = asyncapi_document(CONTRACTS)["channels"]
    assert told == {channel["address"] for name, channel in channels.items() if name != "socket"}


def test_the_routes_are_those_of_the_openapi_document() -> None:
    told = {words(request)[0] for request, _ in table("Request") if "/v1/" in request}
    commands = {tag.replace("_", "-") for tag in CONTRACTS["auction"].commands}
    made: set[str] = set()
    for path, item in openapi_document(CONTRACTS)["paths"].items():
        head, _, last = path.replace("/v1/auction", "/v1/{purpose}").rpartition("/")
        made |= {
            f"{method.upper()} {head}/{'{command}' if last in commands else last}"
            for method in item.keys() - {"parameters"}
        }
    assert told == made


@pytest.mark.parametrize("bound", [passes.MAX_SECONDS, presence.MAX_DATA_BYTES])
def test_bounds_are_those_of_the_code(bound: int) -> None:
    assert f"{bound:,}" in PAGE


def blocks(kind: str) -> Iterator[Any]:
    """What the page shows of a kind: lines of JSON, each with the sign in front of it."""
    for text in re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        for line in text.splitlines():
            sign, _, content = line.partition(" ") if line[0] in "<>" else ("", "", line)
            yield sign, json.loads(content)


def fits(shown: Any, found: Any) -> bool:
    """Whether something is what the page shows, where `…` stands for anything, and as a field for any others."""
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict) and isinstance(found, dict):
        wanted, given = dict(cast("dict[str, Any]", shown)), cast("dict[str, Any]", found)
        whole = wanted.pop(ANYTHING, None) is None
        same = wanted.keys() == given.keys() if whole else wanted.keys() <= given.keys()
        return same and all(fits(value, given[key]) for key, value in wanted.items())
    if isinstance(shown, list) and isinstance(found, list):
        some, all_ = cast("list[Any]", shown), cast("list[Any]", found)
        return len(some) == len(all_) and all(map(fits, some, all_))
    return shown == found


async def follow(kind: str, say: Callable[[Any], Awaitable[None]], hear: Callable[[], Awaitable[Any]]) -> None:
    """Send what the client sends, and compare what comes until it sends again, in any order."""
    async with asyncio.timeout(PATIENCE):
        waiting: list[Any] = []
        for sign, content in [*blocks(kind), (">", None)]:
            if sign == "<":
                waiting.append(content)
                continue
            while waiting:
                found = await hear()
                [shown, *_] = [each for each in waiting if fits(each, found)] or pytest.fail(
                    f"{found} is not {waiting}"
                )
                waiting.remove(shown)
            if content is not None:
                await say(content)


def token(user: str, *roles: str) -> str:
    return issue_token(Settings().key, "acme", user, roles, HOUR)


@asynccontextmanager
async def a_lot(nats: NatsServer, folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """The lot of the page, behind a gateway, and its seller there."""
    settings = Settings(nats=nats.url, port=0)
    terms = {"currency": "EUR", "start_minor": 1000, "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving([service], nats.url, folder))
        gateway = running(lambda ready: serve_gateway(settings, ready=ready, contracts=CONTRACTS))
        (port,) = await stack.enter_async_context(gateway)
        headers = {"Authorization": f"Bearer {token('sam', 'seller')}"}
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers)
        await stack.enter_async_context(http)
        (await http.post(f"/v1/auction/{LOT.id}/create-lot", json=terms)).raise_for_status()
        yield http


@pytest.mark.once("shows which result is a repeated one")
async def test_the_examples_are_what_a_gateway_says(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    heard: Sequence[bytes] = []

    async def ask(content: Any) -> None:
        nonlocal heard
        answer = await client.bus.request(LOT.subject("ask"), msgspec.json.encode(content), timeout=PATIENCE)
        heard = [*heard, answer.data]

    async def answer() -> Any:
        nonlocal heard
        first, *heard = heard
        return json.loads(first)

    async with a_lot(nats, tmp_path) as http:
        url = f"ws://127.0.0.1:{http.base_url.port}/v1/ws"
        async with connect(url, subprotocols=[Subprotocol("holdfast.v1")], proxy=None) as socket:

            async def say(frame: Any) -> None:
                frame = frame | {"token": token("ann", "bidder")} if frame["op"] == "hello" else frame
                await socket.send(json.dumps(frame))

            async def hear() -> Any:
                return json.loads(await socket.recv())

            await follow("frames", say, hear)
        await follow("ask", ask, answer)
        bidder = {"Authorization": f"Bearer {token('ann', 'bidder')}"}
        refused = await http.post(f"/v1/auction/{LOT.id}/place-bid", json={"max_minor": 1}, headers=bidder)
        [*_, last] = await client.commits(LOT, after=3)
    problems = [content for _, content in blocks("json") if "title" in content]
    assert problems == [refused.json()]
    [(_, commit)] = blocks("commit")
    assert fits(commit, json.loads(msgspec.json.encode(last)))
