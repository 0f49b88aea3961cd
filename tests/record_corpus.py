"""Record the corpus of this version from the scenarios of a service's tests: `python -m tests.record_corpus auction`.

Scenarios are chosen, few and short, until every event and every field that any test fills has an example. With
`--add`, the histories of this version stay and get company for what they are no example of. With `--states`, the states of earlier versions are written anew, for when a state is meant to look different; their
commits never change.
"""

import argparse
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from holdfast import AnyEntity
from holdfast._messages import COMMIT_VERSION, Commit
from holdfast.testing import Scenario
from tests.corpora import ROOT, History, corpus_of, entities_of, read, replayed, versions, write

SAME_AT_EVERY_RUN = "not slow and not hypothesis"
LONGEST = 40
"""Events in a history: a longer one proves nothing that shorter ones do not, and nobody reads it."""


class Scenarios:
    """A plugin of pytest that keeps what the scenarios of its tests left behind, by test."""

    def __init__(self) -> None:
        self.histories: dict[str, list[History]] = {}
        self._open: list[Scenario] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        begin = Scenario.__init__

        def beginning(scenario: Scenario, *arguments: Any, **options: Any) -> None:
            begin(scenario, *arguments, **options)
            self._open.append(scenario)

        with patch.object(Scenario, "__init__", beginning):
            yield
        found = [_history(scenario) for scenario in self._open if 0 < len(scenario.log) <= LONGEST]
        self.histories.setdefault(item.originalname if isinstance(item, pytest.Function) else item.name, []).extend(found)  # fmt: skip
        self._open.clear()


def _history(scenario: Scenario) -> History:
    commits = tuple(
        Commit(v=COMMIT_VERSION, name=str(scenario.name), events=tuple(events))
        for _, events in groupby(scenario.log, key=lambda event: event.command_id)
    )
    return History(commits, msgspec.json.decode(scenario.state_json))


def examples(history: History) -> set[str]:
    """What a history is an example of: events, and their fields that hold something."""
    found: set[str] = set()
    for event in history.events:
        data: Mapping[str, Any] = msgspec.json.decode(event.data)
        found |= {event.type, *(f"{event.type}.{field}" for field, value in data.items() if value)}
    return found


def chosen(found: Mapping[str, Sequence[History]], known: AbstractSet[str] = frozenset()) -> Mapping[str, History]:
    """Few histories that are examples of everything that all are beyond what is known, by the test that made each."""
    candidates = [(examples(each), test, each) for test, histories in found.items() for each in histories]
    left = {example for shown, _, _ in candidates for example in shown} - known
    picked: dict[str, History] = {}
    while left:
        shown, test, best = max(candidates, key=lambda each: (len(each[0] & left), -len(each[2].events), each[1]))
        left -= shown
        label = test.removeprefix("test_")
        picked[label if label not in picked else f"{label}_{len(picked)}"] = best
    return picked


def record(service: str, folder: Path, *, add: bool) -> None:
    """Write the corpus of this version, anew or beside what is there."""
    scenarios = Scenarios()
    tests = ROOT / "services" / service / "tests"
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-m", SAME_AT_EVERY_RUN, str(tests)], plugins=[scenarios])
    if code != pytest.ExitCode.OK:
        raise SystemExit("the corpus is recorded from tests that pass")
    purposes = entities_of(service)
    own = {
        test: [history for history in histories if history.name.purpose in purposes]
        for test, histories in scenarios.histories.items()
    }
    known: set[str] = set()
    for old in folder.glob("*.jsonl"):
        if add:
            known |= examples(read(old))
        else:
            old.unlink()
    for label, history in chosen(own, known).items():
        write(_free(folder, label), history)
    missing = {tag for entity in purposes.values() for tag in entity.event_types} - {
        event.type for histories in own.values() for history in histories for event in history.events
    }
    if missing:
        raise SystemExit(f"no test of {service} causes {', '.join(sorted(missing))}: write one, and record again")


def _free(folder: Path, label: str) -> Path:
    """Where a history goes that replaces none."""
    names = (label, *(f"{label}_again_{number}" for number in range(1, 100)))
    return next(path for path in (folder / f"{name}.jsonl" for name in names) if not path.exists())


def record_states(purposes: Mapping[str, AnyEntity], corpus: Path) -> None:
    """Write the states anew that today's code makes of every history of a corpus."""
    for folder in versions(corpus):
        for path in folder.glob("*.jsonl"):
            history = read(path)
            write(path, History(history.commits, replayed(purposes[history.name.purpose], history)))


def main() -> None:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", help="the name of its folder")
    parser.add_argument("--states", action="store_true", help="only the states, of all versions")
    parser.add_argument("--add", action="store_true", help="keep the histories of this version")
    given = parser.parse_args()
    if given.states:
        record_states(entities_of(given.service), corpus_of(given.service))
    else:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        record(given.service, corpus_of(given.service) / version, add=given.add)


if __name__ == "__main__":
    main()
