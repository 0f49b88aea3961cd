from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from holdfast import Actor, Command, Context
from holdfast.testing import Scenario, find_deadlines_alike, given
from holdfast.testing.counter import Add, Added, CounterEntity, Rang, Remind, TooMuch

ANN = Actor(user="ann", roles=())


class Forgetful(CounterEntity):
    purpose = "counter"

    def __init__(self) -> None:
        self.asked = count(1)

    def decide(self, counter: Any, command: Any, ctx: Context, /) -> Sequence[Any]:
        return [Added(amount=next(self.asked))]


class Moody(Forgetful):
    purpose = "counter"

    def decide(self, counter: Any, command: Any, ctx: Context, /) -> Sequence[Any]:
        raise TooMuch(f"refused for the {next(self.asked)}. time")


@pytest.mark.parametrize("entity", [Forgetful(), Moody()])
def test_a_decision_that_is_another_one_when_asked_again_fails_its_test(entity: CounterEntity) -> None:
    with pytest.raises(AssertionError, match="decide is not deterministic"):
        given(entity).when(Add())


class Unpunctual(CounterEntity):
    """Counts a deadline as passed when it is found."""

    purpose = "counter"

    def on_alarm(self, counter: Any, ctx: Context, /) -> Sequence[Any]:
        return [Rang(effective_at=ctx.now, cause=ctx.cause)]


class Nosy(CounterEntity):
    """Remembers who found a deadline."""

    purpose = "counter"

    def on_alarm(self, counter: Any, ctx: Context, /) -> Sequence[Any]:
        return [*super().on_alarm(counter, ctx), Added(amount=1, note=ctx.cause)]


SECOND = timedelta(seconds=1)
BY_COMMANDS_ALONE: list[Any] = [(SECOND, False, (Remind(milliseconds=500), ANN)), (SECOND, False, (Add(), ANN))]


@pytest.mark.parametrize("entity", [Unpunctual(), Nosy()])
def test_a_deadline_that_tells_how_it_was_found_fails_its_test(entity: CounterEntity) -> None:
    with pytest.raises(AssertionError, match="commands find deadlines otherwise than alarms"):
        find_deadlines_alike(lambda: given(entity), BY_COMMANDS_ALONE)


def test_late_alarms_are_held_against_those_in_time() -> None:
    class Late(Unpunctual):
        purpose = "counter"

        def on_alarm(self, counter: Any, ctx: Context, /) -> Sequence[Any]:
            return (super() if ctx.cause == "alarm" else CounterEntity()).on_alarm(counter, ctx)

    turns: list[Any] = [(delay, True, step) for delay, _, step in BY_COMMANDS_ALONE]
    with pytest.raises(AssertionError, match="late alarms find deadlines otherwise"):
        find_deadlines_alike(lambda: given(Late()), turns)


def test_deadlines_that_are_found_alike_pass() -> None:
    find_deadlines_alike(lambda: given(CounterEntity()), BY_COMMANDS_ALONE)


def test_a_step_may_be_chosen_by_what_stands_there_then() -> None:
    def choose(scene: Scenario) -> tuple[Command, Actor]:
        return Add(amount=scene.view()["rung"]), ANN

    chosen = (SECOND, True, choose)
    find_deadlines_alike(lambda: given(CounterEntity()), [*BY_COMMANDS_ALONE, chosen])


def test_a_decision_that_stays_the_same_is_recorded_once() -> None:
    given(CounterEntity()).when(Add()).then(Added(amount=1)).when(Add()).then(Added(amount=1))
