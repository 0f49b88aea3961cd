"""Commands that come twice: sent again, or read again after a restart."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from holdfast import Actor, Name
from holdfast._log import Judged, StoredCommit
from holdfast.memory import MemoryLog
from holdfast.tests.world import ADMIN, ANN, World


async def test_the_same_command_id_gives_the_first_result_again_and_no_new_events() -> None:
    world = World()
    first = await world.ask("add", data={"amount": 2}, command_id="c1")
    await world.ask("add", data={"amount": 5})
    again = await world.ask("add", data={"amount": 2, "note": ""}, command_id="c1")
    assert again["ok"] == {**first["ok"], "deduplicated": True}
    assert len(await world.events()) == 2


async def test_a_command_id_with_other_data_is_refused() -> None:
    world = World()
    await world.ask("add", data={"amount": 2}, command_id="c1")
    assert (await world.ask("add", data={"amount": 3}, command_id="c1"))["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(await world.events()) == 1


async def test_two_copies_in_one_commit_are_one_event() -> None:
    world = World()
    for reply in ("_INBOX.a", "_INBOX.b"):
        await world.post("add", command_id="c1", reply=reply)
    await world.settled()
    assert [world.answers[reply][0]["ok"]["deduplicated"] for reply in ("_INBOX.a", "_INBOX.b")] == [False, True]
    assert await world.events() == [(1, "added")]


async def test_accepted_ids_survive_a_restart() -> None:
    world = World()
    await world.ask("add", command_id="c1")
    world.host = world.new_host()
    assert (await world.ask("add", command_id="c1"))["ok"]["deduplicated"] is True


async def test_the_first_result_is_given_again_to_a_sender_who_may_no_longer_send() -> None:
    world = World()
    await world.ask("add")
    first = await world.ask("reset", by=ADMIN, command_id="c")
    again = await world.ask("reset", by=Actor(user=ADMIN.user, roles=()), command_id="c")
    assert (again["ok"]["seq"], again["ok"]["deduplicated"]) == (first["ok"]["seq"], True)
    assert [event["type"] for event in again["ok"]["events"]] == ["redacted"]
    unseen = await world.ask("reset", by=Actor(user=ADMIN.user, roles=("stranger",)), command_id="c")
    assert unseen["ok"]["seq"] == 2


async def test_the_first_result_is_no_answer_to_somebody_else_who_may_not_send() -> None:
    world = World()
    await world.ask("add")
    await world.ask("reset", by=ADMIN, command_id="c")
    assert (await world.ask("reset", by=ANN, command_id="c"))["error"]["code"] == "FORBIDDEN"
    assert (await world.ask("reset", by=Actor(user="eve", roles=("stranger",)), command_id="c"))["error"][
        "code"
    ] == "NOT_FOUND"
    assert (await world.ask("add", by=Actor(user="eve", roles=("stranger",)), command_id="c"))["error"][
        "code"
    ] == "NOT_FOUND"


async def test_a_refused_command_is_judged_afresh_when_it_is_sent_anew() -> None:
    world = World()
    await world.ask("add", data={"amount": 999_999})
    assert (await world.ask("add", data={"amount": 9}, command_id="c"))["error"]["code"] == "TOO_MUCH"
    await world.ask("reset", by=ADMIN)
    assert (await world.ask("add", data={"amount": 9}, command_id="c"))["ok"]["seq"] == 3


async def test_a_command_refused_before_a_restart_is_not_judged_again_by_reading_it_twice() -> None:
    world = World()
    await world.ask("add", data={"amount": 999_999})
    refused = await world.post("add", data={"amount": 9}, command_id="c", reply="_INBOX.first")
    await world.settled()
    await world.ask("reset", by=ADMIN)
    world.host = world.new_host()
    await world.post("add", data={"amount": 9}, command_id="c", reply="_INBOX.first", at=refused)
    await world.settled()
    assert [answer["error"]["code"] for answer in world.answers["_INBOX.first"]] == ["TOO_MUCH", "UNAVAILABLE"]
    assert await world.events() == [(1, "added"), (2, "was_reset")]


async def test_an_accepted_command_read_twice_after_a_restart_answers_its_first_result() -> None:
    world = World()
    accepted = await world.post("add", command_id="c", reply="_INBOX.first")
    await world.settled()
    world.host = world.new_host()
    await world.post("add", command_id="c", reply="_INBOX.second", at=accepted)
    await world.settled()
    assert world.answers["_INBOX.second"][0]["ok"]["deduplicated"] is True
    assert await world.events() == [(1, "added")]


async def test_a_commands_stream_that_begins_anew_makes_no_command_look_read_twice() -> None:
    world = World()
    for _ in range(3):
        await world.ask("add")
    world.now, world.sequence = world.now + timedelta(milliseconds=1), 0
    assert (await world.ask("add"))["ok"]["deduplicated"] is False


class Reading(MemoryLog):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(self, name: Name, /, *, position: int = 0, limit: int = 1000) -> Sequence[StoredCommit]:
        self.reads += 1
        return await super().read(name, position=position, limit=limit)


async def test_of_the_commands_read_twice_after_a_restart_only_those_of_the_last_commit_are_answered_again() -> None:
    world = World()
    log = Reading()
    world.log = log
    world.host = world.new_host()
    places = [await posted_and_settled(world, f"c{number}") for number in range(20)]
    world.host, log.reads = world.new_host(), 0
    for number, place in enumerate(places):
        await world.post("add", command_id=f"c{number}", reply=f"_INBOX.again{number}", at=place)
    await world.settled()
    assert set(world.answers) == {"_INBOX.again19"}
    assert log.reads < 5


@pytest.mark.once("it counts what its own copies read")
async def test_copies_that_come_before_the_commit_are_answered_without_reading_the_log() -> None:
    world = World()
    world.log = log = Reading()
    world.host = world.new_host()
    await world.ask("add")
    log.reads = 0
    for number in range(50):
        await world.post("add", command_id="c", reply=f"_INBOX.{number}")
    await world.settled()
    answers = [world.answers[f"_INBOX.{number}"][0]["ok"] for number in range(50)]
    assert [answer["deduplicated"] for answer in answers] == [False, *[True] * 49]
    assert all(answer["events"] == answers[0]["events"] for answer in answers)
    assert log.reads == 0


async def posted_and_settled(world: World, command_id: str) -> Judged:
    place = await world.post("add", command_id=command_id)
    await world.settled()
    return place
