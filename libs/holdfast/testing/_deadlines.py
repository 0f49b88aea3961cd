"""The rule that a deadline takes effect at its time, whoever finds it passed: the alarm, a late one, or a command."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec

from holdfast._messages import Actor, Command
from holdfast.testing._scenario import Scenario

Step = tuple[Command, Actor]
Turn = tuple[timedelta, bool, Step | Callable[[Scenario], Step]]
"""How long after the one before, whether a late alarm rings first, and what is sent: also by what stands there then."""


def find_deadlines_alike(begin: Callable[[], Scenario], turns: Iterable[Turn]) -> None:
    """Play the same turns three times: without alarms, with each at its time, and with late ones. All must end alike.

    Logs may differ in when an event was recorded, and a deadline's in its `cause`. Its `effective_at` may not.
    """
    lazy, woken, late = begin(), begin(), begin()
    now = lazy.now
    for delay, rings, step in turns:
        now += delay
        while woken.alarm_at is not None and woken.alarm_at <= now:
            woken.wake(at=woken.alarm_at)
        if rings:
            late.wake(at=now)
        command, by = step(woken) if callable(step) else step
        for scene in (lazy, woken, late):
            scene.when(command, by=by, at=now)
    for scene in (lazy, woken, late):
        scene.wake(at=now)
    _require_alike(lazy, woken, "commands find deadlines otherwise than alarms")
    _require_alike(late, woken, "late alarms find deadlines otherwise than those in time")


def _require_alike(one: Scenario, other: Scenario, problem: str) -> None:
    logs = _comparable(one), _comparable(other)
    assert logs[0] == logs[1], f"{problem}:\n  {logs[0]}\n  {logs[1]}"  # noqa: S101 - a test's own words
    assert one.state_json == other.state_json, f"{problem}:\n  {one.state_json}\n  {other.state_json}"  # noqa: S101 - as above


def _comparable(scene: Scenario) -> list[Any]:
    """The log without what may differ."""
    events = msgspec.json.decode(msgspec.json.encode(scene.log))
    for event in events:
        del event["at"]
        if "effective_at" in event["data"]:
            event["data"].pop("cause", None)
    return events
