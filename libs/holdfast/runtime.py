"""Runs services on NATS until it is cancelled."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import structlog

from holdfast._bus import Bus
from holdfast._effects import Effects
from holdfast._fitness import FitnessSettings, keep_fit
from holdfast._host import HostSettings
from holdfast._read_side import ReadSide, projections_of
from holdfast._service import Service
from holdfast._share import Share
from holdfast.jetstream import JetStreamLog, NatsBus, ensure_streams, watch_nats
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Forgetter, Pulse, SqlArchive, SqlSnapshots, migrate, open_database
from holdfast.telemetry import Health, Measures, Tracing

log: Final = structlog.get_logger(__name__)


async def serve(
    services: Sequence[Service],
    *,
    servers: str | Sequence[str],
    database: str,
    replicas: int = 1,
    settings: HostSettings | None = None,
    fitness: FitnessSettings | None = None,
    keep_seconds: float | None = None,
    measures: Measures | None = None,
    health: Health | None = None,
    tracing: Tracing | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve this process's share of every entity of these services until cancelled, then hand it over.

    `Unavailable` when NATS is not there or not usable, `DatabaseProblem` when the database is not. `ready` is called
    once commands are being taken. Commits older than `keep_seconds` leave the log once they are archived; None keeps all.
    """
    measures, health = measures or Measures(), health or Health()
    fitness = fitness or FitnessSettings()
    health.check("serving", lambda: "not yet serving")
    for service in services:
        await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        bus = await NatsBus.connect(servers, name=f"holdfast {' '.join(service.name for service in services)}")
        stack.push_async_callback(bus.close)
        vital = watch_nats(health, bus)
        parts = [
            _Part(
                bus,
                service,
                database=database,
                replicas=replicas,
                settings=settings,
                keep_seconds=keep_seconds,
                measures=measures,
                tracing=tracing,
            )
            for service in services
        ]
        for part in parts:
            stack.push_async_callback(part.close)
            for share in part.shares:
                await ensure_streams(bus, share.purpose, replicas=replicas)
        effects = Effects(bus, services, replicas=replicas, tracing=tracing)
        stack.push_async_callback(effects.stop)
        effects.show(measures)
        await effects.prepare()
        for part in parts:
            part.watch(health, fitness)
        await stack.enter_async_context(health.running())
        async with asyncio.TaskGroup() as group:
            group.create_task(_drain_at_the_end(health), name="draining")
            for part in parts:
                group.create_task(part.keep_fit(health, vital, fitness), name=f"fitness of {part.service.name}")
                await part.start(group)
            await effects.start(group)
            health.check("serving", lambda: None)
            log.info("service.ready", purposes=[share.purpose for part in parts for share in part.shares])
            if ready is not None:
                ready()


class _Part:
    """One service in this process: its shares and its read side, on its database."""

    def __init__(
        self,
        bus: Bus,
        service: Service,
        *,
        database: str,
        replicas: int,
        settings: HostSettings | None,
        keep_seconds: float | None,
        measures: Measures,
        tracing: Tracing | None,
    ) -> None:
        self.service = service
        self._engine, self._reading = (open_database(database, service.name) for _ in range(2))
        snapshots, archive = SqlSnapshots(self._engine), SqlArchive(self._engine)
        log, whole_log = JetStreamLog(bus, replicas=replicas), partial(JetStreamWholeLog, bus)
        self._forgetter = Forgetter(projections_of(service), self._engine, log, whole_log)
        self.shares = [
            Share(
                bus,
                entity,
                snapshots,
                archive=archive,
                rows=self._forgetter,
                replicas=replicas,
                settings=settings,
                measures=measures.of(entity.purpose),
                tracing=tracing,
            )
            for entity in service.entities
        ]
        self._read_side = ReadSide(bus, service, self._reading, keep_seconds=keep_seconds, tracing=tracing)
        self._read_side.show(measures)

    @property
    def _database(self) -> str:
        return f"database {self.service.name}"

    def watch(self, health: Health, settings: FitnessSettings) -> None:
        """Let it be seen whether the database takes writes, and whether the rows keep up."""
        health.probe(self._database, Pulse(self._engine, min_free_bytes=settings.min_free_bytes).beat)
        health.check(f"rows {self.service.name}", lambda: self._read_side.behind(settings.max_lag))

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Take commands, then follow the logs."""
        for share in self.shares:
            group.create_task(share.run(), name=f"share of {share.purpose}")
        for share in self.shares:
            await share.ready.wait()
        await self._read_side.start(group)
        group.create_task(self._forgetter.run(), name=f"interrupted deletions of {self.service.name}")

    async def keep_fit(self, health: Health, vital: Sequence[str], settings: FitnessSettings) -> None:
        """Step back while the database or JetStream fails."""
        await keep_fit(self.shares, health, vital=(*vital, self._database), grace=settings.grace_seconds)

    async def close(self) -> None:
        """Finish the lists that are under way, and leave the database."""
        await self._read_side.stop()
        await self._engine.dispose()
        await self._reading.dispose()


async def _drain_at_the_end(health: Health) -> None:
    """Be ready no more as soon as this is cancelled, while the shares are still handed over."""
    try:
        await asyncio.Event().wait()
    finally:
        health.drain()
