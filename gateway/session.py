"""One welcomed socket: reads operations, carries them out, writes what is due."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, assert_never
from uuid import uuid4

import structlog

from gateway import frames
from gateway.allowance import Allowance
from gateway.auth import Authenticator, Identity
from gateway.door import Door, check_seq
from gateway.fanout import Fanout, Watch
from gateway.frames import Codec
from gateway.outbox import Frame, Outbox
from gateway.presence import Member, PresenceBoard, presence_frame
from gateway.settings import Settings
from holdfast import ErrorBody, HoldfastError, Name, NotFound, RateLimited, ResumeGap, StateConflict, ValidationFailed
from holdfast.wire import utc_now

CLOSE_MALFORMED: Final = 4400
CLOSE_CREDENTIAL: Final = 4401
CLOSE_RESTART: Final = 1012
CLOSE_STALLED: Final = 1013
LONGEST_SLEEP: Final = 3600.0
log = structlog.get_logger(__name__)


class Closing(Exception):
    """The socket must close with this code; None when it is closed already."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Wire:
    """The socket itself, as frames."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send

    async def read(self) -> Frame:
        """The next frame, or `Closing` when there will be none."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Closing(None)
        text: str | None = message.get("text")
        data: bytes | None = message.get("bytes")
        return text if text is not None else data or b""

    async def write(self, frame: Frame) -> None:
        """Write one frame, waiting while the other side takes nothing."""
        kind = "text" if isinstance(frame, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: frame})
        except OSError:
            raise Closing(None) from None


@dataclass(frozen=True, slots=True)
class Doors:
    """What sessions share."""

    door: Door
    fanout: Fanout
    presence: PresenceBoard
    authenticator: Authenticator
    settings: Settings


@dataclass(eq=False, slots=True)
class _Place:
    """What a socket holds of one entity that it watches."""

    watch: Watch
    member: Member


class Session:
    """A socket after `welcome`.

    Commands are published in the order they came, without waiting for each other's answers: they are judged in that
    order unless one of them has to be published again. Other operations on one entity wait for each other.
    """

    def __init__(self, wire: Wire, codec: Codec, who: Identity, doors: Doors) -> None:
        settings = doors.settings
        self.connection = uuid4().hex
        self._wire = wire
        self._codec = codec
        self._who = who
        self._doors = doors
        self._outbox = Outbox(frames=settings.queue_frames, size=settings.queue_bytes)
        self._under_way = Allowance(operations=settings.sends_in_flight, size=settings.queue_bytes)
        self._latest: dict[str, asyncio.Task[None]] = {}
        self._places: dict[Name, _Place] = {}

    async def run(self) -> None:
        """Serve until the socket must close, which raises `Closing`."""
        actor = self._who.actor
        self._outbox.push(
            self._codec.write(
                frames.Welcome(
                    tenant=self._who.tenant,
                    user=actor.user,
                    roles=actor.roles,
                    connection=self.connection,
                    server_now=utc_now(),
                )
            )
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                tasks.create_task(self._expire())
                tasks.create_task(self._read(tasks))
        except* Closing as closings:
            raise _first(closings) from None
        finally:
            await self._leave_all()

    def drain(self) -> None:
        """Say that the server is about to restart, after everything that waits, and close."""
        retry_after = int(self._doors.settings.drain_retry_after * 1000)
        self._outbox.push(self._codec.write(frames.Draining(retry_after_ms=retry_after)))
        self._outbox.end()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            frame = await self._wire.read()
            try:
                op = self._codec.read(frame)
            except frames.Malformed as error:
                raise Closing(CLOSE_MALFORMED, str(error)) from None
            match op:
                case frames.Hello():
                    raise Closing(CLOSE_MALFORMED, "hello is for the first frame only")
                case frames.Ping():
                    await self._put(frames.Pong(id=op.id, server_now=utc_now()))
                case frames.Watch() | frames.Unwatch() | frames.Send() | frames.Presence():
                    await self._under_way.take(len(frame))
                    before = None if isinstance(op, frames.Send) else self._latest.get(op.name)
                    task = tasks.create_task(self._carry_out(op, before))
                    if not isinstance(op, frames.Send):
                        self._latest[op.name] = task
                    task.add_done_callback(partial(self._done, op.name, len(frame)))
                case _:
                    assert_never(op)

    def _done(self, name: str, size: int, task: asyncio.Task[None]) -> None:
        self._under_way.give(size)
        if self._latest.get(name) is task:
            del self._latest[name]

    async def _write(self) -> None:
        while (frame := await self._outbox.take()) is not None:
            try:
                async with asyncio.timeout(self._doors.settings.stall_timeout):
                    await self._wire.write(frame)
            except TimeoutError:
                raise Closing(CLOSE_STALLED, "nothing was read for too long") from None
        raise Closing(CLOSE_RESTART, "the server restarts")

    async def _expire(self) -> None:
        while (left := self._who.remaining()) > 0:  # noqa: ASYNC110 - the wall clock sets no event
            await asyncio.sleep(min(left, LONGEST_SLEEP))
        raise Closing(CLOSE_CREDENTIAL, "the token has expired")

    async def _carry_out(
        self,
        op: frames.Watch | frames.Unwatch | frames.Send | frames.Presence,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            self._who.require_valid()
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
        except HoldfastError as error:
            await self._refuse(op.id, op.name, error)
        except Exception:  # a bug ends this operation, not the socket's other ones
            log.exception("gateway.operation_failed", connection=self.connection)
            await self._refuse(op.id, op.name, HoldfastError("a bug in the gateway; it is in its log"))

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
        watch = Watch(name, self._who.actor.tags, self._codec.event, self._outbox, self._on_dropped)
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
            member = Member(watch.name, self.connection, self._who.actor.user, self._codec, self._outbox)
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
        watch.seq = view.seq

    async def _resume(self, op: frames.Watch, watch: Watch, after: int) -> None:
        check_seq("after", after)
        head = await self._doors.door.head(watch.name, by=self._who.actor)
        if after > head:
            raise ValidationFailed(f"after is at most the entity's last seq, {head}", seq=head)
        watch.seq = after
        try:
            await self._doors.fanout.replay(watch, until=head)
        except ResumeGap as gap:
            await self._refuse(op.id, op.name, gap)
            await self._start_with_state(op, watch)
        else:
            await self._put(frames.Watching(id=op.id, name=str(watch.name), seq=watch.seq))

    def _on_dropped(self, watch: Watch) -> None:
        """Tell the viewer where to resume, or that there is nothing more. It keeps its place until it unwatches."""
        if watch.deleted:
            gone = NotFound("this entity was deleted").body()
            self._outbox.push(self._codec.write(_failed(None, str(watch.name), gone)))
            return
        self._outbox.push(self._codec.write(frames.Lagging(name=str(watch.name), seq=watch.seq)))

    async def _unwatch(self, name: Name) -> None:
        place = self._places.pop(name, None)
        if place is not None:
            self._doors.fanout.leave(place.watch)
            await self._doors.presence.leave(place.member)

    async def _show(self, op: frames.Presence, name: Name) -> None:
        place = self._places.get(name)
        if place is None:
            raise StateConflict("watch an entity before you show presence on it")
        await self._doors.presence.show(place.member, op.data)

    async def _leave_all(self) -> None:
        for name in list(self._places):
            try:
                await self._unwatch(name)
            except HoldfastError as error:
                log.warning("gateway.leave_failed", name=str(name), code=error.code)

    async def _refuse(self, id_: frames.Id, name: str, error: HoldfastError) -> None:
        await self._put(_failed(id_, name, error.body()))

    async def _put(self, answer: frames.Answer) -> None:
        await self._outbox.put(self._codec.write(answer))


def _failed(id_: frames.Id, name: str, body: ErrorBody) -> frames.Failed:
    return frames.Failed(
        id=id_, name=name, code=body.code, message=body.message, retryable=body.retryable, details=body.details
    )


def _first(group: BaseExceptionGroup[Closing]) -> Closing:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
