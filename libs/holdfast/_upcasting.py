"""Retired events: how what an earlier version wrote is read by this one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from holdfast._messages import Event

Old = TypeVar("Old", bound=Event)


@dataclass(frozen=True, slots=True)
class Upcast(Generic[Old]):
    """An event that is written no more: `old` is its stored form, `into` tells what it means now.

    One stored event stays one event, with its seq, time and sender. `into` is pure; it may lead to an event that is
    retired itself, and has an upcast of its own.
    """

    old: type[Old]
    into: Callable[[Old], Event]


AnyUpcast = Upcast[Any]
