"""Spans of an owner, and of what follows a commit."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from holdfast import Name, Service
from holdfast.client import Client
from holdfast.jetstream import NatsBus, ensure_streams
from holdfast.telemetry import add_trace_ids
from holdfast.testing.counter import Added, CounterEntity
from holdfast.testing.history import History
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.testing.spans import Spans, facts, id_of, linked, moments, parent_of, trace_of
from holdfast.tests.reactions import ANN, FromTheBeginning, Notes, Notify
from holdfast.tests.reactions import World as Reactions
from holdfast.tests.waiting import PATIENCE, running, until
from holdfast.tests.world import NAME, Gated, World, commit_of_another_owner

pytestmark = pytest.mark.once("it counts the steps of a trace")
COMMITTED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def sender(number: int, *, sampled: bool = True) -> str:
    """The trace context of a caller of its own."""
    return f"00-{number:032x}-{number:016x}-{int(sampled):02d}"


def counter(purpose: str) -> CounterEntity:
    """A counter of a purpose that no other test has."""
    return type("OwnCounter", (CounterEntity,), {"purpose": purpose})()


async def test_commands_that_share_a_commit_are_linked_with_its_one_span() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing)
    world.log = log = Gated()
    world.host = world.new_host()
    await world.post("add", traceparent=sender(1))
    await until(lambda: log.appends == 1)
    for number in (2, 3, 4):
        await world.post("add", traceparent=sender(number))
    await world.post("reset", traceparent=sender(5))
    log.gate.set()
    await world.settled()
    _, shared = spans.named("commit counter")
    judged = [span for span in spans.named("judge counter") if trace_of(span) in (2, 3, 4)]

    assert facts(shared)["commands"] == facts(shared)["events"] == 3
    assert linked(shared) == {id_of(span) for span in judged}
    assert (trace_of(shared), parent_of(shared)) == (2, id_of(judged[0]))
    assert [linked(span) for span in judged[1:]] == [{id_of(shared)}] * 2
    (refused,) = [span for span in spans.named("judge counter") if trace_of(span) == 5]
    assert facts(refused)["outcome"] == "FORBIDDEN"
    assert not refused.links


async def test_a_commit_stands_in_the_trace_of_the_first_command_that_is_recorded() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing)
    world.log = log = Gated()
    world.host = world.new_host()
    await world.post("add")
    await until(lambda: log.appends == 1)
    await world.post("add", traceparent=sender(1, sampled=False))
    await world.post("add", traceparent=sender(2))
    log.gate.set()
    await world.settled()
    commit = spans.named("commit counter")[-1]

    assert trace_of(commit) == 2
    assert not [span for span in spans.ended if trace_of(span) == 1]


async def test_a_commit_that_another_owner_prevented_shows_what_happened() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing)
    await world.ask("add")
    await commit_of_another_owner(world, "add")
    world.sequence += 1
    await world.ask("add", traceparent=sender(1))
    judged = spans.named("judge counter")[-1]
    commits = [span for span in spans.named("commit counter") if trace_of(span) == 1]

    assert moments(judged) == ["judged", "another owner was faster", "loaded", "judged"]
    assert [facts(span)["outcome"] for span in commits] == ["CONFLICT", "OK"]


async def test_every_span_of_an_owner_ends_with_its_outcome() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing, mailbox_size=2)
    read_twice, key = await world.post("add", command_id="first"), str(uuid4())
    await world.settled()
    for command, options in (
        ("add", {"command_id": key}),
        ("add", {"command_id": key}),
        ("add", {"command_id": key, "data": {"amount": 2}}),
        ("add", {"expected_seq": 7}),
        ("break", {}),
        ("_view", {}),
        ("_view", {"data": {"seq": 1}}),
        ("_view", {"data": {"seq": 99}}),
        ("_delete", {}),
        ("a_stranger", {}),
    ):
        await world.ask(command, **options)
    await world.deliver(b"no command")
    await world.post("add", command_id="first", at=read_twice)
    for _ in range(3):
        await world.post("add")
    await world.settled()

    outcomes = [facts(span)["outcome"] for span in spans.named("judge counter")]
    assert sorted(outcomes) == sorted(
        ["OK"] * 5
        + ["REPEATED"] * 2
        + ["VALIDATION"] * 3
        + ["UNAVAILABLE"] * 2
        + ["IDEMPOTENCY_KEY_REUSED", "VERSION_CONFLICT", "INTERNAL", "FORBIDDEN"]
    )


async def test_an_alarm_has_a_trace_of_its_own_with_its_commit() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing)
    await world.post("remind", data={"milliseconds": 60_000})
    await world.settled()
    world.now += timedelta(seconds=61)
    await world.host.ring(NAME, 1)
    await world.settled()
    ring, commit = spans.named("judge counter")[-1], spans.named("commit counter")[-1]

    assert (facts(ring)["command"], facts(ring)["outcome"]) == ("_alarm", "OK")
    assert (parent_of(ring), parent_of(commit)) == (None, id_of(ring))


async def test_a_log_event_names_the_span_in_which_it_happened() -> None:
    spans = Spans()
    world = World(tracing=spans.tracing)
    with capture_logs(processors=[add_trace_ids]) as logged:  # pyright: ignore[reportArgumentType] - a dict is one
        await world.ask("add")
        await world.ask("break", traceparent=sender(7))
        await world.host.hibernate(NAME)
    judged = spans.named("judge counter")[-1]
    by_event: dict[str, Any] = {event["event"]: event for event in logged}

    assert by_event["entity.fault"]["trace_id"] == f"{7:032x}"
    assert by_event["entity.fault"]["span_id"] == f"{id_of(judged):016x}"
    assert all("trace_id" not in event for event in logged if event["event"] != "entity.fault")


async def test_a_command_sent_again_shows_its_copies(single: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    entity = counter(f"counter-{uuid4().hex[:8]}")
    await ensure_streams(bus, entity.purpose)
    spans = Spans()
    client = Client(bus, tracing=spans.tracing)
    await client.open()
    name = Name.of(entity.purpose, "acme", "x")
    sending = asyncio.ensure_future(client.send(name, "add", by=ANN, timeout=PATIENCE))
    listener: asyncio.Queue[str] = asyncio.Queue()
    await bus.listen(name.subject("cmd"), lambda message: listener.put_nowait(message.headers["traceparent"]))
    copies = {await asyncio.wait_for(listener.get(), PATIENCE) for _ in range(2)}
    async with serving([Service(name="own", entities=(entity,))], single.url, tmp_path, tracing=spans.tracing):
        accepted = await sending
        judged = await spans.until(f"judge {entity.purpose}", 2)
    await client.close()
    (sent,) = spans.named(f"send {entity.purpose}")

    assert len(copies) == accepted.seq == 1
    assert moments(sent)[:2] == ["published", "published"]
    assert [facts(span)["outcome"] for span in judged][:2] == ["OK", "REPEATED"]
    assert {parent_of(span) for span in judged} == {id_of(sent)}


async def test_a_reactors_command_begins_a_trace_that_points_to_the_commit(world: Reactions) -> None:
    spans = Spans()
    client = Client(world.bus, tracing=spans.tracing)
    await client.open()
    world.client = client
    runner = await world.runner(world.forward(), tracing=spans.tracing)
    await world.history.append([Added(amount=5)], traceparent=COMMITTED)
    async with running(runner):
        await world.until_amounts([5])
        (reacted,), (sent,) = await spans.until("react forward"), await spans.until("send counter")
    await client.close()

    assert linked(reacted) == {0x00F067AA0BA902B7}
    assert parent_of(reacted) is None
    assert (trace_of(sent), parent_of(sent)) == (trace_of(reacted), id_of(reacted))
    assert (facts(reacted)["entity"], facts(reacted)["seq"]) == (str(world.history.name()), 1)


class NotifyFromTheBeginning(Notify):
    starts = FromTheBeginning.starts


async def test_a_job_points_to_the_effect_that_asked_for_it_at_each_attempt(world: Reactions) -> None:
    spans = Spans()
    reactor = await world.runner(NotifyFromTheBeginning(world.history.purpose), tracing=spans.tracing)
    worker = await world.worker(Notes(world.history.purpose, fails=1), tracing=spans.tracing)
    await world.history.append([Added(amount=5)], traceparent=COMMITTED)
    async with running(reactor, worker):
        failed, done = await spans.until("work note", 2)
        (asked,) = await spans.until("react notify")

    assert linked(failed) == linked(done) == {id_of(asked)}
    assert [(facts(span)["attempt"], facts(span)["outcome"]) for span in (failed, done)] == [(1, "INTERNAL"), (2, "OK")]
    assert facts(done)["entity"] == str(world.history.name())
    assert "paper" not in failed.to_json()


@pytest.mark.parametrize("traced", [True, False])
async def test_a_batch_of_rows_points_to_the_commits_that_were_traced(
    single: NatsServer, bus: NatsBus, tmp_path: Path, *, traced: bool
) -> None:
    history = await History(bus).open()
    entity = counter(history.purpose)
    spans = Spans()
    await history.add(1)
    await history.append([Added(amount=2)], traceparent=COMMITTED if traced else "")
    async with serving([Service(name="own", entities=(entity,))], single.url, tmp_path, tracing=spans.tracing):
        async with await Client.connect(single.url) as client:
            await client.send(history.name("b"), "add", by=ANN)
        await spans.until(f"commit {history.purpose}")
        projected = await spans.until(f"project archive-{history.purpose}")

    assert (0x00F067AA0BA902B7 in linked(projected[0])) is traced
