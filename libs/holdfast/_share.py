"""One process's share of a purpose: the partitions it owns, from taking them over to handing them on."""

import asyncio
from functools import lru_cache
from typing import Final
from uuid import uuid4

import msgspec
import structlog

from holdfast._bus import Bus
from holdfast._clock import wall_ns
from holdfast._deletion import Rows
from holdfast._entity import AnyEntity
from holdfast._errors import HoldfastError, Unavailable
from holdfast._history import Archived
from holdfast._host import Host, HostSettings
from holdfast._log import Judged
from holdfast._messages import COMMIT_VERSION, Commit
from holdfast._names import Name
from holdfast._owners import PARTITIONS, Members, Membership, owned, partition
from holdfast._progress import Progress
from holdfast._snapshots import Snapshots
from holdfast.jetstream import (
    H_REPLY,
    ApiError,
    Checkpoints,
    JetStreamAlarms,
    JetStreamLog,
    ReceivedMessage,
    command_subjects,
    commands,
    ring_subjects,
    rings,
)
from holdfast.telemetry import TRACEPARENT, EntityMeasures, Measures, Tracing

CHECKPOINT_SECONDS: Final = 0.25
"""What a member answered since its last checkpoint, its successor reads again before it answers anything."""
DRAIN_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 0.2
NAMES_CACHED: Final = 16_384

log = structlog.get_logger(__name__)


class Share:
    """Takes the commands of the partitions that fall to this member, and passes them to its host.

    Two members may believe for a moment that they own the same partition: the log refuses one of them.
    """

    def __init__(
        self,
        bus: Bus,
        entity: AnyEntity,
        snapshots: Snapshots,
        *,
        archive: Archived | None = None,
        rows: Rows | None = None,
        replicas: int = 1,
        settings: HostSettings | None = None,
        measures: EntityMeasures | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        """Set once commands are being taken."""
        self._bus = bus
        self._purpose = entity.purpose
        self._member = uuid4().hex
        self._progress = Progress()
        self._partitions: frozenset[int] = frozenset()
        self._members: Members = {}
        self._members_changed = asyncio.Event()
        self._membership = Membership(
            bus, entity.purpose, self._member, changed=self._on_members, lapsed=self._on_lapse
        )
        self._checkpoints = Checkpoints(bus, entity.purpose)
        self._commands = commands(bus, entity.purpose, self._on_command, renewed=self._on_renewal, replicas=replicas)
        self._rings = rings(bus, entity.purpose, self._on_ring, replicas=replicas)
        self._expected = 0
        self._measures = measures or Measures().of(entity.purpose)
        self._measures.owning(lambda: len(self._partitions))
        self.host = Host(
            entity,
            events=JetStreamLog(bus, replicas=replicas),
            alarms=JetStreamAlarms(bus, entity.purpose),
            snapshots=snapshots,
            answer=bus.publish,
            pass_ring=self._pass_ring,
            archive=archive,
            done=self._on_done,
            rows=rows,
            announce=self._announce_deletion,
            too_new=self._on_too_new,
            leased=lambda: self._membership.leased,
            settings=settings,
            measures=self._measures,
            tracing=tracing,
        )

    @property
    def purpose(self) -> str:
        """Whose entities these are."""
        return self._purpose

    def stand_aside(self, *, aside: bool) -> None:
        """Leave everything to other members, as far as there are any; or come back."""
        self._membership.stand_aside(aside=aside)

    async def run(self) -> None:
        """Own what falls to this member until cancelled; then finish it, and tell the others where to go on."""
        end_gap = self._bus.on_gap(self._on_lapse)
        async with asyncio.TaskGroup() as members:
            membership = members.create_task(self._membership.run(), name=f"membership {self._purpose}")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.host.run(), name=f"host {self._purpose}")
                    group.create_task(self._commands.run(), name=f"commands {self._purpose}")
                    group.create_task(self._rings.run(), name=f"rings {self._purpose}")
                    group.create_task(self._assign(), name=f"assignment {self._purpose}")
                    group.create_task(self._keep_checkpoint(), name=f"checkpoint {self._purpose}")
            finally:
                end_gap()
                await self._hand_over()
                membership.cancel()

    async def _hand_over(self) -> None:
        await self.host.drain(seconds=DRAIN_SECONDS)
        try:
            await self._save_checkpoint()
            await self._membership.leave()
            await self._bus.flush(timeout=DRAIN_SECONDS)
        except HoldfastError as error:
            log.warning("share.not_handed_over", purpose=self._purpose, error=str(error))

    async def _assign(self) -> None:
        """Follow the membership: take what falls to this member, and let go of what does not any more."""
        while True:
            await self._members_changed.wait()
            self._members_changed.clear()
            wanted = owned(self._member, self._members)
            try:
                await self._change_to(wanted)
            except (Unavailable, ApiError) as error:
                log.warning("share.not_changed", purpose=self._purpose, error=str(error))
                self._members_changed.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _change_to(self, wanted: frozenset[int]) -> None:
        await self._commands.ready.wait()
        gained, lost = wanted - self._partitions, self._partitions - wanted
        answered = await self._checkpoints.load(self._commands.created) if gained else {}
        self._progress.end(lost)
        self._progress.begin({number: answered.get(number, 0) for number in gained})
        self._partitions = wanted
        if gained:
            self._measures.took_over(len(gained))
            self.host.missed(Judged(wall_ns(), max(answered.values(), default=0)))
            self._rings.aim(ring_subjects(self._purpose), sequence=1)
        self._aim()
        log.info("share.changed", purpose=self._purpose, members=len(self._members), partitions=len(wanted))
        if lost:
            await self.host.release(lambda name: _partition(name) in lost)
        self.ready.set()

    def _aim(self) -> None:
        self._expected = self._progress.next_sequence()
        self._commands.aim(command_subjects(self._purpose, self._partitions), sequence=self._expected)

    def _on_members(self, members: Members) -> None:
        self._members = members
        self._members_changed.set()

    def _on_too_new(self, name: Name) -> None:
        """Leave the partition of this entity to a member that may run newer code."""
        self._membership.decline(_partition(name))

    def _on_lapse(self) -> None:
        """Others may have gone on in the place of this process: it stood still, or was cut off."""
        self.host.missed(Judged(wall_ns(), self._expected))

    def _on_renewal(self) -> None:
        """The commands stream begins anew: no sequence of the old one means anything."""
        self._progress.restart()
        self._expected = 1

    async def _on_command(self, message: ReceivedMessage) -> None:
        number = int(message.subject.split(".")[2])
        place = Judged(message.received, message.sequence)
        if len(self._partitions) == PARTITIONS and message.sequence > self._expected:
            self.host.missed(place)  # commands left the stream before they were read here
        self._expected = message.sequence + 1
        if self._progress.receive(number, message.sequence):
            reply, traceparent = message.headers.get(H_REPLY, ""), message.headers.get(TRACEPARENT, "")
            if not await self.host.deliver(
                message.subject, message.data, place=place, reply=reply, traceparent=traceparent
            ):
                self._progress.answer(number, message.sequence)

    def _on_done(self, name: Name, sequence: int) -> None:
        self._progress.answer(_partition(name), sequence)

    async def _on_ring(self, message: ReceivedMessage) -> None:
        try:
            name = Name.from_subject(message.subject)
        except HoldfastError:
            log.warning("ring.foreign", subject=message.subject)
            return
        if _partition(name) in self._partitions:
            await self.host.ring(name, message.sequence)

    async def _pass_ring(self, name: Name, body: bytes) -> None:
        await self._bus.publish(name.subject("cmd"), body)

    async def _announce_deletion(self, name: Name) -> None:
        """Tell watchers: a commit without events, which the log never holds."""
        await self._bus.publish(
            name.subject("live"), msgspec.json.encode(Commit(v=COMMIT_VERSION, name=str(name), events=()))
        )

    async def _keep_checkpoint(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            try:
                await self._save_checkpoint()
            except Unavailable as error:
                log.debug("checkpoint.not_saved", purpose=self._purpose, error=str(error))

    async def _save_checkpoint(self) -> None:
        await self._checkpoints.save(self._member, self._commands.created, self._progress.positions())


@lru_cache(NAMES_CACHED)
def _partition(name: Name) -> int:
    return partition(name)
