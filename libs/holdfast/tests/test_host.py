"""The host and its entities over the in-memory log: what a command is answered, and to whom."""

from typing import Any

import msgspec
import pytest

from holdfast import Actor, TooLarge
from holdfast.tests.world import ADMIN, NAME, World


async def test_a_command_is_answered_with_its_events() -> None:
    world = World()
    answer = await world.ask("add", data={"amount": 2}, command_id="c1")
    assert answer["ok"]["seq"] == 1
    assert answer["ok"]["deduplicated"] is False
    event = answer["ok"]["events"][0]
    assert (event["seq"], event["type"], event["data"], event["command_id"]) == (
        1, "added", {"amount": 2, "note": ""} , "c1",
    )  # fmt: skip


async def test_an_outdated_expected_seq_is_refused_with_the_current_one_and_the_events_since() -> None:
    world = World()
    for amount in (1, 2, 3):
        await world.ask("add", data={"amount": amount})
    error = (await world.ask("add", expected_seq=1))["error"]
    assert (error["code"], error["details"]["seq"]) == ("VERSION_CONFLICT", 3)
    assert [event["data"]["amount"] for event in error["details"]["events"]] == [2, 3]
    assert (await world.ask("add", expected_seq=3))["ok"]["seq"] == 4


async def test_a_command_that_changes_nothing_causes_no_event() -> None:
    world = World()
    await world.ask("add")
    assert (await world.ask("add", data={"amount": 0}))["ok"] == {
        "name": str(NAME), "seq": 1, "events": [], "deduplicated": False,
    }  # fmt: skip
    assert len(await world.log.read(NAME)) == 1


@pytest.mark.parametrize(
    ("command", "data", "message"),
    [
        ("multiply", {}, "knows add, break, remind, reset"),
        ("add", {"amount": "2"}, "amount"),
        ("add", {"amuont": 2}, "amuont"),
        ("remind", {}, "milliseconds"),
        ("_evolve", {}, "_evolve"),
    ],
)
async def test_bad_input_is_a_validation_error_that_names_what_is_wrong(command: str, data: Any, message: str) -> None:
    world = World()
    await world.ask("add")
    error = (await world.ask(command, data=data))["error"]
    assert error["code"] == "VALIDATION"
    assert message in error["message"]
    assert len(await world.events()) == 1


async def test_bytes_that_are_no_command_are_refused_and_hurt_nobody() -> None:
    world = World()
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"command":"add"}',
        b"\xff\xfe",
        b'{"command":"add","command_id":"a b","by":{"user":"a","roles":[]}}',
    ):
        await world.deliver(body, reply="_INBOX.bad")
    assert [answer["error"]["code"] for answer in world.answers["_INBOX.bad"]] == ["VALIDATION"] * 6
    assert "ok" in await world.ask("add")


async def test_an_answer_never_goes_to_a_subject_that_means_something() -> None:
    world = World()
    for reply in ("evt.counter.acme.x", "cmd.counter.acme.x", "_INBOX.*", "_INBOX.>", "_INBOX.a..b", "_INBOX.a."):
        await world.post("add", reply=reply)
    await world.settled()
    assert world.answers == {}


async def test_only_declared_roles_may_send_a_command() -> None:
    world = World()
    await world.ask("add")
    assert (await world.ask("reset"))["error"]["code"] == "FORBIDDEN"
    assert "ok" in await world.ask("reset", by=ADMIN)


async def test_an_unwritten_entity_is_not_found_except_for_commands_that_create_it() -> None:
    world = World()
    assert (await world.ask("break"))["error"]["code"] == "NOT_FOUND"
    assert (await world.ask("_view"))["error"]["code"] == "NOT_FOUND"
    assert "ok" in await world.ask("add")


async def test_who_may_not_read_an_entity_learns_nothing_of_it() -> None:
    world = World()
    await world.ask("add")
    stranger = Actor(user="eve", roles=("stranger",))
    for command in ("_view", "add", "reset"):
        assert (await world.ask(command, by=stranger))["error"]["code"] == "NOT_FOUND"


async def test_fields_that_a_viewer_may_not_see_are_absent_from_answers() -> None:
    world = World()
    answer = await world.ask("add", data={"note": "hush"}, command_id="c")
    assert "note" not in answer["ok"]["events"][0]["data"]
    again = await world.ask("add", data={"note": "hush"}, command_id="c", by=ADMIN)
    assert again["ok"]["events"][0]["data"]["note"] == "hush"


async def test_a_bug_in_one_command_stops_only_that_command() -> None:
    world = World()
    await world.ask("add")
    for reply, command in (("_INBOX.a", "add"), ("_INBOX.b", "break"), ("_INBOX.c", "add")):
        await world.post(command, reply=reply)
    await world.settled()
    assert [world.answers[reply][0].get("error", {}).get("code") for reply in ("_INBOX.a", "_INBOX.b", "_INBOX.c")] == [
        None, "INTERNAL", None,
    ]  # fmt: skip
    assert len(await world.events()) == 3


async def test_an_answer_never_goes_to_a_subject_so_long_that_the_server_would_hang_up() -> None:
    world = World()
    await world.post("add", reply="_INBOX." + "x" * 5000)
    await world.settled()
    assert world.answers == {}
    assert await world.events() == [(1, "added")]


async def test_json_too_deep_to_read_is_refused_and_hurts_nobody() -> None:
    world = World()
    deep = b"[" * 100_000 + b"]" * 100_000
    await world.deliver(
        b'{"command":"add","command_id":"c","by":{"user":"a","roles":[]},"data":' + deep + b"}", reply="_INBOX.deep"
    )
    await world.settled()
    assert world.answers["_INBOX.deep"][0]["error"]["code"] == "VALIDATION"


async def test_an_answer_too_large_for_a_message_says_so() -> None:
    world = World()
    await world.ask("add")

    async def answer(reply: str, body: bytes) -> None:
        if b'"state"' in body:
            raise TooLarge("a message holds at most so much")
        world.answers.setdefault(reply, []).append(msgspec.json.decode(body))

    world.host = world.new_host(answer=answer)
    assert (await world.ask("_view"))["error"]["code"] == "TOO_LARGE"


async def test_a_number_of_more_than_64_bits_is_refused() -> None:
    world = World()
    refusal = (await world.ask("add", data={"amount": 2**64}))["error"]
    assert (refusal["code"], "64 bits" in refusal["message"]) == ("VALIDATION", True)
    assert await world.events() == []
