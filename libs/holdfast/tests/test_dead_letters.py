"""Dead letters: what is refused for good, shown and driven again."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT

import msgspec
import pytest

from holdfast import Rejected
from holdfast._dead_letters import redrive
from holdfast.testing.counter import LIMIT
from holdfast.testing.servers import NatsServer
from holdfast.tests.reactions import ANN, PATIENCE, World, until_done
from holdfast.tests.waiting import running


async def test_a_refused_command_is_a_dead_letter_and_holds_nothing_up(world: World) -> None:
    runner = await world.runner()
    async with running(runner):
        await world.history.add(LIMIT + 1)
        await world.history.add(7)
        await world.until_amounts([7])
        [filed] = await world.until_letters(1)
        await until_done(runner)
    letter = filed.letter
    assert (letter.origin, letter.name, letter.seq) == ("forward", str(world.history.name()), 1)
    assert (letter.error.code, letter.error.message) == ("TOO_MUCH", f"at most {LIMIT} more")
    assert runner.backlog.dead == 1


async def test_a_refusal_that_is_met_again_is_one_dead_letter(world: World) -> None:
    await world.history.add(LIMIT + 1)
    async with running(await world.runner()):
        await world.until_letters(1)
    await world.bus.request(
        f"$JS.API.CONSUMER.DELETE.evt-{world.history.purpose}.reactor-forward", b"", timeout=PATIENCE
    )
    again = await world.runner()
    async with running(again):
        await until_done(again)
    assert len(await world.letters()) == 1


async def test_a_refused_command_that_is_driven_again_happens_and_its_letter_is_gone(world: World) -> None:
    await world.client.send(world.target(), "add", msgspec.json.encode({"amount": LIMIT}), by=ANN)
    async with running(await world.runner()):
        await world.history.add(7)
        [filed] = await world.until_letters(1)
    with pytest.raises(Rejected, match="at most 0 more"):
        await redrive(world.client, world.history.purpose, filed)
    assert await world.letters() == [filed]
    await world.client.send(world.target(), "add", b'{"amount": -10}', by=ANN)
    await redrive(world.client, world.history.purpose, filed)
    await redrive(world.client, world.history.purpose, filed)
    assert await world.amounts() == [LIMIT, -10, 7]
    assert await world.letters() == []


async def holdfast(url: str, *arguments: str) -> tuple[int, str]:
    """Run the program; returns its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast.cli", "dead", *arguments, "--nats", url, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_dead_letters_are_listed_shown_and_driven_again_from_the_command_line(
    world: World, single: NatsServer
) -> None:
    purpose = world.history.purpose
    await world.client.send(world.target(), "add", msgspec.json.encode({"amount": LIMIT}), by=ANN)
    async with running(await world.runner()):
        await world.history.add(7)
        await world.until_letters(1)
    code, listed = await holdfast(single.url, "list", "--purpose", purpose)
    assert code == 0
    assert listed.startswith(f"{purpose}/1  ")
    assert listed.endswith(
        f"{world.history.name()} seq 1, forward: add to {world.target()}: TOO_MUCH: at most 0 more\n"
    )
    code, shown = await holdfast(single.url, "show", f"{purpose}/1")
    assert (code, msgspec.json.decode(shown)["content"]["data"]) == (0, {"amount": 7})
    code, said = await holdfast(single.url, "redrive", f"{purpose}/1")
    assert (code, said) == (1, f"{purpose}/1: TOO_MUCH: at most 0 more; it stays\n")
    await world.client.send(world.target(), "add", b'{"amount": -10}', by=ANN)
    assert await holdfast(single.url, "redrive", f"{purpose}/1") == (0, f"{purpose}/1: done\n")
    assert await holdfast(single.url, "list", "--purpose", purpose) == (0, "no dead letters\n")
    code, said = await holdfast(single.url, "redrive", f"{purpose}/1")
    assert code == 2
    assert f"there is no dead letter {purpose}/1" in said
    assert await world.amounts() == [LIMIT, -10, 7]
