"""Tokens that count no longer: known to every gateway within a second, and to one that starts later."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Final

import structlog

from gateway.auth import Identity
from holdfast import Unauthenticated, Unavailable
from holdfast.jetstream import Revocation, ensure_revocations, key_of_token, key_of_user, revocations
from holdfast.wire import Bus

CATCH_UP_SECONDS: Final = 5.0
LONGEST_WAIT: Final = 3600.0
FORGET_AT_ONCE: Final = 16
log = structlog.get_logger(__name__)


class Revocations:
    """All revocations that are kept, and whose sockets and streams they end. `running` owns the task that listens."""

    def __init__(self, bus: Bus, *, keep: float, grace: float, replicas: int) -> None:
        self._bus = bus
        self._keep = keep
        self._grace = grace
        self._replicas = replicas
        self._known: dict[str, Revocation] = {}
        self._holds: set[Hold] = set()
        self._consumer = revocations(bus, self._receive, keep=keep, replicas=replicas)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Revocations", None]:
        """Listen until the end of the block, and begin it when what is kept has been read."""
        try:
            await ensure_revocations(self._bus, keep=self._keep, replicas=self._replicas)
        except Unavailable as error:  # a cluster that still elects its leaders: listening begins when it has
            log.warning("revocations.not_ready", error=str(error))
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._consumer.run())
            try:
                with suppress(TimeoutError):  # until then every token is refused, and the caller told to come again
                    async with asyncio.timeout(CATCH_UP_SECONDS):
                        await self._consumer.caught_up.wait()
                yield self
            finally:
                listening.cancel()

    def require_valid(self, who: Identity) -> None:
        """Refuse a token that was revoked, and any while revocations cannot be known (`UNAVAILABLE`)."""
        if self._revoked(who):
            raise Unauthenticated("the token was revoked: get a new one")
        if self.trouble() is not None:
            raise Unavailable("no token can be checked, as revocations cannot be read: try again", retry_after_ms=1000)

    def trouble(self) -> str | None:
        """Why no token can be accepted now, for readiness; None when revocations are known."""
        silent = asyncio.get_running_loop().time() - self._consumer.known_until
        return "revocations cannot be read" if silent > self._grace else None

    def hold(self, who: Identity, ended: Callable[[str], None]) -> "Hold":
        """Say once, and never before this returns, that the credential has expired or was revoked, and which."""
        hold = Hold(self, who, ended)
        self._holds.add(hold)
        hold.check_soon()
        return hold

    def why_ended(self, who: Identity) -> str | None:
        """Why a credential counts no longer, or None."""
        if self._revoked(who):
            return "the token was revoked"
        return "the token has expired" if who.remaining() <= 0 else None

    def give_back(self, hold: "Hold") -> None:
        """Forget a hold."""
        self._holds.discard(hold)

    def _revoked(self, who: Identity) -> bool:
        keys = [key_of_user(who.tenant, who.actor.user)]
        keys += [] if who.token_id is None else [key_of_token(who.token_id)]
        return any(key in self._known and _covers(self._known[key], who) for key in keys)

    def _receive(self, revocation: Revocation) -> None:
        self._known.pop(revocation.key, None)
        self._known[revocation.key] = revocation
        self._forget(before=revocation.at - self._keep)
        for hold in self._holds:
            if _covers(revocation, hold.who):
                hold.check_soon()

    def _forget(self, *, before: float) -> None:
        """Drop what no living token can meet; the oldest come first."""
        for key, revocation in list(islice(self._known.items(), FORGET_AT_ONCE)):
            if revocation.at >= before:
                return
            del self._known[key]


class Hold:
    """A socket or a stream that ends with its credential."""

    __slots__ = ("_ended", "_revocations", "_timer", "who")

    def __init__(self, revocations: Revocations, who: Identity, ended: Callable[[str], None]) -> None:
        self.who = who
        self._revocations = revocations
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None

    def check_soon(self) -> None:
        """Look in a moment whether the credential still counts."""
        self._wait(0)

    def release(self) -> None:
        """It has ended by itself."""
        self._revocations.give_back(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        why = self._revocations.why_ended(self.who)
        if why is None:
            self._wait(min(self.who.remaining(), LONGEST_WAIT))
        else:
            self.release()
            self._ended(why)


def _covers(revocation: Revocation, who: Identity) -> bool:
    if revocation.token is not None:
        return revocation.token == who.token_id
    return (revocation.tenant, revocation.user) == (who.tenant, who.actor.user) and who.issued <= revocation.at
