"""What goes into a commit, what waits for it, and what happens when it fails or another owner was faster."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from holdfast import Unavailable
from holdfast._errors import NoRoom
from holdfast._log import Judged, NewCommit
from holdfast.memory import MemoryLog
from holdfast.testing.counter import LIMIT
from holdfast.tests.world import ADMIN, NAME, Gated, World, commit_of_another_owner


async def test_nothing_is_answered_before_the_log_has_acknowledged() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add", reply="_INBOX.a")
    await world.post("_view", reply="_INBOX.v")
    await world.post("add", data={"amount": 9_999_999}, reply="_INBOX.refused")
    async with asyncio.timeout(30):
        while log.appends == 0:
            await asyncio.sleep(0)
    assert world.answers == {}
    log.gate.set()
    await world.settled()
    assert set(world.answers) == {"_INBOX.a", "_INBOX.v", "_INBOX.refused"}


async def test_commands_that_arrive_during_an_append_share_the_next_commit() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add")
    async with asyncio.timeout(30):
        while log.appends == 0:
            await asyncio.sleep(0)
    for _ in range(50):
        await world.post("add")
    log.gate.set()
    await world.settled()
    assert log.appends == 2
    assert [seq for seq, _ in await world.events()] == list(range(1, 52))


@pytest.mark.once("it counts what fits into a mailbox")
async def test_a_full_mailbox_answers_at_once_and_loses_nothing_that_it_took() -> None:
    world = World(mailbox_size=3)
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add")
    async with asyncio.timeout(30):
        while log.appends == 0:
            await asyncio.sleep(0)
    for number in range(5):
        await world.post("add", reply=f"_INBOX.{number}")
    assert {reply: answers[0]["error"]["code"] for reply, answers in world.answers.items()} == {
        "_INBOX.3": "UNAVAILABLE", "_INBOX.4": "UNAVAILABLE",
    }  # fmt: skip
    assert world.answers["_INBOX.3"][0]["error"]["retryable"] is True
    log.gate.set()
    await world.settled()
    assert len(await world.events()) == 4


class Overtaking(MemoryLog):
    """Lets another owner write first, the given number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def append(self, commit: NewCommit, /) -> int:
        if self.times > 0:
            self.times -= 1
            last = await self.last(NAME)
            seq = last.commit.events[-1].seq if last else 0
            event = msgspec.structs.replace(commit.commit.events[0], seq=seq + 1, command_id=f"rival-{self.times}")
            rival = commit._replace(
                commit=msgspec.structs.replace(commit.commit, events=(event,)),
                commit_id="rival",
                digests=((f"rival-{self.times}", "d"),),
                expected=last.position if last else 0,
                judged=Judged(),
            )
            await super().append(rival)
        return await super().append(commit)


async def test_an_owner_that_was_overtaken_reloads_and_decides_again() -> None:
    world = World()
    world.log = Overtaking(2)
    world.host = world.new_host()
    assert (await world.ask("add"))["ok"]["seq"] == 3
    assert [seq for seq, _ in await world.events()] == [1, 2, 3]


class LosingAcks(MemoryLog):
    """Stores the commit, and says that the outcome is unknown."""

    async def append(self, commit: NewCommit, /) -> int:
        await super().append(commit)
        raise Unavailable("the ack was lost")


@pytest.mark.once("it is itself about what the second copy is told")
async def test_after_an_unknown_outcome_the_same_command_id_learns_what_was_committed() -> None:
    world = World()
    log = LosingAcks()
    world.log = log
    world.host = world.new_host()
    assert (await world.ask("add", command_id="c"))["error"]["code"] == "UNAVAILABLE"
    assert (await world.ask("add", command_id="c"))["ok"]["deduplicated"] is True
    assert await world.events() == [(1, "added")]


class Full(Gated):
    """Has no room from some moment on."""

    full = False

    async def append(self, commit: NewCommit, /) -> int:
        if self.full:
            self.appends += 1
            await self.gate.wait()
            raise NoRoom("the log has no room")
        return await super().append(commit)


async def a_full_log(world: World) -> Full:
    """A log that takes two commands and then no more; what is sent after that becomes one turn."""
    world.log = log = Full()
    world.host = world.new_host()
    log.gate.set()
    await world.ask("remind", data={"milliseconds": 1000}, command_id="stored")
    log.full, log.appends = True, 0
    log.gate.clear()
    await world.post("add", reply="_INBOX.first")
    async with asyncio.timeout(30):
        while log.appends == 0:
            await asyncio.sleep(0)
    return log


@pytest.mark.once("it counts what shares a commit")
async def test_without_room_only_those_are_refused_whose_events_would_need_some() -> None:
    world = World()
    log = await a_full_log(world)
    await world.post("add", reply="_INBOX.new", command_id="new")
    await world.post("add", reply="_INBOX.new_again", command_id="new")
    await world.post("remind", data={"milliseconds": 1000}, reply="_INBOX.copy", command_id="stored")
    await world.post("_view", reply="_INBOX.view")
    await world.post("add", data={"amount": 9_999_999}, reply="_INBOX.refused")
    await world.post("add", data={"amount": 0}, reply="_INBOX.nothing")
    log.gate.set()
    await world.settled()
    answers = {reply.removeprefix("_INBOX."): answer for reply, (answer,) in world.answers.items()}
    for each in ("first", "new", "new_again"):
        assert answers[each]["error"]["details"] == {"reason": "no_room"}
    assert answers["copy"]["ok"]["deduplicated"]
    assert answers["view"]["ok"]["seq"] == 1
    assert answers["view"]["ok"]["state"]["total"] == 0
    assert answers["refused"]["error"]["code"] == "TOO_MUCH"
    assert answers["nothing"]["ok"]["events"] == []
    log.full = False
    assert (await world.ask("add", command_id="new"))["ok"]["seq"] == 2


@pytest.mark.once("it counts what shares a commit")
async def test_without_room_a_first_result_is_given_again_also_when_a_deadline_has_passed() -> None:
    world = World()
    log = await a_full_log(world)
    world.now += timedelta(seconds=2)
    await world.post("add", data={"amount": 9_999_999}, reply="_INBOX.refused")
    await world.post("add", expected_seq=1, reply="_INBOX.behind")
    await world.post("remind", data={"milliseconds": 1000}, reply="_INBOX.copy", command_id="stored")
    log.gate.set()
    await world.settled()
    assert world.answers["_INBOX.copy"][0]["ok"]["deduplicated"]
    for each in ("refused", "behind"):  # both would stand on a deadline that is not recorded
        assert world.answers[f"_INBOX.{each}"][0]["error"]["details"] == {"reason": "no_room"}
    log.full = False
    assert (await world.ask("add"))["ok"]["seq"] == 3


@pytest.mark.once("it counts what shares a commit")
async def test_without_room_an_owner_without_a_lease_answers_nothing_from_memory() -> None:
    world = World()
    world.log = log = Full()
    world.host = world.new_host()
    log.gate.set()
    await world.ask("add")
    await commit_of_another_owner(world, "add")
    log.full, world.leased = True, False
    await world.post("add", reply="_INBOX.new")
    await world.post("_view", reply="_INBOX.view")
    await world.settled()
    assert world.answers["_INBOX.view"][0]["ok"]["seq"] == 2


@pytest.mark.once("it counts what shares a commit")
async def test_a_command_too_large_for_a_commit_is_refused_and_its_neighbours_are_not() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add")
    async with asyncio.timeout(30):
        while log.appends == 0:
            await asyncio.sleep(0)
    for reply, note in (("_INBOX.a", "x"), ("_INBOX.b", "x" * 2_000_000), ("_INBOX.c", "x")):
        await world.post("add", data={"note": note}, reply=reply)
    log.gate.set()
    await world.settled()
    codes = [world.answers[f"_INBOX.{letter}"][0].get("error", {}).get("code") for letter in "abc"]
    assert codes == [None, "TOO_LARGE", None]
    assert [seq for seq, _ in await world.events()] == [1, 2, 3]


async def test_an_owner_that_missed_commands_looks_at_the_log_before_it_judges() -> None:
    world = World()
    await world.ask("add")
    await commit_of_another_owner(world, "add", data={"amount": 10})
    world.sequence += 1
    world.host.missed(Judged(2**62, world.sequence))
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 11


@pytest.mark.parametrize("command", ["_view", "add"])
async def test_an_owner_without_a_lease_shows_and_refuses_nothing_from_memory(command: str) -> None:
    world = World()
    await world.ask("add", data={"amount": LIMIT})
    await commit_of_another_owner(world, "reset", by=ADMIN)
    world.sequence += 1
    world.leased = False
    answer = await world.ask(command)
    assert answer["ok"]["seq"] == (2 if command == "_view" else 3)


async def test_an_owner_that_refused_commands_for_want_of_room_looks_at_the_log_before_it_judges() -> None:
    world = World(mailbox_size=1)
    log = Gated()
    world.log = log
    log.gate.set()
    world.host = world.new_host()
    await world.ask("add")
    log.gate.clear()
    await world.post("add")
    async with asyncio.timeout(30):
        while log.appends < 2:
            await asyncio.sleep(0)
    await world.post("add", data={"amount": 0})
    await world.post("add", data={"amount": 100}, reply="_INBOX.full")
    log.gate.set()
    await world.settled()
    assert world.answers["_INBOX.full"][0]["error"]["code"] == "UNAVAILABLE"
    await commit_of_another_owner(world, "add", data={"amount": 100})
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 102


@pytest.mark.once("it is itself about what the second copy is told")
async def test_a_fault_during_a_commit_is_answered_as_unknown_and_stops_nobody() -> None:
    class Faulty(MemoryLog):
        faults = 1

        async def append(self, commit: NewCommit, /) -> int:
            if self.faults:
                self.faults -= 1
                raise ValueError("what nobody expected")
            return await super().append(commit)

    world = World()
    world.log = Faulty()
    world.host = world.new_host()
    error = (await world.ask("add", command_id="c"))["error"]
    assert (error["code"], error["details"]) == ("UNAVAILABLE", {"reason": "unknown"})
    assert (await world.ask("add", command_id="c"))["ok"]["seq"] == 1


async def test_mailboxes_are_bounded_in_bytes_too() -> None:
    world = World(mailbox_bytes=1000)
    for number in range(3):
        await world.post("add", data={"note": "x" * 600}, reply=f"_INBOX.{number}")
    await world.settled()
    assert ["ok" in world.answers[f"_INBOX.{number}"][0] for number in range(3)] == [True, False, False]
