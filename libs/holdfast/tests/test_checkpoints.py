"""Where a member that takes partitions over begins to read."""

from asyncio import sleep, timeout
from uuid import uuid4

from holdfast.jetstream import Checkpoints, NatsBus, ensure_streams
from holdfast.jetstream import _api as api

REACHED = 30
PATIENCE = 30.0


async def a_purpose(bus: NatsBus) -> str:
    """A purpose whose commands stream has reached sequence 30."""
    purpose = f"p{uuid4().hex[:12]}"
    await ensure_streams(bus, purpose)
    for number in range(REACHED):
        await bus.request(f"cmd.{purpose}.acme.{number}", b"x", timeout=PATIENCE)
    return purpose


async def created(bus: NatsBus, purpose: str) -> str:
    return (await api.call(bus, f"STREAM.INFO.cmd-{purpose}"))["created"]


async def saved(bus: NatsBus, purpose: str, member: str, stream: str, positions: dict[int, int]) -> None:
    """Save, and wait until it is stored: the server puts it into the stream after it has answered a flush."""
    before = await stored(bus, purpose)
    await Checkpoints(bus, purpose).save(member, stream, positions)
    async with timeout(PATIENCE):
        while await stored(bus, purpose) == before:
            await sleep(0.01)


async def stored(bus: NatsBus, purpose: str) -> int:
    info = await api.call(bus, f"STREAM.INFO.ckpt-{purpose}")
    return info["state"]["last_seq"]


async def test_nothing_is_known_at_first(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    assert await Checkpoints(bus, purpose).load(await created(bus, purpose)) == {}


async def test_the_furthest_of_all_members_counts_for_each_partition(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    life = await created(bus, purpose)
    await saved(bus, purpose, "a", life, {1: 10, 2: 20})
    await saved(bus, purpose, "b", life, {1: 12, 3: 5})
    assert await Checkpoints(bus, purpose).load(life) == {1: 12, 2: 20, 3: 5}


async def test_a_member_replaces_its_own(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    life = await created(bus, purpose)
    await saved(bus, purpose, "a", life, {1: 10, 2: 20})
    await saved(bus, purpose, "a", life, {1: 11})
    assert await Checkpoints(bus, purpose).load(life) == {1: 11}


async def test_a_checkpoint_of_another_life_of_the_stream_tells_nothing(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    life = await created(bus, purpose)
    await saved(bus, purpose, "a", "2020-01-01T00:00:00Z", {1: 10})
    await saved(bus, purpose, "b", life, {1: REACHED + 1, 2: REACHED})
    assert await Checkpoints(bus, purpose).load(life) == {2: REACHED}
