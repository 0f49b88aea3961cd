"""What a host counts, read as a scrape reads it."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast import Name, Rejected, Service
from holdfast.client import Client
from holdfast.telemetry import Measures, expose
from holdfast.testing.counter import CounterEntity
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.tests.reactions import ANN, Notes, Notify
from holdfast.tests.waiting import until
from holdfast.tests.world import NAME, Gated, World


def figures(measures: Measures) -> dict[str, float]:
    """Every sample but buckets, by its name and the values of its labels."""
    families = text_string_to_metric_families(expose(measures.registry).decode())
    return {
        ".".join((sample.name, *sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
        if "le" not in sample.labels
    }


@pytest.mark.once("it counts outcomes")
async def test_commands_are_counted_by_their_outcome() -> None:
    world = World()
    command_id = str(uuid4())
    for data, id_ in (({}, command_id), ({}, command_id), ({"amount": 2}, command_id), ({"unknown": 1}, str(uuid4()))):
        await world.post("add", data=data, command_id=id_)
        await world.settled()
    seen = figures(world.measures)

    outcomes = ("OK", "REPEATED", "IDEMPOTENCY_KEY_REUSED", "VALIDATION")
    assert [seen[f"holdfast_commands_total.{outcome}.counter"] for outcome in outcomes] == [1, 1, 1, 1]


async def test_what_is_refused_before_it_is_judged_counts_too() -> None:
    world = World()
    await world.deliver(b"no command")

    assert figures(world.measures)["holdfast_commands_total.VALIDATION.counter"] == 1


async def test_views_are_no_commands() -> None:
    world = World()
    await world.post("add")
    await world.post("_view", reply="_INBOX.a")
    await world.settled()

    assert figures(world.measures)["holdfast_commands_total.OK.counter"] == 1


async def test_a_commit_tells_how_many_commands_and_events_shared_it() -> None:
    world = World()
    for _ in range(3):
        await world.post("add")
    await world.settled()
    seen = figures(world.measures)

    commits = seen["holdfast_commits_total.counter"]
    assert seen["holdfast_commit_commands_sum.counter"] == seen["holdfast_commit_events_sum.counter"] == 3
    assert seen["holdfast_commit_seconds_count.counter"] == commits < 3


async def test_loads_snapshots_and_awake_entities_are_shown() -> None:
    world = World()
    await world.post("add")
    await world.settled()
    awake = figures(world.measures)
    await world.host.hibernate(NAME)
    asleep = figures(world.measures)

    assert (awake["holdfast_entities_awake.counter"], asleep["holdfast_entities_awake.counter"]) == (1, 0)
    assert awake["holdfast_load_seconds_count.counter"] == awake["holdfast_replayed_events_count.counter"] == 1
    assert asleep["holdfast_snapshots_total.counter.true"] == 1


async def test_an_alarm_tells_how_late_it_is() -> None:
    world = World()
    await world.post("remind", data={"milliseconds": 60_000})
    await world.settled()
    world.now += timedelta(seconds=62)
    await world.host.ring(NAME, 1)
    await world.settled()
    seen = figures(world.measures)

    assert seen["holdfast_alarm_late_seconds_count.counter"] == 1
    assert seen["holdfast_alarm_late_seconds_sum.counter"] == 2


@pytest.mark.once("it counts what waits")
async def test_what_waits_in_mailboxes_is_shown_together_and_in_the_fullest() -> None:
    world = World()
    world.log = log = Gated()
    world.host = world.new_host()
    other = Name.of("counter", "acme", "y")
    for name in (NAME, other):
        await world.post("add", name=name)
    await until(lambda: log.appends == 2)
    for name in (NAME, NAME, NAME, other):
        await world.post("add", name=name)
    waiting = figures(world.measures)
    log.gate.set()
    await world.settled()
    done = figures(world.measures)

    assert (waiting["holdfast_mailbox_commands.counter"], waiting["holdfast_mailbox_deepest.counter"]) == (4, 3)
    assert (done["holdfast_mailbox_commands.counter"], done["holdfast_mailbox_deepest.counter"]) == (0, 0)


async def test_a_serving_process_shows_its_partitions_its_rows_and_its_effects(
    single: NatsServer, tmp_path: Path
) -> None:
    purpose = f"counter-{uuid4().hex[:8]}"
    entity = type("OwnCounter", (CounterEntity,), {"purpose": purpose})()
    notes = Notes(purpose, fails=1, error=Rejected)
    own = Service(name="own", entities=(entity,), reactors=(Notify(purpose),), workers=(notes,))
    measures, name = Measures(), Name.of(purpose, "acme", "x")
    at_the_end = {
        f"holdfast_dead_letters.note.{purpose}": 2,
        f"holdfast_projection_lag_commits.archive-{purpose}.own": 0,
        f"holdfast_projection_lag_seconds.archive-{purpose}.own": 0,
        f"holdfast_partitions_owned.{purpose}": 64,
        f"holdfast_takeovers_total.{purpose}": 64,
        f"holdfast_effects_waiting.notify.{purpose}": 0,
        f"holdfast_effects_waiting.note.{purpose}": 0,
    }

    def told() -> dict[str, float | None]:
        seen = figures(measures)
        return {figure: seen.get(figure) for figure in at_the_end}

    async with serving([own], single.url, tmp_path, measures=measures), await Client.connect(single.url) as client:
        for _ in range(2):
            await client.send(name, "add", by=ANN)
        with suppress(TimeoutError):
            await until(lambda: told() == at_the_end)
        assert told() == at_the_end


async def test_rows_and_effects_that_are_behind_are_shown() -> None:
    measures = Measures()
    measures.projection("own", "archive", commits=lambda: 7, seconds=lambda: 1.5)
    measures.effects("counter", "note", waiting=lambda: 3, dead=lambda: 2)
    seen = figures(measures)

    assert seen["holdfast_projection_lag_commits.archive.own"] == 7
    assert seen["holdfast_projection_lag_seconds.archive.own"] == 1.5
    assert (seen["holdfast_effects_waiting.note.counter"], seen["holdfast_dead_letters.note.counter"]) == (3, 2)


def test_each_process_has_figures_of_its_own() -> None:
    first, second = Measures(), Measures()
    first.of("counter").judged("OK")

    assert "holdfast_commands_total.OK.counter" not in figures(second)
