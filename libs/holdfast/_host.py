"""Many entities in one process: wake, hibernate, ring, drain."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from holdfast._actor import Answer, LiveEntity, Surroundings
from holdfast._alarms import Alarms
from holdfast._deletion import DELETE_COMMAND, Announce, Deletion, Rows
from holdfast._entity import AnyEntity
from holdfast._errors import ErrorBody, HoldfastError, Unavailable, ValidationFailed
from holdfast._history import Archived, EntityHistory
from holdfast._judge import Judge
from holdfast._loading import Loader
from holdfast._log import EventLog, Judged
from holdfast._mailbox import Received
from holdfast._messages import CommandEnvelope, View
from holdfast._names import Name, check_command_id
from holdfast._past_reads import PastReads
from holdfast._rate import Buckets, Rate, TokenBucket, too_fast
from holdfast._recall import Recall
from holdfast._remembered import COMMAND_ID_SECONDS, REMEMBERED_COMMANDS, REMEMBERED_SECONDS, Bounds
from holdfast._rings import ALARM_COMMAND, Rings
from holdfast._snapshots import Snapshots
from holdfast._turn import VIEW_COMMAND, outcome_of, seq_of
from holdfast.telemetry import EntityMeasures, Measures, Step, Tracing

SWEEP_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 60.0
NANOSECONDS: Final = 1_000_000_000
HIBERNATE_AT_ONCE: Final = 64
RELEASE_SECONDS: Final = 3.0
NAMES_CACHED: Final = 16_384
SAVES_WAITING: Final = 256
"""Snapshots of entities that had to make room; beyond that they are left out, as the log has everything."""
INBOX_LENGTH: Final = 200
"""A longer subject may be over the server's limit for one line, and costs the connection."""
SNAPSHOT_PAUSE_SECONDS: Final = 2.0
"""Between two snapshots of one busy entity: a tail of two seconds replays faster than it was written."""
WAITED_SECONDS: Final = 30.0
"""Commands wait no longer for an owner: what was received earlier comes from a server whose clock was set back."""
SNAPSHOTS_PER_SECOND: Final = 20.0
"""Of all busy entities here, at some 3 ms each; with more of them at work, tails become longer."""


log = structlog.get_logger(__name__)
_INTERNAL_COMMANDS: Final = frozenset({ALARM_COMMAND, VIEW_COMMAND, DELETE_COMMAND})
_INBOX: Final = re.compile(r"_INBOX(\.[A-Za-z0-9_-]+)+")
_envelope_decoder: Final = msgspec.json.Decoder(CommandEnvelope)
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Bounds of one host; the defaults suit a laptop."""

    mailbox_size: int = 1024
    """Commands that wait for one entity; more are answered `UNAVAILABLE` at once."""
    commands_per_second: float = 0.0
    """To one entity, with bursts of twice as many; more are answered `RATE_LIMITED`. 0 sets no limit."""
    tenant_commands_per_second: float = 0.0
    """Of one tenant to all entities here, likewise: whoever sends past the gateways is held to it too."""
    mailbox_bytes: int = 16 * 1024 * 1024
    """The bytes that wait for one entity, apart from one command that may be larger."""
    awake_limit: int = 10_000
    idle_seconds: float = IDLE_SECONDS
    """An entity that nobody commands this long is put to sleep."""
    remembered_commands: int = REMEMBERED_COMMANDS
    """Accepted command ids that one entity holds itself, and its snapshots; older ones are looked up."""
    remembered_seconds: float = REMEMBERED_SECONDS
    """The age up to which it holds them."""
    command_id_seconds: float = COMMAND_ID_SECONDS
    """How long an accepted command id gives its first result again."""


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
        archive: Archived | None = None,
        done: Callable[[Name, int], None] | None = None,
        rows: Rows | None = None,
        announce: Announce | None = None,
        too_new: Callable[[Name], None] | None = None,
        leased: Callable[[], bool] | None = None,
        settings: HostSettings | None = None,
        measures: EntityMeasures | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.purpose = entity.purpose
        self._tracing = tracing
        self._settings = settings or HostSettings()
        self._rate = Rate(self._settings.commands_per_second)
        self._tenants = Buckets(Rate(self._settings.tenant_commands_per_second))
        self._judge = Judge(entity)
        self._measures = measures or Measures().of(entity.purpose)
        history = EntityHistory(events, archive)
        bounds = Bounds(count=self._settings.remembered_commands, seconds=self._settings.remembered_seconds)
        self._loader = Loader(self._judge, history, snapshots, bounds=bounds, measures=self._measures)
        self._answer = answer
        self._rings = Rings(alarms, pass_ring)
        self._awake: OrderedDict[Name, LiveEntity] = OrderedDict()
        self._used: dict[Name, float] = {}
        self._running: dict[Name, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._past = PastReads(self._judge, self._loader, send=self._send)
        self._snapshots = TokenBucket(Rate(SNAPSHOTS_PER_SECOND), now=0.0)
        self._around = Surroundings(
            judge=self._judge,
            loader=self._loader,
            events=events,
            history=history,
            recall=Recall(history, seconds=self._settings.command_id_seconds),
            alarms=alarms,
            answer=answer,
            rings=self._rings,
            deletion=Deletion(events=events, alarms=alarms, loader=self._loader, rows=rows, announce=announce),
            past=lambda name, received, query: self._spawn(self._past.answer(name, received, query)),
            measures=self._measures,
            tracing=tracing,
            mailbox_size=self._settings.mailbox_size,
            mailbox_bytes=self._settings.mailbox_bytes,
            done=done or _nothing,
            too_new=too_new or _nothing,
            leased=leased or _alone,
        )
        self._measures.awake(lambda: [entity.waiting for entity in self._awake.values()])

    @property
    def awake(self) -> int:
        """How many entities are in memory."""
        return len(self._awake)

    async def deliver(self, subject: str, data: bytes, *, place: Judged, reply: str, traceparent: str = "") -> bool:
        """Take one message of the commands stream; whatever it holds, this never raises.

        False when it was refused at once, and nothing more will be done for it.
        """
        reply = reply if _is_inbox(reply) else ""
        step = None
        if self._tracing is not None:
            step = self._tracing.recorded(f"judge {self.purpose}", kind=SpanKind.SERVER, parent=traceparent)
        try:
            name = _name(subject)
            envelope = _decode(data)
            if step is not None:
                self._describe(step, name, envelope)
            limited = envelope.command not in _INTERNAL_COMMANDS
            if limited:
                self._require_pace_of_tenant(name, place)
            entity = self._wake(name)
            if limited:
                self._require_pace(entity, place)
            if not entity.accept(Received(envelope, place, reply, step)):
                raise Unavailable("too many commands wait for this entity; try again", retry_after_ms=100)
        except HoldfastError as error:
            self._measures.judged(error.code)
            await self._send(reply, {"error": error.body()}, step)
            return False
        if name not in self._running:
            self._start(name, entity)
        return True

    def _describe(self, step: Step, name: Name, envelope: CommandEnvelope) -> None:
        """Name a command only when there is one of that name: anything else may be what its sender did not mean to tell."""
        known = envelope.command in _INTERNAL_COMMANDS or envelope.command in self._judge.entity.command_types
        step.tell(entity=name, command=envelope.command if known else None, command_id=envelope.command_id)

    def _require_pace_of_tenant(self, name: Name, place: Judged) -> None:
        """Refuse a command above its tenant's rate before it wakes anything.

        What waited for an owner that is gone is older than what was counted here meanwhile, and is not counted.
        """
        if self._tenants.rate.per_second <= 0:
            return
        now = place.received / NANOSECONDS
        bucket = self._tenants.bucket(name.tenant, now)
        if bucket.is_ahead_of(now) and not bucket.is_ahead_of(now + WAITED_SECONDS):
            return
        wait = bucket.wait(now)
        if wait > 0:
            if (entity := self._awake.get(name)) is not None:
                entity.missed(place)
            raise too_fast("of this tenant", wait)
        bucket.take()

    def _require_pace(self, entity: LiveEntity, place: Judged) -> None:
        """Refuse a command above the entity's rate, by times of receipt: those that waited for an owner came slowly."""
        if self._rate.per_second <= 0:
            return
        now = place.received / NANOSECONDS
        if entity.pace is None:
            entity.pace = TokenBucket(self._rate, now=now)
        wait = entity.pace.wait(now)
        if wait > 0:
            entity.missed(place)
            raise too_fast("to this entity", wait)
        entity.pace.take()

    def missed(self, place: Judged) -> None:
        """Commands up to this place may have been carried out by another owner: look before judging."""
        for entity in self._awake.values():
            entity.missed(place)

    async def release(self, lost: Callable[[Name], bool]) -> None:
        """Leave these entities to another owner: finish what was taken, then put them to sleep."""
        self._rings.release(lost)
        names = [name for name in self._awake if lost(name)]
        working = [self._running[name] for name in names if name in self._running]
        if working:
            await asyncio.wait(working, timeout=RELEASE_SECONDS)
        await self._hibernate(names)

    async def ring(self, name: Name, due: int) -> None:
        """Pass the ring of an alarm on into the commands stream, where it takes its place behind earlier commands."""
        await self._rings.ring(name, due)

    async def run(self) -> None:
        """Put idle entities to sleep and repeat unsettled rings, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rings.run(), name=f"unsettled rings {self.purpose}")
            group.create_task(self._sweep(), name=f"idle entities {self.purpose}")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            idle_since = asyncio.get_running_loop().time() - self._settings.idle_seconds
            await self._hibernate([name for name, used in self._used.items() if used <= idle_since])

    async def _hibernate(self, names: Sequence[Name]) -> None:
        for first in range(0, len(names), HIBERNATE_AT_ONCE):
            await asyncio.gather(*(self.hibernate(name) for name in names[first : first + HIBERNATE_AT_ONCE]))

    async def settled(self) -> None:
        """Wait until no entity is at work."""
        while self._running or self._tasks:
            await asyncio.wait([*self._running.values(), *self._tasks])

    async def drain(self, *, seconds: float) -> None:
        """Finish what is in the mailboxes, then put everything to sleep; at most about `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.settled()
                await self._hibernate(list(self._awake))
        except TimeoutError:
            log.warning("host.drain_cut_short", awake=len(self._awake))
        finally:
            left = [*self._running.values(), *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def hibernate(self, name: Name) -> bool:
        """Snapshot an entity and drop it from memory, unless it is at work. Says whether it sleeps."""
        entity = self._awake.get(name)
        if entity is None or name in self._running:
            return entity is None
        await self._save(name, entity)
        if name in self._running or self._awake.get(name) is not entity:
            return name not in self._awake
        self._drop(name)
        log.debug("entity.hibernated", name=str(name))
        return True

    def _drop(self, name: Name) -> None:
        del self._awake[name]
        del self._used[name]

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
                self._drop(name)
                if len(self._tasks) < SAVES_WAITING:
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
        elif entity.image is not None and entity.image.seq == 0 and not self._judge.entity.exists_from_start:
            self._drop(name)  # whoever makes names up must not push out those that exist
        if self._wants_snapshot(entity):
            self._snapshots.take()
            entity.snapshot_at = asyncio.get_running_loop().time()
            self._spawn(self._save(name, entity))

    def _wants_snapshot(self, entity: LiveEntity) -> bool:
        image = entity.image
        if image is None or image.seq - entity.snapshot_seq < self._judge.entity.snapshot_every:
            return False
        now = asyncio.get_running_loop().time()
        return now - entity.snapshot_at >= SNAPSHOT_PAUSE_SECONDS and self._snapshots.wait(now) <= 0

    async def _save(self, name: Name, entity: LiveEntity) -> None:
        image = entity.image
        if image is not None and (seq := image.seq) > entity.snapshot_seq and await self._loader.save(name, image):
            entity.snapshot_seq = max(entity.snapshot_seq, seq)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, reply: str, body: Mapping[str, ErrorBody | View], step: Step | None) -> None:
        try:
            if reply:
                await self._answer(reply, _encoder.encode(body))
        except HoldfastError as error:
            log.warning("answer.not_sent", error=str(error))
        finally:
            if step is not None:
                step.end(outcome_of(body), seq=seq_of(body))


def _nothing(_name: Name, _sequence: int = 0) -> None:
    """Where nobody asks how far the commands are answered, or who else could serve an entity."""


def _alone() -> bool:
    """Where there are no other owners."""
    return True


@lru_cache(NAMES_CACHED)
def _name(subject: str) -> Name:
    return Name.from_subject(subject)


def _is_inbox(reply: str) -> bool:
    """Only inboxes: an answer must never land on a subject that means something."""
    return len(reply) <= INBOX_LENGTH and _INBOX.fullmatch(reply) is not None


def _decode(data: bytes) -> CommandEnvelope:
    try:
        envelope = _envelope_decoder.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationFailed(f"not a command: {error}") from None
    check_command_id(envelope.command_id)
    if envelope.command.startswith("_") and envelope.command not in _INTERNAL_COMMANDS:
        raise ValidationFailed(f"unknown command {envelope.command[:100]!r}")
    return envelope
