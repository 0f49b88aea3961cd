"""The caller's side: send commands, look at entities, read and follow their events."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog

from holdfast._answers import opened
from holdfast._bus import Bus, Message, Subscription
from holdfast._calls import ANSWER_SECONDS, BACKOFF_MAX_SECONDS, BACKOFF_SECONDS, Calls
from holdfast._deletion import DELETE_COMMAND
from holdfast._errors import Unavailable
from holdfast._messages import Accepted, Actor, CommandEnvelope, Commit, View
from holdfast._names import Name, check_command_id
from holdfast._past_server import PastPage, PastQuery
from holdfast._remembered import new_command_id
from holdfast._turn import VIEW_COMMAND
from holdfast.jetstream import JetStreamLog, NatsBus, Newest, Reach, decode_live, newest, reach
from holdfast.telemetry import Tracing

READ_COMMITS: Final = 100

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


_accepted_decoder: Final = msgspec.json.Decoder(Accepted)
_past_decoder: Final = msgspec.json.Decoder(PastPage)
_view_decoder: Final = msgspec.json.Decoder(View)
_nothing_decoder: Final = msgspec.json.Decoder(dict[str, object])


class Client:
    """Sends commands until they are answered. Safe to share by all of a process."""

    def __init__(self, bus: Bus, *, replicas: int = 1, tracing: Tracing | None = None) -> None:
        self.bus = bus
        self._log = JetStreamLog(bus, replicas=replicas)
        self._calls = Calls(bus, tracing)

    @classmethod
    async def connect(
        cls,
        servers: str | Sequence[str],
        *,
        name: str = "holdfast client",
        replicas: int = 1,
        tracing: Tracing | None = None,
    ) -> Self:
        """Connect to NATS; `Unavailable` when no server answers."""
        bus = await NatsBus.connect(servers, name=name)
        client = cls(bus, replicas=replicas, tracing=tracing)
        client._owned = bus
        await client.open()
        return client

    _owned: NatsBus | None = None

    async def open(self) -> None:
        """Listen for answers; needed once before the first call on a bus of the caller's own."""
        await self._calls.open()

    async def close(self) -> None:
        """Stop listening, and close the connection if it was opened here."""
        await self._calls.close()
        if self._owned is not None:
            await self._owned.close()

    async def __aenter__(self) -> Self:
        """A connected client is its own context."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

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
        envelope = CommandEnvelope(
            command=command,
            command_id=command_id or new_command_id(),
            by=by,
            data=msgspec.Raw(data),
            expected_seq=expected_seq,
        )
        check_command_id(envelope.command_id)
        return await self._calls.call(name, envelope, _accepted_decoder, timeout)

    async def view(
        self,
        name: Name,
        *,
        by: Actor,
        seq: int | None = None,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> View:
        """The entity as `by` may see it, now, or after event `seq`, or at the moment `at`."""
        return await self._view(name, by, {"seq": seq, "at": at}, timeout)

    async def head(self, name: Name, *, by: Actor, timeout: float | None = None) -> int:
        """The entity's last seq; `NotFound` unless `by` may read it."""
        return (await self._view(name, by, {"state": False}, timeout)).seq

    async def delete(
        self, name: Name, *, by: Actor, command_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Delete the entity everywhere, for good; `NotFound` when there is none, `Forbidden` unless `by` is an admin.

        Whoever watches it is told by a commit without events. Its name may then be used anew, from seq 1.
        """
        envelope = CommandEnvelope(command=DELETE_COMMAND, command_id=command_id or new_command_id(), by=by)
        check_command_id(envelope.command_id)
        await self._calls.call(name, envelope, _nothing_decoder, timeout)

    async def commits(self, name: Name, *, after: int, limit: int = 1000) -> Sequence[Commit]:
        """Whole commits with events beyond seq `after`, oldest first, about `limit` events. No permission check.

        What the log no longer keeps comes from the archive; a first event beyond `after + 1` means that neither has it.
        """
        found = await self._kept(name, after=after, limit=limit)
        if found and found[0].events[0].seq > after + 1:
            return await self._archived(name, after=after, limit=limit) or found
        return found

    async def _archived(self, name: Name, *, after: int, limit: int) -> Sequence[Commit]:
        """Ask the service of the entity, whose archive has what the log had; again while none of its replicas answers."""
        body = _encoder.encode(PastQuery(after=after, limit=limit))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_SECONDS
        backoff = BACKOFF_SECONDS
        while True:
            try:
                left = max(BACKOFF_SECONDS, deadline - loop.time())
                answer = await self.bus.request(name.subject("past"), body, timeout=left)
                return _past_decoder.decode(opened(answer.data)).commits
            except Unavailable:
                pause = backoff * (0.5 + random.random())  # noqa: S311 - jitter
                if loop.time() + pause >= deadline:
                    raise
            await asyncio.sleep(pause)
            backoff = min(backoff * 2, BACKOFF_MAX_SECONDS)

    async def _kept(self, name: Name, *, after: int, limit: int) -> Sequence[Commit]:
        """What the log has of them."""
        position = await self._log.locate(name, after + 1)
        found: list[Commit] = []
        events = 0
        while position is not None and events < limit:
            stored = await self._log.read(name, position=position, limit=min(READ_COMMITS, limit - events))
            for each in stored:
                found.append(each.commit)
                events += len(each.commit.events)
                if events >= limit:
                    break
            position = stored[-1].position + 1 if stored else None
        return found

    async def last_seq(self, name: Name) -> int:
        """The seq of the entity's last event in the log, 0 when it is not written. No permission check."""
        last = await self._log.last(name)
        return last.commit.events[-1].seq if last else 0

    async def reach(self, purpose: str) -> Reach:
        """How far the log of a purpose goes."""
        return await reach(self.bus, purpose)

    async def newest(self, names: Sequence[Name], *, after: int) -> Newest:
        """What these entities of one purpose, at most `NEWEST_AT_ONCE`, have behind a position of the log.

        No permission check.
        """
        return await newest(self.bus, names, after=after)

    async def follow(self, name: Name, receive: Callable[[Commit], None], *, gap: Callable[[], None]) -> Subscription:
        """Receive every commit stored from now on, and one without events when the entity is deleted.

        `gap` is called when some may have been missed.
        """
        subscription = await self.hear(name, receive, unreadable=gap)
        return _Following(subscription, self.bus.on_gap(gap))

    async def hear(
        self, name: Name, receive: Callable[[Commit], None], *, unreadable: Callable[[], None]
    ) -> Subscription:
        """The same for whoever follows many entities, and asks the bus itself for gaps of all of them."""

        def on_message(message: Message) -> None:
            try:
                commit = decode_live(message)
            except msgspec.MsgspecError:
                log.warning("live.unreadable", subject=message.subject)
                unreadable()
                return
            receive(commit)

        subscription = await self.bus.listen(name.subject("live"), on_message)
        try:
            await self.bus.flush(timeout=ANSWER_SECONDS)
        except BaseException:
            await subscription.stop()
            raise
        return subscription

    async def _view(self, name: Name, by: Actor, query: dict[str, object], timeout: float | None) -> View:
        envelope = CommandEnvelope(
            command=VIEW_COMMAND,
            command_id=new_command_id(),
            by=by,
            data=msgspec.Raw(_encoder.encode({key: value for key, value in query.items() if value is not None})),
        )
        return await self._calls.call(name, envelope, _view_decoder, timeout)


class _Following:
    def __init__(self, subscription: Subscription, end_gap: Callable[[], None]) -> None:
        self._subscription = subscription
        self._end_gap = end_gap

    async def stop(self) -> None:
        """Receive nothing more."""
        self._end_gap()
        await self._subscription.stop()
