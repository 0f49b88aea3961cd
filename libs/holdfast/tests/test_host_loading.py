"""Waking from snapshot and log, sleeping, and reading the past."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from holdfast import Name
from holdfast._log import Judged, NewCommit, StoredCommit
from holdfast._rate import BURST_SECONDS
from holdfast._snapshots import Snapshot
from holdfast.memory import MemoryLog
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity
from holdfast.tests.waiting import busy
from holdfast.tests.world import ADMIN, NAME, Gated, World


async def test_a_view_shows_the_state_and_its_seq() -> None:
    world = World()
    await world.ask("add", data={"amount": 7})
    view = (await world.ask("_view"))["ok"]
    assert (view["seq"], view["state"]["total"]) == (1, 7)
    assert "server_now" in view


async def test_past_states_are_read_by_seq_and_by_time() -> None:
    world = World()
    for amount in (1, 10, 100):
        await world.ask("add", data={"amount": amount})
        world.now += timedelta(minutes=1)
    by_seq = (await world.ask("_view", data={"seq": 2}))["ok"]
    assert (by_seq["seq"], by_seq["state"]["total"]) == (2, 11)
    by_time = (await world.ask("_view", data={"at": "2026-01-01T12:01:59Z"}))["ok"]
    assert (by_time["seq"], by_time["state"]["total"]) == (2, 11)
    assert (await world.ask("_view", data={"at": "2025-01-01T00:00:00Z"}))["error"]["code"] == "NOT_FOUND"
    assert (await world.ask("_view", data={"seq": 4}))["error"]["code"] == "VALIDATION"


async def test_reads_of_the_past_by_one_tenant_leave_places_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast._past_reads.WAITING", 4)
    world = World()
    other = NAME._replace(tenant="globex")
    for name in (NAME, other):
        await world.ask("add", data={"amount": 7}, name=name)
    async with busy(world.host._past._turns):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as busy as it gets
        await world.post("_view", data={"seq": 1}, reply="_INBOX.first")
        await world.post("_view", data={"seq": 1}, reply="_INBOX.second")
        await world.post("_view", data={"seq": 1}, reply="_INBOX.other", name=other)
        async with asyncio.timeout(30):
            while "_INBOX.second" not in world.answers:
                await asyncio.sleep(0)
        assert world.answers["_INBOX.second"][0]["error"]["code"] == "UNAVAILABLE"
    await world.settled()
    assert [world.answers[inbox][0]["ok"]["seq"] for inbox in ("_INBOX.first", "_INBOX.other")] == [1, 1]


async def test_an_idle_entity_is_snapshot_and_put_to_sleep_and_wakes_the_same() -> None:
    world = World()
    await world.ask("add", data={"amount": 7}, command_id="c")
    assert await world.host.hibernate(NAME)
    assert world.host.awake == 0
    snapshot = await world.snapshots.load(NAME)
    assert snapshot is not None
    assert snapshot.seq == 1
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 7
    assert (await world.ask("add", data={"amount": 7}, command_id="c"))["ok"]["deduplicated"] is True


class Eager(CounterEntity):
    """Is snapshot often."""

    purpose = "counter"
    snapshot_every = 10


async def test_snapshots_are_taken_every_n_events() -> None:
    world = World(Eager())
    for _ in range(11):
        await world.ask("add")
    snapshot = await world.snapshots.load(NAME)
    assert snapshot is not None
    assert snapshot.seq == 10


async def test_where_many_entities_are_busy_only_so_many_are_snapshot_in_a_second_and_their_tails_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast._host.SNAPSHOTS_PER_SECOND", 1.0)
    world = World(Eager())
    names = [Name.of("counter", "acme", f"n{number}") for number in range(100)]
    for name in names:
        for _ in range(10):
            await world.post("add", name=name)
    await world.settled()
    saved = [name for name in names if await world.snapshots.load(name) is not None]
    assert BURST_SECONDS <= len(saved) < len(names)
    world.host = world.new_host()
    assert {(await world.ask("_view", name=name))["ok"]["seq"] for name in names} == {10}


async def damaged(world: World, **changes: Any) -> None:
    snapshot = await world.snapshots.load(NAME)
    assert snapshot is not None
    await world.snapshots.delete(NAME)
    await world.snapshots.save(NAME, msgspec.structs.replace(snapshot, **changes))


@pytest.mark.parametrize(
    "changes", [{"body": b"no msgpack"}, {"fingerprint": "older"}, {"position": 999}, {"position": 1}, {"seq": 99}]
)
async def test_a_snapshot_that_does_not_fit_means_replay_and_never_failure(changes: dict[str, Any]) -> None:
    world = World()
    for _ in range(3):
        await world.ask("add")
    await world.host.hibernate(NAME)
    await damaged(world, **changes)
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 3


class BrokenStore(MemorySnapshots):
    async def load(self, name: Name) -> Snapshot | None:
        raise OSError("the disk is gone")

    async def save(self, name: Name, snapshot: Snapshot) -> None:
        raise OSError("the disk is gone")


async def test_a_broken_snapshot_store_costs_no_command() -> None:
    world = World(Eager())
    world.snapshots = BrokenStore()
    world.host = world.new_host()
    for _ in range(12):
        assert "ok" in await world.ask("add")
    await world.host.hibernate(NAME)
    assert (await world.ask("_view"))["ok"]["seq"] == 12


async def test_at_most_so_many_entities_are_awake_and_the_others_wake_again() -> None:
    world = World(awake_limit=2)
    names = [Name.of("counter", "acme", f"n{number}") for number in range(5)]
    for name in (*names, *names):
        assert "ok" in await world.ask("add", name=name)
        assert world.host.awake <= 2
    for name in names:
        assert [seq for seq, _ in await world.events(name)] == [1, 2]


async def test_an_event_of_newer_code_stops_only_its_entity_and_loses_nothing() -> None:
    world = World()
    await world.ask("add")
    last = await world.log.last(NAME)
    assert last is not None
    event = msgspec.structs.replace(last.commit.events[0], seq=2, type="teleported", command_id="n")
    newer = NewCommit(NAME, last.position, "n", msgspec.structs.replace(last.commit, events=(event,)), Judged(), ())
    await world.log.append(newer)
    world.host = world.new_host()
    error = (await world.ask("add"))["error"]
    assert (error["code"], "teleported" in error["message"]) == ("UNAVAILABLE", True)
    assert "ok" in await world.ask("add", name=Name.of("counter", "acme", "other"))
    assert len(await world.events()) == 2


async def test_the_same_log_gives_the_same_state_byte_for_byte() -> None:
    def encoded(commits: Sequence[StoredCommit]) -> bytes:
        return msgspec.json.encode([stored.commit for stored in commits])

    logs: list[bytes] = []
    for _ in range(2):
        world = World()
        for number in range(20):
            await world.ask("add", data={"amount": number}, command_id=f"c{number}")
            await world.ask("remind", data={"milliseconds": number}, command_id=f"r{number}")
        logs.append(encoded(await world.log.read(NAME)))
    assert logs[0] == logs[1]


async def test_the_past_is_read_after_the_commit_that_it_may_ask_for() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add", data={"amount": 7})
    await world.post("_view", data={"seq": 1}, reply="_INBOX.past")
    for _ in range(20):
        await asyncio.sleep(0)
    assert (log.appends, world.answers) == (1, {})
    log.gate.set()
    await world.settled()
    past = world.answers["_INBOX.past"][0]["ok"]
    assert (past["seq"], past["state"]["total"]) == (1, 7)


async def test_a_moment_without_a_time_zone_is_refused() -> None:
    world = World()
    await world.ask("add")
    assert (await world.ask("_view", data={"at": "2026-01-01T12:00:00"}))["error"]["code"] == "VALIDATION"


async def test_a_log_read_with_a_hole_is_never_taken_for_the_state() -> None:
    class Holed(MemoryLog):
        holed = True

        async def read(self, name: Name, /, *, position: int = 0, limit: int = 1000) -> Sequence[StoredCommit]:
            found = await super().read(name, position=position, limit=limit)
            return [*found[:1], *found[2:]] if self.holed else found

    world = World()
    log = Holed()
    world.log = log
    world.host = world.new_host()
    for _ in range(3):
        await world.ask("add")
    world.host = world.new_host()
    assert (await world.ask("_view"))["error"]["code"] == "UNAVAILABLE"
    log.holed = False
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 3


async def test_names_that_were_never_written_take_no_room() -> None:
    world = World(awake_limit=2)
    await world.ask("add")
    for number in range(10):
        answer = await world.ask("reset", by=ADMIN, name=Name.of("counter", "acme", f"made-up-{number}"))
        assert answer["error"]["code"] == "NOT_FOUND"
    assert world.host.awake == 1


async def test_an_entity_that_was_replayed_for_want_of_a_snapshot_gets_one_when_it_sleeps() -> None:
    world = World()
    await world.ask("add")
    world.host = world.new_host()
    await world.ask("_view")
    await world.host.hibernate(NAME)
    assert await world.snapshots.load(NAME) is not None


async def test_a_snapshot_that_was_not_kept_is_tried_again_when_the_entity_sleeps() -> None:
    class Flaky(MemorySnapshots):
        failures = 1

        async def save(self, name: Name, snapshot: Snapshot) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError("the disk is full")
            await super().save(name, snapshot)

    world = World(Eager())
    world.snapshots = Flaky()
    world.host = world.new_host()
    for _ in range(10):
        await world.ask("add")
    assert await world.snapshots.load(NAME) is None
    await world.host.hibernate(NAME)
    snapshot = await world.snapshots.load(NAME)
    assert snapshot is not None
    assert snapshot.seq == 10


async def test_drain_answers_what_was_taken_and_puts_everything_to_sleep_within_its_time() -> None:
    world = World()
    names = [Name.of("counter", "acme", f"n{number}") for number in range(200)]
    for name in names:
        await world.post("add", name=name, reply=f"_INBOX.{name.id}")
    await world.host.drain(seconds=5)
    assert world.host.awake == 0
    assert all("ok" in world.answers[f"_INBOX.{name.id}"][0] for name in names)
    assert all([await world.snapshots.load(name) for name in names])


async def test_a_drain_that_takes_too_long_leaves_no_task_behind() -> None:
    world = World()
    world.log = Gated()
    world.host = world.new_host()
    await world.post("add")
    before = len(asyncio.all_tasks())
    await world.host.drain(seconds=0.05)
    assert len(asyncio.all_tasks()) == before - 1
