"""What every released version has written, this one reads, and makes of it what that one made."""

from pathlib import Path

import msgspec
import pytest

from holdfast import Event
from holdfast._judge import UnknownEvent
from holdfast._messages import Commit
from holdfast.testing import given, ledger_1, ledger_2
from tests.corpora import ROOT, History, corpus_of, entities_of, lost, read, replayed, versions
from tests.record_corpus import chosen, examples

SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/service.py"))
HISTORIES = sorted(ROOT.glob("services/*/tests/corpus/*/*.jsonl"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: "-".join((path.parts[-5], path.parts[-2], path.stem)))
def test_a_stored_history_leads_to_the_state_that_it_led_to(path: Path) -> None:
    history = read(path)
    entity = entities_of(path.parts[-5])[history.name.purpose]
    try:
        now = replayed(entity, history)
    except UnknownEvent as error:
        pytest.fail(f"{error}. Events grow by fields with defaults, or retire by an upcast (docs/add-a-service.md)")
    missing = lost(history.state, now)
    assert missing is None, (
        f"{missing}. If that is meant, write the states anew: python -m tests.record_corpus {path.parts[-5]} --states"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_has_an_example_in_the_newest_corpus(service: str) -> None:
    newest = versions(corpus_of(service))[-1]
    shown = {event.type for path in newest.glob("*.jsonl") for event in read(path).events}
    missing = {tag for entity in entities_of(service).values() for tag in entity.event_types} - shown
    assert not missing, (
        f"{', '.join(sorted(missing))}: write a test that causes it, then python -m tests.record_corpus {service}"
    )


def recorded(*events: Event) -> History:
    """A history as the first version of the ledger left it."""
    scenario = given(ledger_1.LedgerRules(), *events)
    state = msgspec.json.decode(scenario.state_json)
    return History((Commit(v=1, name="ledger:acme:x", events=tuple(scenario.log)),), state)


class WithoutAmount(Event, tag="added"):
    pass


class Renamed(Event, tag="added"):
    sum: int


class Retyped(Event, tag="added"):
    amount: str


class WithMore(Event, tag="added"):
    amount: int
    required: int


@pytest.mark.parametrize("changed", [WithoutAmount, Renamed, Retyped, WithMore])
def test_a_removed_renamed_retyped_or_newly_required_field_is_noticed(changed: type[Event]) -> None:
    class Changed(ledger_1.LedgerRules):
        pass

    Changed.event_types = {"added": changed}
    with pytest.raises(UnknownEvent):
        replayed(Changed(), recorded(ledger_1.Added(amount=1)))


def test_a_retagged_event_is_noticed() -> None:
    with pytest.raises(UnknownEvent, match="'noted'"):
        replayed(Retagged(), recorded(ledger_1.Noted(text="hello")))


class Retagged(ledger_2.LedgerRules):
    upcasters = ()


def test_another_meaning_of_an_event_is_noticed() -> None:
    history = recorded(ledger_1.Added(amount=2))

    class Doubled(ledger_1.LedgerRules):
        def evolve(self, ledger: ledger_1.Ledger, event: ledger_1.LedgerEvent, /) -> ledger_1.Ledger:
            return super().evolve(super().evolve(ledger, event), event)

    assert lost(history.state, replayed(ledger_1.LedgerRules(), history)) is None
    assert lost(history.state, replayed(Doubled(), history)) == "state.total was 2 and is 4"


def test_a_state_may_grow_by_fields_and_lose_none() -> None:
    assert lost({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}], "d": 4}) is None
    assert lost({"a": [1, {"b": 2}]}, {"a": [1, {"c": 2}]}) == "state.a[1].b was 2 and is None"
    assert lost([1], [1, 2]) == "state[1] was None and is 2"


def test_a_corpus_has_an_example_of_everything_in_few_short_histories() -> None:
    add, note = ledger_1.Added(amount=1), ledger_1.Noted(text="hello")
    found = {"test_long": [recorded(add, note, add)], "test_short": [recorded(add, note)], "test_one": [recorded(add)]}
    assert chosen(found) == {"short": found["test_short"][0]}
    assert examples(recorded(add, ledger_1.Noted(text=""))) == {"added", "added.amount", "noted"}
