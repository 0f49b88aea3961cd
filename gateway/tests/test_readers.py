import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from gateway.fanout import Fanout, Watch
from gateway.frames import sse_event
from gateway.metrics import Metrics
from gateway.outbox import StreamOutbox
from gateway.tests.circle import contract, service
from gateway.tests.conftest import GatewayFactory
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Actor, Name, NotFound
from holdfast.client import Client
from holdfast.runtime import serve
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running


@pytest_asyncio.fixture
async def hall(nats: NatsServer, database: str, gateway: GatewayFactory) -> AsyncGenerator[World]:
    """A gateway in front of circles."""
    async with running(lambda ready: serve([service], servers=nats.url, database=database, ready=ready)):
        yield await gateway(contracts={"circle": contract})


async def tell(world: World, circle: str, command: str, **data: str) -> httpx.Response:
    """Send a command as the warden, who reads every circle."""
    bearer = world.bearer("kim", roles=("warden",))
    answer = await world.http.post(f"/v1/circle/{circle}/{command}", json=data, headers=bearer)
    assert answer.status_code == 200, answer.text
    return answer


async def circle_of(world: World, *members: str) -> tuple[str, str]:
    """A new circle with these members: its id and its name."""
    circle = pad_id()
    for member in members:
        await tell(world, circle, "admit", user=member)
    return circle, f"circle:acme:{circle}"


async def test_a_watch_ends_when_its_viewer_may_no_longer_read_and_the_others_go_on(hall: World) -> None:
    circle, name = await circle_of(hall, "ann", "bob")
    async with hall.viewer("ann") as ann, hall.viewer("bob") as bob:
        for viewer in (ann, bob):
            assert (await viewer.ask("watch", name=name))["op"] == "state"
        await tell(hall, circle, "say", text="welcome")
        await tell(hall, circle, "put-out", user="ann")
        await tell(hall, circle, "say", text="not for ann")
        assert [(await bob.hear())["seq"] for _ in range(3)] == [3, 4, 5]
        assert (await ann.hear())["seq"] == 3
        ending = await ann.hear()
        assert (ending["op"], ending["id"], ending["name"], ending["code"]) == ("error", None, name, "NOT_FOUND")
        assert (await ann.ask("watch", name=name))["code"] == "NOT_FOUND"
        assert (await ann.ask("watch", name=name, after=3))["code"] == "NOT_FOUND"
        assert (await ann.ask("ping"))["op"] == "pong"


async def test_who_is_shut_out_sees_no_presence_any_more_and_shows_none(hall: World) -> None:
    circle, name = await circle_of(hall, "ann", "bob")
    async with hall.viewer("ann") as ann, hall.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=name)
        await ann.say(op="presence", name=name, data={"cursor": 1})
        assert (await bob.hear_until("presence"))["data"] == {"cursor": 1}
        await tell(hall, circle, "put-out", user="ann")
        assert (await ann.hear_until("error"))["code"] == "NOT_FOUND"
        assert (await bob.hear_until("presence"))["data"] is None
        await bob.say(op="presence", name=name, data={"cursor": 2})
        assert (await ann.ask("presence", name=name, data={"cursor": 3}))["code"] == "STATE_CONFLICT"
        await tell(hall, circle, "say", text="bob alone")
        assert (await bob.hear_until("event"))["type"] == "said"
        await ann.say(op="ping", id=1)
        assert (await ann.hear())["op"] == "pong"


async def test_an_event_stream_ends_when_its_viewer_may_no_longer_read(hall: World) -> None:
    circle, _ = await circle_of(hall, "ann")
    headers = {**hall.bearer("ann"), "Accept": "text/event-stream"}
    async with (
        asyncio.timeout(WAIT_SECONDS),
        hall.http.stream("GET", f"/v1/circle/{circle}/events", headers=headers, timeout=WAIT_SECONDS) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "id: 1"
        await tell(hall, circle, "put-out", user="ann")
        await tell(hall, circle, "say", text="not for ann")
        assert [line async for line in lines if line.startswith("id:")] == []
    assert (await hall.http.get(f"/v1/circle/{circle}/events", headers=hall.bearer("ann"))).status_code == 404


async def test_who_was_let_in_again_sees_everything_and_goes_on(hall: World) -> None:
    circle, name = await circle_of(hall, "ann", "bob")
    await tell(hall, circle, "put-out", user="ann")
    await tell(hall, circle, "admit", user="ann")
    async with hall.viewer("ann") as ann:
        await ann.say(op="watch", id=1, name=name, after=0)
        assert [(await ann.hear())["seq"] for _ in range(4)] == [1, 2, 3, 4]
        assert (await ann.hear())["op"] == "watching"
        await tell(hall, circle, "say", text="welcome back")
        assert (await ann.hear())["seq"] == 5
    page = await hall.http.get(f"/v1/circle/{circle}/events", headers=hall.bearer("ann"))
    assert len(page.json()["events"]) == 5


async def test_letting_someone_in_ends_nobodys_watch(hall: World) -> None:
    circle, name = await circle_of(hall, "ann")
    async with hall.viewer("ann") as ann:
        await ann.ask("watch", name=name)
        await tell(hall, circle, "admit", user="bob")
        assert (await ann.hear())["type"] == "admitted"


async def test_a_role_keeps_reading_whoever_is_put_out(hall: World) -> None:
    circle, name = await circle_of(hall, "ann")
    async with hall.viewer("kim", roles=("warden",)) as kim:
        await kim.ask("watch", name=name)
        await tell(hall, circle, "put-out", user="ann")
        event = await kim.hear()
        assert (event["type"], "to" in event) == ("was_put_out", False)


async def test_a_viewer_put_out_between_the_permission_and_the_replay_sees_nothing_of_what_follows(
    hall: World,
) -> None:
    circle, name = await circle_of(hall, "ann")
    await tell(hall, circle, "put-out", user="ann")
    await tell(hall, circle, "say", text="not for ann")
    outbox = StreamOutbox(frames=10, size=1000)
    tags = Actor(user="ann", roles=()).tags
    watch = Watch(Name.parse(name), tags, sse_event, outbox, lambda _: None, allowed_at=1)
    async with await Client.connect(hall.nats_url) as client:
        with pytest.raises(NotFound):
            await Fanout(client, Metrics(), check_interval=60).replay(watch, until=3)
    assert watch.seq == 1
