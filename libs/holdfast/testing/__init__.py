"""Tests of a domain in given / when / then, on a clock that the test holds."""

from holdfast.testing._memory_snapshots import MemorySnapshots
from holdfast.testing._scenario import Scenario, given

__all__ = ["MemorySnapshots", "Scenario", "given"]
