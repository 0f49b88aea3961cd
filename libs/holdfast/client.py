"""The caller's side: send commands, look at entities, read and follow their events."""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import msgspec

from holdfast._bus import Bus, Subscription
from holdfast._messages import Accepted, Actor, Commit, View
from holdfast._names import Name


class Caller(Protocol):
    """Signatures agreed before the implementation; replaced by `Client`."""

    bus: Bus

    @classmethod
    async def connect(cls, servers: str | Sequence[str], *, name: str = "holdfast-client") -> Self: ...

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(
        self,
        name: Name,
        command: str,
        data: bytes | msgspec.Raw = b"{}",
        *,
        by: Actor,
        command_id: str | None = None,
        expected_seq: int | None = None,
        timeout: float | None = None,
    ) -> Accepted:
        """Send a command until it is answered; refusals and `TimedOut` are raised. Safe to repeat with one id."""
        ...

    async def view(
        self,
        name: Name,
        *,
        by: Actor,
        seq: int | None = None,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> View:
        """The entity as `by` may see it, now or in the past."""
        ...

    async def head(self, name: Name, *, by: Actor, timeout: float | None = None) -> int:
        """The entity's last seq; `NotFound` unless `by` may read it."""
        ...

    async def commits(self, name: Name, *, after: int, limit: int = 1000) -> Sequence[Commit]:
        """Whole commits with events beyond seq `after`, oldest first, about `limit` events. No permission check."""
        ...

    async def follow(self, name: Name, receive: Callable[[Commit], None], *, gap: Callable[[], None]) -> Subscription:
        """Receive every commit stored from now on. `gap` is called when some may have been missed."""
        ...
