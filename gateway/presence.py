"""Who else is here: told over NATS, kept for a while, never stored."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
import structlog

from gateway.frames import Codec, PresenceFrame
from gateway.outbox import Frame, SocketOutbox
from holdfast import HoldfastError, Name, TooLarge
from holdfast.wire import Bus, Message, Subscription, check_numbers, utc_now

MAX_DATA_BYTES: Final = 4096
FLUSH_SECONDS: Final = 5.0
MAX_HEARD: Final = 1000
"""Others remembered for one entity; further ones are shown but not kept."""
_NOTHING: Final = b"null"
log = structlog.get_logger(__name__)


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """The message on `now.`; `data` null means that the connection has left."""

    connection: str
    user: str
    data: msgspec.Raw
    last_seen: datetime

    @property
    def left(self) -> bool:
        """Whether this says good-bye."""
        return bytes(self.data) == _NOTHING


@dataclass(eq=False, slots=True)
class Member:
    """A socket that watches an entity: it hears the others, and may show something itself."""

    name: Name
    connection: str
    user: str
    codec: Codec
    outbox: SocketOutbox
    lost: Callable[["Member"], None]
    """Called when what others show had to be left out: its viewer was too slow, and must ask for it anew."""
    shown: msgspec.Raw | None = None
    listening: bool = False


@dataclass(eq=False, slots=True)
class _Room:
    name: Name
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    subscription: Subscription | None = None
    members: set[Member] = field(default_factory=set[Member])
    heard: dict[str, tuple[Sign, float]] = field(default_factory=dict[str, tuple[Sign, float]])


_sign: Final = msgspec.json.Decoder(Sign)
_encode: Final = msgspec.json.Encoder().encode


class PresenceBoard:
    """The rooms of all entities that this gateway's sockets watch. `running` owns its task."""

    def __init__(self, bus: Bus, *, interval: float, lifetime: float) -> None:
        self._bus = bus
        self._interval = interval
        self._lifetime = lifetime
        self._rooms: dict[Name, _Room] = {}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["PresenceBoard", None]:
        """Announce our own again and again, and forget who has gone silent, until the end of the block."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._repeat())
            try:
                yield self
            finally:
                task.cancel()

    async def join(self, member: Member) -> None:
        """Take note of the others from now on; the socket itself is told nothing before `enter`."""
        room = self._rooms.setdefault(member.name, _Room(member.name))
        room.members.add(member)
        try:
            async with room.lock:
                if room.subscription is None:
                    room.subscription = await self._bus.listen(member.name.subject("now"), self._hear)
                    await self._bus.flush(timeout=FLUSH_SECONDS)
        except BaseException:
            subscription = self._forget(room, member)
            if subscription is not None:
                await subscription.stop()
            raise

    def enter(self, member: Member) -> Sequence[Sign]:
        """Let a socket that may read the entity hear the others from now on; returns who is here already."""
        member.listening = True
        heard = self._rooms[member.name].heard.values()
        return [sign for sign, _ in heard if sign.connection != member.connection]

    async def show(self, member: Member, data: msgspec.Raw) -> None:
        """Tell the other watchers, here and at other gateways; JSON null leaves."""
        if len(memoryview(data)) > MAX_DATA_BYTES:
            raise TooLarge(f"presence is at most {MAX_DATA_BYTES} bytes", limit=MAX_DATA_BYTES)
        check_numbers(data)
        copy = msgspec.Raw(bytes(data))
        member.shown = None if bytes(copy) == _NOTHING else copy
        await self._announce(member, copy)

    async def leave(self, member: Member) -> None:
        """End a socket's part in an entity; what it showed is gone at once."""
        room = self._rooms[member.name]
        try:
            if member.shown is not None:
                member.shown = None
                await self._announce(member, msgspec.Raw(_NOTHING))
        finally:
            subscription = self._forget(room, member)
            if subscription is not None:
                await subscription.stop()

    def _forget(self, room: _Room, member: Member) -> Subscription | None:
        room.members.discard(member)
        if room.members:
            return None
        self._rooms.pop(room.name, None)
        return room.subscription

    async def _announce(self, member: Member, data: msgspec.Raw) -> None:
        sign = Sign(connection=member.connection, user=member.user, data=data, last_seen=utc_now())
        await self._bus.publish(member.name.subject("now"), _encode(sign))

    def _hear(self, message: Message) -> None:
        try:
            name = Name.from_subject(message.subject)
            sign = _sign.decode(message.data)
            check_numbers(sign.data)
        except (HoldfastError, msgspec.MsgspecError, RecursionError) as error:
            log.warning("gateway.presence_unreadable", subject=message.subject, error=str(error))
            return
        room = self._rooms.get(name)
        if room is not None:
            self._note(room, sign)

    def _note(self, room: _Room, sign: Sign) -> None:
        known = room.heard.get(sign.connection)
        if sign.left:
            room.heard.pop(sign.connection, None)
        elif known is not None or len(room.heard) < MAX_HEARD:
            room.heard[sign.connection] = (sign, time.monotonic())
        changed = not sign.left if known is None else bytes(known[0].data) != bytes(sign.data)
        if changed:
            self._tell(room, sign)

    def _tell(self, room: _Room, sign: Sign) -> None:
        """Show it to every other member; of what one connection shows, a slow viewer gets the newest."""
        frame = presence_frame(room.name, sign)
        written: dict[Codec, Frame] = {}
        for member in tuple(room.members):
            if not member.listening or member.connection == sign.connection:
                continue
            if member.codec not in written:
                written[member.codec] = member.codec.write(frame)
            if not member.outbox.offer_newest((frame.name, frame.connection), written[member.codec]):
                member.listening = False
                member.lost(member)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            for room in list(self._rooms.values()):
                self._expire(room)
                for member in list(room.members):
                    if member.shown is not None:
                        await self._announce_again(member, member.shown)

    async def _announce_again(self, member: Member, data: msgspec.Raw) -> None:
        try:
            await self._announce(member, data)
        except HoldfastError as error:
            log.warning("gateway.presence_not_sent", name=str(member.name), code=error.code)

    def _expire(self, room: _Room) -> None:
        oldest = time.monotonic() - self._lifetime
        silent = [sign for sign, heard_at in room.heard.values() if heard_at < oldest]
        for sign in silent:
            del room.heard[sign.connection]
            self._tell(room, msgspec.structs.replace(sign, data=msgspec.Raw(_NOTHING)))


def presence_frame(name: Name, sign: Sign) -> PresenceFrame:
    """The frame that tells a watcher about another one."""
    return PresenceFrame(
        name=str(name), connection=sign.connection, user=sign.user, data=sign.data, last_seen=sign.last_seen
    )
