"""The host and its entities over the in-memory log: what is judged, in which order, and what gets out when."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, AnyEntity, Name, TooLarge, Unavailable
from holdfast._actor import Answer
from holdfast._clock import EPOCH
from holdfast._host import Host, HostSettings
from holdfast._log import Conflict, Judged, NewCommit, StoredCommit
from holdfast._messages import CommandEnvelope
from holdfast._snapshots import Snapshot
from holdfast.memory import MemoryAlarms, MemoryLog
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity

NAME = Name.of("counter", "acme", "x")
ANN = Actor(user="ann", roles=())
ADMIN = Actor(user="root", roles=("admin",))
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """A host with everything around it in memory, and a clock that the test holds."""

    def __init__(self, entity: AnyEntity | None = None, **settings: Any) -> None:
        self.log = MemoryLog()
        self.alarms = MemoryAlarms()
        self.snapshots = MemorySnapshots()
        self.answers: dict[str, list[Any]] = {}
        self.passed_rings: list[Name] = []
        self.sequence = 0
        self.now = START
        self.entity = entity or CounterEntity()
        self.settings = HostSettings(**settings)
        self.host = self.new_host()

    def new_host(self, answer: Answer | None = None) -> Host:
        async def keep(reply: str, body: bytes) -> None:
            self.answers.setdefault(reply, []).append(msgspec.json.decode(body))

        async def pass_ring(name: Name, body: bytes) -> None:
            self.passed_rings.append(name)
            await self.deliver(body, name=name, reply="")

        return Host(
            self.entity,
            events=self.log,
            alarms=self.alarms,
            snapshots=self.snapshots,
            answer=answer or keep,
            pass_ring=pass_ring,
            settings=self.settings,
        )

    async def deliver(self, body: bytes, *, name: Name = NAME, reply: str = "", at: Judged | None = None) -> Judged:
        if at is None:
            self.sequence += 1
            at = Judged((self.now - EPOCH) // timedelta(microseconds=1) * 1000, self.sequence)
        await self.host.deliver(name.subject("cmd"), body, place=at, reply=reply)
        return at

    async def post(self, command: str, *, by: Actor = ANN, reply: str = "", **options: Any) -> Judged:
        """Put a command into the commands stream and go on."""
        data = options.pop("data", {})
        at, name = options.pop("at", None), options.pop("name", NAME)
        envelope = CommandEnvelope(
            command=command,
            command_id=options.pop("command_id", None) or str(uuid4()),
            by=by,
            data=msgspec.Raw(msgspec.json.encode(data)),
            **options,
        )
        return await self.deliver(msgspec.json.encode(envelope), name=name, reply=reply, at=at)

    async def settled(self) -> None:
        """Wait until no entity is at work."""
        async with asyncio.timeout(10):
            await self.host.settled()

    async def ask(self, command: str, **options: Any) -> Any:
        """Send a command and return its answer."""
        reply = f"_INBOX.{uuid4().hex}"
        await self.post(command, reply=reply, **options)
        await self.settled()
        return self.answers[reply][0]

    async def events(self, name: Name = NAME) -> list[tuple[int, str]]:
        return [(event.seq, event.type) for stored in await self.log.read(name) for event in stored.commit.events]


async def test_a_command_is_answered_with_its_events() -> None:
    world = World()
    answer = await world.ask("add", data={"amount": 2}, command_id="c1")
    assert answer["ok"]["seq"] == 1
    assert answer["ok"]["deduplicated"] is False
    event = answer["ok"]["events"][0]
    assert (event["seq"], event["type"], event["data"], event["command_id"]) == (
        1, "added", {"amount": 2, "note": ""} , "c1",
    )  # fmt: skip


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


async def test_a_deadline_is_recorded_before_the_command_that_finds_it_passed() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(milliseconds=1000)
    answer = await world.ask("add")
    assert [event["type"] for event in answer["ok"]["events"]] == ["added"]
    stored = await world.log.read(NAME)
    rang = msgspec.json.decode(stored[1].commit.events[0].data)
    assert await world.events() == [(1, "reminded"), (2, "rang"), (3, "added")]
    assert rang == {"effective_at": "2026-01-01T12:00:01Z", "cause": "lazy"}


async def test_just_before_the_deadline_nothing_expires() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(microseconds=999_999)
    await world.ask("add")
    assert await world.events() == [(1, "reminded"), (2, "added")]


async def test_a_deadline_is_recorded_even_when_the_command_is_refused() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1})
    world.now += timedelta(seconds=1)
    assert (await world.ask("add", data={"amount": 9_999_999}))["error"]["code"] == "TOO_MUCH"
    assert await world.events() == [(1, "reminded"), (2, "rang")]


async def test_decision_time_never_goes_back() -> None:
    world = World()
    await world.ask("add")
    world.now -= timedelta(hours=1)
    await world.ask("add")
    times = [event.at for stored in await world.log.read(NAME) for event in stored.commit.events]
    assert times == [START, START]


async def test_the_earlier_time_stands_armed_before_the_commit_and_the_new_one_after() -> None:
    world = World()
    armed_at_commit: list[Any] = []

    class Watching(MemoryLog):
        async def append(self, commit: NewCommit, /) -> int:
            armed = await world.alarms.armed(NAME)
            armed_at_commit.append(armed.at if armed else None)
            return await super().append(commit)

    world.log = Watching()
    world.host = world.new_host()
    for milliseconds in (5000, 2000, 9000):
        await world.ask("remind", data={"milliseconds": milliseconds})
    assert armed_at_commit == [START + timedelta(seconds=seconds) for seconds in (5, 2, 2)]
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    assert armed.at == START + timedelta(seconds=9)


async def test_a_predecessor_that_wakes_up_cannot_move_the_alarm_later() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 5000})
    zombie_knows = await world.alarms.armed(NAME)
    assert zombie_knows is not None
    world.host = world.new_host()
    await world.ask("remind", data={"milliseconds": 9000})
    with pytest.raises(Conflict):
        await world.alarms.arm(NAME, START + timedelta(days=1), expected=zombie_knows.sequence)


async def test_a_ring_records_the_deadline_and_is_settled() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "reminded"), (2, "rang")]
    assert await world.alarms.armed(NAME) is None


async def test_a_ring_that_finds_nothing_due_does_nothing_and_the_alarm_stands() -> None:
    world = World()
    await world.ask("remind", data={"milliseconds": 1000})
    await world.host.ring(NAME, 77)
    await world.settled()
    assert await world.events() == [(1, "reminded")]
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    assert armed.at == START + timedelta(seconds=1)


class Failing(CounterEntity):
    """Its alarm fails as often as it is told to."""

    purpose = "counter"
    failures = 1

    def on_alarm(self, counter: Any, ctx: Any, /) -> Any:
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("a bug in on_alarm")
        return super().on_alarm(counter, ctx)


async def test_a_failing_alarm_is_rung_again_until_it_succeeds() -> None:
    world = World(Failing())
    await world.ask("remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "reminded")]
    sweeping = asyncio.create_task(world.host.run())
    async with asyncio.timeout(10):
        while len(await world.events()) < 2:
            await asyncio.sleep(0.01)
    sweeping.cancel()
    await world.settled()
    assert await world.events() == [(1, "reminded"), (2, "rang")]


class Stuck(CounterEntity):
    """Its alarm leaves the deadline in place."""

    purpose = "counter"

    def on_alarm(self, counter: Any, ctx: Any, /) -> Any:
        return ()


async def test_an_alarm_that_leaves_itself_due_is_refused_instead_of_spinning() -> None:
    world = World(Stuck())
    await world.ask("remind", data={"milliseconds": 1000})
    world.now += timedelta(seconds=1)
    assert (await world.ask("add"))["error"]["code"] == "UNAVAILABLE"
    assert await world.events() == [(1, "reminded")]


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


class Gated(MemoryLog):
    """Appends wait for the test, and count."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.appends = 0

    async def append(self, commit: NewCommit, /) -> int:
        self.appends += 1
        await self.gate.wait()
        return await super().append(commit)


async def test_nothing_is_answered_before_the_log_has_acknowledged() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add", reply="_INBOX.a")
    await world.post("_view", reply="_INBOX.v")
    await world.post("add", data={"amount": 9_999_999}, reply="_INBOX.refused")
    async with asyncio.timeout(5):
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
    async with asyncio.timeout(5):
        while log.appends == 0:
            await asyncio.sleep(0)
    for _ in range(50):
        await world.post("add")
    log.gate.set()
    await world.settled()
    assert log.appends == 2
    assert [seq for seq, _ in await world.events()] == list(range(1, 52))


async def test_a_full_mailbox_answers_at_once_and_loses_nothing_that_it_took() -> None:
    world = World(mailbox_size=3)
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add")
    async with asyncio.timeout(5):
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


async def test_after_an_unknown_outcome_the_same_command_id_learns_what_was_committed() -> None:
    world = World()
    log = LosingAcks()
    world.log = log
    world.host = world.new_host()
    assert (await world.ask("add", command_id="c"))["error"]["code"] == "UNAVAILABLE"
    assert (await world.ask("add", command_id="c"))["ok"]["deduplicated"] is True
    assert await world.events() == [(1, "added")]


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


async def test_a_command_too_large_for_a_commit_is_refused_and_its_neighbours_are_not() -> None:
    world = World()
    log = Gated()
    world.log = log
    world.host = world.new_host()
    await world.post("add")
    async with asyncio.timeout(5):
        while log.appends == 0:
            await asyncio.sleep(0)
    for reply, note in (("_INBOX.a", "x"), ("_INBOX.b", "x" * 2_000_000), ("_INBOX.c", "x")):
        await world.post("add", data={"note": note}, reply=reply)
    log.gate.set()
    await world.settled()
    codes = [world.answers[f"_INBOX.{letter}"][0].get("error", {}).get("code") for letter in "abc"]
    assert codes == [None, "TOO_LARGE", None]
    assert [seq for seq, _ in await world.events()] == [1, 2, 3]


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


async def test_a_ring_that_somebody_made_up_takes_no_alarm_away() -> None:
    world = World()
    other = Name.of("counter", "other", "y")
    await world.ask("remind", data={"milliseconds": 1000}, name=other)
    armed = await world.alarms.armed(other)
    assert armed is not None
    await world.ask("add")
    await world.post("_alarm", data={"due": armed.sequence})
    await world.post("_alarm", data={"due": "no number"})
    await world.settled()
    assert await world.alarms.armed(other) == armed


class Clocks(MemoryAlarms):
    """Counts, and refuses to arm when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.arms = 0
        self.removed: list[int] = []
        self.broken = False

    async def arm(self, name: Name, at: datetime, /, *, expected: int) -> int:
        if self.broken:
            raise Unavailable("the alarms do not answer")
        self.arms += 1
        return await super().arm(name, at, expected=expected)

    async def remove(self, sequence: int, /) -> None:
        self.removed.append(sequence)
        await super().remove(sequence)


async def a_world_with(alarms: Clocks, **remind: int) -> World:
    world = World()
    world.alarms = alarms
    world.host = world.new_host()
    await world.ask("remind", data=remind)
    return world


async def test_a_ring_is_kept_until_the_next_alarm_stands_armed() -> None:
    alarms = Clocks()
    world = await a_world_with(alarms, milliseconds=1000)
    await world.ask("remind", data={"milliseconds": 3_600_000})
    alarms.broken = True
    await world.host.ring(NAME, 77)
    await world.settled()
    assert 77 not in alarms.removed
    alarms.broken = False
    await world.host.ring(NAME, 77)
    await world.settled()
    assert 77 in alarms.removed


async def test_a_ring_before_its_deadline_waits_for_it_instead_of_being_armed_again_and_again() -> None:
    alarms = Clocks()
    world = await a_world_with(alarms, milliseconds=100)
    armed = await alarms.armed(NAME)
    assert armed is not None
    running = asyncio.create_task(world.host.run())
    await alarms.remove(armed.sequence)
    await world.host.ring(NAME, 77)
    await world.settled()
    assert (alarms.arms, alarms.removed) == (1, [armed.sequence])
    world.now += timedelta(milliseconds=100)
    async with asyncio.timeout(10):
        while 77 not in alarms.removed:
            await asyncio.sleep(0.01)
    running.cancel()
    assert await world.events() == [(1, "reminded"), (2, "rang")]
    assert len(world.passed_rings) == 2


async def commit_of_another_owner(world: World, command: str, **options: Any) -> None:
    other = World()
    other.log, other.alarms, other.now, other.sequence = world.log, world.alarms, world.now, world.sequence
    other.host = other.new_host()
    await other.ask(command, **options)


async def test_an_owner_that_is_behind_takes_no_ring_away() -> None:
    world = World()
    await world.ask("add")
    await commit_of_another_owner(world, "remind", data={"milliseconds": 1000})
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    world.now += timedelta(seconds=1)
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.events() == [(1, "added"), (2, "reminded"), (3, "rang")]


async def test_an_owner_that_missed_commands_looks_at_the_log_before_it_judges() -> None:
    world = World()
    await world.ask("add")
    await commit_of_another_owner(world, "add", data={"amount": 10})
    world.sequence += 1
    world.host.missed(Judged(2**62, world.sequence))
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 11


async def test_an_owner_that_refused_commands_for_want_of_room_looks_at_the_log_before_it_judges() -> None:
    world = World(mailbox_size=1)
    log = Gated()
    world.log = log
    log.gate.set()
    world.host = world.new_host()
    await world.ask("add")
    log.gate.clear()
    await world.post("add")
    async with asyncio.timeout(5):
        while log.appends < 2:
            await asyncio.sleep(0)
    await world.post("add", data={"amount": 0})
    await world.post("add", data={"amount": 100}, reply="_INBOX.full")
    log.gate.set()
    await world.settled()
    assert world.answers["_INBOX.full"][0]["error"]["code"] == "UNAVAILABLE"
    await commit_of_another_owner(world, "add", data={"amount": 100})
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 102


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


async def posted_and_settled(world: World, command_id: str) -> Judged:
    place = await world.post("add", command_id=command_id)
    await world.settled()
    return place


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
    assert (await world.ask("add", command_id="c"))["error"]["code"] == "UNAVAILABLE"
    assert (await world.ask("add", command_id="c"))["ok"]["seq"] == 1


async def test_an_answer_too_large_for_a_message_says_so() -> None:
    world = World()
    await world.ask("add")

    async def answer(reply: str, body: bytes) -> None:
        if b'"state"' in body:
            raise TooLarge("a message holds at most so much")
        world.answers.setdefault(reply, []).append(msgspec.json.decode(body))

    world.host = world.new_host(answer=answer)
    assert (await world.ask("_view"))["error"]["code"] == "TOO_LARGE"


async def test_mailboxes_are_bounded_in_bytes_too() -> None:
    world = World(mailbox_bytes=1000)
    for number in range(3):
        await world.post("add", data={"note": "x" * 600}, reply=f"_INBOX.{number}")
    await world.settled()
    assert ["ok" in world.answers[f"_INBOX.{number}"][0] for number in range(3)] == [True, False, False]


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
