"""The caller's side: send commands, look at entities, read and follow their events."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from holdfast._answers import answer_decoder, opened
from holdfast._bus import Bus, Message, Subscription
from holdfast._deletion import DELETE_COMMAND
from holdfast._errors import RateLimited, TimedOut, Unavailable
from holdfast._messages import Accepted, Actor, CommandEnvelope, Commit, View
from holdfast._names import Name, check_command_id
from holdfast._past_server import PastPage, PastQuery
from holdfast._remembered import new_command_id
from holdfast._turn import VIEW_COMMAND
from holdfast.jetstream import H_REPLY, JetStreamLog, NatsBus, decode_live
from holdfast.telemetry import TRACEPARENT, Step, Tracing

ANSWER_SECONDS: Final = 10.0
FIRST_RESEND_SECONDS: Final = 1.0
RESEND_MAX_SECONDS: Final = 4.0
"""Copies are a last resort: elections and reconnections send them at once, and under overload each costs a judgement."""
RESEND_SPREAD_SECONDS: Final = 0.1
"""Once commands can be stored again, copies of all that wait leave within this time."""
BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 1.0
READ_COMMITS: Final = 100
_ELECTIONS: Final = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."
"""Where a cluster tells that a stream has a leader again; the stream's name is the last token."""

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class _Outcome(msgspec.Struct, frozen=True):
    events: tuple[msgspec.Raw, ...] | None = None


_outcome_decoder: Final = msgspec.json.Decoder(_Outcome)
_accepted_decoder: Final = msgspec.json.Decoder(Accepted)
_past_decoder: Final = msgspec.json.Decoder(PastPage)
_view_decoder: Final = msgspec.json.Decoder(View)
_nothing_decoder: Final = msgspec.json.Decoder(dict[str, object])
_CALLS: Final[Mapping[str, str]] = {VIEW_COMMAND: "view", DELETE_COMMAND: "delete"}
_Answer = TypeVar("_Answer", Accepted, View, dict[str, object])


class Client:
    """Sends commands until they are answered. Safe to share by all of a process."""

    def __init__(self, bus: Bus, *, replicas: int = 1, tracing: Tracing | None = None) -> None:
        self.bus = bus
        self._tracing = tracing
        self._log = JetStreamLog(bus, replicas=replicas)
        self._prefix = bus.new_inbox() + "."
        self._calls = 0
        self._waiting: dict[str, _Call] = {}
        self._inbox: Subscription | None = None
        self._elections: Subscription | None = None
        self._end_gap: Callable[[], None] = _nothing

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
        self._inbox = await self.bus.subscribe(self._prefix + "*", self._on_answer)
        self._elections = await self.bus.listen(_ELECTIONS + "*", self._on_election)
        self._end_gap = self.bus.on_gap(self._send_again)

    async def close(self) -> None:
        """Stop listening, and close the connection if it was opened here."""
        self._end_gap()
        for subscription in (self._inbox, self._elections):
            if subscription is not None:
                await subscription.stop()
        self._inbox = self._elections = None
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
        return await self._call(name, envelope, _accepted_decoder, timeout)

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
        await self._call(name, envelope, _nothing_decoder, timeout)

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

    async def follow(self, name: Name, receive: Callable[[Commit], None], *, gap: Callable[[], None]) -> Subscription:
        """Receive every commit stored from now on, and one without events when the entity is deleted.

        `gap` is called when some may have been missed.
        """

        def on_message(message: Message) -> None:
            try:
                commit = decode_live(message)
            except msgspec.MsgspecError:
                log.warning("live.unreadable", subject=message.subject)
                gap()
                return
            receive(commit)

        subscription = await self.bus.listen(name.subject("live"), on_message)
        end_gap = self.bus.on_gap(gap)
        try:
            await self.bus.flush(timeout=ANSWER_SECONDS)
        except BaseException:
            end_gap()
            await subscription.stop()
            raise
        return _Following(subscription, end_gap)

    async def _view(self, name: Name, by: Actor, query: dict[str, object], timeout: float | None) -> View:
        envelope = CommandEnvelope(
            command=VIEW_COMMAND,
            command_id=new_command_id(),
            by=by,
            data=msgspec.Raw(_encoder.encode({key: value for key, value in query.items() if value is not None})),
        )
        return await self._call(name, envelope, _view_decoder, timeout)

    async def _call(
        self, name: Name, envelope: CommandEnvelope, read: msgspec.json.Decoder[_Answer], timeout: float | None
    ) -> _Answer:
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
                answer, sent = await self._ask(subject, body, deadline, step)
                copies += sent
                return opened(answer)
            except (Unavailable, RateLimited) as error:
                # A rate is looked at before what waits: it says nothing of a copy that came earlier.
                if isinstance(error, RateLimited) and copies == 1 and not under_way:
                    raise
                if step is not None:
                    step.happened(error.code.lower())
                under_way = under_way or isinstance(error, _Interrupted | RateLimited)
                pause = max(backoff, _seconds_until_again(error)) * (0.5 + random.random())  # noqa: S311 - jitter
                if loop.time() + pause >= deadline:
                    raise (_unknown(envelope) if under_way else error) from None
                await asyncio.sleep(pause)
                backoff = min(backoff * 2, BACKOFF_MAX_SECONDS)
            except TimeoutError:
                raise _unknown(envelope) from None

    async def _ask(self, subject: str, body: bytes, deadline: float, step: Step | None) -> tuple[bytes, int]:
        """Publish, and publish again at growing intervals, until the answer comes: it, and how many copies left.

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
            return call.answer.result(), call.copies
        finally:
            del self._waiting[inbox.removeprefix(self._prefix)]

    async def _publish(self, call: "_Call", subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            await self.bus.publish(subject, body, headers=headers)
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
    wake: Callable[[], None] = _nothing
    """Ends the present wait, if there is one."""


class _Following:
    def __init__(self, subscription: Subscription, end_gap: Callable[[], None]) -> None:
        self._subscription = subscription
        self._end_gap = end_gap

    async def stop(self) -> None:
        """Receive nothing more."""
        self._end_gap()
        await self._subscription.stop()


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
