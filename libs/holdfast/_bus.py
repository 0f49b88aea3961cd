"""The small port that all traffic with NATS goes through, so that a leaner client can take its place."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One received message; `headers` is empty when it carried none."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    reply: str


Receive = Callable[[Message], Awaitable[None]]
Hear = Callable[[Message], None]


class Subscription(Protocol):
    """A running subscription."""

    async def stop(self) -> None:
        """Receive nothing more. Calling it twice is harmless."""
        ...


class Bus(Protocol):
    """Publish, request and subscribe on NATS. Failures are `Unavailable`, and never silent."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands now."""
        ...

    @property
    def server_version(self) -> str:
        """The version that the connected server reports, such as `2.15.1`."""
        ...

    @property
    def max_payload(self) -> int:
        """The largest message in bytes that the server takes."""
        ...

    @property
    def listening(self) -> int:
        """How many subjects are listened to."""
        ...

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Hand a message to the connection; nothing confirms that it arrives."""
        ...

    async def request(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Message:
        """Publish and wait for the first answer, at most `timeout` seconds; `Unavailable` when there is none."""
        ...

    def request_many(self, subject: str, data: bytes, *, timeout: float) -> AsyncIterator[Message]:
        """Publish and yield every answer up to one with a `Status` header, which is the last; `timeout` each."""
        ...

    async def subscribe(self, subject: str, receive: Receive, *, queue: str = "") -> Subscription:
        """Call `receive` for every message, one after the other. It survives reconnects."""
        ...

    async def listen(self, subject: str, hear: Hear) -> Subscription:
        """Call `hear`, which must return at once, for every message as it is read: no task, no queue of its own.

        For the many subjects of which most are quiet. It survives reconnects.
        """
        ...

    async def flush(self, *, timeout: float) -> None:
        """Wait until the server has seen everything sent before, at most `timeout` seconds."""
        ...

    def on_gap(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever messages may have been missed (reconnect, overflow). Returns what ends it."""
        ...

    def new_inbox(self) -> str:
        """A fresh reply subject under `_INBOX.`."""
        ...
