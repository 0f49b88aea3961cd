"""One awake entity: mailbox, decide, commit, answer."""

import asyncio
import math
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec
import structlog

from holdfast._alarms import Alarms, EntityAlarm
from holdfast._clock import from_ns, utc_now
from holdfast._entity import Cause, Context
from holdfast._errors import (
    ErrorBody,
    HoldfastError,
    IdempotencyKeyReused,
    NotFound,
    TooLarge,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from holdfast._image import Image, Remembered
from holdfast._judge import Judge, UnknownEvent, payload_digest, view_of
from holdfast._loading import Loader
from holdfast._log import Conflict, EventLog, Judged, NewCommit, StoredCommit
from holdfast._messages import Accepted, Actor, CommandEnvelope, Commit, RecordedEvent, State, View
from holdfast._names import Name
from holdfast._sight import render_for

BATCH_COMMANDS: Final = 128
BATCH_BYTES: Final = 512 * 1024
CONFLICTS_IN_A_ROW: Final = 20
REFUSALS_KEPT: Final = 20_000
EVENTS_IN_A_CONFLICT: Final = 100
BROKEN_SECONDS: Final = 2.0
ALARM_COMMAND: Final = "_alarm"
VIEW_COMMAND: Final = "_view"

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Received(NamedTuple):
    """A command with its place in the commands stream and where its answer goes ("" for nowhere)."""

    envelope: CommandEnvelope
    at: int
    """The server's time of receipt in nanoseconds."""
    place: Judged
    reply: str


class ViewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data of `_view`: now or in the past, with the state or only the seq."""

    seq: int | None = None
    at: datetime | None = None
    state: bool = True


class Ring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data of `_alarm`: the sequence under which the ring waits to be settled."""

    due: int


Answer = Callable[[str, bytes], Awaitable[None]]
Reply = Callable[[], Awaitable[dict[str, object]]]
"""Makes the answer to one command, `{"ok": …}` or `{"error": …}`, after the commit that it depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an awake entity needs of its host."""

    judge: Judge
    loader: Loader
    events: EventLog
    alarms: Alarms
    answer: Answer
    settle_ring: Callable[[Name, int], Awaitable[None]]
    past: Callable[["LiveEntity", Received, ViewQuery], None]
    mailbox_size: int


@dataclass(slots=True)
class _Turn:
    """One pass over the mailbox: what has been decided on top of the image and is not committed yet."""

    state: State
    seq: int
    last_at: datetime
    judged: Judged
    taken: list[Received] = field(default_factory=list[Received])
    events: list[RecordedEvent] = field(default_factory=list[RecordedEvent])
    bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict[str, str])
    replies: list[tuple[Received, Reply]] = field(default_factory=list[tuple[Received, Reply]])
    refused: dict[tuple[str, str], ErrorBody] = field(default_factory=dict[tuple[str, str], ErrorBody])
    rings: list[int] = field(default_factory=list[int])

    def add(self, events: Sequence[RecordedEvent], state: State) -> None:
        self.state = state
        if events:
            self.seq = events[-1].seq
            self.last_at = max(self.last_at, events[-1].at)
            self.events.extend(events)
            self.bytes += sum(len(bytes(event.data)) for event in events)


class LiveEntity:
    """The single writer of one entity, as long as the log accepts it. It judges nothing that it has not loaded."""

    def __init__(self, name: Name, around: Surroundings) -> None:
        self.name = name
        self.image: Image | None = None
        self.snapshot_seq = 0
        self.snapshot_at = -math.inf
        self._around = around
        self._mailbox: deque[Received] = deque()
        self._refused: OrderedDict[tuple[str, str], ErrorBody] = OrderedDict()
        self._alarm = EntityAlarm(around.alarms, name)
        self._broken_until = 0.0
        self._alarm_moved = False
        self._batch_limit = BATCH_COMMANDS

    @property
    def waiting(self) -> int:
        """Commands in the mailbox."""
        return len(self._mailbox)

    def accept(self, received: Received) -> bool:
        """Put a command into the mailbox; False when it is full."""
        if len(self._mailbox) >= self._around.mailbox_size:
            return False
        self._mailbox.append(received)
        return True

    async def run(self) -> None:
        """Work until the mailbox is empty. Called by one task at a time."""
        conflicts = 0
        while self._mailbox:
            try:
                if await self._turn():
                    conflicts = 0
                else:
                    conflicts += 1
                    await asyncio.sleep(min(0.002 * 2**conflicts, 0.5) * random.random())  # noqa: S311 - jitter
                if conflicts > CONFLICTS_IN_A_ROW:
                    await self._refuse_all(Unavailable("another owner keeps writing to this entity; try again"))
            except Unavailable as error:
                self.forget()
                await self._refuse_all(error)
        if self._alarm_moved:
            await self._settle_alarm()

    def forget(self) -> None:
        """Drop what is in memory: the next command loads the entity again."""
        self.image = None
        self._alarm = EntityAlarm(self._around.alarms, self.name)

    async def _turn(self) -> bool:
        """Judge what is in the mailbox and commit it as one message; False when another owner was faster."""
        image = self.image or await self._load()
        turn = _Turn(image.state, image.seq, image.last_at, image.judged)
        while self._mailbox and len(turn.taken) < self._batch_limit and turn.bytes < BATCH_BYTES:
            received = self._mailbox.popleft()
            turn.taken.append(received)
            self._judge(image, turn, received)
        if turn.events:
            try:
                await self._commit(image, turn)
            except Conflict:
                self._mailbox.extendleft(reversed(turn.taken))
                self.forget()
                return False
            except TooLarge as error:
                await self._too_large(turn, error)
                return True
            except Unavailable as error:
                self.forget()
                await self._send_errors(turn.taken, error)
                return True
        self._batch_limit = BATCH_COMMANDS
        self._keep_refusals(turn)
        for received, reply in turn.replies:
            await self._send(received, reply)
        await self._settle_rings(turn)
        return True

    async def _load(self) -> Image:
        loop = asyncio.get_running_loop()
        if loop.time() < self._broken_until:
            raise Unavailable("this entity is stopped by a fault and is looked at again in a moment; see the log")
        try:
            self.image = await self._around.loader.load(self.name)
        except UnknownEvent as error:
            self._broken_until = loop.time() + BROKEN_SECONDS
            log.error("entity.stopped", name=str(self.name), reason=str(error))  # noqa: TRY400 - the message is all
            raise Unavailable(f"this entity was written by newer code: {error}. Update this service") from error
        except Unavailable:
            raise
        except Exception as error:
            self._broken_until = loop.time() + BROKEN_SECONDS
            log.exception("entity.stopped", name=str(self.name))
            raise Unavailable("this entity is stopped by a fault; see the log of its service") from error
        self.snapshot_seq = self.image.seq
        log.debug("entity.activated", name=str(self.name), seq=self.image.seq)
        return self.image

    def _judge(self, image: Image, turn: _Turn, received: Received) -> None:
        envelope = received.envelope
        repeated = image.judged.covers(received.place)
        if not turn.judged.covers(received.place):
            turn.judged = received.place
        try:
            if envelope.command == ALARM_COMMAND:
                self._judge_ring(turn, received)
            elif envelope.command == VIEW_COMMAND:
                self._judge_view(turn, received)
            else:
                self._judge_command(image, turn, received, repeated=repeated)
        except HoldfastError as refusal:
            self._refuse(turn, received, refusal)
        except Exception:
            log.exception("entity.fault", name=str(self.name), command=envelope.command, command_id=envelope.command_id)
            self._refuse(turn, received, HoldfastError("a fault in this service; it is in its log", retryable=False))

    def _refuse(self, turn: _Turn, received: Received, refusal: HoldfastError) -> None:
        body = refusal.body()
        if not refusal.retryable:
            turn.refused[received.envelope.command_id, received.reply] = body
        turn.replies.append((received, _refusal(body)))

    def _judge_command(self, image: Image, turn: _Turn, received: Received, *, repeated: bool) -> None:
        envelope = received.envelope
        earlier = self._refused.get(key := (envelope.command_id, received.reply)) or turn.refused.get(key)
        if earlier is not None and received.reply:
            turn.replies.append((received, _refusal(earlier)))
            return
        now = self._expire(turn, received, "lazy")
        command = self._around.judge.command(envelope.command, envelope.data)
        self._around.judge.authorise(command, turn.state, envelope.by, seq=turn.seq)
        digest = payload_digest(command)
        known = self._known(image, turn, envelope.command_id)
        if known is not None:
            if known.digest != digest:
                raise IdempotencyKeyReused("this command id was accepted before with other data; use a new one")
            turn.replies.append((received, self._answer_again(known, envelope.by)))
            return
        if repeated:
            raise Unavailable("this command was judged before a restart; send it again to have it judged afresh")
        if envelope.expected_seq is not None and envelope.expected_seq != turn.seq:
            turn.replies.append((received, self._conflict(envelope, turn.seq)))
            return
        ctx = Context(name=self.name, now=now, actor=envelope.by, command_id=envelope.command_id, seq=turn.seq)
        judgement = self._around.judge.decide(turn.state, command, ctx)
        turn.add(judgement.events, judgement.state)
        if judgement.events:
            turn.digests[envelope.command_id] = digest
        answer = self._accepted(judgement.events, envelope.by, seq=turn.seq)
        turn.replies.append((received, _ok(answer)))

    def _known(self, image: Image, turn: _Turn, command_id: str) -> Remembered | None:
        digest = turn.digests.get(command_id)
        if digest is None:
            return image.commands.get(command_id)
        span = [event.seq for event in turn.events if event.command_id == command_id]
        return Remembered(digest, 0, span[0], span[-1])

    def _expire(self, turn: _Turn, received: Received, cause: Cause) -> datetime:
        """Record the deadlines that this command's time of receipt has passed; returns the decision time (C3)."""
        now = max(turn.last_at, from_ns(received.at))
        try:
            expired = self._around.judge.expire(self.name, turn.state, seq=turn.seq, now=now, cause=cause)
        except Exception as error:
            log.exception("entity.alarm_failed", name=str(self.name))
            raise Unavailable("a deadline of this entity cannot be recorded; see the log of its service") from error
        turn.add(expired.events, expired.state)
        return now

    def _judge_ring(self, turn: _Turn, received: Received) -> None:
        ring = msgspec.json.decode(received.envelope.data, type=Ring)
        if turn.seq > 0:
            self._expire(turn, received, "alarm")
        turn.rings.append(ring.due)

    def _judge_view(self, turn: _Turn, received: Received) -> None:
        envelope, entity = received.envelope, self._around.judge.entity
        try:
            query = msgspec.json.decode(envelope.data, type=ViewQuery)
        except msgspec.ValidationError as error:
            raise ValidationFailed(str(error)) from None
        if turn.seq == 0 and not entity.exists_from_start:
            raise NotFound("no such entity")
        if not entity.may_read(turn.state, envelope.by):
            raise NotFound("no such entity")
        if query.seq is not None or query.at is not None:
            if query.seq is not None and not 0 <= query.seq <= turn.seq:
                raise ValidationFailed(f"seq is from 0 to {turn.seq}", seq=turn.seq)
            self._around.past(self, received, query)
            return
        shown = view_of(entity, turn.state, envelope.by) if query.state else msgspec.Raw(b"null")
        view = View(name=str(self.name), seq=turn.seq, state=shown, server_now=utc_now())
        turn.replies.append((received, _ok(view)))

    async def _commit(self, image: Image, turn: _Turn) -> None:
        entity = self._around.judge.entity
        old, new = entity.alarm_at(image.state), entity.alarm_at(turn.state)
        await self._alarm.before_commit(old, new)
        commit = NewCommit(
            name=self.name,
            expected=image.position,
            commit_id=uuid4().hex,
            commit=Commit(v=1, name=str(self.name), events=tuple(turn.events)),
            judged=turn.judged,
            digests=tuple(turn.digests.items()),
        )
        position = await self._around.events.append(commit)
        stored = StoredCommit(position, commit.commit, commit.commit_id, commit.judged, commit.digests)
        image.apply(stored, turn.state)
        self._alarm_moved = self._alarm_moved or old != new

    async def _too_large(self, turn: _Turn, error: TooLarge) -> None:
        """Judge the same commands again one by one, so that only the one that is too large is refused."""
        if len(turn.taken) == 1:
            self._batch_limit = BATCH_COMMANDS
            await self._send_errors(turn.taken, error)
            return
        self._mailbox.extendleft(reversed(turn.taken))
        self._batch_limit = 1

    def _keep_refusals(self, turn: _Turn) -> None:
        """Remember what was refused to whom: a copy of the same call must not be judged differently later."""
        self._refused.update(turn.refused)
        while len(self._refused) > REFUSALS_KEPT:
            self._refused.popitem(last=False)

    async def _settle_rings(self, turn: _Turn) -> None:
        if not turn.rings:
            return
        self._alarm.rang()
        await self._settle_alarm()
        for due in turn.rings:
            await self._around.settle_ring(self.name, due)

    async def _settle_alarm(self) -> None:
        if self.image is None:
            return
        self._alarm_moved = False
        try:
            await self._alarm.settle(self._around.judge.entity.alarm_at(self.image.state))
        except (Unavailable, Conflict) as error:
            log.warning("alarm.not_settled", name=str(self.name), error=str(error))

    def _accepted(self, events: Sequence[RecordedEvent], viewer: Actor, *, seq: int, again: bool = False) -> Accepted:
        rendered = tuple(msgspec.Raw(render_for(event, viewer)) for event in events)
        return Accepted(name=str(self.name), seq=seq, events=rendered, deduplicated=again)

    def _answer_again(self, known: Remembered, viewer: Actor) -> Reply:
        async def reply() -> dict[str, object]:
            position = known.position or (self.image.position if self.image else 0)
            stored = await self._around.events.read(self.name, position=position, limit=1)
            if not stored or stored[0].position != position:
                raise Unavailable("the first answer to this command cannot be read just now; try again")
            events = [event for event in stored[0].commit.events if known.first <= event.seq <= known.last]
            return {"ok": self._accepted(events, viewer, seq=known.last, again=True)}

        return reply

    def _conflict(self, envelope: CommandEnvelope, seq: int) -> Reply:
        async def reply() -> dict[str, object]:
            expected = envelope.expected_seq or 0
            position = await self._around.events.locate(self.name, expected + 1) if expected < seq else None
            commits = await self._around.events.read(self.name, position=position, limit=10) if position else ()
            since = [event for stored in commits for event in stored.commit.events if expected < event.seq <= seq]
            rendered = [msgspec.Raw(render_for(event, envelope.by)) for event in since[:EVENTS_IN_A_CONFLICT]]
            message = f"the entity is at seq {seq}, not {expected}; look at it again"
            return {"error": VersionConflict(message, seq=seq, events=rendered).body()}

        return reply

    async def _send(self, received: Received, reply: Reply) -> None:
        if not received.reply:
            return
        try:
            body = _encoder.encode(await reply())
        except HoldfastError as error:
            body = _encoder.encode({"error": error.body()})
        await self.send(received.reply, body)

    async def send(self, reply: str, body: bytes) -> None:
        """Send an answer; when it cannot be sent, the caller asks again with the same command id."""
        try:
            await self._around.answer(reply, body)
        except HoldfastError as error:
            log.warning("answer.not_sent", name=str(self.name), error=str(error))

    async def _send_errors(self, taken: Sequence[Received], error: HoldfastError) -> None:
        for received in taken:
            await self._send(received, _refusal(error.body()))

    async def _refuse_all(self, error: HoldfastError) -> None:
        waiting = list(self._mailbox)
        self._mailbox.clear()
        await self._send_errors(waiting, error)


def _refusal(body: ErrorBody) -> Reply:
    async def reply() -> dict[str, object]:
        return {"error": body}

    return reply


def _ok(answer: object) -> Reply:
    async def reply() -> dict[str, object]:
        return {"ok": answer}

    return reply
