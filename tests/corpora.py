"""Stored histories that must load for ever: `services/<name>/tests/corpus/<version>/<history>.jsonl`.

Each line is a commit as the log holds it, the last one the state that the version which recorded it made of them.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import msgspec

from holdfast import AnyEntity, Name, Service
from holdfast._judge import Judge
from holdfast._messages import Commit, RecordedEvent

ROOT = Path(__file__).parents[1]
_commits = msgspec.json.Decoder(Commit)
_encoder = msgspec.json.Encoder()


class History(msgspec.Struct, frozen=True):
    """The commits of one entity, and the state after them as JSON."""

    commits: tuple[Commit, ...]
    state: Any

    @property
    def name(self) -> Name:
        return Name.parse(self.commits[0].name)

    @property
    def events(self) -> Sequence[RecordedEvent]:
        return [event for commit in self.commits for event in commit.events]


def read(path: Path) -> History:
    *commits, state = path.read_bytes().splitlines()
    return History(tuple(_commits.decode(line) for line in commits), msgspec.json.decode(state))


def write(path: Path, history: History) -> None:
    lines = [_encoder.encode(part) for part in (*history.commits, history.state)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines) + b"\n")


def corpus_of(service: str) -> Path:
    return ROOT / "services" / service / "tests" / "corpus"


def versions(corpus: Path) -> Sequence[Path]:
    """The folders of a corpus, the newest version last."""
    return sorted(corpus.glob("*/"), key=lambda folder: [int(part) for part in folder.name.split(".")])


def entities_of(service: str) -> Mapping[str, AnyEntity]:
    """The entities of a service by their purposes."""
    found: Service = importlib.import_module(f"services.{service}.service").service
    return {entity.purpose: entity for entity in found.entities}


def replayed(entity: AnyEntity, history: History) -> Any:
    """The state that today's code makes of a history, as JSON."""
    state = Judge(entity).fold(entity.initial, history.events)
    return msgspec.json.decode(_encoder.encode(state))


def lost(recorded: Any, now: Any, path: str = "state") -> str | None:
    """The first thing that was in the recorded state and is not in this one. A state may grow by fields."""
    pairs: Iterable[tuple[Any, Any, Any]]
    if isinstance(recorded, dict) and isinstance(now, dict):
        before, after = cast("dict[str, Any]", recorded), cast("dict[str, Any]", now)
        pairs = [(f".{key}", value, after.get(key)) for key, value in before.items()]
    elif isinstance(recorded, list) and isinstance(now, list):
        was_list, now_list = cast("list[Any]", recorded), cast("list[Any]", now)
        pairs = [(f"[{at}]", was, is_) for at, (was, is_) in enumerate(zip_longest(was_list, now_list))]
    else:
        return None if recorded == now else f"{path} was {recorded!r} and is {now!r}"
    return next((found for key, was, is_ in pairs if (found := lost(was, is_, f"{path}{key}"))), None)
