"""How much may be asked for: commands a second, what tenants and users have under way, and a user's open sockets."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.auth import Identity
from holdfast import Name, RateLimited
from holdfast.wire import Buckets, Places, Rate, too_fast

CROWDED_MILLISECONDS: Final = 100
USER_AT_ENTITY: Final = 256
"""Requests of one user to one entity that may be under way: a quarter of its owner's mailbox, so that nobody fills that."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Commands per second, with bursts of twice as many; 0 sets no limit."""

    user: float = 0.0
    tenant: float = 0.0
    entity: float = 0.0
    user_of_entity: float = 0.0
    """Of one user to one entity, so that nobody keeps others from it."""


@dataclass(frozen=True, slots=True)
class _Policy:
    """One kind of limit, with the buckets of those who were active last."""

    name: str
    whose: str
    key: Callable[[Name, str], Hashable]
    buckets: Buckets

    def header(self) -> str:
        """Itself as an item of `RateLimit-Policy`."""
        rate = self.buckets.rate
        return f'"{self.name}";q={int(rate.burst)};w={math.ceil(rate.window)}'

    def standing(self, key: Hashable, now: float) -> str:
        """What is left as an item of `RateLimit`: now, and until all is there again."""
        rate, left = self.buckets.rate, self.buckets.left(key, now)
        reset = math.ceil((rate.burst - left) / rate.per_second)
        return f'"{self.name}";r={int(left)};t={reset}'


class Limits:
    """The limits of one gateway; what memory they take is bounded."""

    def __init__(
        self,
        rates: Rates,
        *,
        sockets_per_user: int,
        tenant_in_flight: int = 0,
        presence: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policies = (
            _Policy("user", "of this user", _user, Buckets(Rate(rates.user))),
            _Policy("tenant", "of this tenant", _tenant, Buckets(Rate(rates.tenant))),
            _Policy("user-entity", "of this user to this entity", _user_of_entity, Buckets(Rate(rates.user_of_entity))),
            _Policy("entity", "to this entity", _entity, Buckets(Rate(rates.entity))),
        )
        self._policies = [policy for policy in policies if policy.buckets.rate.per_second > 0]
        self._presence = Buckets(Rate(presence))
        self._sockets_per_user = sockets_per_user
        self._tenant_in_flight = tenant_in_flight or sys.maxsize
        self._clock = clock
        self._sockets: Counter[tuple[str, str]] = Counter()
        self._under_way: dict[tuple[str, str], Places] = {}
        self._at_entities: Counter[tuple[Name, str]] = Counter()

    def refusal(self, name: Name, user: str) -> RateLimited | None:
        """What `spend` would raise now, without counting anything: all that it costs is a look."""
        now = self._clock()
        for policy in self._policies:
            wait = policy.buckets.wait(policy.key(name, user), now)
            if wait > 0:
                return too_fast(policy.whose, wait)
        return self._crowded(name, user)

    def spend(self, name: Name, user: str) -> None:
        """Count one command; `RATE_LIMITED` with `retry_after_ms` when it is over a limit, and then it counts nowhere."""
        now = self._clock()
        buckets = [(policy, policy.buckets.bucket(policy.key(name, user), now)) for policy in self._policies]
        for policy, bucket in buckets:
            wait = bucket.wait(now)
            if wait > 0:
                raise too_fast(policy.whose, wait)
        for _, bucket in buckets:
            bucket.take()

    def spend_presence(self, name: Name, user: str) -> None:
        """Count what a user shows, which each watcher of the entity is told; `RATE_LIMITED` when it is too much."""
        if self._presence.rate.per_second <= 0:
            return
        now = self._clock()
        bucket = self._presence.bucket(_user(name, user), now)
        wait = bucket.wait(now)
        if wait > 0:
            raise too_fast("of presence of this user", wait)
        bucket.take()

    @contextmanager
    def under_way(self, name: Name, user: str) -> Generator[None, None, None]:
        """Hold one of the tenant's places for what waits for an owner of this purpose; a user gets a quarter of them.

        `RATE_LIMITED` when there is none, or when too much of this user waits for the same entity. A purpose that is
        slow takes no place of another one.
        """
        crowded = self._crowded(name, user)
        if crowded is not None:
            raise crowded
        key = (name.tenant, name.purpose)
        places = self._under_way.setdefault(key, Places(self._tenant_in_flight))
        places.take(user)
        self._at_entities[name, user] += 1
        try:
            yield
        finally:
            self._at_entities[name, user] -= 1
            if not self._at_entities[name, user]:
                del self._at_entities[name, user]
            places.give_back(user)
            if not places.taken:
                del self._under_way[key]

    def _crowded(self, name: Name, user: str) -> RateLimited | None:
        places = self._under_way.get((name.tenant, name.purpose))
        if places is None:
            return None
        if not places.has_room(user):
            where = f"of this user or tenant to {name.purpose}"
        elif self._at_entities[name, user] >= USER_AT_ENTITY:
            where = "of this user to this entity"
        else:
            return None
        return RateLimited(
            f"too many requests {where} are under way: wait for answers", retry_after_ms=CROWDED_MILLISECONDS
        )

    def headers(self, name: Name, user: str) -> Mapping[str, str]:
        """Policies and standing for the answer to a command (draft-ietf-httpapi-ratelimit-headers-11)."""
        if not self._policies:
            return {}
        now = self._clock()
        return {
            "RateLimit-Policy": ", ".join(policy.header() for policy in self._policies),
            "RateLimit": ", ".join(policy.standing(policy.key(name, user), now) for policy in self._policies),
        }

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


def _user(name: Name, user: str) -> Hashable:
    return name.tenant, user


def _tenant(name: Name, _: str) -> Hashable:
    return name.tenant


def _entity(name: Name, _: str) -> Hashable:
    return name


def _user_of_entity(name: Name, user: str) -> Hashable:
    return name, user
