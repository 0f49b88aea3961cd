import asyncio
import socket as sockets
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.auth import issue_token
from gateway.tests.world import Viewer, World, pad_id


async def still_serves(world: World) -> None:
    async with world.viewer() as viewer:
        assert (await viewer.ask("ping"))["op"] == "pong"


async def collect(viewer: Viewer, name: str, *, until: int, after: int = 0) -> list[int]:
    """The seqs of the event frames up to `until`, in the order heard."""
    seqs: list[int] = []
    while after < until:
        frame = await viewer.hear_until("event")
        assert frame["name"] == name
        after = frame["seq"]
        seqs.append(after)
    return seqs


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


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("{", "truncated"),
        ("nonsense", "JSON"),
        ("[]", "object"),
        ('{"op":"fly"}', "fly"),
        ("{}", "op"),
        ('{"op":"watch"}', "name"),
        ('{"op":"watch","name":5}', "str"),
        ('{"op":"watch","name":"a","after":"x"}', "int"),
        ('{"op":"watch","name":"a","extra":1}', "extra"),
        ('{"op":"hello","token":"x"}', "first"),
        ('{"op":"send","name":"a","command":"b","data":' + "[" * 100_000, ""),
        (b"\x00", "text frames"),
    ],
)
async def test_a_malformed_frame_closes_with_4400_and_the_server_goes_on(
    world: World, frame: str | bytes, reason: str
) -> None:
    async with world.viewer() as viewer:
        await viewer.socket.send(frame)
        code, words = await viewer.closed()
        assert code == 4400
        assert reason in (words or "")
    await still_serves(world)


@pytest.mark.parametrize("frame", [b"\xc1", b"\x92\x01", b"\x01", "text", msgspec.msgpack.encode({"op": "fly"})])
async def test_malformed_msgpack_closes_with_4400(world: World, frame: bytes | str) -> None:
    async with world.viewer(subprotocol="holdfast.v1.msgpack") as viewer:
        await viewer.socket.send(frame)
        assert (await viewer.closed())[0] == 4400
    await still_serves(world)


@pytest.mark.parametrize(
    ("op", "code"),
    [
        ({"op": "watch", "name": "pad:acme:a.b"}, "VALIDATION"),
        ({"op": "watch", "name": "pad:acme:*"}, "VALIDATION"),
        ({"op": "watch", "name": "pad"}, "VALIDATION"),
        ({"op": "watch", "name": "pad:acme:x\n"}, "VALIDATION"),
        ({"op": "watch", "name": "pad:acme:" + "a" * 200}, "VALIDATION"),
        ({"op": "watch", "name": "pad:acme:nobody-wrote-this"}, "NOT_FOUND"),
        ({"op": "watch", "name": "pad:acme:nobody-wrote-this", "after": 0}, "NOT_FOUND"),
        ({"op": "watch", "name": "pad:other:x"}, "NOT_FOUND"),
        ({"op": "watch", "name": "nothing:acme:x"}, "NOT_FOUND"),
        ({"op": "send", "name": "pad:acme:x", "command": "fly"}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "_view"}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "write_note"}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "write_note", "data": {"text": 5}}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "write_note", "data": [1]}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "write_note", "command_id": "_alarm-1"}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "write_note", "expected_seq": -1}, "VALIDATION"),
        ({"op": "send", "name": "pad:acme:x", "command": "lock"}, "FORBIDDEN"),
        ({"op": "presence", "name": "pad:acme:unwatched", "data": {}}, "STATE_CONFLICT"),
    ],
)
async def test_a_refused_operation_is_an_error_frame_and_the_socket_goes_on(
    world: World, op: dict[str, Any], code: str
) -> None:
    async with world.viewer() as viewer:
        await viewer.say(**{**op, "id": 9})
        refusal = await viewer.hear()
        assert (refusal["op"], refusal["id"], refusal["code"], refusal["name"]) == ("error", 9, code, op["name"])
        assert isinstance(refusal["message"], str)
        assert (await viewer.ask("ping"))["op"] == "pong"


async def test_an_oversized_frame_closes_with_1009_and_the_server_goes_on(gateway: Any) -> None:
    world: World = await gateway(max_frame=1000)
    async with world.viewer() as viewer:
        await viewer.socket.send('{"op":"ping","id":"%s"}' % ("x" * 2000))
        assert (await viewer.closed())[0] == 1009
    await still_serves(world)


async def test_data_beyond_what_nats_carries_is_too_large(world: World) -> None:
    async with world.viewer() as viewer:
        data = {"text": "x" * (9 * 1024 * 1024)}
        refusal = await viewer.ask("send", name=f"pad:acme:{pad_id()}", command="write_note", data=data)
        assert refusal["code"] == "TOO_LARGE"


async def test_a_wrong_or_expired_token_closes_with_4401(world: World) -> None:
    for token in (
        "x",
        issue_token("other" * 10, "acme", "ann", (), timedelta(hours=1)),
        world.token(lifetime=-timedelta(1)),
    ):
        async with world.socket() as viewer:
            await viewer.say(op="hello", token=token)
            assert (await viewer.closed())[0] == 4401
    async with world.socket(additional_headers={"Authorization": "Bearer x"}) as viewer:
        assert (await viewer.closed())[0] == 4401
    await still_serves(world)


async def test_a_socket_is_closed_when_its_token_expires(world: World) -> None:
    async with world.viewer(lifetime=timedelta(seconds=2)) as viewer:
        code, reason = await viewer.closed()
        assert (code, reason) == (4401, "the token has expired")


async def test_another_frame_instead_of_hello_closes_with_4408(world: World) -> None:
    async with world.socket() as viewer:
        await viewer.say(op="ping")
        assert (await viewer.closed())[0] == 4408


async def test_no_credential_in_time_closes_with_4401(gateway: Any) -> None:
    world: World = await gateway(hello_timeout=0.1)
    async with world.socket() as viewer:
        assert (await viewer.closed())[0] == 4401


async def test_a_foreign_origin_is_refused_at_the_upgrade(gateway: Any) -> None:
    world: World = await gateway(origins="https://shop.example")
    own = f"http://127.0.0.1:{world.port}"
    for origin in ("https://evil.example", "null", "http://[", "https://shop.example.evil.example"):
        with pytest.raises(InvalidStatus):
            async with world.socket(origin=origin):
                pass
    for origin in ("https://shop.example", own):
        async with world.socket(origin=origin) as viewer:
            await viewer.say(op="hello", token=world.token())
            assert (await viewer.hear())["op"] == "welcome"


async def test_an_unknown_subprotocol_is_refused_at_the_upgrade(world: World) -> None:
    with pytest.raises(InvalidStatus):
        async with world.socket(subprotocol="chat"):
            pass


async def test_more_sockets_than_a_user_may_have_close_with_4429(gateway: Any) -> None:
    world: World = await gateway(sockets_per_user=1)
    async with world.viewer("ann"), world.socket() as second:
        await second.say(op="hello", token=world.token("ann"))
        assert (await second.closed())[0] == 4429
        await still_serves_as_another(world)


async def still_serves_as_another(world: World) -> None:
    async with world.viewer("bob") as viewer:
        assert (await viewer.ask("ping"))["op"] == "pong"


async def test_more_watches_than_allowed_are_refused(gateway: Any) -> None:
    world: World = await gateway(watches_per_socket=1)
    pads = [pad_id(), pad_id()]
    for pad in pads:
        await world.write(pad)
    async with world.viewer() as viewer:
        assert (await viewer.ask("watch", name=f"pad:acme:{pads[0]}"))["op"] == "state"
        assert (await viewer.ask("watch", name=f"pad:acme:{pads[1]}"))["code"] == "RATE_LIMITED"
        assert (await viewer.ask("watch", name=f"pad:acme:{pads[0]}"))["op"] == "state"


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


async def test_presence_reaches_the_other_watchers_and_ends_with_its_socket(gateway: Any) -> None:
    first: World = await gateway()
    second: World = await gateway()
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await first.write(pad)
    async with second.viewer("bob") as bob:
        await bob.ask("watch", name=name)
        async with first.viewer("ann") as ann:
            await ann.ask("watch", name=name)
            await ann.say(op="presence", name=name, data={"x": 1})
            shown = await bob.hear()
            assert (shown["op"], shown["name"], shown["user"], shown["data"]) == ("presence", name, "ann", {"x": 1})
            async with second.viewer("cho") as late:
                await late.ask("watch", name=name)
                assert await late.hear() == shown
            await ann.say(op="ping", id="own")
            assert (await ann.hear())["id"] == "own"
        left = await bob.hear()
        assert (left["connection"], left["data"]) == (shown["connection"], None)


async def test_presence_outlasts_watching_again(world: World) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer("ann") as ann, world.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=name)
        await ann.say(op="presence", name=name, data={"x": 1})
        assert (await bob.hear())["data"] == {"x": 1}
        await ann.ask("watch", name=name, after=1)
        await ann.say(op="presence", name=name, data={"x": 2})
        assert (await bob.hear())["data"] == {"x": 2}


async def test_presence_of_a_silent_gateway_ends_by_itself(gateway: Any) -> None:
    world: World = await gateway(presence_interval=0.1, presence_lifetime=0.3)
    silent: World = await gateway(presence_interval=3600.0)
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with silent.viewer("ann") as ann, world.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=name)
        await ann.say(op="presence", name=name, data={})
        assert (await bob.hear())["data"] == {}
        assert (await bob.hear())["data"] is None


async def test_presence_is_announced_again_for_gateways_that_come_later(gateway: Any) -> None:
    world: World = await gateway(presence_interval=0.1)
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer("ann") as ann:
        await ann.ask("watch", name=name)
        await ann.say(op="presence", name=name, data={"here": True})
        later: World = await gateway()
        async with later.viewer("bob") as bob:
            await bob.ask("watch", name=name)
            assert (await bob.hear())["data"] == {"here": True}


async def test_too_large_presence_is_refused(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    async with world.viewer() as viewer:
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        await viewer.say(op="presence", name=f"pad:acme:{pad}", data="x" * 5000)
        assert (await viewer.hear_until("error"))["code"] == "TOO_LARGE"


async def test_draining_is_told_before_the_socket_closes_with_1012(world: World) -> None:
    async with world.viewer() as viewer:
        stopping = asyncio.ensure_future(world.stop())
        draining = await viewer.hear()
        assert draining == {"op": "draining", "retry_after_ms": 1000}
        assert (await viewer.closed())[0] == 1012
        async with asyncio.timeout(4):
            await stopping
