"""One welcomed socket: takes operations from its connection, has them carried out, and ends in good order."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never
from uuid import uuid4

import structlog
from opentelemetry.trace import SpanKind

from gateway import frames
from gateway.allowance import Allowance
from gateway.auth import Identity
from gateway.connection import Connection
from gateway.frames import Codec
from gateway.operations import Doors, Operation, Operations, failed
from gateway.outbox import Frame, SocketOutbox
from gateway.revocations import Hold
from holdfast import HoldfastError, RateLimited
from holdfast.wire import utc_now

CLOSE_MALFORMED: Final = 4400
CLOSE_CREDENTIAL: Final = 4401
CLOSE_RATE: Final = 4429
CLOSE_RESTART: Final = 1012
log = structlog.get_logger(__name__)


class Session:
    """A socket after `welcome`. While nothing happens it has no task, only a timer for its credential.

    Commands are published in the order they came, without waiting for each other's answers: they are judged in that
    order unless one of them has to be published again. Other operations on one entity wait for each other.
    """

    __slots__ = (
        "_codec", "_connection", "_crew", "_doors", "_draining", "_ended", "_hold", "_latest", "_operations", "_outbox",
        "_over", "_refused_in_a_row", "_tasks", "_under_way", "_unread", "_who",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        codec: Codec,
        who: Identity,
        *,
        doors: Doors,
        crew: asyncio.TaskGroup,
        ended: Callable[["Session"], None],
    ) -> None:
        settings = doors.settings
        self._connection = connection
        self._codec = codec
        self._who = who
        self._doors = doors
        self._crew = crew
        self._ended = ended
        self._outbox = SocketOutbox(connection, frames=settings.queue_frames, size=settings.queue_bytes)
        self._operations = Operations(uuid4().hex, codec, who, doors=doors, outbox=self._outbox, crew=crew)
        self._under_way = Allowance(operations=settings.sends_in_flight, size=settings.queue_bytes)
        self._latest: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread: deque[str | bytes] | None = None
        self._hold: Hold | None = None
        self._refused_in_a_row = 0
        self._draining = False
        self._over = False

    @property
    def queued(self) -> int:
        """How many frames wait to be written."""
        return self._outbox.waiting

    @property
    def who(self) -> Identity:
        """Whose socket this is."""
        return self._who

    @property
    def tasks(self) -> int:
        """How many operations are being carried out, each by a task."""
        return len(self._tasks)

    def begin(self) -> None:
        """Welcome the client, and take over its connection."""
        actor = self._who.actor
        self._outbox.push(
            self._codec.write(
                frames.Welcome(
                    tenant=self._who.tenant,
                    user=actor.user,
                    roles=actor.roles,
                    connection=self._operations.connection,
                    server_now=utc_now(),
                )
            )
        )
        self._hold = self._doors.revocations.hold(self._who, partial(self.close, CLOSE_CREDENTIAL))
        self._connection.hand_over(self)

    def receive(self, frame: str | bytes) -> None:
        """Take one frame, or leave it and those after it unread until there is room for what it begins."""
        if self._unread is not None:
            self._unread.append(frame)  # what was read along with a frame that waits
        elif not self._over and not self._draining:
            if self._has_room(frame):
                self._take(frame)
            else:
                self._unread = deque([frame])
                self._connection.read_no_more()

    def writable(self) -> None:
        """Write what waits, and go on with what that held up."""
        self._outbox.flush()
        self._go_on()

    def lost(self) -> None:
        """End everything that this socket had under way."""
        if self._over:
            return
        self._over = True
        self._unread = None
        self._outbox.drop()
        if self._hold is not None:
            self._hold.release()
        if self._draining and not self._tasks and not self._operations.shows:
            self._ended(self)  # the subscriptions end with the gateway's connection, all at once
        elif self._tasks or self._operations.watches:
            self._crew.create_task(self._leave())
        else:
            self._ended(self)

    def close(self, code: int, reason: str, *, last: Frame = b"") -> None:
        """Close at once, behind what was written and a last frame."""
        self._connection.end(code, reason, last=last)
        self.lost()

    def drain(self, *, retry_after_ms: int) -> None:
        """Say that the server is about to restart, take nothing new, and close once what has begun is answered."""
        if self._over or self._draining:
            return
        self._draining = True
        self._unread = None
        notice = self._codec.write(frames.Draining(retry_after_ms=retry_after_ms))
        if self._tasks or not self._outbox.is_empty:
            self._connection.read_no_more()
            self._outbox.push(notice)
        else:
            self.close(CLOSE_RESTART, "the server restarts", last=notice)

    def _go_on(self) -> None:
        if self._draining and not self._over and not self._tasks and self._outbox.is_empty:
            self.close(CLOSE_RESTART, "the server restarts")
        while self._unread and self._has_room(self._unread[0]):
            self._take(self._unread.popleft())
        if self._unread is not None and not self._unread:
            self._unread = None
            self._connection.read_on()

    def _has_room(self, frame: str | bytes) -> bool:
        return self._outbox.has_room and self._under_way.has_room(len(frame))

    def _take(self, frame: str | bytes) -> None:
        try:
            op = self._codec.read(frame)
        except frames.Malformed as error:
            self.close(CLOSE_MALFORMED, str(error))
            return
        match op:
            case frames.Hello():
                self.close(CLOSE_MALFORMED, "hello is for the first frame only")
            case frames.Ping():
                self._outbox.push(self._codec.write(frames.Pong(id=op.id, server_now=utc_now())))
            case frames.Send() if (refusal := self._operations.refusal(op)) is not None:
                self._turn_away(op, len(frame), refusal)
            case frames.Watch() | frames.Unwatch() | frames.Send() | frames.Presence():
                self._start(op, len(frame))
            case _:
                assert_never(op)

    def _turn_away(self, op: frames.Send, size: int, refusal: RateLimited) -> None:
        """Refuse a command at once; it holds its place until others had a turn, so that a flood waits unread."""
        self._under_way.take(size)
        self._outbox.push(self._codec.write(failed(op.id, op.name, refusal.body())))
        asyncio.get_running_loop().call_soon(self._turned_away, size)
        self._count_refusal()

    def _turned_away(self, size: int) -> None:
        self._under_way.give(size)
        self._go_on()

    def _start(self, op: Operation, size: int) -> None:
        self._under_way.take(size)
        before = None if isinstance(op, frames.Send) else self._latest.get(op.name)
        task = self._crew.create_task(self._carry_out(op, before))
        self._tasks.add(task)
        if not isinstance(op, frames.Send):
            self._latest[op.name] = task
        task.add_done_callback(partial(self._done, op.name, size))

    def _done(self, name: str, size: int, task: asyncio.Task[None]) -> None:
        self._under_way.give(size)
        self._tasks.discard(task)
        if self._latest.get(name) is task:
            del self._latest[name]
        self._go_on()

    async def _carry_out(self, op: Operation, before: asyncio.Task[None] | None) -> None:
        tracing = self._doors.tracing
        if tracing is None:
            await self._do(op, before)
            return
        with tracing.within(f"ws {op.__struct_config__.tag}", kind=SpanKind.SERVER, parent=""):
            await self._do(op, before)

    async def _do(self, op: Operation, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            self._doors.authenticator.require_valid(self._who)
            await self._operations.carry_out(op)
            self._refused_in_a_row = 0
        except HoldfastError as error:
            self._note(error)
            await self._operations.refuse(op.id, op.name, error)
            if isinstance(error, RateLimited):
                self._count_refusal()
        except Exception:  # a bug ends this operation, not the socket's other ones
            log.exception("gateway.operation_failed", connection=self._operations.connection)
            fault = HoldfastError("a bug in the gateway; it is in its log")
            self._note(fault)
            await self._operations.refuse(op.id, op.name, fault)

    def _note(self, error: HoldfastError) -> None:
        if self._doors.tracing is not None:
            self._doors.tracing.note(outcome=error.code)

    def _count_refusal(self) -> None:
        """Close on a client that does not slow down however often it is told to."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= self._doors.settings.refusals_per_socket:
            self.close(CLOSE_RATE, "too many commands, and no pause after refusals")

    async def _leave(self) -> None:
        try:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await self._operations.leave_all()
        finally:
            self._ended(self)
