"""Tests of a domain in given / when / then, on a clock that the test holds."""

from holdfast.testing._deadlines import find_deadlines_alike
from holdfast.testing._memory_snapshots import MemorySnapshots
from holdfast.testing._scenario import START, Scenario, given

__all__ = ["START", "MemorySnapshots", "Scenario", "find_deadlines_alike", "given"]
