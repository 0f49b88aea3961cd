"""What a client may ask for on a socket, and what the socket holds of each entity that it watches."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

import structlog

from gateway import frames
from gateway.auth import Identity
from gateway.authenticator import Authenticator
from gateway.door import Door, check_seq
from gateway.fanout import Fanout, Watch
from gateway.frames import Codec
from gateway.outbox import SocketOutbox
from gateway.presence import Member, PresenceBoard, presence_frame
from gateway.revocations import Revocations
from gateway.settings import Settings
from holdfast import ErrorBody, HoldfastError, Name, NotFound, RateLimited, ResumeGap, StateConflict, ValidationFailed
from holdfast.telemetry import Tracing

Operation = frames.Watch | frames.Unwatch | frames.Send | frames.Presence
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Doors:
    """What sessions share."""

    door: Door
    fanout: Fanout
    presence: PresenceBoard
    authenticator: Authenticator
    revocations: Revocations
    settings: Settings
    tracing: Tracing | None = None


@dataclass(eq=False, slots=True)
class _Place:
    """What a socket holds of one entity that it watches."""

    watch: Watch
    member: Member


class Operations:
    """Carries out one socket's operations, and puts the answers into its outbox."""

    __slots__ = ("_codec", "_crew", "_doors", "_outbox", "_places", "_tags", "_who", "connection")

    def __init__(
        self,
        connection: str,
        codec: Codec,
        who: Identity,
        *,
        doors: Doors,
        outbox: SocketOutbox,
        crew: asyncio.TaskGroup,
    ) -> None:
        self.connection = connection
        self._crew = crew
        self._codec = codec
        self._who = who
        self._doors = doors
        self._outbox = outbox
        self._tags = who.actor.tags
        self._places: dict[Name, _Place] = {}

    @property
    def watches(self) -> int:
        """How many entities the socket watches."""
        return len(self._places)

    @property
    def shows(self) -> bool:
        """Whether the others see anything of this socket."""
        return any(place.member.shown is not None for place in self._places.values())

    def refusal(self, op: frames.Send) -> RateLimited | None:
        """Why a command is over a limit, before anything else is looked at; None when it may go on."""
        door = self._doors.door
        try:
            name = door.parse(op.name, self._who)
        except HoldfastError:
            return None
        return door.refusal(name, self._who.actor.user)

    async def carry_out(self, op: Operation) -> None:
        """Do what was asked and answer it; refusals are raised."""
        name = self._doors.door.parse(op.name, self._who)
        match op:
            case frames.Watch():
                await self._watch(op, name)
            case frames.Unwatch():
                await self._unwatch(name)
                await self._put(frames.Ok(id=op.id))
            case frames.Send():
                await self._send(op, name)
            case frames.Presence():
                await self._show(op, name)
            case _:
                assert_never(op)

    async def _send(self, op: frames.Send, name: Name) -> None:
        accepted = await self._doors.door.send(
            name,
            op.command,
            op.data,
            by=self._who.actor,
            command_id=op.command_id,
            expected_seq=op.expected_seq,
        )
        await self._put(
            frames.Sent(
                id=op.id,
                name=accepted.name,
                seq=accepted.seq,
                events=accepted.events,
                deduplicated=accepted.deduplicated,
            )
        )

    async def _watch(self, op: frames.Watch, name: Name) -> None:
        most = self._doors.settings.watches_per_socket
        if name not in self._places and len(self._places) >= most:
            raise RateLimited(f"a socket watches at most {most} entities: unwatch one first", retry_after_ms=0)
        watch = Watch(name, self._tags, self._codec.event, self._outbox, self._on_dropped)
        async with self._joined(watch) as member:
            if op.after is None:
                await self._start_with_state(op, watch)
            else:
                await self._resume(op, watch, op.after)
            for sign in self._doors.presence.enter(member):
                await self._put(presence_frame(name, sign))
            await self._doors.fanout.go_live(watch)

    @asynccontextmanager
    async def _joined(self, watch: Watch) -> AsyncGenerator[Member, None]:
        """Subscribe, in place of an earlier watch; the socket's presence stays. When the block fails, end both."""
        fanout, presence = self._doors.fanout, self._doors.presence
        await fanout.join(watch)
        place = self._places.get(watch.name)
        if place is not None:
            fanout.leave(place.watch)
            place.watch = watch
        else:
            member = Member(
                watch.name, self.connection, self._who.actor.user, self._codec, self._outbox, self._on_presence_lost
            )
            try:
                await presence.join(member)
            except BaseException:
                fanout.leave(watch)
                raise
            place = self._places[watch.name] = _Place(watch, member)
        try:
            yield place.member
        except BaseException:
            await self._unwatch(watch.name)
            raise

    async def _start_with_state(self, op: frames.Watch, watch: Watch) -> None:
        view = await self._doors.door.view(watch.name, by=self._who.actor)
        await self._put(
            frames.StateFrame(
                id=op.id, name=str(watch.name), seq=view.seq, state=view.state, server_now=view.server_now
            )
        )
        watch.seq = watch.allowed_at = view.seq

    async def _resume(self, op: frames.Watch, watch: Watch, after: int) -> None:
        check_seq("after", after)
        head = await self._doors.door.head(watch.name, by=self._who.actor)
        if after > head:
            raise ValidationFailed(f"after is at most the entity's last seq, {head}", seq=head)
        watch.seq, watch.allowed_at = after, head
        try:
            await self._doors.fanout.replay(watch, until=head)
        except ResumeGap as gap:
            await self.refuse(op.id, op.name, gap)
            await self._start_with_state(op, watch)
        else:
            await self._put(frames.Watching(id=op.id, name=str(watch.name), seq=watch.seq))

    def _on_dropped(self, watch: Watch) -> None:
        """Tell the viewer where to resume, or that there is nothing more. It keeps its place until it unwatches."""
        match watch.ending:
            case "lagging":
                notice = frames.Lagging(name=str(watch.name), seq=watch.seq)
            case "deleted":
                notice = failed(None, str(watch.name), NotFound("this entity was deleted").body())
            case "shut out":
                notice = failed(None, str(watch.name), NotFound("no such entity").body())
                self._lose(watch)
            case _:
                assert_never(watch.ending)
        self._outbox.push(self._codec.write(notice))

    def _lose(self, watch: Watch) -> None:
        """Show a viewer who may no longer read nothing more, presence included."""
        place = self._places.get(watch.name)
        if place is not None and place.watch is watch:
            place.member.listening = False
            self._crew.create_task(self._leave(watch.name))

    def _on_presence_lost(self, member: Member) -> None:
        """Tell the viewer to watch again, which shows who is here now."""
        place = self._places.get(member.name)
        if place is not None:
            self._doors.fanout.drop(place.watch)

    async def _unwatch(self, name: Name) -> None:
        place = self._places.pop(name, None)
        if place is not None:
            self._doors.fanout.leave(place.watch)
            await self._doors.presence.leave(place.member)

    async def _show(self, op: frames.Presence, name: Name) -> None:
        place = self._places.get(name)
        if place is None:
            raise StateConflict("watch an entity before you show presence on it")
        self._doors.door.spend_presence(name, self._who.actor.user)
        await self._doors.presence.show(place.member, op.data)

    async def leave_all(self) -> None:
        """Unwatch everything; what presence showed is gone."""
        for name in list(self._places):
            await self._leave(name)

    async def _leave(self, name: Name) -> None:
        try:
            await self._unwatch(name)
        except HoldfastError as error:
            log.warning("gateway.leave_failed", name=str(name), code=error.code)

    async def refuse(self, id_: frames.Id, name: str, error: HoldfastError) -> None:
        """Tell the client that an operation was refused."""
        await self._put(failed(id_, name, error.body()))

    async def _put(self, answer: frames.Answer) -> None:
        await self._outbox.put(self._codec.write(answer))


def failed(id_: frames.Id, name: str, body: ErrorBody) -> frames.Failed:
    """The frame that tells that an operation was refused."""
    return frames.Failed(
        id=id_, name=name, code=body.code, message=body.message, retryable=body.retryable, details=body.details
    )
