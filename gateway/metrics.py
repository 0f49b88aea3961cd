"""What the gateway counts, in a registry of its own."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

_COUNTERS: Final = {
    "commands": ("Commands by purpose and outcome code.", ("purpose", "outcome")),
    "frames": ("Event frames handed to viewers.", ()),
    "lagging": ("Watches dropped because their viewer was too slow.", ()),
    "gaps": ("Times that missing commits were read from the log.", ()),
    "sockets_opened": ("WebSockets that were welcomed.", ()),
    "refused": ("Commands, presence and sockets over a limit.", ("limit",)),
}

_GAUGES: Final = {
    "sockets": "Open WebSockets.",
    "watched_entities": "Entities with a subscription.",
    "subscriptions": "Subjects listened to for watched entities.",
    "frames_queued": "Frames that wait for slow viewers.",
}


class Metrics:
    """Counters by name and labels, and gauges that are read when asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"holdfast_gateway_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"holdfast_gateway_{name}", text, registry=self.registry) for name, text in _GAUGES.items()
        }

    def count(self, counter: str, by: int = 1, **labels: str) -> None:
        """Add to one of the counters, under the values of its labels."""
        family = self._counters[counter]
        (family.labels(**labels) if labels else family).inc(by)

    def gauge(self, name: str, read: Callable[[], int]) -> None:
        """Show the value that `read` returns at each scrape."""
        self._gauges[name].set_function(read)
