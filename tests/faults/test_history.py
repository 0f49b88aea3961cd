"""The checker of histories finds what it is there to find, and takes no offence at what may be."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from holdfast import Name
from holdfast.wire import Commit, RecordedEvent
from tests.faults.history import ANN, Broken, Call, History, Look, Seen, Sighting

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAME = Name.of("counter", "acme", "a")
IDS = ("c1", "c2", "c3", "c4")


def event(seq: int, command_id: str, type_: str = "added") -> RecordedEvent:
    return RecordedEvent(seq=seq, type=type_, data=msgspec.Raw(b"{}"), at=NOON, by=ANN, command_id=command_id)


def commit(*events: RecordedEvent) -> Commit:
    return Commit(v=1, name=str(NAME), events=events)


def the_log(ids: Sequence[str] = IDS) -> list[Commit]:
    return [commit(event(seq, command_id)) for seq, command_id in enumerate(ids, start=1)]


def a_good_one() -> History:
    """Four commands, one after the other, each answered half a second after it was sent; then a look."""
    history = History(NAME, sent={command_id: float(number) for number, command_id in enumerate(IDS, start=1)})
    history.calls = [Call(command_id, at, at + 0.5, int(at)) for command_id, at in history.sent.items()]
    history.looks = [Look(5.0, 5.5, 4, 4)]
    history.seen = the_log()[1:]
    history.sightings = [Sighting([Seen(seq, IDS[seq - 1], seq + 0.4) for seq in range(1, 5)])]
    return history


def test_a_good_history_passes() -> None:
    a_good_one().judge(the_log())


def test_commands_at_the_same_time_may_stand_in_any_order() -> None:
    history = a_good_one()
    history.sightings, history.seen = [], []
    history.calls[1] = Call("c2", 2.0, 4.5, 3)
    history.calls[2] = Call("c3", 3.0, 4.5, 2)
    history.judge(the_log(("c1", "c3", "c2", "c4")))


@pytest.mark.parametrize("applied", [True, False])
def test_a_command_without_an_answer_may_be_applied_or_not(applied: bool) -> None:  # noqa: FBT001 - a parameter of the test
    history = a_good_one()
    del history.calls[3]
    history.looks = []
    if not applied:
        del history.sightings[0].events[3], history.seen[-1]
    history.judge(the_log(IDS if applied else IDS[:3]))


def test_an_alarm_is_nobodys_command() -> None:
    history = a_good_one()
    history.sightings, history.seen, history.looks = [], [], [Look(5.0, 5.5, 5, 4)]
    history.judge([*the_log(), commit(event(5, "c4", "rang"))])


def lost(history: History) -> list[Commit]:
    history.sightings, history.seen, history.looks = [], [], []
    return the_log(("c1", "c2", "c4"))


def doubled(_history: History) -> list[Commit]:
    return the_log((*IDS, "c2"))


def of_nobody(_history: History) -> list[Commit]:
    return the_log((*IDS, "stranger"))


def elsewhere(history: History) -> list[Commit]:
    history.calls[3] = Call("c4", 4.0, 4.5, 3)
    return the_log()


def reordered(history: History) -> list[Commit]:
    history.sightings, history.seen = [], []
    history.calls[1], history.calls[2] = Call("c2", 2.0, 2.5, 3), Call("c3", 3.0, 3.5, 2)
    return the_log(("c1", "c3", "c2", "c4"))


def applied_before_it_was_seen_to_be_missing(history: History) -> list[Commit]:
    """An unanswered command cannot stand before one that was answered before it was even sent."""
    history.sightings, history.seen = [], []
    history.calls = [Call("c2", 2.0, 2.5, 1)]
    history.sent = {"c1": 3.0, "c2": 2.0}
    history.looks = []
    log = the_log(("c2", "c1"))
    history.judge(log)
    history.calls = [Call("c2", 2.0, 2.5, 2)]
    return the_log(("c1", "c2"))


def hole(_history: History) -> list[Commit]:
    return [*the_log()[:2], *the_log()[3:]]


def stale_look(history: History) -> list[Commit]:
    history.looks = [Look(3.6, 3.7, 2, 2)]
    return the_log()


def look_behind_another_look(history: History) -> list[Commit]:
    history.looks = [Look(3.1, 3.2, 3, 3), Look(3.3, 3.4, 2, 2)]
    return the_log()


def look_behind_a_watcher(history: History) -> list[Commit]:
    history.looks = [Look(3.42, 3.45, 2, 2)]
    return the_log()


def look_into_the_future(history: History) -> list[Commit]:
    history.looks = [Look(2.6, 2.9, 3, 3)]
    return the_log()


def look_at_nothing(history: History) -> list[Commit]:
    history.looks = [Look(5.0, 5.5, 5, 5)]
    return the_log()


def look_at_a_wrong_state(history: History) -> list[Commit]:
    history.looks = [Look(5.0, 5.5, 4, 3)]
    return the_log()


def watcher_missed_one(history: History) -> list[Commit]:
    del history.sightings[0].events[1]
    return the_log()


def watcher_missed_the_last(history: History) -> list[Commit]:
    del history.sightings[0].events[3]
    return the_log()


def watcher_saw_one_twice(history: History) -> list[Commit]:
    history.sightings[0].events.insert(2, history.sightings[0].events[1])
    return the_log()


def watcher_saw_another_order(history: History) -> list[Commit]:
    events = history.sightings[0].events
    events[1], events[2] = events[2], events[1]
    return the_log()


def watcher_saw_another_command(history: History) -> list[Commit]:
    history.sightings[0].events[1] = Seen(2, "c9", 2.4)
    return the_log()


def watcher_saw_it_before_it_was_sent(history: History) -> list[Commit]:
    history.sightings[0].events[2] = Seen(3, "c3", 2.9)
    return the_log()


def uncommitted_frame(history: History) -> list[Commit]:
    history.seen.append(commit(event(5, "c5")))
    return the_log()


def frames_out_of_order(history: History) -> list[Commit]:
    history.seen.reverse()
    return the_log()


def frame_twice(history: History) -> list[Commit]:
    history.seen.append(history.seen[-1])
    return the_log()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lost, "is lost"),
        (doubled, "applied twice"),
        (of_nobody, "nobody sent"),
        (elsewhere, "stands elsewhere"),
        (reordered, "contradicts real time"),
        (applied_before_it_was_seen_to_be_missing, "contradicts real time"),
        (hole, "a hole"),
        (stale_look, "showed the past"),
        (look_behind_another_look, "showed the past"),
        (look_behind_a_watcher, "showed the past"),
        (look_into_the_future, "contradicts real time"),
        (look_at_nothing, "not in the log"),
        (look_at_a_wrong_state, "never was"),
        (watcher_missed_one, "a watcher missed"),
        (watcher_missed_the_last, "a watcher missed"),
        (watcher_saw_one_twice, "a watcher missed"),
        (watcher_saw_another_order, "a watcher missed"),
        (watcher_saw_another_command, "a watcher missed"),
        (watcher_saw_it_before_it_was_sent, "contradicts real time"),
        (uncommitted_frame, "uncommitted"),
        (frames_out_of_order, "out of order"),
        (frame_twice, "twice"),
    ],
)
def test_a_broken_history_is_found(spoil: Callable[[History], list[Commit]], complaint: str) -> None:
    history = a_good_one()
    log = spoil(history)
    with pytest.raises(Broken, match=complaint):
        history.judge(log)
