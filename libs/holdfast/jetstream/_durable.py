"""Durable pull consumers with explicit acknowledgements: one reader at a time in order, or many that share the work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, NamedTuple

import msgspec

from holdfast._bus import Bus, Message
from holdfast._errors import HoldfastError, Unavailable
from holdfast.jetstream import _api
from holdfast.telemetry import TRACEPARENT

PULL_SECONDS: Final = 1.0
PULL_MESSAGES: Final = 100
LATE_SECONDS: Final = 2.0
PIN_SECONDS: Final = 4.0
WELL_SECONDS: Final = 10.0
"""A reader that lasted for longer read well: it waits for no single answer as long."""
"""A reader that does not pull for so long is replaced."""
HELD_MESSAGES: Final = 1000
"""How many messages may be under way, unacknowledged."""
SHARED_ACK_SECONDS: Final = 30.0
"""A message that is neither acknowledged nor kept for so long goes to another reader."""
ORDERED_ACK_SECONDS: Final = 86_400.0
"""In order, what is unacknowledged comes again by a new reader's reset, and never behind its successors."""
REACTOR: Final = "reactor-"
"""What the consumers of reactors are called, before their names."""
_GROUP: Final = "one"
_CONSUMER_NOT_FOUND: Final = 10014
_NANOSECONDS: Final = 1_000_000_000
_ACK_TOKENS: Final = 9
"""`$JS.ACK.stream.consumer.attempt.stream_seq.consumer_seq.timestamp.pending`"""
_NOTHING_MORE: Final = frozenset({"404", "408"})
_WRONG_PIN: Final = "423"


class Superseded(Exception):
    """Another reader has taken over."""


class Delivery(NamedTuple):
    """A message that waits for its acknowledgement."""

    subject: str
    data: bytes
    sequence: int
    """Its place in the stream."""
    attempt: int
    delivered: int
    """Its place among the consumer's deliveries."""
    pin: str
    receipt: str
    traceparent: str = ""
    """The span in which it was stored, where that was traced."""


class Durable:
    """One durable consumer on the server, which keeps what was acknowledged."""

    def __init__(self, bus: Bus, stream: str, name: str) -> None:
        self._bus = bus
        self._stream = stream
        self._name = name

    async def ensure(self, subject: str, *, starts: Literal["now", "beginning"], ordered: bool) -> None:
        """Create or upgrade it. Where it starts is heeded only when it is new."""
        wanted: dict[str, Any] = {
            "durable_name": self._name,
            "filter_subject": subject,
            "deliver_policy": "all" if starts == "beginning" else "new",
            "ack_policy": "explicit",
            "max_ack_pending": HELD_MESSAGES,
            "ack_wait": int((ORDERED_ACK_SECONDS if ordered else SHARED_ACK_SECONDS) * _NANOSECONDS),
        }
        if ordered:
            wanted |= {
                "priority_groups": [_GROUP],
                "priority_policy": "pinned_client",
                "priority_timeout": int(PIN_SECONDS * _NANOSECONDS),
            }
        try:
            found = (await _api.call(self._bus, f"CONSUMER.INFO.{self._stream}.{self._name}"))["config"]
            wanted["deliver_policy"] = found["deliver_policy"]
        except _api.ApiError as error:
            if error.code != _CONSUMER_NOT_FOUND:
                raise
        body = {"stream_name": self._stream, "config": wanted}
        await _api.call(self._bus, f"CONSUMER.CREATE.{self._stream}.{self._name}", body)

    async def waiting(self) -> int:
        """How many messages of the stream are not yet acknowledged."""
        info = await self._call("INFO")
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    async def take(self) -> str:
        """Wait until there is something to read and this reader is the one to read it; returns its pin.

        From then on, everything unacknowledged comes again in the order of the stream.
        """
        async with self._inbox() as inbox:
            while True:
                async for delivery in self._pull(inbox, {"batch": 1, "group": _GROUP}):
                    await self._call("RESET")
                    return delivery.pin
                await self._recover()

    async def _recover(self) -> None:
        """Put back what was delivered to a reader that is gone, when nothing newer is there to bring it up."""
        info = await self._call("INFO")
        if info["num_ack_pending"] and not any(group.get("pinned_client_id") for group in info["priority_groups"]):
            await self._call("RESET")

    async def leave(self) -> None:
        """Let another reader take over at once, if one stands by."""
        with suppress(HoldfastError, _api.ApiError):
            await self._call("UNPIN", {"group": _GROUP})

    async def in_order(self, pin: str) -> AsyncGenerator[Delivery]:
        """Every message after `take`, in order. `Superseded` ends it, and `Unavailable` when one went astray."""
        expected = 0
        async with self._inbox() as inbox:
            while True:
                async for delivery in self._pull(inbox, {"batch": PULL_MESSAGES, "group": _GROUP, "id": pin}):
                    expected += 1
                    if delivery.pin != pin:
                        raise Superseded
                    if delivery.delivered != expected:
                        raise Unavailable("messages went astray; reading again")
                    yield delivery

    async def shared(self) -> AsyncGenerator[Delivery]:
        """One message at a time, each to one of all readers."""
        async with self._inbox() as inbox:
            while True:
                async for delivery in self._pull(inbox, {"batch": 1}):
                    yield delivery

    async def is_kept(self, delivery: Delivery) -> bool:
        """Whether the stream still has the message, asked of its leader."""
        try:
            await _api.call(self._bus, f"STREAM.MSG.GET.{self._stream}", {"seq": delivery.sequence})
        except _api.ApiError as error:
            if error.code == _api.MESSAGE_NOT_FOUND:
                return False
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        return True

    async def acknowledge(self, delivery: Delivery) -> None:
        """Be done with a message, and know that the server knows."""
        await self._bus.request(delivery.receipt, b"+ACK", timeout=_api.API_SECONDS)

    async def again(self, delivery: Delivery, *, seconds: float) -> None:
        """Have a message delivered once more after this time."""
        body = msgspec.json.encode({"delay": int(seconds * _NANOSECONDS)})
        await self._bus.publish(delivery.receipt, b"-NAK " + body)

    async def keep(self, delivery: Delivery) -> None:
        """Keep a message from going to another reader for as long again."""
        await self._bus.publish(delivery.receipt, b"+WPI")

    async def _call(self, operation: str, body: object = None) -> dict[str, Any]:
        return await _api.call(self._bus, f"CONSUMER.{operation}.{self._stream}.{self._name}", body)

    @asynccontextmanager
    async def _inbox(self) -> AsyncGenerator["_Inbox"]:
        inbox = _Inbox(self._bus.new_inbox(), asyncio.Queue(2 * PULL_MESSAGES), asyncio.Event())
        subscription = await self._bus.subscribe(inbox.subject, inbox.arrived.put)
        end_gap = self._bus.on_gap(inbox.broken.set)
        try:
            yield inbox
        finally:
            end_gap()
            await subscription.stop()

    async def _pull(self, inbox: "_Inbox", query: dict[str, Any]) -> AsyncGenerator[Delivery]:
        """What one pull brings: as many messages as it asks for, or those of `PULL_SECONDS`."""
        body = msgspec.json.encode({**query, "expires": int(PULL_SECONDS * _NANOSECONDS)})
        await self._bus.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", body, reply=inbox.subject)
        for _ in range(query["batch"]):
            message = await inbox.next()
            status = message.headers.get("Status")
            if status in _NOTHING_MORE:
                return
            if status == _WRONG_PIN:
                raise Superseded
            if status is not None:
                raise Unavailable(f"{self._name} cannot read: {status} {message.headers.get('Description', '')}")
            yield _delivery(message)


class _Inbox(NamedTuple):
    subject: str
    arrived: asyncio.Queue[Message]
    broken: asyncio.Event

    async def next(self) -> Message:
        try:
            async with asyncio.timeout(PULL_SECONDS + LATE_SECONDS):
                message = await self.arrived.get()
        except TimeoutError:
            raise Unavailable("NATS stopped answering in the middle of a read; reading again") from None
        if self.broken.is_set():
            raise Unavailable("the connection to NATS was lost for a moment; reading again")
        return message


def _delivery(message: Message) -> Delivery:
    tokens = message.reply.split(".")
    if len(tokens) > _ACK_TOKENS:
        del tokens[2:4]  # the later form puts domain and account before the stream
    return Delivery(
        subject=message.subject,
        data=message.data,
        sequence=int(tokens[5]),
        attempt=int(tokens[4]),
        delivered=int(tokens[6]),
        pin=message.headers.get("Nats-Pin-Id", ""),
        receipt=message.reply,
        traceparent=message.headers.get(TRACEPARENT, ""),
    )
