"""Which member owns a partition, and how soon the others notice that a member is gone."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest

from holdfast import Name
from holdfast._owners import PARTITIONS, Members, Membership, owned, owner_of, partition
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from holdfast.testing.servers import NatsServer
from holdfast.tests.waiting import until

PATIENCE = 60.0
NOTHING = frozenset[int]()


async def test_the_partition_of_a_name_is_the_one_that_the_server_computes(bus: NatsBus) -> None:
    stream = f"partitions-{uuid4().hex}"
    config = {
        "name": stream,
        "subjects": [f"{stream}.*.*.*"],
        "storage": "memory",
        "subject_transform": {
            "src": f"{stream}.*.*.*",
            "dest": f"{stream}.{{{{partition({PARTITIONS},1,2,3)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{wildcard(3)}}}}",
        },
    }
    await api.call(bus, f"STREAM.CREATE.{stream}", config)
    names = [Name.of("auction", "acme", f"lot:{number}") for number in range(30)]
    names += [Name.of("pos-session", "b_2", "A-1"), Name.of("floor", "acme", "loc-1:floor-main")]
    for name in names:
        await bus.request(f"{stream}.{name.purpose}.{name.tenant}.{name.id}", b"", timeout=PATIENCE)
    info = await api.call(bus, f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
    stored = set(info["state"]["subjects"])
    assert stored == {f"{stream}.{partition(name)}.{name.purpose}.{name.tenant}.{name.id}" for name in names}


def test_every_partition_has_exactly_one_owner() -> None:
    members = ["a", "b", "c"]
    shares = [owned(member, dict.fromkeys(members, NOTHING)) for member in members]
    assert sorted(number for share in shares for number in share) == list(range(PARTITIONS))
    assert all(len(share) > PARTITIONS // 6 for share in shares)


def test_a_new_member_moves_only_what_it_takes_and_a_lost_one_only_what_it_had() -> None:
    before = {number: owner_of(number, ["a", "b", "c"]) for number in range(PARTITIONS)}
    after = {number: owner_of(number, ["a", "b", "c", "d"]) for number in range(PARTITIONS)}
    moved = {number for number in before if before[number] != after[number]}
    assert moved == owned("d", dict.fromkeys("abc", NOTHING))
    assert 0 < len(moved) < PARTITIONS // 2


def test_a_declined_partition_falls_to_another_member_and_the_others_stay() -> None:
    before = {number: owner_of(number, ["a", "b", "c"]) for number in range(PARTITIONS)}
    number = next(number for number, owner in before.items() if owner == "a")
    members = {"a": frozenset({number}), "b": NOTHING, "c": NOTHING}
    after = {each: member for member in members for each in owned(member, members)}
    assert after == {**before, number: owner_of(number, ["b", "c"])}


def test_a_partition_that_everyone_declines_keeps_its_owner() -> None:
    members = dict.fromkeys("abc", frozenset(range(PARTITIONS)))
    assert owned("a", members) == owned("a", dict.fromkeys("abc", NOTHING))


def test_names_spread_over_all_partitions() -> None:
    counts = Counter(partition(Name.of("auction", "acme", f"lot-{number}")) for number in range(6400))
    assert set(counts) == set(range(PARTITIONS))
    assert max(counts.values()) < 2 * 100


def test_nobody_owns_anything_when_there_are_no_members() -> None:
    assert owner_of(0, []) is None


class Member:
    """One member with a connection of its own, and what it was told."""

    def __init__(self, bus: NatsBus, purpose: str, name: str) -> None:
        self.bus = bus
        self.members: Members = {}
        self._changed = asyncio.Event()
        self.membership = Membership(bus, purpose, name, changed=self._on_change)
        self.task = asyncio.create_task(self.membership.run())

    def _on_change(self, members: Members) -> None:
        self.members = members
        self._changed.set()

    async def sees(self, *names: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while set(self.members) != set(names):
                self._changed.clear()
                await self._changed.wait()

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def members(server: NatsServer, *names: str) -> AsyncGenerator[list[Member]]:
    purpose = uuid4().hex
    started: list[Member] = []
    try:
        for name in names:
            bus = await NatsBus.connect(server.url, name=name)
            started.append(Member(bus, purpose, name))
        yield started
    finally:
        for member in started:
            await member.stop()
            await member.bus.close()


async def test_members_find_each_other(single: NatsServer) -> None:
    async with members(single, "a", "b", "c") as everyone:
        for member in everyone:
            await member.sees("a", "b", "c")


async def test_a_member_that_leaves_is_forgotten_at_once(single: NatsServer) -> None:
    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        await b.membership.leave()
        await a.sees("a")


async def test_a_member_whose_connection_ends_is_noticed_by_the_probe(
    single: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast._owners.LEASE_SECONDS", 3600.0)
    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        await b.bus.close()
        await a.sees("a")


async def test_a_member_that_is_silent_loses_its_lease(single: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: Membership) -> None:
        return

    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        await b.sees("a", "b")
        monkeypatch.setattr(b.membership, "_announce", silent.__get__(b.membership))
        await a.sees("a")


async def test_a_member_that_comes_back_is_a_member_again(single: NatsServer) -> None:
    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        await b.stop()
        await a.sees("a")
        b.task = asyncio.create_task(b.membership.run())
        await a.sees("a", "b")


async def test_what_a_member_declines_is_known_to_those_who_come_later_too(single: NatsServer) -> None:
    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        a.membership.decline(7)
        for member in (a, b):
            async with asyncio.timeout(PATIENCE):
                while member.members.get("a") != frozenset({7}):
                    await asyncio.sleep(0.01)
        await b.stop()
        await a.sees("a")
        b.task = asyncio.create_task(b.membership.run())
        async with asyncio.timeout(PATIENCE):
            while b.members.get("a") != frozenset({7}):
                await asyncio.sleep(0.01)


async def test_a_member_that_stands_aside_leaves_everything_to_others_until_it_comes_back(single: NatsServer) -> None:
    async with members(single, "a", "b") as (a, b):
        await a.sees("a", "b")
        a.membership.decline(7)
        for aside, declined in ((True, frozenset(range(PARTITIONS))), (False, frozenset({7}))):
            a.membership.stand_aside(aside=aside)
            for member in (a, b):
                async with asyncio.timeout(PATIENCE):
                    while member.members.get("a") != declined:
                        await asyncio.sleep(0.01)
            assert (owned("a", a.members) == NOTHING) is aside


async def test_a_member_has_a_lease_only_while_its_words_come_back(
    single: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with members(single, "a") as (a,):
        await until(lambda: a.membership.leased)

        async def lost(*_: object, **__: object) -> None:
            return

        monkeypatch.setattr(a.bus, "publish", lost)
        await until(lambda: not a.membership.leased)
        monkeypatch.undo()
        await until(lambda: a.membership.leased)
