"""The commands of a purpose and the rings of its alarms, each in the one order that its stream gave them."""

from collections.abc import Awaitable, Callable
from typing import Final

from holdfast._bus import Bus
from holdfast.jetstream._consumer import OrderedConsumer, ReceivedMessage
from holdfast.jetstream._streams import alarm_stream, command_stream, ensure_streams

H_REPLY: Final = "Holdfast-Reply"

Receive = Callable[[ReceivedMessage], Awaitable[None]]


def commands(bus: Bus, purpose: str, receive: Receive, *, replicas: int = 1) -> OrderedConsumer:
    """Everything that waits in the commands stream, then everything new."""
    return _consumer(bus, purpose, (command_stream(purpose), f"cmd.{purpose}.*.*"), receive, replicas=replicas)


def rings(bus: Bus, purpose: str, receive: Receive, *, replicas: int = 1) -> OrderedConsumer:
    """The alarms that have rung and are not settled, then each as it rings."""
    return _consumer(bus, purpose, (alarm_stream(purpose), f"due.{purpose}.*.*"), receive, replicas=replicas)


def _consumer(bus: Bus, purpose: str, source: tuple[str, str], receive: Receive, *, replicas: int) -> OrderedConsumer:
    async def ensure() -> None:
        await ensure_streams(bus, purpose, replicas=replicas)

    return OrderedConsumer(bus, *source, receive, ensure=ensure)
