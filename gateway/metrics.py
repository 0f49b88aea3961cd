"""What the gateway counts, in the text format of Prometheus (version 0.0.4)."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
_COUNTERS: Final = {
    "commands": "Commands by purpose and outcome code.",
    "frames": "Event frames handed to viewers.",
    "lagging": "Watches dropped because their viewer was too slow.",
    "gaps": "Times that missing commits were read from the log.",
    "sockets_opened": "WebSockets that were welcomed.",
}


class Metrics:
    """Counters by name and labels, and gauges that are read when asked for."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._gauges: dict[str, tuple[str, Callable[[], int]]] = {}

    def count(self, counter: str, by: int = 1, *, labels: str = "") -> None:
        """Add to one of the counters; `labels` are written as Prometheus wants them, with safe values."""
        self._counts[counter, labels] += by

    def gauge(self, name: str, text: str, read: Callable[[], int]) -> None:
        """Show the value that `read` returns at each scrape."""
        self._gauges[name] = (text, read)

    def expose(self) -> str:
        """All figures, one line each, with their help and type."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, text in _COUNTERS.items():
            full = f"holdfast_gateway_{name}_total"
            yield from (f"# HELP {full} {text}", f"# TYPE {full} counter")
            values = {labels: count for (counter, labels), count in self._counts.items() if counter == name}
            yield from (
                f"{full}{{{labels}}} {count}" if labels else f"{full} {count}" for labels, count in values.items()
            )
        for name, (text, read) in self._gauges.items():
            full = f"holdfast_gateway_{name}"
            yield from (f"# HELP {full} {text}", f"# TYPE {full} gauge", f"{full} {read()}")
