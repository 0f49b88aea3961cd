"""Frames, credentials and amounts that a socket refuses, and the server that goes on."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from gateway.auth import issue_token
from gateway.connection import HELLO_BYTES
from gateway.tests.hearing import still_serves
from gateway.tests.world import World, pad_id


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


async def test_who_has_shown_no_credential_gets_room_for_a_hello_only(world: World) -> None:
    async with world.socket() as viewer:
        await viewer.say(op="hello", token="x" * HELLO_BYTES)
        assert (await viewer.closed())[0] == 1009
    big = {
        "op": "send",
        "id": 1,
        "name": f"pad:acme:{pad_id()}",
        "command": "write_note",
        "data": {"text": "x" * HELLO_BYTES},
    }
    async with world.socket(additional_headers=world.bearer()) as viewer:
        await viewer.say(**big)
        assert (await viewer.hear())["op"] == "welcome"
        assert (await viewer.hear())["id"] == 1
    async with world.viewer() as viewer:
        await viewer.say(**big)
        assert (await viewer.hear())["id"] == 1


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
    async with world.viewer(lifetime=timedelta(seconds=5)) as viewer:
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
