"""One suite for every event log and every alarm clock: in memory, on one server, on three."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from holdfast import Actor, Name, TooLarge
from holdfast._alarms import Alarms
from holdfast._log import Conflict, EventLog, Judged, NewCommit
from holdfast._messages import Audience, Commit, RecordedEvent
from holdfast.jetstream import JetStreamAlarms, JetStreamLog, NatsBus, ensure_streams
from holdfast.memory import MemoryAlarms, MemoryLog

AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
ANN = Actor(user="ann", roles=("bidder",), device="till-2")
FAR = datetime(2126, 1, 1, tzinfo=UTC)
FARTHER = FAR + timedelta(days=1)
PATIENCE = 60.0


@dataclass
class Ports:
    log: EventLog
    alarms: Alarms
    largest: int


@pytest.fixture(params=["memory", "R1", pytest.param("R3", marks=pytest.mark.cluster)])
def urls(request: pytest.FixtureRequest) -> list[str]:
    match request.param:
        case "memory":
            return []
        case "R1":
            return [request.getfixturevalue("single").url]
        case _:
            return [server.url for server in request.getfixturevalue("cluster")]


@pytest_asyncio.fixture
async def ports(urls: list[str]) -> AsyncGenerator[Ports]:
    if not urls:
        yield Ports(MemoryLog(largest=1000), MemoryAlarms(), 1000)
        return
    replicas = len(urls)
    bus = await NatsBus.connect(urls, name="contract")
    await ensure_streams(bus, "contract", replicas=replicas)
    yield Ports(JetStreamLog(bus, replicas=replicas), JetStreamAlarms(bus, "contract"), bus.max_payload)
    await bus.close()


def a_name() -> Name:
    return Name.of("contract", "acme", f"x:{uuid4().hex}")


def a_commit(name: Name, seqs: range | list[int], *, expected: int, data: bytes = b'{"amount":1}') -> NewCommit:
    events = tuple(
        RecordedEvent(
            seq=seq,
            type="added",
            data=msgspec.Raw(data),
            at=AT,
            by=ANN,
            command_id=f"c{seq}",
            to=Audience(fields={"amount": ("user:ann",)}),
        )
        for seq in seqs
    )
    return NewCommit(
        name=name,
        expected=expected,
        commit_id=uuid4().hex,
        commit=Commit(v=1, name=str(name), events=events),
        judged=Judged(1_700_000_000_000_000_001, seqs[-1]),
        digests=tuple((f"c{seq}", f"d{seq}") for seq in seqs),
    )


async def filled(log: EventLog, name: Name, commits: int, *, events: int = 1) -> list[int]:
    positions: list[int] = []
    seq = 1
    for _ in range(commits):
        expected = positions[-1] if positions else 0
        positions.append(await log.append(a_commit(name, range(seq, seq + events), expected=expected)))
        seq += events
    return positions


async def test_an_unwritten_entity_reads_as_empty(ports: Ports) -> None:
    name = a_name()
    assert await ports.log.last(name) is None
    assert list(await ports.log.read(name)) == []
    assert await ports.log.locate(name, 1) is None


async def test_a_commit_reads_back_exactly_as_it_was_appended(ports: Ports) -> None:
    name = a_name()
    commit = a_commit(name, [1, 2], expected=0)
    position = await ports.log.append(commit)
    for stored in (await ports.log.last(name), (await ports.log.read(name))[0]):
        assert stored is not None
        assert stored.position == position
        assert msgspec.json.encode(stored.commit) == msgspec.json.encode(commit.commit)
        assert stored.commit_id == commit.commit_id
        assert stored.judged == commit.judged
        assert tuple(stored.digests) == tuple(commit.digests)


async def test_an_append_behind_the_fence_is_refused_and_stores_nothing(ports: Ports) -> None:
    name = a_name()
    first = await ports.log.append(a_commit(name, [1], expected=0))
    for expected in (0, first + 1):
        with pytest.raises(Conflict):
            await ports.log.append(a_commit(name, [2], expected=expected))
    assert len(await ports.log.read(name)) == 1


async def test_of_many_appends_with_the_same_fence_exactly_one_wins(ports: Ports) -> None:
    name = a_name()
    results = await asyncio.gather(
        *(ports.log.append(a_commit(name, [1], expected=0)) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 7


async def test_entities_do_not_fence_each_other(ports: Ports) -> None:
    names = [a_name() for _ in range(5)]
    await asyncio.gather(*(filled(ports.log, name, 3) for name in names))
    for name in names:
        assert [stored.commit.events[0].seq for stored in await ports.log.read(name)] == [1, 2, 3]


async def test_many_entities_that_commit_at_once_are_all_stored_at_the_positions_they_were_told(ports: Ports) -> None:
    names = [a_name() for _ in range(100)]
    for seq in (1, 2, 3):
        heads = await asyncio.gather(*(ports.log.last(name) for name in names))
        commits = [
            a_commit(name, [seq], expected=head.position if head else 0)
            for name, head in zip(names, heads, strict=True)
        ]
        positions = await asyncio.gather(*(ports.log.append(commit) for commit in commits))
        for name, commit, position in zip(names, commits, positions, strict=True):
            last = await ports.log.last(name)
            assert last is not None
            assert (last.position, last.commit_id) == (position, commit.commit_id)


async def test_one_conflict_among_many_commits_refuses_only_itself(ports: Ports) -> None:
    names = [a_name() for _ in range(20)]
    await ports.log.append(a_commit(names[7], [1], expected=0))
    results = await asyncio.gather(
        *(ports.log.append(a_commit(name, [1], expected=0)) for name in names), return_exceptions=True
    )
    assert [number for number, result in enumerate(results) if isinstance(result, Conflict)] == [7]
    assert [len(await ports.log.read(name)) for name in names] == [1] * 20


async def test_commits_read_in_order_from_any_position(ports: Ports) -> None:
    name = a_name()
    positions = await filled(ports.log, name, 6)
    await filled(ports.log, a_name(), 2)
    assert [stored.position for stored in await ports.log.read(name, position=positions[2])] == positions[2:]
    assert [stored.position for stored in await ports.log.read(name, position=positions[1] + 1, limit=2)] == positions[
        2:4
    ]
    assert list(await ports.log.read(name, position=positions[-1] + 1)) == []


async def test_a_long_log_reads_completely(ports: Ports) -> None:
    name = a_name()
    positions = await filled(ports.log, name, 60, events=2)
    read = await ports.log.read(name, limit=1000)
    assert [stored.position for stored in read] == positions
    assert [event.seq for stored in read for event in stored.commit.events] == list(range(1, 121))


async def test_locate_finds_the_commit_that_holds_a_seq(ports: Ports) -> None:
    name = a_name()
    positions = await filled(ports.log, name, 12, events=3)
    await filled(ports.log, a_name(), 3)
    for seq in range(1, 37):
        assert await ports.log.locate(name, seq) == positions[(seq - 1) // 3]
    assert await ports.log.locate(name, 37) is None


async def test_purge_removes_one_entity_only(ports: Ports) -> None:
    name, other = a_name(), a_name()
    await filled(ports.log, name, 2)
    await filled(ports.log, other, 2)
    await ports.log.purge(name)
    assert await ports.log.last(name) is None
    assert len(await ports.log.read(other)) == 2


async def test_a_purged_entity_can_be_written_anew(ports: Ports) -> None:
    name = a_name()
    await filled(ports.log, name, 2)
    await ports.log.purge(name)
    await ports.log.append(a_commit(name, [1], expected=0))
    assert [stored.commit.events[0].seq for stored in await ports.log.read(name)] == [1]


async def test_who_knew_the_entity_before_a_purge_is_refused(ports: Ports) -> None:
    name = a_name()
    positions = await filled(ports.log, name, 2)
    await ports.log.purge(name)
    with pytest.raises(Conflict):
        await ports.log.append(a_commit(name, [3], expected=positions[-1]))
    assert await ports.log.last(name) is None


async def test_a_purge_up_to_a_position_leaves_what_came_later(ports: Ports) -> None:
    name = a_name()
    positions = await filled(ports.log, name, 3)
    await ports.log.purge(name, through=positions[1])
    async with asyncio.timeout(PATIENCE):
        while (left := [stored.position for stored in await ports.log.read(name)]) != positions[2:]:
            assert left == positions


async def test_the_place_of_the_last_deletion_is_remembered(ports: Ports) -> None:
    name, other = a_name(), a_name()
    assert await ports.log.buried(name) == Judged()
    await ports.log.bury(name, Judged(1_700_000_000_000_000_001, 7))
    await ports.log.bury(name, Judged(1_700_000_000_000_000_002, 9))
    assert await ports.log.buried(name) == Judged(1_700_000_000_000_000_002, 9)
    assert await ports.log.buried(other) == Judged()


async def test_a_commit_that_no_message_can_hold_is_refused(ports: Ports) -> None:
    name = a_name()
    with pytest.raises(TooLarge):
        await ports.log.append(a_commit(name, [1], expected=0, data=b'"' + b"x" * ports.largest + b'"'))
    assert await ports.log.last(name) is None


async def test_nothing_is_armed_at_first(ports: Ports) -> None:
    assert await ports.alarms.armed(a_name()) is None


async def test_an_armed_alarm_is_told_with_its_time_and_sequence(ports: Ports) -> None:
    name = a_name()
    sequence = await ports.alarms.arm(name, FAR, expected=0)
    armed = await ports.alarms.armed(name)
    assert armed is not None
    assert (armed.sequence, armed.at) == (sequence, FAR)


async def test_arming_replaces_only_what_the_caller_knows(ports: Ports) -> None:
    name = a_name()
    first = await ports.alarms.arm(name, FAR, expected=0)
    second = await ports.alarms.arm(name, FARTHER, expected=first)
    for stale in (0, first):
        with pytest.raises(Conflict):
            await ports.alarms.arm(name, FAR, expected=stale)
    armed = await ports.alarms.armed(name)
    assert armed is not None
    assert (armed.sequence, armed.at) == (second, FARTHER)


async def test_a_removed_alarm_is_gone_and_removing_again_is_harmless(ports: Ports) -> None:
    name = a_name()
    sequence = await ports.alarms.arm(name, FAR, expected=0)
    await ports.alarms.remove(sequence)
    await ports.alarms.remove(sequence)
    assert await ports.alarms.armed(name) is None


async def test_removing_an_outdated_sequence_leaves_the_newer_alarm(ports: Ports) -> None:
    name = a_name()
    first = await ports.alarms.arm(name, FAR, expected=0)
    second = await ports.alarms.arm(name, FARTHER, expected=first)
    await ports.alarms.remove(first)
    armed = await ports.alarms.armed(name)
    assert armed is not None
    assert armed.sequence == second


async def test_after_removal_an_alarm_is_armed_from_nothing(ports: Ports) -> None:
    name = a_name()
    await ports.alarms.remove(await ports.alarms.arm(name, FAR, expected=0))
    assert await ports.alarms.arm(name, FARTHER, expected=0) > 0
