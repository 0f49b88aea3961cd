"""Watching and sending over a socket."""

import asyncio
import socket as sockets
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.asyncio.client import connect

from gateway.tests.hearing import collect
from gateway.tests.world import WAIT_SECONDS, Viewer, World, pad_id


async def test_hello_is_answered_with_who_one_is(world: World) -> None:
    async with world.socket() as viewer:
        await viewer.say(op="hello", token=world.token("ann", roles=("bidder",)))
        welcome = await viewer.hear()
        assert (welcome["op"], welcome["tenant"], welcome["user"], welcome["roles"]) == (
            "welcome", "acme", "ann", ["bidder"],
        )  # fmt: skip
        assert welcome["connection"]
        assert welcome["server_now"]


async def test_an_authorization_header_needs_no_hello(world: World) -> None:
    async with world.socket(additional_headers=world.bearer()) as viewer:
        assert (await viewer.hear())["op"] == "welcome"


async def test_a_watch_gives_the_state_and_then_events_from_the_next_seq(world: World) -> None:
    pad = pad_id()
    await world.write(pad, "one")
    async with world.viewer() as viewer:
        state = await viewer.ask("watch", name=f"pad:acme:{pad}")
        assert (state["op"], state["seq"], state["state"]["last"]) == ("state", 1, "one")
        await world.write(pad, "two")
        event = await viewer.hear()
        assert (event["op"], event["name"], event["seq"], event["data"]["text"]) == (
            "event", f"pad:acme:{pad}", 2, "two",
        )  # fmt: skip
        assert event["by"]["user"] == "kim"
        assert abs(datetime.now(UTC) - datetime.fromisoformat(event["server_now"])) < timedelta(minutes=1)


async def test_a_watch_after_a_seq_replays_then_says_watching_then_goes_live(world: World) -> None:
    pad = pad_id()
    await world.write(pad, times=5)
    async with world.viewer() as viewer:
        await viewer.say(op="watch", id=1, name=f"pad:acme:{pad}", after=2)
        frames = [await viewer.hear() for _ in range(4)]
        assert [frame.get("seq") for frame in frames] == [3, 4, 5, 5]
        assert frames[-1] == {"op": "watching", "id": 1, "name": f"pad:acme:{pad}", "seq": 5}
        await world.write(pad)
        assert (await viewer.hear())["seq"] == 6


async def test_a_watch_after_the_last_seq_is_live_at_once(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad, times=2)
    async with world.viewer() as viewer:
        await viewer.say(op="watch", id=1, name=name, after=2)
        assert await viewer.hear() == {"op": "watching", "id": 1, "name": name, "seq": 2}
        await world.write(pad)
        assert (await viewer.hear())["seq"] == 3


async def test_watching_again_begins_anew_and_doubles_nothing(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer() as viewer:
        for op in ({"id": 1}, {"id": 2}, {"id": 3, "after": 1}):
            await viewer.say(op="watch", name=name, **op)
            assert (await viewer.hear())["id"] == op["id"]
        await world.write(pad, times=2)
        await world.write(pad)
        assert await collect(viewer, name, until=4, after=1) == [2, 3, 4]


async def test_a_watch_after_the_head_is_refused(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        refusal = await viewer.ask("watch", name=f"pad:acme:{pad}", after=7)
        assert (refusal["op"], refusal["code"], refusal["details"]) == ("error", "VALIDATION", {"seq": 1})


async def test_a_resume_while_writes_go_on_has_no_hole_and_no_double(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad, times=50)
    total = 450

    async def write_on() -> None:
        for _ in range(100):
            assert (await world.write(pad, times=4)).status_code == 200

    writing = asyncio.create_task(write_on())
    seen: list[int] = []
    while len(seen) < total:
        async with world.viewer() as viewer:
            after = seen[-1] if seen else 0
            await viewer.say(op="watch", name=name, after=after)
            seen += await collect(viewer, name, until=min(after + 23, total), after=after)
    await writing
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= total


async def test_a_watch_from_the_state_while_writes_go_on_misses_nothing(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    writing = asyncio.gather(*(world.write(pad) for _ in range(60)))
    async with world.viewer() as viewer:
        state = await viewer.ask("watch", name=name)
        seen = await collect(viewer, name, until=61, after=state["seq"])
    await writing
    assert seen == list(range(state["seq"] + 1, 62))


async def test_a_send_is_answered_and_the_sender_that_watches_gets_its_event(world: World) -> None:
    name = f"pad:acme:{pad_id()}"
    async with world.viewer() as viewer:
        sent = await viewer.ask("send", name=name, command="write_note", data={"text": "mine"}, command_id="c-1")
        assert (sent["op"], sent["name"], sent["seq"], sent["deduplicated"]) == ("ok", name, 1, False)
        assert sent["events"][0]["data"]["text"] == "mine"
        again = await viewer.ask("send", name=name, command="write_note", data={"text": "mine"}, command_id="c-1")
        assert (again["seq"], again["deduplicated"]) == (1, True)
        await viewer.ask("watch", name=name)
        await viewer.say(op="send", name=name, command="write_note", data={"text": "more"})
        assert (await viewer.hear_until("event"))["seq"] == 2


async def test_an_old_expected_seq_is_a_version_conflict(world: World) -> None:
    name = f"pad:acme:{pad_id()}"
    async with world.viewer() as viewer:
        await viewer.ask("send", name=name, command="write_note", data={"text": "a", "times": 2})
        refusal = await viewer.ask("send", name=name, command="write_note", data={"text": "b"}, expected_seq=1)
        assert refusal["code"] == "VERSION_CONFLICT"


async def test_unwatch_ends_the_events(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        for id_ in (2, "again", None):  # once for the watch, and then for nothing
            await viewer.say(op="unwatch", id=id_, name=f"pad:acme:{pad}")
            assert await viewer.hear() == {"op": "ok", "id": id_}
        await world.write(pad)
        await viewer.say(op="ping", id="end")
        assert (await viewer.hear())["id"] == "end"


async def test_two_viewers_of_one_entity_each_see_what_they_may(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer("ann") as ann, world.viewer("kim", roles=("keeper",)) as kim:
        for viewer in (ann, kim):
            await viewer.ask("watch", name=name)
        await world.write(pad, "open", secret="hush")
        await kim.say(op="send", name=name, command="lock")
        seen = {
            user: [await viewer.hear_until("event") for _ in range(2)] for user, viewer in (("ann", ann), ("kim", kim))
        }
    assert seen["ann"][0]["data"] == {"text": "open"}
    assert set(seen["ann"][1]) == {"op", "name", "server_now", "seq", "type", "at"}
    assert seen["kim"][0]["data"] == {"text": "open", "secret": "hush"}
    assert seen["kim"][1]["type"] == "locked"


async def test_replay_redacts_as_live_does(world: World) -> None:
    pad = pad_id()
    await world.write(pad, "open", secret="hush")
    async with world.viewer("ann") as ann:
        await ann.say(op="watch", name=f"pad:acme:{pad}", after=0)
        assert (await ann.hear())["data"] == {"text": "open"}


async def test_msgpack_carries_the_same_objects(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    async with world.viewer(subprotocol="holdfast.v1.msgpack") as packed, world.viewer() as plain:
        sent = await packed.ask("send", name=name, command="write_note", data={"text": "ä"})
        assert (sent["op"], sent["seq"], sent["events"][0]["data"]["text"]) == ("ok", 1, "ä")
        states = [await viewer.ask("watch", name=name) for viewer in (packed, plain)]
        assert states[0]["state"] == states[1]["state"]
        await world.write(pad)
        events = [await viewer.hear_until("event") for viewer in (packed, plain)]
        assert events[0].keys() == events[1].keys()
        assert [{**event, "server_now": ""} for event in events[:1]] == [
            {**event, "server_now": ""} for event in events[1:]
        ]


async def test_a_slow_viewer_lags_and_resumes_while_others_are_not_slowed(gateway: Any) -> None:
    world: World = await gateway(queue_frames=5)
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
    small.connect(("127.0.0.1", world.port))
    small.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    async with (
        connect(
            f"ws://127.0.0.1:{world.port}/v1/ws", sock=small, max_queue=1, max_size=None, compression=None, proxy=None
        ) as stuck,
        world.viewer("bob") as quick,
    ):
        slow = Viewer(stuck)
        await slow.say(op="hello", token=world.token("ann"))
        await slow.hear_until("welcome")
        await slow.ask("watch", name=name)
        await quick.ask("watch", name=name)
        written = 1
        while "lagging_total 1" not in (await world.http.get("/metrics")).text:
            await world.write(pad, "x" * 200_000, times=3)
            seqs = await collect(quick, name, until=written + 3, after=written)
            assert seqs == list(range(written + 1, written + 4))
            written += 3
            assert written < 2000
        seen = 1
        while (frame := await slow.hear())["op"] != "lagging":
            assert frame["seq"] == seen + 1
            seen = frame["seq"]
        assert frame == {"op": "lagging", "name": name, "seq": seen}
        await slow.say(op="watch", name=name, after=seen)
        assert await collect(slow, name, until=written, after=seen) == list(range(seen + 1, written + 1))
        assert (await slow.hear())["op"] == "watching"


async def test_draining_is_told_before_the_socket_closes_with_1012(world: World) -> None:
    async with world.viewer() as viewer:
        stopping = asyncio.ensure_future(world.stop())
        draining = await viewer.hear()
        assert draining == {"op": "draining", "retry_after_ms": 1000}
        assert (await viewer.closed())[0] == 1012
        async with asyncio.timeout(WAIT_SECONDS):
            await stopping
