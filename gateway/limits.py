"""How much one user may ask for: commands per second, and open sockets and event streams."""

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.auth import Identity
from holdfast import RateLimited

BURST_SECONDS: Final = 2.0
MAX_BUCKETS: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Limits:
    """A token bucket for each user's commands, and a count of each user's sockets and event streams."""

    def __init__(
        self, *, commands_per_second: float, sockets_per_user: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = commands_per_second
        self._burst = max(1.0, commands_per_second * BURST_SECONDS)
        self._sockets_per_user = sockets_per_user
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._sockets: Counter[tuple[str, str]] = Counter()

    def spend(self, tenant: str, user: str) -> None:
        """Count one command; `RATE_LIMITED` with `retry_after_ms` when the bucket is empty."""
        if self._rate <= 0:
            return
        now = self._clock()
        bucket = self._buckets.get((tenant, user))
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget_full(now)
            bucket = self._buckets[tenant, user] = _Bucket(self._burst, now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            wait = int((1 - bucket.tokens) / self._rate * 1000) + 1
            raise RateLimited(f"too many commands: wait {wait} ms", retry_after_ms=wait)
        bucket.tokens -= 1

    @contextmanager
    def socket(self, who: Identity) -> Generator[None, None, None]:
        """Hold one of the user's places for a socket or an event stream; `RATE_LIMITED` when all are taken."""
        self.take_place(who)
        try:
            yield
        finally:
            self.give_place(who)

    def take_place(self, who: Identity) -> None:
        """Take one of the user's places until `give_place`; `RATE_LIMITED` when all are taken."""
        key = (who.tenant, who.actor.user)
        if self._sockets[key] >= self._sockets_per_user:
            raise RateLimited(
                f"a user has at most {self._sockets_per_user} sockets: close one first", retry_after_ms=1000
            )
        self._sockets[key] += 1

    def give_place(self, who: Identity) -> None:
        """Give back what `take_place` took."""
        key = (who.tenant, who.actor.user)
        self._sockets[key] -= 1
        if not self._sockets[key]:
            del self._sockets[key]

    def _forget_full(self, now: float) -> None:
        """Drop buckets that have had time to fill: a fresh one says the same."""
        refill = self._burst / self._rate
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if now - bucket.filled_at < refill}
        while len(self._buckets) >= MAX_BUCKETS:
            self._buckets.pop(next(iter(self._buckets)))
