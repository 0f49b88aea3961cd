from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from holdfast import Context
from holdfast.testing import given
from holdfast.testing.counter import Add, Added, CounterEntity, TooMuch


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


def test_a_decision_that_stays_the_same_is_recorded_once() -> None:
    given(CounterEntity()).when(Add()).then(Added(amount=1)).when(Add()).then(Added(amount=1))
