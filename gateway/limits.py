"""How much may be asked for: commands per second of a user, a tenant and an entity, and a user's open sockets."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.auth import Identity
from holdfast import Name, RateLimited
from holdfast.wire import Rate, TokenBucket, too_fast

MAX_BUCKETS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Commands per second, with bursts of twice as many; 0 sets no limit."""

    user: float = 0.0
    tenant: float = 0.0
    entity: float = 0.0


@dataclass(frozen=True, slots=True)
class _Policy:
    """One kind of limit, with the buckets of those who were active last."""

    name: str
    whose: str
    rate: Rate
    buckets: OrderedDict[Hashable, TokenBucket]

    def bucket(self, key: Hashable, now: float) -> TokenBucket:
        """The bucket of this key. Room is made by forgetting whoever was idle longest."""
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = TokenBucket(self.rate, now=now)
            if len(self.buckets) > MAX_BUCKETS:
                self.buckets.popitem(last=False)
        else:
            self.buckets.move_to_end(key)
        return bucket

    def header(self) -> str:
        """Itself as an item of `RateLimit-Policy`."""
        return f'"{self.name}";q={int(self.rate.burst)};w={math.ceil(self.rate.window)}'

    def standing(self, key: Hashable, now: float) -> str:
        """What is left as an item of `RateLimit`: now, and until all is there again."""
        bucket = self.buckets.get(key)
        left = self.rate.burst if bucket is None else bucket.left(now)
        reset = math.ceil((self.rate.burst - left) / self.rate.per_second)
        return f'"{self.name}";r={int(left)};t={reset}'


class Limits:
    """The limits of one gateway; what memory they take is bounded."""

    def __init__(self, rates: Rates, *, sockets_per_user: int, clock: Callable[[], float] = time.monotonic) -> None:
        kinds = (("user", "of this user", rates.user), ("tenant", "of this tenant", rates.tenant),
                 ("entity", "to this entity", rates.entity))  # fmt: skip
        self._policies = [_Policy(name, whose, Rate(rate), OrderedDict()) for name, whose, rate in kinds if rate > 0]
        self._sockets_per_user = sockets_per_user
        self._clock = clock
        self._sockets: Counter[tuple[str, str]] = Counter()

    def spend(self, name: Name, user: str) -> None:
        """Count one command; `RATE_LIMITED` with `retry_after_ms` when it is over a limit, and then it counts nowhere."""
        now = self._clock()
        buckets = [(policy, policy.bucket(key, now)) for policy, key in self._keyed(name, user)]
        for policy, bucket in buckets:
            wait = bucket.wait(now)
            if wait > 0:
                raise too_fast(policy.whose, wait)
        for _, bucket in buckets:
            bucket.take()

    def headers(self, name: Name, user: str) -> Mapping[str, str]:
        """Policies and standing for the answer to a command (draft-ietf-httpapi-ratelimit-headers-11)."""
        if not self._policies:
            return {}
        now = self._clock()
        return {
            "RateLimit-Policy": ", ".join(policy.header() for policy in self._policies),
            "RateLimit": ", ".join(policy.standing(key, now) for policy, key in self._keyed(name, user)),
        }

    def _keyed(self, name: Name, user: str) -> Sequence[tuple[_Policy, Hashable]]:
        keys: Mapping[str, Hashable] = {"user": (name.tenant, user), "tenant": name.tenant, "entity": name}
        return [(policy, keys[policy.name]) for policy in self._policies]

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
