"""One awake entity: mailbox, decide, commit, answer."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
import structlog

from holdfast._alarms import Alarms, EntityAlarm
from holdfast._clock import utc_now
from holdfast._deletion import DELETE_COMMAND, Deletion
from holdfast._entity import Cause, Context
from holdfast._errors import (
    HoldfastError,
    IdempotencyKeyReused,
    NotFound,
    TooLarge,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from holdfast._history import EntityHistory
from holdfast._image import Image
from holdfast._judge import Judge, UnknownEvent, payload_digest, view_of
from holdfast._loading import Loader
from holdfast._log import Conflict, EventLog, Judged, NewCommit, StoredCommit
from holdfast._mailbox import Mailbox, Received
from holdfast._messages import COMMIT_VERSION, Accepted, Actor, Command, CommandEnvelope, Commit, RecordedEvent, View
from holdfast._names import Name
from holdfast._rate import TokenBucket
from holdfast._recall import Recall, Recalled, needs_recall
from holdfast._remembered import Remembered
from holdfast._rings import ALARM_COMMAND, Ring, Rings
from holdfast._sight import render_for
from holdfast._turn import VIEW_COMMAND, Lookup, Reply, Turn, ViewQuery, outcome_of, seq_of
from holdfast.telemetry import EntityMeasures, Step, Tracing

BATCH_COMMANDS: Final = 128
BATCH_BYTES: Final = 512 * 1024
CONFLICTS_IN_A_ROW: Final = 20
EVENTS_IN_A_CONFLICT: Final = 100
BROKEN_SECONDS: Final = 2.0
EARLY_RING_SECONDS: Final = 60.0
"""A ring this much before its deadline waits here: armed again, it would ring at once on a server whose clock is ahead."""

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


Answer = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an awake entity needs of its host."""

    judge: Judge
    loader: Loader
    events: EventLog
    history: EntityHistory
    recall: Recall
    alarms: Alarms
    answer: Answer
    rings: Rings
    deletion: Deletion
    past: Callable[["LiveEntity", Received, ViewQuery], None]
    measures: EntityMeasures
    tracing: Tracing | None
    mailbox_size: int
    mailbox_bytes: int
    done: Callable[[Name, int], None]
    """Told the sequence of each command for which nothing more will be done."""
    too_new: Callable[[Name], None]
    """Told of an entity that holds what only newer code can read."""
    leased: Callable[[], bool]
    """Whether no other owner can have taken over unnoticed."""


class LiveEntity:
    """The single writer of one entity, as long as the log accepts it. It judges nothing that it has not loaded."""

    def __init__(self, name: Name, around: Surroundings) -> None:
        self.name = name
        self.image: Image | None = None
        self.pace: TokenBucket | None = None
        """What it may still be sent, where its host sets a limit."""
        self.snapshot_seq = 0
        self.snapshot_at = -math.inf
        self._around = around
        self._mailbox = Mailbox(size=around.mailbox_size, max_bytes=around.mailbox_bytes)
        self._missed = Judged()
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
        taken = self._mailbox.put(received)
        if not taken:
            self.missed(received.place)
        return taken

    def missed(self, place: Judged) -> None:
        """Commands up to this place were not taken here: another owner may have, so that this image may be old."""
        self._missed = self._missed.and_then(place)

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
        if self._deletion_is_next():
            await self._delete(self._mailbox.take())
            return True
        image = await self._current()
        recalled = await self._around.recall.look_up(self.name, image.commands, self._mailbox.next(self._batch_limit))
        turn = Turn.on(image, recalled)
        while self._mailbox and len(turn.taken) < self._batch_limit and turn.bytes < BATCH_BYTES:
            if self._deletion_is_next() or self._recall_is_next(image, recalled):
                break
            received = self._mailbox.take()
            turn.taken.append(received)
            if received.step is None:
                self._judge(image, turn, received)
            else:
                self._judge_traced(image, turn, received, received.step)
        try:
            await self._commit(image, turn)
        except Conflict:
            for step in turn.steps():
                step.happened("another owner was faster")
            self._mailbox.put_back(turn.taken)
            self.forget()
            return False
        except TooLarge as error:
            await self._too_large(turn, error)
            return True
        except Unavailable as error:
            self.forget()
            await self._send_errors(turn.taken, error)
            return True
        except Exception:
            log.exception("entity.fault", name=str(self.name))
            self.forget()
            await self._send_errors(turn.taken, Unavailable("a fault in this service; it is in its log"))
            return True
        self._batch_limit = BATCH_COMMANDS
        await self._answer(turn)
        await self._settle_rings(image, turn)
        return True

    def _deletion_is_next(self) -> bool:
        return self._mailbox.first().envelope.command == DELETE_COMMAND

    def _recall_is_next(self, image: Image, recalled: Recalled) -> bool:
        """Whether the next command came after the look-up and needs one of its own, which the next turn makes."""
        received = self._mailbox.first()
        return received.envelope.command_id not in recalled.asked and needs_recall(image.commands, received)

    async def _delete(self, received: Received) -> None:
        """Delete the entity, behind everything that was received before, without loading it: it may be broken."""
        self.forget()
        self.snapshot_seq, self._broken_until = 0, 0.0
        reply = await self._around.deletion.carry_out(self.name, received)
        self._around.measures.judged(outcome_of(reply))
        await self._send(received, reply)
        self._done([received])

    async def _answer(self, turn: Turn) -> None:
        """Send every answer of the turn; afterwards nothing of it is open."""
        for outcome, commands in turn.outcomes().items():
            self._around.measures.judged(outcome, commands)
        for received, query in turn.pasts:
            self._around.past(self, received, query)
        for received, reply in turn.replies:
            await self._send(received, reply)
        if turn.lookups:
            await asyncio.gather(*(self._look_up(received, reply) for received, reply in turn.lookups))
        self._done(turn.taken)

    async def _current(self) -> Image:
        """What is in memory, unless another owner may have gone on with commands that were missed here."""
        image = self.image
        if image is not None and not image.judged.covers(self._missed) and not await self._is_newest(image):
            self.forget()
        return self.image or await self._load()

    async def _is_newest(self, image: Image) -> bool:
        last = await self._around.events.last(self.name)
        return (last.position if last else 0) == image.position

    async def _load(self) -> Image:
        loop = asyncio.get_running_loop()
        if loop.time() < self._broken_until:
            raise Unavailable("this entity is stopped by a fault and is looked at again in a moment; see the log")
        began = loop.time()
        try:
            self.image, self.snapshot_seq = await self._around.loader.load(self.name)
        except UnknownEvent as error:
            self._broken_until = loop.time() + BROKEN_SECONDS
            log.error("entity.stopped", name=str(self.name), reason=str(error))  # noqa: TRY400 - the message is all
            self._around.too_new(self.name)
            raise Unavailable(
                f"this entity was written by newer code: {error}. Nothing is lost: it goes on where newer code runs"
            ) from error
        except Unavailable:
            raise
        except Exception as error:
            self._broken_until = loop.time() + BROKEN_SECONDS
            log.exception("entity.stopped", name=str(self.name))
            raise Unavailable("this entity is stopped by a fault; see the log of its service") from error
        self._around.measures.loaded(events=self.image.seq - self.snapshot_seq, seconds=loop.time() - began)
        if self._mailbox and (step := self._mailbox.first().step) is not None:
            step.happened("loaded", replayed=self.image.seq - self.snapshot_seq)
        log.debug("entity.activated", name=str(self.name), seq=self.image.seq)
        return self.image

    def _judge_traced(self, image: Image, turn: Turn, received: Received, step: Step) -> None:
        with step.current():
            step.happened("judged")
            self._judge(image, turn, received)

    def _judge(self, image: Image, turn: Turn, received: Received) -> None:
        envelope = received.envelope
        repeated = image.judged.covers(received.place)
        turn.judged = turn.judged.and_then(received.place)
        try:
            if envelope.command == ALARM_COMMAND:
                self._judge_ring(turn, received)
            elif envelope.command == VIEW_COMMAND:
                self._judge_view(turn, received)
            else:
                self._judge_command(image, turn, received, repeated=repeated)
        except HoldfastError as refusal:
            turn.replies.append((received, {"error": refusal.body()}))
        except Exception:
            log.exception("entity.fault", name=str(self.name), command=envelope.command, command_id=envelope.command_id)
            fault = HoldfastError("a fault in this service; it is in its log")
            turn.replies.append((received, {"error": fault.body()}))

    def _judge_command(self, image: Image, turn: Turn, received: Received, *, repeated: bool) -> None:
        envelope = received.envelope
        now = self._expire(turn, received, "lazy")
        command = self._around.judge.command(envelope.command, envelope.data)
        digest = payload_digest(command)
        known = turn.accepted(envelope.command_id) or image.commands.get(envelope.command_id)
        known = known or turn.recalled.get(envelope.command_id)
        refusal = self._refusal(command, turn, envelope.by)
        if refusal is not None and (known is None or known.digest not in ("", digest)):
            raise refusal
        if known is not None:
            if known.digest not in ("", digest):
                raise IdempotencyKeyReused("this command id was accepted before with other data; use a new one")
            if not repeated or known.position >= image.position:
                turn.lookups.append((received, self._answer_again(known, envelope.by, unless_own=refusal)))
            elif received.step is not None:
                received.step.tell(outcome="REPEATED")
            return  # what is read twice was answered before the commit after it, or is sent again
        if repeated:
            raise Unavailable("this command was judged before a restart; send it again to have it judged afresh")
        if envelope.expected_seq is not None and envelope.expected_seq != turn.seq:
            turn.lookups.append((received, self._conflict(envelope, turn.seq)))
            return
        ctx = Context(name=self.name, now=now, actor=envelope.by, command_id=envelope.command_id, seq=turn.seq)
        judgement = self._around.judge.decide(turn.state, command, ctx)
        turn.add(judgement.events, judgement.state)
        if judgement.events:
            turn.digests[envelope.command_id] = digest
        answer = self._accepted(judgement.events, envelope.by, seq=turn.seq)
        turn.replies.append((received, {"ok": answer}))

    def _refusal(self, command: Command, turn: Turn, sender: Actor) -> HoldfastError | None:
        """Why the sender may not send this now, if that is so."""
        try:
            self._around.judge.authorise(command, turn.state, sender, seq=turn.seq)
        except HoldfastError as refusal:
            return refusal
        return None

    def _expire(self, turn: Turn, received: Received, cause: Cause) -> datetime:
        """Record the deadlines that this command's time of receipt has passed; returns the decision time (C3)."""
        now = max(turn.last_at, received.at)
        try:
            expired = self._around.judge.expire(self.name, turn.state, seq=turn.seq, now=now, cause=cause)
        except Exception as error:
            log.exception("entity.alarm_failed", name=str(self.name))
            raise Unavailable("a deadline of this entity cannot be recorded; see the log of its service") from error
        turn.add(expired.events, expired.state)
        return now

    def _judge_ring(self, turn: Turn, received: Received) -> None:
        try:
            ring = msgspec.json.decode(received.envelope.data, type=Ring)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ValidationFailed(str(error)) from None
        if turn.seq > 0:
            self._expire_rung(turn, received)
        if self._around.rings.knows(self.name, ring.due):
            turn.rings[ring.due] = received.at

    def _expire_rung(self, turn: Turn, received: Received) -> None:
        due = self._around.judge.entity.alarm_at(turn.state)
        if due is not None and due <= received.at:
            self._around.measures.rang(late=(received.at - due).total_seconds())
        self._expire(turn, received, "alarm")

    def _judge_view(self, turn: Turn, received: Received) -> None:
        envelope, entity = received.envelope, self._around.judge.entity
        try:
            query = msgspec.json.decode(envelope.data, type=ViewQuery)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ValidationFailed(str(error)) from None
        if turn.seq == 0 and not entity.exists_from_start:
            raise NotFound("no such entity")
        if not entity.may_read(turn.state, envelope.by):
            raise NotFound("no such entity")
        if query.seq is not None or query.at is not None:
            if query.seq is not None and not 0 <= query.seq <= turn.seq:
                raise ValidationFailed(f"seq is from 0 to {turn.seq}", seq=turn.seq)
            turn.pasts.append((received, query))
            return
        shown = view_of(entity, turn.state, envelope.by) if query.state else msgspec.Raw(b"null")
        view = View(name=str(self.name), seq=turn.seq, state=shown, server_now=utc_now())
        turn.replies.append((received, {"ok": view}))

    async def _commit(self, image: Image, turn: Turn) -> None:
        if not turn.events:
            must_be_newest = turn.rings or not self._around.leased()
            if must_be_newest and not await self._is_newest(image):
                raise Conflict(f"{self.name}: an owner that is behind must answer nobody")
            return
        entity = self._around.judge.entity
        old, new = entity.alarm_at(image.state), entity.alarm_at(turn.state)
        await self._alarm.before_commit(old, new)
        commit = NewCommit(
            name=self.name,
            expected=image.position,
            commit_id=uuid4().hex,
            commit=Commit(v=COMMIT_VERSION, name=str(self.name), events=tuple(turn.events)),
            judged=turn.judged,
            digests=tuple(turn.digests.items()),
        )
        began = asyncio.get_running_loop().time()
        position = await self._append(commit, turn)
        took = asyncio.get_running_loop().time() - began
        self._around.measures.committed(commands=len(turn.digests), events=len(turn.events), seconds=took)
        stored = StoredCommit(position, commit.commit, commit.commit_id, commit.judged, commit.digests)
        image.apply(stored, turn.state)
        self._alarm_moved = self._alarm_moved or old != new

    async def _append(self, commit: NewCommit, turn: Turn) -> int:
        tracing = self._around.tracing
        if tracing is None or not (steps := turn.committed_steps()):
            return await self._around.events.append(commit)
        with tracing.committing(self.name.purpose, steps) as step:
            step.tell(entity=self.name, seq=turn.seq, commands=len(turn.digests), events=len(turn.events))
            try:
                return await self._around.events.append(commit._replace(traceparent=step.header))
            except Conflict:
                step.end("CONFLICT")
                raise

    async def _too_large(self, turn: Turn, error: TooLarge) -> None:
        """Judge the same commands again one by one, so that only the one that is too large is refused."""
        if len(turn.taken) == 1:
            self._batch_limit = BATCH_COMMANDS
            await self._send_errors(turn.taken, error)
            return
        self._mailbox.put_back(turn.taken)
        self._batch_limit = 1

    async def _settle_rings(self, image: Image, turn: Turn) -> None:
        """Take rings away, but only once what they stand for is recorded and the next alarm is armed."""
        if not turn.rings:
            return
        wanted = self._around.judge.entity.alarm_at(image.state)
        early = (wanted - max(turn.rings.values())).total_seconds() if wanted else math.inf
        if early <= EARLY_RING_SECONDS:
            for due in turn.rings:
                self._around.rings.again(self.name, due, seconds=early)
            return
        self._alarm.rang()
        if await self._settle_alarm():
            for due in turn.rings:
                await self._around.rings.settle(self.name, due)

    async def _settle_alarm(self) -> bool:
        if self.image is None:
            return False
        self._alarm_moved = False
        try:
            await self._alarm.settle(self._around.judge.entity.alarm_at(self.image.state))
        except (Unavailable, Conflict) as error:
            log.warning("alarm.not_settled", name=str(self.name), error=str(error))
            return False
        return True

    def _accepted(self, events: Sequence[RecordedEvent], viewer: Actor, *, seq: int, again: bool = False) -> Accepted:
        rendered = tuple(msgspec.Raw(render_for(event, viewer)) for event in events)
        return Accepted(name=str(self.name), seq=seq, events=rendered, deduplicated=again)

    def _answer_again(self, known: Remembered, viewer: Actor, *, unless_own: HoldfastError | None) -> Lookup:
        """The first result; `unless_own` is for anybody else than its sender, who may repeat what is allowed no more."""

        async def reply() -> Reply:
            position = known.position or (self.image.position if self.image else 0)
            stored = await self._around.history.commit_at(self.name, position)
            if stored is None:
                raise Unavailable("the first answer to this command cannot be read just now; try again")
            events = [event for event in stored.commit.events if known.first <= event.seq <= known.last]
            if unless_own is not None and any(event.by.user != viewer.user for event in events):
                raise unless_own
            return {"ok": self._accepted(events, viewer, seq=known.last, again=True)}

        return reply

    def _conflict(self, envelope: CommandEnvelope, seq: int) -> Lookup:
        async def reply() -> Reply:
            expected = envelope.expected_seq or 0
            since = await self._around.history.events(self.name, after=expected, until=seq, limit=EVENTS_IN_A_CONFLICT)
            rendered = [msgspec.Raw(render_for(event, envelope.by)) for event in since]
            message = f"the entity is at seq {seq}, not {expected}; look at it again"
            return {"error": VersionConflict(message, seq=seq, events=rendered).body()}

        return reply

    async def _look_up(self, received: Received, reply: Lookup) -> None:
        try:
            answer: Reply = await reply()
        except HoldfastError as error:
            answer = {"error": error.body()}
        except Exception:
            log.exception("entity.fault", name=str(self.name), command_id=received.envelope.command_id)
            answer = {"error": Unavailable("the answer cannot be read just now; try again").body()}
        self._around.measures.judged(outcome_of(answer))
        await self._send(received, answer)

    async def _send(self, received: Received, reply: Reply) -> None:
        """Send an answer; when it cannot be sent, the caller asks again with the same command id."""
        try:
            if received.reply:
                try:
                    await self._around.answer(received.reply, _encoder.encode(reply))
                except TooLarge as error:
                    await self._around.answer(received.reply, _encoder.encode({"error": error.body()}))
        except HoldfastError as error:
            log.warning("answer.not_sent", name=str(self.name), error=str(error))
        finally:
            if received.step is not None:
                received.step.end(outcome_of(reply), seq=seq_of(reply))

    async def _send_errors(self, taken: Sequence[Received], error: HoldfastError) -> None:
        for received in taken:
            await self._send(received, {"error": error.body()})
        self._around.measures.judged(error.code, len(taken))
        self._done(taken)

    def _done(self, taken: Sequence[Received]) -> None:
        for received in taken:
            self._around.done(self.name, received.place.sequence)
            if received.step is not None and received.envelope.command != VIEW_COMMAND:
                received.step.end()  # what nobody waits for; a view may still be read from the past

    async def _refuse_all(self, error: HoldfastError) -> None:
        waiting = [self._mailbox.take() for _ in range(len(self._mailbox))]
        await self._send_errors(waiting, error)
