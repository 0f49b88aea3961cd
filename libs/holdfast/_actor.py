"""One awake entity: mailbox, decide, commit, answer."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import msgspec
import structlog

from holdfast._alarms import Alarms, EntityAlarm
from holdfast._deletion import DELETE_COMMAND, Deletion
from holdfast._errors import (
    HoldfastError,
    NoRoom,
    OutcomeUnknown,
    TooLarge,
    Unavailable,
)
from holdfast._history import EntityHistory
from holdfast._image import Image
from holdfast._judge import Judge, UnknownEvent
from holdfast._judging import Judging
from holdfast._loading import Loader
from holdfast._log import Conflict, EventLog, Judged, NewCommit, StoredCommit
from holdfast._mailbox import Mailbox, Received
from holdfast._messages import COMMIT_VERSION, Commit
from holdfast._names import Name
from holdfast._rate import TokenBucket
from holdfast._recall import Recall, Recalled, needs_recall
from holdfast._rings import Rings
from holdfast._turn import VIEW_COMMAND, Lookup, Reply, Turn, ViewQuery, outcome_of, seq_of
from holdfast.telemetry import EntityMeasures, Tracing

BATCH_COMMANDS: Final = 128
BATCH_BYTES: Final = 512 * 1024
CONFLICTS_IN_A_ROW: Final = 20
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
    past: Callable[[Name, Received, ViewQuery], None]
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
        self._judging = Judging(
            name=name, rules=around.judge, history=around.history, rings=around.rings, measures=around.measures
        )
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
        while (
            self._mailbox
            and turn.unfinished is None
            and len(turn.taken) < self._batch_limit
            and turn.bytes < BATCH_BYTES
        ):
            if self._deletion_is_next() or self._recall_is_next(image, recalled):
                break
            self._judging.take(image, turn, self._mailbox.take())
        try:
            committed = await self._commit_what_can_be(image, turn)
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
            await self._send_errors(turn.taken, OutcomeUnknown("a fault in this service, which is in its log"))
            return True
        self._batch_limit = BATCH_COMMANDS
        if committed.unfinished is not None:
            self._mailbox.put_back([committed.taken.pop()._replace(begun=True)])
        await self._answer(committed)
        await self._settle_rings(image, committed)
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
            self._around.past(self.name, received, query)
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

    async def _commit_what_can_be(self, image: Image, turn: Turn) -> Turn:
        """Commit the turn, or while the log has no room what of it needs none: the first results, looks and refusals."""
        try:
            await self._commit(image, turn)
        except NoRoom as error:
            turn = self._judging.without_events(image, turn, error)
            await self._commit(image, turn)
        return turn

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
            command = turn.taken[0].envelope.command
            log.warning("entity.commit_too_large", name=str(self.name), command=command, events=len(turn.events))
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
