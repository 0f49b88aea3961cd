"""Commands and looks that wait for an answer: published again until one comes, each copy under a reply subject of its own."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
from opentelemetry.trace import SpanKind

from holdfast._answers import answer_decoder, opened
from holdfast._bus import Bus, Message, Subscription
from holdfast._deletion import DELETE_COMMAND
from holdfast._errors import NO_ROOM, UNKNOWN, RateLimited, TimedOut, Unavailable
from holdfast._messages import Accepted, CommandEnvelope, View
from holdfast._names import Name
from holdfast._turn import VIEW_COMMAND
from holdfast.jetstream import H_REPLY
from holdfast.telemetry import TRACEPARENT, Step, Tracing

ANSWER_SECONDS: Final = 10.0
FIRST_RESEND_SECONDS: Final = 1.0
RESEND_MAX_SECONDS: Final = 4.0
"""Copies are a last resort: elections and reconnections send them at once, and under overload each costs a judgement."""
RESEND_SPREAD_SECONDS: Final = 0.1
"""Once commands can be stored again, copies of all that wait leave within this time."""
ROUND_TRIP_SECONDS: Final = 0.05
"""With less time left no copy leaves: its answer would come too late, and nobody would know what became of it."""
BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 1.0
_ELECTIONS: Final = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."
"""Where a cluster tells that a stream has a leader again; the stream's name is the last token."""

_encoder: Final = msgspec.json.Encoder()


class _Outcome(msgspec.Struct, frozen=True):
    events: tuple[msgspec.Raw, ...] | None = None


_outcome_decoder: Final = msgspec.json.Decoder(_Outcome)
_CALLS: Final[Mapping[str, str]] = {VIEW_COMMAND: "view", DELETE_COMMAND: "delete"}
Answer = TypeVar("Answer", Accepted, View, dict[str, object])


class Calls:
    """Every call of a client that is under way, and what it listens to for their sake."""

    def __init__(self, bus: Bus, tracing: Tracing | None) -> None:
        self._bus = bus
        self._tracing = tracing
        self._prefix = bus.new_inbox() + "."
        self._calls = 0
        self._waiting: dict[str, _Call] = {}
        self._inbox: Subscription | None = None
        self._elections: Subscription | None = None
        self._end_gap: Callable[[], None] = _nothing

    async def open(self) -> None:
        """Listen for answers."""
        self._inbox = await self._bus.subscribe(self._prefix + "*", self._on_answer)
        self._elections = await self._bus.listen(_ELECTIONS + "*", self._on_election)
        self._end_gap = self._bus.on_gap(self._send_again)

    async def close(self) -> None:
        """Stop listening."""
        self._end_gap()
        for subscription in (self._inbox, self._elections):
            if subscription is not None:
                await subscription.stop()
        self._inbox = self._elections = None

    async def call(
        self, name: Name, envelope: CommandEnvelope, read: msgspec.json.Decoder[Answer], timeout: float | None
    ) -> Answer:
        """Send an envelope until it is answered, and read the answer; refusals and `TimedOut` are raised."""
        seconds = timeout or ANSWER_SECONDS
        if self._tracing is None:
            return read.decode(await self._repeat(name, envelope, seconds))
        what = f"{_CALLS.get(envelope.command, 'send')} {name.purpose}"
        with self._tracing.within(what, kind=SpanKind.CLIENT) as step:
            step.tell(entity=name, command_id=envelope.command_id)
            answer = read.decode(await self._repeat(name, envelope, seconds, step))
            if isinstance(answer, Accepted | View):
                repeated = isinstance(answer, Accepted) and answer.deduplicated
                step.end("REPEATED" if repeated else "OK", seq=answer.seq)
            return answer

    async def _repeat(
        self, name: Name, envelope: CommandEnvelope, timeout: float, step: Step | None = None
    ) -> msgspec.Raw:
        """Repeat a call until it is judged: a retry is a call of its own."""
        body = _encoder.encode(envelope)
        subject = name.subject("cmd")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        backoff = BACKOFF_SECONDS
        under_way = False
        copies = 0
        while True:
            try:
                asked = await self._ask(subject, body, deadline, step)
                copies += asked.copies
                under_way = under_way or asked.unanswered
                return opened(asked.answer.result())
            except (Unavailable, RateLimited) as error:
                # A rate is looked at before what waits: it says nothing of a copy that came earlier.
                if _will_not_soon_change(error) and copies == 1 and not under_way:
                    raise
                if step is not None:
                    step.happened(error.code.lower())
                under_way = under_way or _may_be_carried_out(error)
                pause = max(backoff, _seconds_until_again(error)) * (0.5 + random.random())  # noqa: S311 - jitter
                if loop.time() + pause + ROUND_TRIP_SECONDS >= deadline:
                    raise (_unknown(envelope) if under_way else error) from None
                await asyncio.sleep(pause)
                backoff = min(backoff * 2, BACKOFF_MAX_SECONDS)
            except TimeoutError:
                raise _unknown(envelope) from None

    async def _ask(self, subject: str, body: bytes, deadline: float, step: Step | None) -> "_Call":
        """Publish, and publish again at growing intervals, until the answer comes.

        Every copy has a reply subject of its own. Once another copy is under way, a refusal of an earlier one is not
        the last word: only an acceptance is.
        """
        self._calls += 1
        call = _Call(asyncio.get_running_loop().create_future(), subject)
        self._waiting[str(self._calls)] = call
        inbox = f"{self._prefix}{self._calls}"
        loop = asyncio.get_running_loop()
        patience = FIRST_RESEND_SECONDS
        try:
            while not call.answer.done():
                call.copies += 1
                headers = {H_REPLY: f"{inbox}-{call.copies}"}
                if step is not None:
                    headers[TRACEPARENT] = step.header
                    step.happened("published", copy=call.copies)
                await self._publish(call, subject, body, headers)
                pause = patience * (0.75 + random.random() / 2)  # noqa: S311 - jitter
                await _wait(call, min(pause, deadline - loop.time()))
                patience = min(patience * 2, RESEND_MAX_SECONDS)
                if not call.answer.done() and loop.time() >= deadline:
                    raise TimeoutError
            return call
        finally:
            del self._waiting[inbox.removeprefix(self._prefix)]

    async def _publish(self, call: "_Call", subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            await self._bus.publish(subject, body, headers=headers)
        except Unavailable as error:
            if call.copies == 1:
                raise
            raise _Interrupted(error.message, **error.details) from error

    def _on_election(self, message: Message) -> None:
        """Copies that left while the commands stream had no leader are lost."""
        kind, _, purpose = message.subject.removeprefix(_ELECTIONS).partition("-")
        if kind == "cmd":
            self._send_again(f"cmd.{purpose}.")

    def _send_again(self, subjects: str = "") -> None:
        """Let the calls to these subjects, or all, send their next copy now: the last one may be lost, or its answer."""
        loop = asyncio.get_running_loop()
        for call in self._waiting.values():
            if call.subject.startswith(subjects):
                loop.call_later(RESEND_SPREAD_SECONDS * random.random(), call.wake)  # noqa: S311 - jitter

    async def _on_answer(self, message: Message) -> None:
        token, _, copy = message.subject.removeprefix(self._prefix).partition("-")
        call = self._waiting.get(token)
        if call is None or call.answer.done():
            return
        if copy == str(call.copies) or _is_final(message.data):
            call.answer.set_result(message.data)
        else:
            call.refused.add(copy)


def _will_not_soon_change(error: Unavailable | RateLimited) -> bool:
    return isinstance(error, RateLimited) or error.details.get("reason") == NO_ROOM


def _may_be_carried_out(error: Unavailable | RateLimited) -> bool:
    """Whether this answer leaves open what became of a copy of the command."""
    return isinstance(error, _Interrupted | RateLimited) or error.details.get("reason") == UNKNOWN


def _seconds_until_again(error: Unavailable | RateLimited) -> float:
    milliseconds = error.details.get("retry_after_ms") if isinstance(error, RateLimited) else None
    return milliseconds / 1000 if isinstance(milliseconds, int) else 0.0


class _Interrupted(Unavailable):
    """No further copy can be sent, and what became of an earlier one is not known."""


def _unknown(envelope: CommandEnvelope) -> TimedOut:
    words = "no answer in time; send the same command id again to learn the outcome"
    return TimedOut(words, command_id=envelope.command_id)


def _nothing() -> None:
    """What ends nothing."""


@dataclass(slots=True)
class _Call:
    answer: asyncio.Future[bytes]
    subject: str
    copies: int = 0
    refused: set[str] = field(default_factory=set[str])
    """The copies that were refused before the last one."""
    wake: Callable[[], None] = _nothing
    """Ends the present wait, if there is one."""

    @property
    def unanswered(self) -> bool:
        """Whether nothing was heard of a copy before the last one: it may wait somewhere, and be carried out yet."""
        return len(self.refused) < self.copies - 1


async def _wait(call: _Call, seconds: float) -> None:
    """Wait for the answer, at most so long, without cancelling it; one timer is all that this costs."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake(*_: object) -> None:
        if not woken.done():
            woken.set_result(None)

    timer = loop.call_later(seconds, wake)
    call.answer.add_done_callback(wake)
    call.wake = wake
    try:
        await woken
    finally:
        call.wake = _nothing
        timer.cancel()
        call.answer.remove_done_callback(wake)


def _is_final(body: bytes) -> bool:
    """Whether no later copy of the command can have another outcome: it is in the log, or it was a view."""
    answer = answer_decoder.decode(body)
    return answer.error is None and _outcome_decoder.decode(answer.ok).events != ()
