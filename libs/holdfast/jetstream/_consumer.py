"""An ordered consumer: every message of a stream in order, once, whatever the connection does."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec
import structlog

from holdfast._bus import Bus, Message, Subscription
from holdfast._errors import Unavailable
from holdfast.jetstream import _api

HEARTBEAT_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 1.5
ANSWER_SECONDS: Final = 1.0
"""For the server's answers: while a stream elects its leader nobody gives one, and asking again is cheap."""
RETRY_SECONDS: Final = 0.1
MAX_RETRY_SECONDS: Final = 0.5
DIRECT_SECONDS: Final = 0.03
"""Between two looks into the stream, while the server makes the consumer."""
DIRECT_ANSWER_SECONDS: Final = 0.5
DIRECT_MESSAGES: Final = 1000
STEADY_SECONDS: Final = 10.0
"""A consumer that held this long is restarted at once, one that broke sooner after a pause."""
_NANOSECONDS: Final = 1_000_000_000
_ACK: Final = "$JS.ACK."
"""How the reply subject of a stored message begins. Its headers are its sender's, so that they prove nothing."""
_ACK_TOKENS: Final = 9
"""`$JS.ACK.stream.consumer.delivered.stream_seq.consumer_seq.timestamp.pending`"""

log = structlog.get_logger(__name__)


class ReceivedMessage(NamedTuple):
    """A message with its place in the stream and the server's time of receipt (ns)."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    sequence: int
    received: int


class OrderedConsumer:
    """Reads subjects of a stream from its oldest message on, recreating the server's consumer after every gap.

    `renewed` is called when the stream is another one than before, and everything in it is new. A cluster takes its time
    to make a consumer, and some seconds while it has no leader, but its streams go on: with `direct`, a filter of
    subjects, the stream is read without one meanwhile, and `receive` is given all that the filter lets through.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        subjects: Sequence[str],
        receive: Callable[[ReceivedMessage], Awaitable[None]],
        *,
        ensure: Callable[[], Awaitable[None]],
        renewed: Callable[[], None] | None = None,
        direct: str = "",
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._subjects = list(subjects)
        self._renewed = renewed
        self._direct = direct
        self._receive = receive
        self._ensure = ensure
        self._subscription: Subscription | None = None
        self._consumer = ""
        self.created = ""
        """Which life of the stream is being read: the time at which the server created it."""
        self._next_sequence = 1
        self._next_delivery = 1
        self._heard = 0.0
        self._to_catch_up = math.inf
        self._aimed = False
        self._broken = asyncio.Event()
        self.ready = asyncio.Event()
        self.caught_up = asyncio.Event()
        """Whether all has been received that was stored when reading last began anew."""
        self.known_until = -math.inf
        """When, on the loop's clock, nothing is known to have been missed: a sign of life while caught up."""

    def aim(self, subjects: Sequence[str], *, sequence: int) -> None:
        """Read these subjects from now on, beginning at `sequence`; none of them means to pause."""
        self._subjects = list(subjects)
        self._next_sequence = sequence
        self._aimed = True
        self._broken.set()

    async def run(self) -> None:
        """Consume until cancelled."""
        end_gap = self._bus.on_gap(self._broken.set)
        loop = asyncio.get_running_loop()
        delay = 0.0
        try:
            while True:
                began = loop.time()
                try:
                    await self._restart()
                    self.ready.set()
                    await self._watch()
                except (Unavailable, _api.ApiError) as error:
                    if delay < MAX_RETRY_SECONDS:
                        log.warning("consumer.restarting", stream=self._stream, error=str(error))
                if self._aimed or loop.time() - began > STEADY_SECONDS:
                    delay = 0.0
                await asyncio.sleep(delay * (0.5 + random.random()))  # noqa: S311 - jitter
                delay = min(max(delay * 2, RETRY_SECONDS), MAX_RETRY_SECONDS)
        finally:
            end_gap()
            await self._stop()

    async def _watch(self) -> None:
        """Return when the consumer is broken: a gap, silence, or a lost connection."""
        loop = asyncio.get_running_loop()
        while not self._broken.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._broken.wait()
            except TimeoutError:
                if self._subjects and loop.time() - self._heard > SILENCE_SECONDS:
                    log.info("consumer.silent", stream=self._stream)
                    return

    async def _restart(self) -> None:
        await self._stop()
        self._broken.clear()
        self._aimed = False
        await self._find_stream()
        self._consumer = f"holdfast-{uuid4().hex}"
        self._next_delivery = 1
        self._to_catch_up = math.inf
        self.caught_up.clear()
        if not self._subjects:
            return
        inbox = self._bus.new_inbox()
        self._subscription = await self._bus.subscribe(inbox, self._on_message)
        self._heard = asyncio.get_running_loop().time()
        made = await self._make(inbox)
        if made is not None:
            self._to_catch_up = int(made["num_pending"])
            self._note_progress()

    async def _make(self, inbox: str) -> dict[str, Any] | None:
        """Have the server make the consumer, and read directly until it has; None when aimed anew."""
        operation = f"CONSUMER.CREATE.{self._stream}.{self._consumer}"
        wanted = {"stream_name": self._stream, "config": self._configuration(inbox)}
        making = asyncio.ensure_future(_api.call(self._bus, operation, wanted, timeout=ANSWER_SECONDS))
        try:
            while not self._broken.is_set():
                pause = DIRECT_SECONDS if await self._read_directly() < DIRECT_MESSAGES else 0.0
                done, _ = await asyncio.wait([making], timeout=pause)
                if done:
                    return making.result()
        finally:
            making.cancel()
        return None

    async def _read_directly(self) -> int:
        """Receive what is stored, without a consumer; returns how many messages came in one piece."""
        if not self._direct:
            return 0
        query = {"seq": self._next_sequence, "next_by_subj": self._direct, "batch": DIRECT_MESSAGES}
        operation = f"$JS.API.DIRECT.GET.{self._stream}"
        count, last = 0, 0
        with suppress(Unavailable):  # then the consumer has to do
            async for message in self._bus.request_many(
                operation, msgspec.json.encode(query), timeout=DIRECT_ANSWER_SECONDS
            ):
                sequence = int(message.headers.get("Nats-Sequence", "0"))  # the server's own; the last answer has none
                if int(message.headers.get("Nats-Last-Sequence", "0")) != last:
                    break  # an answer was lost: what follows it is asked for again
                last = sequence
                count += bool(sequence)
                if sequence < self._next_sequence or self._aimed:
                    continue
                self._next_sequence = sequence + 1
                subject, received = message.headers["Nats-Subject"], _nanoseconds(message.headers["Nats-Time-Stamp"])
                await self._receive(ReceivedMessage(subject, message.data, message.headers, sequence, received))
        return count

    def _configuration(self, inbox: str) -> dict[str, Any]:
        return {
            "name": self._consumer,
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next_sequence,
            "filter_subjects": self._subjects,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * _NANOSECONDS),
            "inactive_threshold": 30 * _NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
        }

    async def _find_stream(self) -> None:
        """Start over when the stream did: one in memory outlives neither a single server nor a whole cluster.

        On a cluster it keeps its date of creation and begins again at sequence 1.
        """
        try:
            info = await _api.call(self._bus, f"STREAM.INFO.{self._stream}", timeout=ANSWER_SECONDS)
        except _api.ApiError as error:
            if error.code != _api.STREAM_NOT_FOUND:
                raise
            await self._ensure()
            info = await _api.call(self._bus, f"STREAM.INFO.{self._stream}")
        if info["created"] != self.created or int(info["state"]["last_seq"]) < self._next_sequence - 1:
            known, self.created = self.created, info["created"]
            if known:
                self._next_sequence = 1
                if self._renewed is not None:
                    self._renewed()

    async def _on_message(self, message: Message) -> None:
        self._heard = asyncio.get_running_loop().time()
        if not message.reply.startswith(_ACK):
            await self._on_control(message)
            return
        tokens = message.reply.split(".")
        if len(tokens) > _ACK_TOKENS:
            del tokens[2:4]  # the later form puts domain and account before the stream
        if len(tokens) < _ACK_TOKENS or tokens[3] != self._consumer or self._aimed:
            return  # what comes after a new aim is read again from there
        sequence, delivery, received = int(tokens[5]), int(tokens[6]), int(tokens[7])
        if delivery != self._next_delivery:
            self._broken.set()
            return
        self._next_delivery += 1
        if sequence >= self._next_sequence:
            self._next_sequence = sequence + 1
            await self._receive(ReceivedMessage(message.subject, message.data, message.headers, sequence, received))
        self._note_progress()

    def _note_progress(self) -> None:
        if self._next_delivery > self._to_catch_up:
            self.known_until = self._heard
            self.caught_up.set()

    async def _on_control(self, message: Message) -> None:
        stalled = message.headers.get("Nats-Consumer-Stalled")
        if message.reply:
            await self._bus.publish(message.reply, b"")
        elif stalled:
            await self._bus.publish(stalled, b"")
        last = message.headers.get("Nats-Last-Consumer")
        if last is not None and int(last) >= self._next_delivery:
            self._broken.set()
        else:
            self._note_progress()

    async def _stop(self) -> None:
        """Stop listening. What the server does not hear of, it drops after the inactivity threshold."""
        if self._subscription is not None:
            await self._subscription.stop()
            self._subscription = None
            with suppress(Unavailable):
                await self._bus.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}", b"")


def _nanoseconds(stamp: str) -> int:
    """The server's time of receipt (RFC 3339, in UTC, with up to nine digits behind the second)."""
    whole, _, digits = stamp.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * _NANOSECONDS + int(digits.ljust(9, "0") or "0")
