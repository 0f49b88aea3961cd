"""One trace from a door to the commit and back, whichever the door is; and nothing in it that is nobody's business."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from subprocess import run
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan

from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.pad import contract, service
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast.jetstream import NatsBus
from holdfast.runtime import serve as serve_services
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running
from holdfast.testing.spans import Spans, context_of, facts, id_of, linked, moments, parent_of, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
pytestmark = [
    pytest.mark.once("it counts the steps of a trace"),
    pytest.mark.usefixtures("nothing_is_sent_again"),
]
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
COMMAND_ROUTE = "POST /v1/{purpose}/{id_}/{command}"
VIEW_ROUTE = "GET /v1/{purpose}/{id_}"
SECRETS = ("the-words-of-the-note", "what-only-keepers-see")


class Traced:
    """A gateway and a service that trace into memory."""

    def __init__(self, world: World, spans: Spans) -> None:
        self.world = world
        self.spans = spans

    async def ask(self, id_: str, traceparent: str = "") -> Any:
        """Write a note through the `ask.` door."""
        bus = await NatsBus.connect(self.world.nats_url, name="asker")
        body: dict[str, Any] = {
            "command": "write_note",
            "by": {"user": "kim", "roles": []},
            "data": {"text": SECRETS[0]},
        }
        headers = {"traceparent": traceparent} if traceparent else None
        try:
            found = await bus.request(
                f"ask.pad.acme.{id_}", msgspec.json.encode(body), headers=headers, timeout=WAIT_SECONDS
            )
        finally:
            await bus.close()
        return msgspec.json.decode(found.data)

    async def chain(self, door: str, entity: str) -> list[ReadableSpan]:
        """The spans of one command to an entity that got no other, from the door to the commit."""
        names = (door, "send pad", "judge pad", "commit pad")
        for name in names:
            await self.spans.until(name)
        return [next(span for span in self.spans.named(name) if facts(span).get("entity") == entity) for name in names]


@pytest_asyncio.fixture
async def traced(nats: NatsServer, database: str) -> AsyncGenerator[Traced]:
    spans = Spans()
    settings = Settings(nats=nats.url, port=0)
    async with AsyncExitStack() as stack:

        def serve(ready: Callable[..., None]) -> Awaitable[None]:
            return serve_services([service], servers=nats.url, database=database, tracing=spans.tracing, ready=ready)

        def gateway(ready: Callable[..., None]) -> Awaitable[None]:
            return serve_gateway(settings, ready=ready, contracts={"pad": contract}, tracing=spans.tracing)

        await stack.enter_async_context(running(serve))
        (port,) = await stack.enter_async_context(running(gateway))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS)
        )
        world = World(http=http, port=port, secret=settings.key, stop=stack.aclose, nats_url=nats.url)
        yield Traced(world, spans)


def assert_one_trace(spans: list[ReadableSpan]) -> None:
    assert len({trace_of(span) for span in spans}) == 1
    for above, below in pairwise(spans):
        assert parent_of(below) == id_of(above)


async def test_a_command_over_http_is_one_trace_to_the_commit(traced: Traced) -> None:
    id_ = pad_id()
    assert (await traced.world.write(id_)).status_code == 200
    chain = await traced.chain(COMMAND_ROUTE, f"pad:acme:{id_}")

    assert_one_trace(chain)
    door, send, judge, commit = map(facts, chain)
    assert parent_of(chain[0]) is None
    assert door == {
        "entity": f"pad:acme:{id_}",
        "command": "write_note",
        "outcome": "OK",
        "seq": 1,
        "http.response.status_code": 200,
    }
    assert (send["outcome"], send["seq"]) == ("OK", 1)
    assert (judge["command"], judge["outcome"], judge["seq"]) == ("write_note", "OK", 1)
    assert judge["command_id"] == send["command_id"]
    assert (commit["seq"], commit["commands"], commit["events"]) == (1, 1, 1)
    assert linked(chain[3]) == {id_of(chain[2])}


async def test_a_command_on_a_socket_is_one_trace_to_the_commit(traced: Traced) -> None:
    name = f"pad:acme:{pad_id()}"
    async with traced.world.viewer("kim", roles=("keeper",)) as viewer:
        await viewer.ask("send", name=name, command="write_note", data={"text": "a"}, command_id=str(uuid4()))
    chain = await traced.chain("ws send", name)

    assert_one_trace(chain)
    assert parent_of(chain[0]) is None
    assert [facts(span)["outcome"] for span in chain] == ["OK"] * 4


async def test_a_request_on_ask_is_one_trace_to_the_commit_in_that_of_its_sender(traced: Traced) -> None:
    id_ = pad_id()
    assert "ok" in await traced.ask(id_, TRACEPARENT)
    chain = await traced.chain("ask", f"pad:acme:{id_}")

    assert_one_trace(chain)
    assert f"{trace_of(chain[0]):032x}" == TRACE


async def test_a_clients_trace_is_continued(traced: Traced) -> None:
    id_ = pad_id()
    headers = {**traced.world.bearer(), "traceparent": TRACEPARENT, "tracestate": "vendor=secret", "baggage": "a=b"}
    await traced.world.http.post(f"/v1/pad/{id_}/write-note", json={"text": "a"}, headers=headers)
    chain = await traced.chain(COMMAND_ROUTE, f"pad:acme:{id_}")

    assert_one_trace(chain)
    assert (f"{trace_of(chain[0]):032x}", parent_of(chain[0])) == (TRACE, int(SPAN, 16))
    assert not any(context_of(span).trace_state for span in chain)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"{TRACEPARENT}-more",
        f"{TRACEPARENT}, {TRACEPARENT}",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 4000}",
        f"00-{TRACE}-{SPAN}",
        "00-\u00e9" + TRACEPARENT[4:],
    ],
)
async def test_a_trace_context_of_another_form_begins_a_new_trace(traced: Traced, traceparent: str) -> None:
    id_ = pad_id()
    headers = [(key.encode(), value.encode()) for key, value in traced.world.bearer().items()]
    headers.append((b"traceparent", traceparent.encode()))
    answer = await traced.world.http.post(f"/v1/pad/{id_}/write-note", json={"text": "a"}, headers=headers)
    chain = await traced.chain(COMMAND_ROUTE, f"pad:acme:{id_}")

    assert answer.status_code == 200
    assert_one_trace(chain)
    assert parent_of(chain[0]) is None
    assert f"{trace_of(chain[0]):032x}" != TRACE


async def test_two_trace_contexts_in_one_request_are_none(traced: Traced) -> None:
    id_ = pad_id()
    headers = [*traced.world.bearer().items(), ("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]
    await traced.world.http.post(f"/v1/pad/{id_}/write-note", json={"text": "a"}, headers=headers)
    chain = await traced.chain(COMMAND_ROUTE, f"pad:acme:{id_}")

    assert parent_of(chain[0]) is None


async def test_a_repeated_command_shows_as_such_and_has_no_commit(traced: Traced) -> None:
    id_, key = pad_id(), str(uuid4())
    headers = {**traced.world.bearer(), "Idempotency-Key": key}
    for _ in range(2):
        await traced.world.http.post(f"/v1/pad/{id_}/write-note", json={"text": "a"}, headers=headers)
    await traced.spans.until("judge pad", 2)

    for name in (COMMAND_ROUTE, "send pad", "judge pad"):
        assert [facts(span)["outcome"] for span in await traced.spans.until(name, 2)] == ["OK", "REPEATED"]
    assert {facts(span)["command_id"] for span in traced.spans.named("judge pad")} == {key}
    assert len(traced.spans.named("commit pad")) == 1


async def test_a_refusal_is_told_by_its_code_alone(traced: Traced) -> None:
    id_ = pad_id()
    refused = await traced.world.write(id_, SECRETS[0], times=30_000)
    await traced.spans.until("judge pad")

    assert refused.json()["code"] == "PAD_FULL"
    for name in (COMMAND_ROUTE, "send pad", "judge pad"):
        (span,) = await traced.spans.until(name)
        assert facts(span)["outcome"] == "PAD_FULL"
        assert span.status.is_unset
        assert "exception" not in moments(span)
    assert not traced.spans.named("commit pad")


async def test_a_look_is_traced_too(traced: Traced) -> None:
    id_ = pad_id()
    await traced.world.write(id_)
    await traced.world.http.get(f"/v1/pad/{id_}", headers=traced.world.bearer())
    (door,), (view,) = await traced.spans.until(VIEW_ROUTE), await traced.spans.until("view pad")
    judge = (await traced.spans.until("judge pad", 2))[1]

    assert_one_trace([door, view, judge])
    assert facts(judge)["seq"] == 1


async def test_spans_hold_no_data_no_credential_and_no_words_of_a_stranger(traced: Traced) -> None:
    world, id_ = traced.world, pad_id()
    token = world.token("kim", roles=("keeper",))
    bearer = {"Authorization": f"Bearer {token}"}
    strange = "a_secret_that_looks_like_a_command"
    text, secret = SECRETS
    await world.write(id_, text, secret=secret)
    await world.write(id_, text, unknown=secret)
    await world.http.post(f"/v1/pad/{id_}/{strange.replace('_', '-')}", json={"text": text}, headers=bearer)
    await world.http.post(f"/v1/pad/{token}/write-note", json={"text": text}, headers=bearer)
    await world.http.post(f"/v1/pad/{id_}/write-note", content=text, headers=bearer)
    await world.http.get(f"/v1/pad/{id_}?token={token}", headers=bearer)
    await world.http.get(f"/v1/pad/{id_}", headers={"Authorization": f"Bearer {token}x"})
    await traced.ask(id_)
    async with world.viewer("kim", roles=("keeper",)) as viewer:
        await viewer.ask("watch", name=f"pad:acme:{id_}")
        await viewer.say(op="presence", name=f"pad:acme:{id_}", data={"at": text})
        await viewer.ask("send", name=f"pad:acme:{id_}", command=strange, data={"text": text}, command_id=str(uuid4()))
    await traced.spans.until("judge pad", 6)
    told = "\n".join(span.to_json() for span in traced.spans.ended)

    for hidden in (text, secret, token, world.secret, strange, "keeper"):
        assert hidden not in told


async def test_probes_and_figures_are_not_traced(traced: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/"):
        await traced.world.http.get(path)

    assert not traced.spans.ended


async def test_untraced_processes_pass_nothing_on(world: World) -> None:
    heard: list[dict[str, str]] = []
    bus = await NatsBus.connect(world.nats_url, name="listener")
    try:
        for subject in ("cmd.pad.>", "live.pad.>"):
            await bus.listen(subject, lambda message: heard.append(dict(message.headers)))
        await bus.flush(timeout=WAIT_SECONDS)
        headers = {**world.bearer(), "traceparent": TRACEPARENT}
        await world.http.post(f"/v1/pad/{pad_id()}/write-note", json={"text": "a"}, headers=headers)
        await bus.flush(timeout=WAIT_SECONDS)
    finally:
        await bus.close()

    assert heard
    assert not any("traceparent" in headers for headers in heard)


def test_whoever_does_not_trace_does_not_even_load_what_makes_spans() -> None:
    modules = "gateway.server, holdfast.telemetry.otlp, holdfast._program.serving"
    ask = f"import sys, {modules}; sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    assert run([sys.executable, "-c", ask], check=False, timeout=60).returncode == 0
