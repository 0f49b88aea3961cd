"""Judging one entity's commands within a turn: what each becomes, and what its sender is told after the commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import structlog

from holdfast._clock import utc_now
from holdfast._entity import Cause, Context
from holdfast._errors import (
    HoldfastError,
    IdempotencyKeyReused,
    NotFound,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from holdfast._history import EntityHistory
from holdfast._image import Image
from holdfast._judge import Judge, payload_digest, view_of
from holdfast._mailbox import Received
from holdfast._messages import Accepted, Actor, Command, CommandEnvelope, RecordedEvent, View
from holdfast._names import Name
from holdfast._remembered import Remembered
from holdfast._rings import ALARM_COMMAND, Ring, Rings
from holdfast._sight import render_for
from holdfast._turn import VIEW_COMMAND, Lookup, Reply, Turn, ViewQuery
from holdfast.telemetry import EntityMeasures

EVENTS_IN_A_CONFLICT: Final = 100

log = structlog.get_logger(__name__)


class MoreDue(Exception):
    """More deadlines passed before a command than one commit takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """One entity's side of the rules: puts into a turn what each command decides, and how it is to be answered."""

    name: Name
    rules: Judge
    history: EntityHistory
    rings: Rings
    measures: EntityMeasures

    def take(self, image: Image, turn: Turn, received: Received) -> None:
        """Judge one command on top of a turn that began with this image; whatever it is, this never raises.

        A command before which more deadlines passed than fit in a commit is left `unfinished`, for the turn after it.
        """
        turn.taken.append(received)
        if received.step is None:
            self._judge(image, turn, received)
            return
        with received.step.current():
            received.step.happened("judged")
            self._judge(image, turn, received)

    def without_events(self, image: Image, turn: Turn, error: HoldfastError) -> Turn:
        """The answers to the same commands while no event can be stored; whoever needs one is told this error."""
        rest = Turn.on(image, turn.recalled)
        for received in turn.taken:
            alone = Turn.on(image, turn.recalled)
            self._judge(image, alone, received)
            rest.taken.append(received)
            if alone.events and not (alone.lookups and _is_stored(image, turn, received)):
                rest.replies.append((received, {"error": error.body()}))
            else:
                rest.answer_with(alone)
        return rest

    def _judge(self, image: Image, turn: Turn, received: Received) -> None:
        envelope = received.envelope
        repeated = image.judged.covers(received.place)
        before = turn.judged
        turn.judged = turn.judged.and_then(received.place)
        try:
            if envelope.command == ALARM_COMMAND:
                self._ring(turn, received)
            elif envelope.command == VIEW_COMMAND:
                self._view(turn, received)
            else:
                self._command(image, turn, received, repeated=repeated)
        except MoreDue:
            turn.judged, turn.unfinished = before, received
        except HoldfastError as refusal:
            turn.replies.append((received, {"error": refusal.body()}))
        except Exception:
            log.exception("entity.fault", name=str(self.name), command=envelope.command, command_id=envelope.command_id)
            fault = HoldfastError("a fault in this service; it is in its log")
            turn.replies.append((received, {"error": fault.body()}))

    def _command(self, image: Image, turn: Turn, received: Received, *, repeated: bool) -> None:
        envelope = received.envelope
        now = self._expire(turn, received, "lazy")
        command = self.rules.command(envelope.command, envelope.data)
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
                turn.lookups.append((received, self._answer_again(turn, known, envelope.by, unless_own=refusal)))
            elif received.step is not None:
                received.step.tell(outcome="REPEATED")
            return  # what is read twice was answered before the commit after it, or is sent again
        if repeated:
            raise Unavailable("this command was judged before a restart; send it again to have it judged afresh")
        if envelope.expected_seq is not None and envelope.expected_seq != turn.seq:
            turn.lookups.append((received, self._conflict(envelope, turn.seq)))
            return
        ctx = Context(name=self.name, now=now, actor=envelope.by, command_id=envelope.command_id, seq=turn.seq)
        judgement = self.rules.decide(turn.state, command, ctx)
        turn.add(judgement.events, judgement.state)
        if judgement.events:
            turn.digests[envelope.command_id] = digest
        answer = self._accepted(judgement.events, envelope.by, seq=turn.seq)
        turn.replies.append((received, {"ok": answer}))

    def _refusal(self, command: Command, turn: Turn, sender: Actor) -> HoldfastError | None:
        """Why the sender may not send this now, if that is so."""
        try:
            self.rules.authorise(command, turn.state, sender, seq=turn.seq)
        except HoldfastError as refusal:
            return refusal
        return None

    def _expire(self, turn: Turn, received: Received, cause: Cause) -> datetime:
        """Record the deadlines that this command's time of receipt has passed; returns the decision time (C3)."""
        now = max(turn.last_at, received.at)
        try:
            expired = self.rules.expire(self.name, turn.state, seq=turn.seq, now=now, cause=cause)
        except Exception as error:
            log.exception("entity.alarm_failed", name=str(self.name))
            raise Unavailable("a deadline of this entity cannot be recorded; see the log of its service") from error
        turn.add(expired.events, expired.state)
        if expired.more:
            raise MoreDue
        return now

    def _ring(self, turn: Turn, received: Received) -> None:
        try:
            ring = msgspec.json.decode(received.envelope.data, type=Ring)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ValidationFailed(str(error)) from None
        if turn.seq > 0:
            self._expire_rung(turn, received)
        if self.rings.knows(self.name, ring.due):
            turn.rings[ring.due] = received.at

    def _expire_rung(self, turn: Turn, received: Received) -> None:
        due = None if received.begun else self.rules.entity.alarm_at(turn.state)
        if due is not None and due <= received.at:
            self.measures.rang(late=(received.at - due).total_seconds())
        self._expire(turn, received, "alarm")

    def _view(self, turn: Turn, received: Received) -> None:
        envelope, entity = received.envelope, self.rules.entity
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

    def _accepted(self, events: Sequence[RecordedEvent], viewer: Actor, *, seq: int, again: bool = False) -> Accepted:
        rendered = tuple(msgspec.Raw(render_for(event, viewer)) for event in events)
        return Accepted(name=str(self.name), seq=seq, events=rendered, deduplicated=again)

    def _answer_again(
        self, turn: Turn, known: Remembered, viewer: Actor, *, unless_own: HoldfastError | None
    ) -> Lookup:
        """The first result; `unless_own` is for anybody else than its sender, who may repeat what is allowed no more."""

        async def reply() -> Reply:
            accepted = turn.events if known.position == 0 else await self._stored(known.position)
            events = [event for event in accepted if known.first <= event.seq <= known.last]
            if unless_own is not None and any(event.by.user != viewer.user for event in events):
                raise unless_own
            return {"ok": self._accepted(events, viewer, seq=known.last, again=True)}

        return reply

    async def _stored(self, position: int) -> Sequence[RecordedEvent]:
        stored = await self.history.commit_at(self.name, position)
        if stored is None:
            raise Unavailable("the first answer to this command cannot be read just now; try again")
        return stored.commit.events

    def _conflict(self, envelope: CommandEnvelope, seq: int) -> Lookup:
        async def reply() -> Reply:
            expected = envelope.expected_seq or 0
            since = await self.history.events(self.name, after=expected, until=seq, limit=EVENTS_IN_A_CONFLICT)
            rendered = [msgspec.Raw(render_for(event, envelope.by)) for event in since]
            message = f"the entity is at seq {seq}, not {expected}; look at it again"
            return {"error": VersionConflict(message, seq=seq, events=rendered).body()}

        return reply


def _is_stored(image: Image, turn: Turn, received: Received) -> bool:
    """Whether this command was accepted before this turn."""
    command_id = received.envelope.command_id
    return (image.commands.get(command_id) or turn.recalled.get(command_id)) is not None
