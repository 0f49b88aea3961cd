"""What a host counts, read as a scrape reads it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast.telemetry import Measures, expose
from holdfast.tests.world import NAME, World


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


def test_each_process_has_figures_of_its_own() -> None:
    first, second = Measures(), Measures()
    first.of("counter").judged("OK")

    assert "holdfast_commands_total.OK.counter" not in figures(second)
