"""Whether NATS can be relied on, as checks of a process's health."""

from collections.abc import Sequence
from typing import Final

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast.jetstream import _api
from holdfast.telemetry import Health

ANSWER_SECONDS: Final = 3.0


def watch_nats(health: Health, bus: Bus) -> Sequence[str]:
    """Add the checks `nats` and `jetstream`; returns the names of the probes."""

    async def ask() -> None:
        try:
            await _api.call(bus, "INFO", timeout=ANSWER_SECONDS)
        except _api.ApiError as error:
            raise Unavailable(f"JetStream refuses: {error.description}") from error

    health.check("nats", lambda: None if bus.connected else "no connection")
    health.probe("jetstream", ask)
    return ("jetstream",)
