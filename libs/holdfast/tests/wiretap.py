"""What tests on real servers share: a bus whose requests pass through the test, a reader, commits."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from uuid import uuid4

import msgspec

from holdfast import Actor, Name
from holdfast._bus import Bus, Message
from holdfast._clock import utc_now
from holdfast._log import Judged, NewCommit
from holdfast._messages import Commit, RecordedEvent
from holdfast._owners import PARTITIONS
from holdfast.jetstream import (
    NatsBus,
    OrderedConsumer,
    ReceivedMessage,
    command_subjects,
    commands,
)

ANN = Actor(user="ann", roles=())
PATIENCE = 60.0
Request = Callable[..., Coroutine[Any, Any, Message]]


def a_purpose() -> str:
    return f"p{uuid4().hex[:12]}"


class Tapped:
    """A bus whose requests pass through the test's hands; everything else is the real one's."""

    def __init__(self, bus: NatsBus, request: Callable[[Request, str], Coroutine[Any, Any, Message]]) -> None:
        self._bus = bus
        self._tap = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def request(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Message:
        async def forward() -> Message:
            return await self._bus.request(subject, data, headers=headers, timeout=timeout)

        return await self._tap(forward, subject)


def tapped(bus: NatsBus, request: Callable[[Request, str], Coroutine[Any, Any, Message]]) -> Bus:
    return cast("Bus", Tapped(bus, request))


class Reader:
    """Reads a stream by an ordered consumer."""

    def __init__(self) -> None:
        self.got: list[ReceivedMessage] = []
        self.bodies: list[bytes] = []

    async def receive(self, message: ReceivedMessage) -> None:
        self.got.append(message)
        self.bodies.append(message.data)

    @asynccontextmanager
    async def reading(self, bus: Bus, purpose: str, *, replicas: int = 1) -> AsyncGenerator[None]:
        consumer = commands(bus, purpose, self.receive, renewed=lambda: None, replicas=replicas)
        consumer.aim(command_subjects(purpose, range(PARTITIONS)), sequence=1)
        async with self.running(consumer):
            yield

    @asynccontextmanager
    async def running(self, consumer: OrderedConsumer) -> AsyncGenerator[None]:
        task = asyncio.create_task(consumer.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await consumer.ready.wait()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def a_commit(name: Name, seq: int, *, expected: int) -> NewCommit:
    event = RecordedEvent(
        seq=seq, type="added", data=msgspec.Raw(b"{}"), at=utc_now(), by=ANN, command_id=f"c{seq}-{uuid4().hex}"
    )
    commit = Commit(v=1, name=str(name), events=(event,))
    return NewCommit(name, expected, uuid4().hex, commit, Judged(1, seq), ((event.command_id, "d"),))
