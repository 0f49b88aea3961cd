"""Entities whose code changes while their logs stay: retired events, new events, new fields, and old snapshots."""

from typing import Any, Literal

import msgspec
import pytest
from structlog.testing import capture_logs

from holdfast import AnyEntity, Contract, Entity, Event, Name, Upcast
from holdfast._judge import Judge
from holdfast._log import Judged, NewCommit
from holdfast._projection import StoredEvent
from holdfast._snapshots import schema_fingerprint
from holdfast.testing import given, ledger_1, ledger_2
from holdfast.tests.world import World

NAME = Name.of("ledger", "acme", "x")
OTHER = Name.of("ledger", "acme", "other")


async def written_by(*entities: AnyEntity) -> World:
    """One remark in the log by each version, and the last version at work."""
    world = World(entities[0])
    for entity in entities:
        use(world, entity)
        await world.ask("remark", name=NAME, data={"text": "hello"})
    return world


def use(world: World, entity: AnyEntity) -> None:
    world.entity = entity
    world.host = world.new_host()


async def test_a_retired_event_is_read_as_what_it_means_now() -> None:
    world = await written_by(ledger_1.LedgerRules(), ledger_2.LedgerRules())
    view = (await world.ask("_view", name=NAME))["ok"]["state"]
    assert view["remarks"] == [["", "hello"], ["ann", "hello"]]


async def test_the_past_is_read_by_the_same_rules() -> None:
    world = await written_by(ledger_1.LedgerRules(), ledger_2.LedgerRules())
    view = (await world.ask("_view", name=NAME, data={"seq": 1}))["ok"]["state"]
    assert view["remarks"] == [["", "hello"]]


async def test_a_retired_event_stays_in_the_log_and_in_answers_as_it_was_written() -> None:
    world = World(ledger_1.LedgerRules())
    first = await world.ask("remark", name=NAME, data={"text": "hello"}, command_id="c")
    use(world, ledger_2.LedgerRules())
    again = await world.ask("remark", name=NAME, data={"text": "hello"}, command_id="c")
    assert again["ok"] == {**first["ok"], "deduplicated": True}
    assert await world.events(NAME) == [(1, "noted")]


def test_projections_and_reactors_are_given_what_a_retired_event_means_now() -> None:
    recorded = given(ledger_1.LedgerRules(), ledger_1.Noted(text="hello")).log[0]
    stored: StoredEvent[Event] = StoredEvent(
        name=NAME, position=1, recorded=recorded, judge=Judge(ledger_2.LedgerRules())
    )
    assert (stored.type, stored.event) == ("noted", ledger_2.Remarked(author="", text="hello"))


def test_a_scenario_may_begin_with_retired_events() -> None:
    scenario = given(ledger_2.LedgerRules(), ledger_2.Noted(text="hello"))
    scenario.when(ledger_2.Add()).then(ledger_2.Added(amount=1, by="anyone"))
    assert scenario.view()["remarks"] == [["", "hello"]]


class Older(Event, tag="older"):
    words: tuple[str, ...]


def test_a_retired_event_may_lead_to_another_one_that_is_retired_too() -> None:
    class Rules(ledger_2.LedgerRules):
        upcasters = (
            *ledger_2.LedgerRules.upcasters,
            Upcast(Older, lambda older: ledger_2.Noted(text=" ".join(older.words))),
        )

    assert given(Rules(), Older(words=("a", "b"))).view()["remarks"] == [["", "a b"]]


@pytest.mark.parametrize("into", [Older(words=()), ledger_1.Noted(text="")], ids=["itself", "an event of nobody"])
def test_an_upcast_that_leads_nowhere_is_a_bug(into: Event) -> None:
    class Rules(ledger_1.LedgerRules):
        upcasters = (Upcast(Older, lambda _: into),)

    Rules.event_types = {"added": ledger_1.Added}
    with pytest.raises(TypeError, match="is no event of its own"):
        Judge(Rules()).current(Older(words=()))


def test_a_tag_that_is_still_written_cannot_be_retired() -> None:
    with pytest.raises(TypeError, match="the tag 'added' is in use; a new meaning is an event with a new tag"):

        class _Rules(ledger_1.LedgerRules):  # pyright: ignore[reportUnusedClass] - making it is what fails
            upcasters = (Upcast(ledger_1.Added, lambda added: added),)


def test_a_retired_event_has_a_tag() -> None:
    class Untagged(Event):
        pass

    with pytest.raises(TypeError, match="Untagged has no wire tag"):

        class _Rules(ledger_1.LedgerRules):  # pyright: ignore[reportUnusedClass] - as above
            upcasters = (Upcast(Untagged, lambda _: ledger_1.Noted(text="")),)


def test_a_contract_names_retired_events_as_such() -> None:
    contract = Contract.of(ledger_2.LedgerRules, view=ledger_2.Ledger)
    assert set(contract.events) == {"added", "milestone_reached", "remarked", "noted"}
    assert contract.retired == {"noted"}


def fingerprint(**changes: Any) -> str:
    rules: type[Entity[Any, Any, Any]] = type("Rules", (ledger_1.LedgerRules,), changes)
    return schema_fingerprint(rules())


def test_a_snapshot_fits_only_the_state_that_the_same_code_would_give() -> None:
    fingerprints = [
        fingerprint(),
        fingerprint(state_version=2),
        fingerprint(upcasters=(Upcast(Older, lambda _: ledger_1.Noted(text="")),)),
        schema_fingerprint(ledger_2.LedgerRules()),
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert fingerprint() == schema_fingerprint(ledger_1.LedgerRules())


async def test_a_snapshot_of_the_version_before_means_replay() -> None:
    world = await written_by(ledger_1.LedgerRules())
    assert await world.host.hibernate(NAME)
    use(world, ledger_2.LedgerRules())
    assert (await world.ask("_view", name=NAME))["ok"]["state"]["remarks"] == [["", "hello"]]


@pytest.mark.parametrize("command", ["add", "remark"], ids=["a new field", "a new event"])
async def test_what_newer_code_wrote_stops_only_its_entity_until_newer_code_is_back(command: str) -> None:
    data = {"remark": {"text": "hello"}, "add": {}}[command]
    world = await written_by(ledger_2.LedgerRules())
    await world.ask(command, name=NAME, data=data)
    use(world, ledger_1.LedgerRules())
    error = (await world.ask("add", name=NAME))["error"]
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
    assert "written by newer code" in error["message"]
    assert "Nothing is lost: it goes on where newer code runs" in error["message"]
    assert "ok" in await world.ask("add", name=OTHER)
    before = await world.events(NAME)
    use(world, ledger_2.LedgerRules())
    assert "ok" in await world.ask("add", name=NAME)
    assert (await world.events(NAME))[: len(before)] == before


async def test_what_an_event_of_a_newer_form_holds_is_told_to_nobody() -> None:
    class Noted(Event, tag="noted"):
        text: Literal["hello"]

    class Rules(ledger_1.LedgerRules): ...

    Rules.event_types = {**ledger_1.LedgerRules.event_types, "noted": Noted}
    world = World(ledger_1.LedgerRules())
    await world.ask("remark", name=NAME, data={"text": "words-of-ann"})
    use(world, Rules())
    with capture_logs() as logged:
        error = (await world.ask("add", name=NAME))["error"]
    assert "event 1, 'noted', is of a newer form" in error["message"]
    assert [event["event"] for event in logged if event["log_level"] == "error"] == ["entity.stopped"]
    assert "words-of-ann" not in str((error, logged))


async def test_a_commit_of_a_newer_version_stops_its_entity() -> None:
    world = await written_by(ledger_1.LedgerRules())
    last = await world.log.last(NAME)
    assert last is not None
    event = msgspec.structs.replace(last.commit.events[0], seq=2)
    commit = msgspec.structs.replace(last.commit, v=2, events=(event,))
    await world.log.append(NewCommit(NAME, last.position, "n", commit, Judged(), ()))
    use(world, ledger_1.LedgerRules())
    assert "the commit of event 2 is of version 2" in (await world.ask("add", name=NAME))["error"]["message"]


async def test_an_owner_tells_of_what_it_cannot_read() -> None:
    told: list[Name] = []
    world = await written_by(ledger_2.LedgerRules())
    use(world, ledger_1.LedgerRules())
    world.host = world.new_host(too_new=told.append)
    await world.ask("add", name=OTHER)
    await world.ask("add", name=NAME)
    assert told == [NAME]
