"""Many entities in one process: wake, hibernate, ring, drain."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog

from holdfast._actor import ALARM_COMMAND, VIEW_COMMAND, Answer, LiveEntity, Received, Surroundings, ViewQuery
from holdfast._alarms import Alarms
from holdfast._clock import utc_now
from holdfast._entity import AnyEntity
from holdfast._errors import ErrorBody, HoldfastError, Unavailable, ValidationFailed
from holdfast._judge import Judge, view_of
from holdfast._loading import Loader
from holdfast._log import EventLog, Judged
from holdfast._messages import ALARM_ACTOR, CommandEnvelope, View
from holdfast._names import Name, check_command_id
from holdfast._snapshots import Snapshots

SWEEP_SECONDS: Final = 1.0
RING_AGAIN_SECONDS: Final = 2.0
RING_AGAIN_MAX_SECONDS: Final = 60.0
PAST_READS_AT_ONCE: Final = 4
PAST_READS_WAITING: Final = 256
NAMES_CACHED: Final = 16_384
SNAPSHOT_PAUSE_SECONDS: Final = 2.0
"""Between two snapshots of one busy entity: a tail of two seconds replays faster than it was written."""

log = structlog.get_logger(__name__)
_INBOX: Final = re.compile(r"_INBOX\.[A-Za-z0-9_.-]+")
_envelope_decoder: Final = msgspec.json.Decoder(CommandEnvelope)
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Bounds of one host; the defaults suit a laptop."""

    mailbox_size: int = 1024
    """Commands that wait for one entity; more are answered `UNAVAILABLE` at once."""
    awake_limit: int = 10_000
    idle_seconds: float = 60.0
    """An entity that nobody commands this long is put to sleep."""


@dataclass(slots=True)
class _Ring:
    attempts: int
    again_at: float


class Host:
    """Owns the entities of one purpose in this process: which are awake, and the tasks they run on."""

    def __init__(
        self,
        entity: AnyEntity,
        *,
        events: EventLog,
        alarms: Alarms,
        snapshots: Snapshots,
        answer: Answer,
        pass_ring: Callable[[Name, bytes], Awaitable[None]],
        settings: HostSettings | None = None,
    ) -> None:
        self.purpose = entity.purpose
        self._settings = settings or HostSettings()
        self._judge = Judge(entity)
        self._loader = Loader(self._judge, events, snapshots)
        self._answer = answer
        self._pass_ring = pass_ring
        self._alarms = alarms
        self._awake: OrderedDict[Name, LiveEntity] = OrderedDict()
        self._used: dict[Name, float] = {}
        self._running: dict[Name, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rings: dict[tuple[Name, int], _Ring] = {}
        self._past_reads = asyncio.Semaphore(PAST_READS_AT_ONCE)
        self._past_waiting = 0
        self._around = Surroundings(
            judge=self._judge,
            loader=self._loader,
            events=events,
            alarms=alarms,
            answer=answer,
            settle_ring=self._settle_ring,
            past=self._read_past,
            mailbox_size=self._settings.mailbox_size,
        )

    @property
    def awake(self) -> int:
        """How many entities are in memory."""
        return len(self._awake)

    async def deliver(self, subject: str, data: bytes, *, at: int, place: Judged, reply: str) -> None:
        """Take one message of the commands stream, received at `at` (ns); whatever it holds, this never raises."""
        reply = reply if _is_inbox(reply) else ""
        try:
            name = _name(subject)
            envelope = _decode(data)
            entity = self._wake(name)
            if not entity.accept(Received(envelope, at, place, reply)):
                raise Unavailable("too many commands wait for this entity; try again", retry_after_ms=100)
        except HoldfastError as error:
            await self._send(reply, {"error": error.body()})
            return
        if name not in self._running:
            self._start(name, entity)

    async def ring(self, subject: str, due: int) -> None:
        """Pass the ring of an alarm on into the commands stream, where it takes its place behind earlier commands."""
        try:
            name = Name.from_subject(subject)
        except ValidationFailed:
            log.warning("alarm.foreign", subject=subject)
            return
        ring = self._rings.setdefault((name, due), _Ring(0, 0.0))
        await self._ring(name, due, ring)

    async def run(self) -> None:
        """Put idle entities to sleep and repeat unsettled rings, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for (name, due), ring in list(self._rings.items()):
                if ring.again_at <= now:
                    await self._ring(name, due, ring)
            idle_since = now - self._settings.idle_seconds
            for name in [name for name, used in self._used.items() if used <= idle_since]:
                await self.hibernate(name)

    async def settled(self) -> None:
        """Wait until no entity is at work."""
        while self._running or self._tasks:
            await asyncio.wait([*self._running.values(), *self._tasks])

    async def drain(self, *, seconds: float) -> None:
        """Finish what is in the mailboxes, then put everything to sleep; at most about `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.settled()
                for name in list(self._awake):
                    await self.hibernate(name)
        except TimeoutError:
            log.warning("host.drain_cut_short", awake=len(self._awake))
        finally:
            for task in (*self._running.values(), *self._tasks):
                task.cancel()

    async def hibernate(self, name: Name) -> bool:
        """Snapshot an entity and drop it from memory, unless it is at work. Says whether it sleeps."""
        entity = self._awake.get(name)
        if entity is None or name in self._running:
            return entity is None
        image = entity.image
        if image is not None and image.seq > entity.snapshot_seq and await self._loader.save(name, image):
            entity.snapshot_seq = image.seq
        if name in self._running:
            return False
        self._awake.pop(name, None)
        self._used.pop(name, None)
        log.debug("entity.hibernated", name=str(name))
        return True

    def _wake(self, name: Name) -> LiveEntity:
        entity = self._awake.get(name)
        if entity is None:
            if len(self._awake) >= self._settings.awake_limit:
                self._make_room()
            entity = self._awake[name] = LiveEntity(name, self._around)
        self._awake.move_to_end(name)
        self._used[name] = asyncio.get_running_loop().time()
        return entity

    def _make_room(self) -> None:
        """Drop the entity that was used longest ago and is not at work; its log holds everything."""
        for name, entity in self._awake.items():
            if name not in self._running:
                image = entity.image
                del self._awake[name]
                self._used.pop(name, None)
                if image is not None and image.seq > entity.snapshot_seq:
                    self._spawn(self._save(name, entity))
                return
        raise Unavailable("this host has no room for another awake entity; try again", retry_after_ms=500)

    def _start(self, name: Name, entity: LiveEntity) -> None:
        task = asyncio.create_task(self._work(name, entity), name=f"entity {name}")
        self._running[name] = task

    async def _work(self, name: Name, entity: LiveEntity) -> None:
        try:
            await entity.run()
        except Exception:
            log.exception("entity.fault", name=str(name))
            entity.forget()
        finally:
            del self._running[name]
        if entity.waiting:
            self._start(name, entity)
        if self._wants_snapshot(entity):
            entity.snapshot_at = asyncio.get_running_loop().time()
            self._spawn(self._save(name, entity))

    def _wants_snapshot(self, entity: LiveEntity) -> bool:
        image = entity.image
        if image is None or image.seq - entity.snapshot_seq < self._judge.entity.snapshot_every:
            return False
        return asyncio.get_running_loop().time() - entity.snapshot_at >= SNAPSHOT_PAUSE_SECONDS

    async def _save(self, name: Name, entity: LiveEntity) -> None:
        image = entity.image
        if image is not None and image.seq > entity.snapshot_seq:
            entity.snapshot_seq = image.seq
            await self._loader.save(name, image)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ring(self, name: Name, due: int, ring: _Ring) -> None:
        delay = min(RING_AGAIN_SECONDS * 2**ring.attempts, RING_AGAIN_MAX_SECONDS)
        ring.attempts += 1
        ring.again_at = asyncio.get_running_loop().time() + delay
        envelope = CommandEnvelope(
            command=ALARM_COMMAND,
            command_id=f"{ALARM_COMMAND}-{due}",
            by=ALARM_ACTOR,
            data=msgspec.Raw(_encoder.encode({"due": due})),
        )
        try:
            await self._pass_ring(name, _encoder.encode(envelope))
        except Unavailable as error:
            log.warning("alarm.not_passed_on", name=str(name), error=str(error))

    async def _settle_ring(self, name: Name, due: int) -> None:
        """The deadline is recorded and the next alarm armed: this ring need not wait any more."""
        self._rings.pop((name, due), None)
        try:
            await self._alarms.remove(due)
        except Unavailable as error:
            log.warning("alarm.not_settled", name=str(name), error=str(error))

    def _read_past(self, entity: LiveEntity, received: Received, query: ViewQuery) -> None:
        if self._past_waiting >= PAST_READS_WAITING:
            self._spawn(
                self._send(received.reply, {"error": Unavailable("too many reads of the past; try again").body()})
            )
            return
        self._past_waiting += 1
        self._spawn(self._past(entity, received, query))

    async def _past(self, entity: LiveEntity, received: Received, query: ViewQuery) -> None:
        try:
            async with self._past_reads:
                state, seq = await self._loader.past(entity.name, seq=query.seq, at=query.at)
            shown = view_of(self._judge.entity, state, received.envelope.by)
            view = View(name=str(entity.name), seq=seq, state=shown, server_now=utc_now())
            await self._send(received.reply, {"ok": view})
        except HoldfastError as error:
            await self._send(received.reply, {"error": error.body()})
        except Exception:
            log.exception("past.fault", name=str(entity.name))
            await self._send(
                received.reply, {"error": HoldfastError("a fault in this service; it is in its log").body()}
            )
        finally:
            self._past_waiting -= 1

    async def _send(self, reply: str, body: Mapping[str, ErrorBody | View]) -> None:
        if not reply:
            return
        try:
            await self._answer(reply, _encoder.encode(body))
        except HoldfastError as error:
            log.warning("answer.not_sent", error=str(error))


@lru_cache(NAMES_CACHED)
def _name(subject: str) -> Name:
    return Name.from_subject(subject)


def _is_inbox(reply: str) -> bool:
    """Only inboxes: an answer must never land on a subject that means something."""
    return _INBOX.fullmatch(reply) is not None


def _decode(data: bytes) -> CommandEnvelope:
    try:
        envelope = _envelope_decoder.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValidationFailed(f"not a command: {error}") from None
    check_command_id(envelope.command_id)
    if envelope.command.startswith("_") and envelope.command not in (ALARM_COMMAND, VIEW_COMMAND):
        raise ValidationFailed(f"unknown command {envelope.command[:100]!r}")
    return envelope
