"""The commands of a purpose and the rings of its alarms, each in the one order that its stream gave them."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from holdfast._bus import Bus
from holdfast._owners import PARTITIONS
from holdfast.jetstream._consumer import OrderedConsumer, ReceivedMessage
from holdfast.jetstream._streams import alarm_stream, command_stream, ensure_streams

H_REPLY: Final = "Holdfast-Reply"

Receive = Callable[[ReceivedMessage], Awaitable[None]]


def commands(
    bus: Bus, purpose: str, receive: Receive, *, renewed: Callable[[], None], replicas: int = 1
) -> OrderedConsumer:
    """What waits in the commands stream for the partitions it is aimed at, then what is new; at times others' as well."""

    async def ensure() -> None:
        await ensure_streams(bus, purpose, replicas=replicas)

    everything = f"cmd.{purpose}.*.*.*"
    return OrderedConsumer(bus, command_stream(purpose), [], receive, ensure=ensure, renewed=renewed, direct=everything)


def command_subjects(purpose: str, partitions: Collection[int]) -> list[str]:
    """The subjects under which the commands of these partitions are stored."""
    if len(partitions) == PARTITIONS:
        return [f"cmd.{purpose}.*.*.*"]
    return [f"cmd.{purpose}.{number}.*.*" for number in sorted(partitions)]


def rings(bus: Bus, purpose: str, receive: Receive, *, replicas: int = 1) -> OrderedConsumer:
    """The alarms that have rung and are not settled, then each as it rings."""

    async def ensure() -> None:
        await ensure_streams(bus, purpose, replicas=replicas)

    return OrderedConsumer(bus, alarm_stream(purpose), ring_subjects(purpose), receive, ensure=ensure)


def ring_subjects(purpose: str) -> list[str]:
    """The subjects on which alarms ring."""
    return [f"due.{purpose}.*.*"]
