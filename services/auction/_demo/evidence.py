"""What the demo saw from outside, and nothing else: the checks judge this."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from holdfast.testing.doors import Frame

_NUMBER: Final = re.compile(r"\d+")
_NEVER_AMOUNTS: Final = frozenset({"id", "command_id", "bid_id", "connection", "name", "user"})


@dataclass(slots=True)
class Bid:
    """One bid as its bidder knows it; times are seconds of one monotonic clock."""

    bidder: str
    command_id: str
    max_minor: int
    sent_at: float
    """When it was sent for the first time."""
    answered_at: float = 0.0
    answer: Frame = field(default_factory=dict[str, Any])
    attempts: int = 0

    def tried(self) -> None:
        """It is sent, for the first time or again."""
        self.attempts += 1

    @property
    def accepted(self) -> bool:
        """Whether it was acknowledged."""
        return self.answer.get("op") == "ok"

    @property
    def seq(self) -> int:
        """The seq of the bid itself, by the answer; 0 when the answer does not hold it."""
        return next((event["seq"] for event in self.answer["events"] if event["type"] == "bid_accepted"), 0)


@dataclass(slots=True)
class Sighting:
    """Everything that one viewer was shown."""

    viewer: str
    kind: str = "plain"
    first: int = 1
    """The seq of the first event that it must see."""
    events: list[Frame] = field(default_factory=list[Frame])
    """In the order of arrival."""
    amounts: set[int] = field(default_factory=set[int])
    """Every number in any frame."""
    resumes: int = 0

    def note(self, frame: Mapping[str, Any]) -> None:
        """Keep the numbers of a frame."""
        self.amounts |= numbers_in(frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A process that was killed."""

    pid: int
    at: float


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a whole run has shown."""

    lot: Mapping[str, Any]
    """The data of its `create_lot`."""
    bids: list[Bid] = field(default_factory=list[Bid])
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    answers: list[Sighting] = field(default_factory=list[Sighting])
    """What bidders were shown on the connections that they bid on."""
    replays: Mapping[str, Sequence[Frame]] = field(default_factory=dict[str, Sequence[Frame]])
    """The log as each of these viewers reads it over HTTP."""
    log: Sequence[Frame] = ()
    """The log of the auctioneer, with the events that only a bidder may see as that bidder reads them."""
    kills: list[Kill] = field(default_factory=list[Kill])

    def accepted(self) -> list[Bid]:
        """The acknowledged bids."""
        return [bid for bid in self.bids if bid.accepted]


def numbers_in(value: object, key: str = "") -> set[int]:
    """Every whole number in a frame, also inside its texts, but for times and ids."""
    match value:
        case bool():
            return set()
        case int():
            return {value}
        case str():
            silent = key in _NEVER_AMOUNTS or _is_time(value)
            return set() if silent else {int(digits) for digits in _NUMBER.findall(value)}
        case Mapping():
            items = cast(Mapping[str, object], value)
            return set[int]().union(*(numbers_in(each, name) for name, each in items.items()))
        case list():
            elements = cast(list[object], value)
            return set[int]().union(*(numbers_in(each, key) for each in elements))
        case _:
            return set()


def _is_time(text: str) -> bool:
    return len(text) >= len("2026-01-01T00:00:00Z") and text[4:5] == "-" and text[10:11] == "T"
