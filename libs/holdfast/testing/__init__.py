"""Tests of a domain in given / when / then, on a clock that the test holds."""

from holdfast.testing._scenario import Scenario, given

__all__ = ["Scenario", "given"]
