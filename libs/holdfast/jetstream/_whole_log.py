"""The log of a purpose from end to end, as a projector reads it: one pull at a time, so that memory stays bounded."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final
from uuid import uuid4

import msgspec

from holdfast._bus import Bus, Message
from holdfast._errors import Unavailable
from holdfast._names import Name
from holdfast._projection import Chunk, LoggedCommit
from holdfast.jetstream import _api
from holdfast.jetstream._log import decode_stored
from holdfast.jetstream._streams import log_stream
from holdfast.telemetry import TRACEPARENT

PULL_COMMITS: Final = 500
PULL_BYTES: Final = 4 * 1024 * 1024
HEADER_ROOM: Final = 64 * 1024
WAIT_SECONDS: Final = 2.0
LATE_SECONDS: Final = 5.0
INACTIVE_SECONDS: Final = 30
LINGER_SECONDS: Final = 0.02
"""Between two pulls at the end of the log: what comes in meanwhile shares a transaction."""
_NANOSECONDS: Final = 1_000_000_000
_ACK_TOKENS: Final = 9
"""`$JS.ACK.stream.consumer.delivered.stream_seq.consumer_seq.timestamp.pending`"""
_NOTHING_MORE: Final = frozenset({"404", "408"})
_ENOUGH: Final = frozenset({"Batch Completed", "Message Size Exceeds MaxBytes"})
"""How the server ends a pull that has a limit in bytes."""


class JetStreamWholeLog:
    """Reads a purpose's stream by pull consumers of its own, which the server drops when they are not used."""

    def __init__(self, bus: Bus, purpose: str, *, pull: int = PULL_COMMITS) -> None:
        self._bus = bus
        self._stream = log_stream(purpose)
        self._pull = pull

    async def end(self) -> int:
        """The position of the newest commit, 0 when there was never one."""
        try:
            info = await _api.call(self._bus, f"STREAM.INFO.{self._stream}")
        except _api.ApiError as error:
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        return int(info["state"]["last_seq"])

    async def follow(self, after: int, /) -> AsyncGenerator[Chunk]:
        """Every commit after this position, in order, for ever. `Unavailable` after a gap or a lost connection."""
        arrived: asyncio.Queue[Message] = asyncio.Queue(2 * self._pull)
        inbox = self._bus.new_inbox()
        subscription = await self._bus.subscribe(inbox, arrived.put)
        try:
            consumer = await self._consumer(after)
            reader = _Reader(self._bus, f"{self._stream}.{consumer}", inbox, arrived, self._pull)
            while True:
                yield await reader.pull()
        finally:
            await subscription.stop()

    async def _consumer(self, after: int) -> str:
        name = f"holdfast-{uuid4().hex}"
        configuration = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": INACTIVE_SECONDS * _NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
        }
        body = {"stream_name": self._stream, "config": configuration}
        try:
            await _api.call(self._bus, f"CONSUMER.CREATE.{self._stream}.{name}", body)
        except _api.ApiError as error:
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        return name


class _Reader:
    """One consumer's messages, pull by pull, checked for gaps."""

    def __init__(self, bus: Bus, consumer: str, inbox: str, arrived: asyncio.Queue[Message], pull: int) -> None:
        self._bus = bus
        self._consumer = consumer
        self._inbox = inbox
        self._arrived = arrived
        self._query: dict[str, Any] = {
            "batch": pull,
            "max_bytes": max(PULL_BYTES, bus.max_payload + HEADER_ROOM),
            "no_wait": True,
        }
        self._deliveries = 0
        self._behind = 0
        self._at_end = False

    async def pull(self) -> Chunk:
        """What the log holds now, up to the limits; at its end the wait for something new."""
        query = self._query
        if self._at_end:
            await asyncio.sleep(LINGER_SECONDS)
            query = {**query, "expires": int(WAIT_SECONDS * _NANOSECONDS)}
        await self._bus.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._consumer}", msgspec.json.encode(query), reply=self._inbox
        )
        found: list[LoggedCommit] = []
        while True:
            message = await self._next()
            status = message.headers.get("Status")
            if status is None:
                found.append(self._read(message))
            elif status in _NOTHING_MORE:
                self._behind = 0
                break
            elif found and message.headers.get("Description") in _ENOUGH:
                break
            else:
                raise Unavailable(f"the log cannot be read: {status} {message.headers.get('Description', '')}")
        self._at_end = self._behind == 0
        return Chunk(found, self._behind)

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(LATE_SECONDS):
                return await self._arrived.get()
        except TimeoutError:
            raise Unavailable("NATS stopped answering in the middle of a read; try again") from None

    def _read(self, message: Message) -> LoggedCommit:
        tokens = message.reply.split(".")
        if len(tokens) > _ACK_TOKENS:
            del tokens[2:4]  # the later form puts domain and account before the stream
        position, delivery, self._behind = int(tokens[5]), int(tokens[6]), int(tokens[8])
        self._deliveries += 1
        if delivery != self._deliveries:
            raise Unavailable("messages of the log went astray; reading again")
        stored = decode_stored(position, message.data, message.headers)
        return LoggedCommit(
            position,
            Name.from_subject(message.subject),
            stored.commit,
            stored.commit_id,
            stored.judged,
            stored.digests,
            message.headers.get(TRACEPARENT, ""),
        )
