"""Server-sent events, the `ask.` door, and what happens when the log or the live subject lose something."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client as Nats

from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast.client import Client
from holdfast.testing.servers import NatsServer
from holdfast.wire import Message

Factory = Callable[..., Awaitable[World]]


async def sse(world: World, pad: str, *, headers: dict[str, str] | None = None, **query: Any) -> AsyncGenerator[Any]:
    """The events of a stream as (id, data), and comments as (None, text)."""
    chosen = {**world.bearer(), "Accept": "text/event-stream", **(headers or {})}
    async with world.http.stream(
        "GET", f"/v1/pad/{pad}/events", params=query, headers=chosen, timeout=WAIT_SECONDS
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        id_ = 0
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                yield None, line
            elif line.startswith("id: "):
                id_ = int(line[4:])
            elif line.startswith("data: "):
                yield id_, msgspec.json.decode(line[6:])


async def test_an_event_stream_replays_and_goes_on_live(world: World) -> None:
    pad = pad_id()
    await world.write(pad, times=3)
    async with aclosing(sse(world, pad, after=1)) as stream:
        assert [(await anext(stream))[0] for _ in range(2)] == [2, 3]
        await world.write(pad, "live", secret="hush")
        id_, event = await anext(stream)
        assert (id_, event["seq"], event["data"]) == (4, 4, {"text": "live"})


async def test_last_event_id_counts_before_after(world: World) -> None:
    pad = pad_id()
    await world.write(pad, times=3)
    async with aclosing(sse(world, pad, after=0, headers={"Last-Event-ID": "2"})) as stream:
        assert (await anext(stream))[0] == 3


async def test_an_idle_event_stream_has_a_heartbeat_and_ends_with_its_token(gateway: Factory) -> None:
    world = await gateway(heartbeat=0.1)
    pad = pad_id()
    await world.write(pad)
    short = world.bearer(lifetime=timedelta(seconds=5))
    async with aclosing(sse(world, pad, after=1, headers=short)) as stream:
        heard = [comment async for _, comment in stream]
    assert heard
    assert set(heard) == {": still here"}


async def test_event_streams_take_the_places_of_sockets(gateway: Factory) -> None:
    world = await gateway(sockets_per_user=1)
    pad = pad_id()
    await world.write(pad)
    headers = {**world.bearer(), "Accept": "text/event-stream"}
    async with aclosing(sse(world, pad, after=0)) as stream:
        await anext(stream)
        answer = await world.http.get(f"/v1/pad/{pad}/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
    status = 429
    async with asyncio.timeout(WAIT_SECONDS):
        while status == 429:
            async with world.http.stream("GET", f"/v1/pad/{pad}/events", headers=headers) as answer:
                status = answer.status_code
    assert status == 200


@pytest.mark.parametrize(
    ("headers", "status"), [({"Last-Event-ID": "x"}, 400), ({"Last-Event-ID": "9"}, 400), ({"Authorization": ""}, 401)]
)
async def test_a_refused_event_stream_is_a_problem_before_it_begins(
    world: World, headers: dict[str, str], status: int
) -> None:
    pad = pad_id()
    await world.write(pad)
    chosen = {**world.bearer(), "Accept": "text/event-stream", **headers}
    answer = await world.http.get(f"/v1/pad/{pad}/events", headers=chosen)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_event_streams_end_when_the_gateway_drains(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with aclosing(sse(world, pad, after=0)) as stream:
        await anext(stream)
        async with asyncio.timeout(WAIT_SECONDS):
            await world.stop()
            assert [event async for event in stream] == []


@asynccontextmanager
async def connected(world: World) -> AsyncGenerator[Any, None]:
    """A plain NATS client; untyped, as nats-py is."""
    client: Any = Nats()
    await client.connect(world.nats_url)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def not_republished(world: World, pad: str) -> AsyncGenerator[None, None]:
    """In this block the log stores commits, but nobody hears of them."""
    async with connected(world) as client:
        manager = client.jetstream()
        stream = await manager.find_stream_name_by_subject(f"evt.pad.acme.{pad}")
        config = (await manager.stream_info(stream)).config
        republish, config.republish = config.republish, None
        await manager.update_stream(config)
        try:
            yield
        finally:
            config.republish = republish
            await manager.update_stream(config)


async def test_an_event_stream_that_a_bug_stops_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("gateway.fanout.Fanout.go_live", fail)
    pad = pad_id()
    await world.write(pad)
    async with asyncio.timeout(WAIT_SECONDS), aclosing(sse(world, pad)) as stream:
        assert [id_ async for id_, _ in stream] == [1]


async def test_any_nats_client_sends_a_command_by_an_ordinary_request(world: World) -> None:
    subject = f"ask.pad.acme.{pad_id()}"
    by: dict[str, Any] = {"user": "ann", "roles": []}
    body: dict[str, Any] = {"command": "write_note", "data": {"text": "a"}, "by": by}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"command": "fly"}, "VALIDATION"),
        ({"command": "_view"}, "VALIDATION"),
        ({"by": {"user": "_alarm", "roles": []}}, "VALIDATION"),
        ({"by": 5}, "VALIDATION"),
        ({"command": "lock", "data": {}}, "FORBIDDEN"),
    ]
    async with connected(world) as client:

        async def ask(subject: str, content: bytes) -> Any:
            return msgspec.json.decode((await client.request(subject, content, timeout=WAIT_SECONDS)).data)

        ok = (await ask(subject, msgspec.json.encode(body)))["ok"]
        assert (ok["seq"], ok["events"][0]["data"]["text"]) == (1, "a")
        for change, code in changes:
            assert (await ask(subject, msgspec.json.encode(body | change)))["error"]["code"] == code
        assert (await ask(subject, b"{"))["error"]["code"] == "VALIDATION"
        assert (await ask("ask.nothing.acme.x", b"{}"))["error"]["code"] == "NOT_FOUND"


async def test_a_commit_that_was_never_republished_is_found_by_the_regular_check(gateway: Factory) -> None:
    world = await gateway(check_interval=0.1)
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        async with not_republished(world, pad):
            await world.write(pad, "silent")
            event = await viewer.hear()
        assert (event["seq"], event["data"]["text"]) == (2, "silent")
        await world.write(pad)
        assert (await viewer.hear())["seq"] == 3


async def test_a_commit_that_is_lost_right_behind_one_that_was_heard_is_found_too(gateway: Factory) -> None:
    world = await gateway(check_interval=0.1)
    pads = [pad_id() for _ in range(3)]
    async with world.viewer() as viewer:
        for pad in pads:
            await world.write(pad)
            await viewer.ask("watch", name=f"pad:acme:{pad}")
        for round_ in range(5):
            for pad in pads:
                await world.write(pad)
                async with not_republished(world, pad):
                    await world.write(pad, "lost")
            heard = [(frame["name"], frame["seq"]) for frame in [await viewer.hear() for _ in range(2 * len(pads))]]
            for pad in pads:
                seqs = [seq for name, seq in heard if name == f"pad:acme:{pad}"]
                assert seqs == [2 * round_ + 2, 2 * round_ + 3]


async def test_however_many_entities_are_watched_a_quiet_log_costs_one_request_a_check(gateway: Factory) -> None:
    world = await gateway(check_interval=0.1)
    pads = [pad_id() for _ in range(50)]
    asked: list[str] = []
    async with world.viewer() as viewer, await Client.connect(world.nats_url) as client:
        for pad in pads:
            await world.write(pad)
            await viewer.ask("watch", name=f"pad:acme:{pad}")

        def note(message: Message) -> None:
            subject = message.subject.removeprefix("$JS.API.")
            if subject.endswith(".evt-pad"):
                asked.append(subject)

        listening = await client.bus.listen("$JS.API.>", note)
        async with asyncio.timeout(WAIT_SECONDS):
            while asked[-10:] != ["STREAM.INFO.evt-pad"] * 10:
                await asyncio.sleep(0.01)
        await listening.stop()
        await world.write(pads[7])
        assert (await viewer.hear())["seq"] == 2
    assert len(asked) < len(pads)


async def test_a_gap_in_the_live_events_is_filled_from_the_log_first(gateway: Factory) -> None:
    world = await gateway(check_interval=3600.0)
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        async with not_republished(world, pad):
            await world.write(pad, times=2)
        await world.write(pad)
        assert [(await viewer.hear())["seq"] for _ in range(3)] == [2, 3, 4]


async def test_viewers_of_one_entity_share_one_subscription(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with world.viewer("ann") as ann, world.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=f"pad:acme:{pad}")
        assert "holdfast_gateway_watched_entities 1.0\n" in (await world.http.get("/metrics")).text
        await ann.ask("unwatch", name=f"pad:acme:{pad}")
        await world.write(pad)
        assert (await bob.hear())["seq"] == 2
        await bob.ask("unwatch", name=f"pad:acme:{pad}")
        assert "holdfast_gateway_watched_entities 0.0\n" in (await world.http.get("/metrics")).text


async def test_a_restart_of_nats_leaves_no_hole_in_what_a_viewer_sees(gateway: Factory, nats: NatsServer) -> None:
    world = await gateway()
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        nats.kill()
        nats.start()
        await nats.ready()
        written = 1
        for _ in range(5):
            answer = await world.write(pad)
            written = answer.json()["seq"] if answer.status_code == 200 else written
        assert written > 1
        assert [(await viewer.hear())["seq"] for _ in range(written - 1)] == list(range(2, written + 1))
        async with asyncio.timeout(WAIT_SECONDS):
            while (await world.http.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)
