"""Who else is here, as watchers tell each other."""

from typing import Any

import pytest

from gateway.tests.world import World, pad_id


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


@pytest.mark.parametrize("number", ["18446744073709551616", "1e400"])
async def test_a_number_that_not_every_viewer_can_be_shown_is_refused(world: World, number: str) -> None:
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer("ann") as ann, world.viewer("bob", subprotocol="holdfast.v1.msgpack") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=name)
        await ann.socket.send(f'{{"op":"presence","name":"{name}","data":{{"x":{number}}}}}')
        assert (await ann.hear())["code"] == "VALIDATION"
        await ann.say(op="presence", name=name, data={"x": 2**64 - 1, "text": "1e5 or 12345678901234567890"})
        assert (await bob.hear())["data"]["x"] == 2**64 - 1


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


async def test_who_shows_too_much_is_told_to_wait(gateway: Any) -> None:
    world: World = await gateway(presence_per_second=0.1)
    pad = pad_id()
    await world.write(pad)
    name = f"pad:acme:{pad}"
    async with world.viewer("ann") as ann, world.viewer("bob") as bob:
        for viewer in (ann, bob):
            await viewer.ask("watch", name=name)
        for number in range(20):
            await ann.say(op="presence", name=name, data={"cursor": number})
        assert (await bob.hear_until("presence"))["data"] == {"cursor": 0}
        refusals = [await ann.hear_until("error") for _ in range(19)]
        assert {refusal["code"] for refusal in refusals} == {"RATE_LIMITED"}
        await bob.say(op="presence", name=name, data={"cursor": 1})
        assert (await ann.hear_until("presence"))["user"] == "bob"
