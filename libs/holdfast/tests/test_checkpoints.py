"""Where a member that takes partitions over begins to read."""

from uuid import uuid4

from holdfast.jetstream import Checkpoints, NatsBus, ensure_streams
from holdfast.jetstream import _api as api

REACHED = 30


async def a_purpose(bus: NatsBus) -> str:
    """A purpose whose commands stream has reached sequence 30."""
    purpose = f"p{uuid4().hex[:12]}"
    await ensure_streams(bus, purpose)
    for number in range(REACHED):
        await bus.request(f"cmd.{purpose}.acme.{number}", b"x", timeout=5)
    return purpose


async def created(bus: NatsBus, purpose: str) -> str:
    return (await api.call(bus, f"STREAM.INFO.cmd-{purpose}"))["created"]


async def saved(bus: NatsBus, checkpoints: Checkpoints, member: str, stream: str, positions: dict[int, int]) -> None:
    await checkpoints.save(member, stream, positions)
    await bus.flush(timeout=5)


async def test_nothing_is_known_at_first(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    assert await Checkpoints(bus, purpose).load(await created(bus, purpose)) == {}


async def test_the_furthest_of_all_members_counts_for_each_partition(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    checkpoints, life = Checkpoints(bus, purpose), await created(bus, purpose)
    await saved(bus, checkpoints, "a", life, {1: 10, 2: 20})
    await saved(bus, checkpoints, "b", life, {1: 12, 3: 5})
    assert await checkpoints.load(life) == {1: 12, 2: 20, 3: 5}


async def test_a_member_replaces_its_own(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    checkpoints, life = Checkpoints(bus, purpose), await created(bus, purpose)
    await saved(bus, checkpoints, "a", life, {1: 10, 2: 20})
    await saved(bus, checkpoints, "a", life, {1: 11})
    assert await checkpoints.load(life) == {1: 11}


async def test_a_checkpoint_of_another_life_of_the_stream_tells_nothing(bus: NatsBus) -> None:
    purpose = await a_purpose(bus)
    checkpoints, life = Checkpoints(bus, purpose), await created(bus, purpose)
    await saved(bus, checkpoints, "a", "2020-01-01T00:00:00Z", {1: 10})
    await saved(bus, checkpoints, "b", life, {1: REACHED + 1, 2: REACHED})
    assert await checkpoints.load(life) == {2: REACHED}
