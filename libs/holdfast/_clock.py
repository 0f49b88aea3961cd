"""Time as the log and the wire have it: nanoseconds since the epoch, or aware UTC."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The wall clock, aware UTC. Never for decisions: those take the command's time of receipt."""
    return datetime.now(UTC)


def wall_ns() -> int:
    """The wall clock in nanoseconds since the epoch."""
    return time.time_ns()


def from_ns(nanoseconds: int) -> datetime:
    """Nanoseconds since the epoch as aware UTC, cut to microseconds."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def rfc3339(moment: datetime) -> str:
    """An aware moment as the NATS server reads it, in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
