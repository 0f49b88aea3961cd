from datetime import timedelta

import pytest

from holdfast._rate import Rate, TokenBucket
from holdfast.tests.world import ADMIN, NAME, World


async def outcomes(world: World, count: int, **options: object) -> list[str]:
    """The codes of so many commands received at this moment."""
    answers = [await world.ask("add", data={"amount": 1}, **options) for _ in range(count)]
    return [answer["error"]["code"] if "error" in answer else "ok" for answer in answers]


@pytest.mark.once("it counts commands for each second")
async def test_an_entity_takes_a_burst_and_then_its_rate_whoever_sends() -> None:
    world = World(commands_per_second=2)
    assert await outcomes(world, 3) == ["ok"] * 3
    assert await outcomes(world, 2, by=ADMIN) == ["ok", "RATE_LIMITED"]
    world.now += timedelta(seconds=1)
    assert await outcomes(world, 3) == ["ok", "ok", "RATE_LIMITED"]
    assert len(await world.events()) == 6


async def test_a_refusal_says_when_to_come_again() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 4)
    refusal = (await world.ask("add", data={"amount": 1}))["error"]
    assert (refusal["retryable"], refusal["details"]) == (True, {"retry_after_ms": 501})


@pytest.mark.once("it counts commands for each second")
async def test_a_refused_command_counts_when_it_comes_again_and_happens_once() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 4)
    for code in ("RATE_LIMITED", "ok", "ok"):
        answer = await world.ask("add", data={"amount": 1}, command_id="again")
        assert (answer["error"]["code"] if "error" in answer else "ok") == code
        world.now += timedelta(seconds=1)
    assert len(await world.events()) == 5


async def test_commands_that_waited_for_an_owner_are_judged_by_when_they_were_received() -> None:
    world = World(commands_per_second=2)
    for _ in range(20):
        world.now += timedelta(seconds=0.5)
        await world.post("add", data={"amount": 1})
    await world.settled()
    assert len(await world.events()) == 20


@pytest.mark.once("it counts commands for each second")
async def test_a_server_whose_clock_is_set_back_stops_nobody() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 4)
    world.now -= timedelta(seconds=90)
    assert await outcomes(world, 1) == ["RATE_LIMITED"]
    world.now += timedelta(seconds=1)
    assert await outcomes(world, 3) == ["ok", "ok", "RATE_LIMITED"]


@pytest.mark.once("it counts commands for each second")
async def test_what_a_rate_refused_may_be_carried_out_by_a_successor_and_then_once() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 4)
    place = await world.post("add", command_id="c", reply="_INBOX.c")
    await world.settled()
    assert world.answers["_INBOX.c"][0]["error"]["code"] == "RATE_LIMITED"
    world.host = world.new_host()  # its predecessor died before the next checkpoint
    await world.post("add", command_id="c", reply="_INBOX.nobody", at=place)
    assert (await world.ask("add", command_id="c"))["ok"]["deduplicated"] is True
    assert len(await world.events()) == 5


async def test_views_and_deadlines_do_not_count() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 5)
    for _ in range(10):
        assert "ok" in await world.ask("_view")
    assert "error" not in await world.ask("_delete", by=ADMIN)


async def test_without_a_limit_nothing_is_refused() -> None:
    world = World()
    assert await outcomes(world, 100) == ["ok"] * 100


async def test_another_entity_has_a_rate_of_its_own() -> None:
    world = World(commands_per_second=2)
    await outcomes(world, 5)
    assert await outcomes(world, 1, name=NAME._replace(id="y")) == ["ok"]


@pytest.mark.once("it counts commands for each second")
async def test_a_tenant_has_one_rate_over_all_its_entities_and_others_have_their_own() -> None:
    world = World(tenant_commands_per_second=2)
    names = [NAME._replace(id=f"x{number}") for number in range(5)]
    codes = [(await outcomes(world, 1, name=name))[0] for name in names]
    assert codes == ["ok"] * 4 + ["RATE_LIMITED"]
    assert await outcomes(world, 1, name=NAME._replace(tenant="globex")) == ["ok"]
    world.now += timedelta(seconds=0.5)
    assert await outcomes(world, 2, name=names[0]) == ["ok", "RATE_LIMITED"]


@pytest.mark.once("it counts commands for each second")
async def test_a_server_whose_clock_is_set_back_gives_no_tenant_more_than_its_rate() -> None:
    world = World(tenant_commands_per_second=1)
    await outcomes(world, 3)
    world.now -= timedelta(seconds=20)  # as what waited for an owner
    assert await outcomes(world, 2) == ["ok", "ok"]
    world.now -= timedelta(seconds=70)
    assert await outcomes(world, 2) == ["RATE_LIMITED"] * 2
    world.now += timedelta(seconds=1)
    assert await outcomes(world, 2) == ["ok", "RATE_LIMITED"]


async def test_what_is_over_a_tenants_rate_wakes_nothing() -> None:
    world = World(tenant_commands_per_second=1)
    await outcomes(world, 2)
    awake = world.host.awake
    assert await outcomes(world, 1, name=NAME._replace(id="asleep")) == ["RATE_LIMITED"]
    assert world.host.awake == awake


async def test_views_and_deletions_do_not_count_for_a_tenant() -> None:
    world = World(tenant_commands_per_second=1)
    await outcomes(world, 3)
    assert "ok" in await world.ask("_view")
    assert "error" not in await world.ask("_delete", by=ADMIN)


@pytest.mark.once("it counts commands for each second")
async def test_a_command_refused_for_its_tenants_rate_happens_once_when_it_comes_again() -> None:
    world = World(tenant_commands_per_second=1)
    await outcomes(world, 2)
    for code in ("RATE_LIMITED", "ok", "ok"):
        answer = await world.ask("add", data={"amount": 1}, command_id="again")
        assert (answer["error"]["code"] if "error" in answer else "ok") == code
        world.now += timedelta(seconds=1)
    assert len(await world.events()) == 3


@pytest.mark.parametrize("per_second", [0.1, 1, 1000])
def test_a_bucket_gives_its_rate_over_any_time(per_second: float) -> None:
    bucket, taken, now = TokenBucket(Rate(per_second), now=0.0), 0, 0.0
    end = 100 / per_second
    while now < end:
        wait = bucket.wait(now)
        if wait == 0:
            bucket.take()
            taken += 1
        now += max(wait, 0.001 / per_second)
    assert 99 <= taken - Rate(per_second).burst <= 101


@pytest.mark.once("it counts commands for each second")
async def test_what_waited_for_an_owner_that_is_gone_is_not_counted_with_what_came_here_meanwhile() -> None:
    world = World(tenant_commands_per_second=2)
    names = [NAME._replace(id=f"x{number}") for number in range(5)]
    assert [(await outcomes(world, 1, name=name))[0] for name in names][-1] == "RATE_LIMITED"
    world.now -= timedelta(seconds=4)
    assert await outcomes(world, 5, name=NAME._replace(id="taken-over")) == ["ok"] * 5
