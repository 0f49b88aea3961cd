"""So many at once, then so many a second: token buckets."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from holdfast._errors import RateLimited

BURST_SECONDS: Final = 2.0
MAX_BUCKETS: Final = 10_000
SET_BACK_SECONDS: Final = 1.0
"""A time that is so much earlier than the last one comes from a clock that was set back, and counts from then on."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How much is allowed; a rate of 0 sets no limit."""

    per_second: float

    @property
    def burst(self) -> float:
        """How many may come at once after a pause."""
        return max(1.0, self.per_second * BURST_SECONDS)

    @property
    def window(self) -> float:
        """Seconds in which an empty bucket fills."""
        return self.burst / self.per_second


class TokenBucket:
    """What one user, tenant or entity may still do. Times are the caller's, in seconds, and never make it emptier."""

    __slots__ = ("_filled_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, *, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._filled_at = now

    def left(self, now: float) -> float:
        """How many tokens it holds."""
        if now < self._filled_at - SET_BACK_SECONDS:
            self._filled_at = now
        passed = max(0.0, now - self._filled_at)
        self._tokens = min(self._rate.burst, self._tokens + passed * self._rate.per_second)
        self._filled_at = max(now, self._filled_at)
        return self._tokens

    def is_ahead_of(self, now: float) -> bool:
        """Whether it was looked at for a later time already."""
        return now < self._filled_at

    def wait(self, now: float) -> float:
        """Seconds until one may be taken, 0 when one may be taken now."""
        return max(0.0, 1 - self.left(now)) / self._rate.per_second

    def take(self) -> None:
        """Take one; ask `wait` first."""
        self._tokens -= 1


class Buckets:
    """The buckets of those who were active last, all of one rate. Whoever is forgotten begins with a full one."""

    __slots__ = ("_kept", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._kept: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def bucket(self, key: Hashable, now: float) -> TokenBucket:
        """The bucket of this key. Room is made by forgetting whoever was idle longest."""
        bucket = self._kept.get(key)
        if bucket is None:
            bucket = self._kept[key] = TokenBucket(self.rate, now=now)
            if len(self._kept) > MAX_BUCKETS:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return bucket

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until one may be taken of this key's bucket, 0 when one may be taken now."""
        bucket = self._kept.get(key)
        return 0.0 if bucket is None else bucket.wait(now)

    def left(self, key: Hashable, now: float) -> float:
        """How many tokens this key's bucket holds."""
        bucket = self._kept.get(key)
        return self.rate.burst if bucket is None else bucket.left(now)


def too_fast(what: str, seconds: float) -> RateLimited:
    """The refusal of something that may come again after so many seconds."""
    milliseconds = int(seconds * 1000) + 1
    return RateLimited(f"too many commands {what}: wait {milliseconds} ms", retry_after_ms=milliseconds)
