"""Runs services on NATS until it is cancelled."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog

from holdfast._effects import Effects
from holdfast._host import HostSettings
from holdfast._read_side import ReadSide, projections_of
from holdfast._service import Service
from holdfast._share import Share
from holdfast.jetstream import JetStreamLog, NatsBus, ensure_streams
from holdfast.sql import Forgetter, SqlArchive, SqlSnapshots, migrate, open_database
from holdfast.telemetry import Measures

log: Final = structlog.get_logger(__name__)


async def serve(
    services: Sequence[Service],
    *,
    servers: str | Sequence[str],
    database: str,
    replicas: int = 1,
    settings: HostSettings | None = None,
    measures: Measures | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve this process's share of every entity of these services until cancelled, then hand it over.

    `Unavailable` when NATS is not there or not usable, `DatabaseProblem` when the database is not. `ready` is called
    once commands are being taken.
    """
    measures = measures or Measures()
    for service in services:
        await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        bus = await NatsBus.connect(servers, name=f"holdfast {' '.join(service.name for service in services)}")
        stack.push_async_callback(bus.close)
        shares: list[Share] = []
        read_sides: list[ReadSide] = []
        for service in services:
            engine, reading = (open_database(database, service.name) for _ in range(2))
            stack.push_async_callback(engine.dispose)
            stack.push_async_callback(reading.dispose)
            snapshots, archive = SqlSnapshots(engine), SqlArchive(engine)
            forgetter = Forgetter(projections_of(service), engine, JetStreamLog(bus, replicas=replicas))
            shares += [
                Share(
                    bus,
                    entity,
                    snapshots,
                    archive=archive,
                    forget=forgetter.forget,
                    replicas=replicas,
                    settings=settings,
                    measures=measures.of(entity.purpose),
                )
                for entity in service.entities
            ]
            side = ReadSide(bus, service, reading)
            side.show(measures)
            read_sides.append(side)
        for share in shares:
            await ensure_streams(bus, share.host.purpose, replicas=replicas)
        effects = Effects(bus, services, replicas=replicas)
        stack.push_async_callback(effects.stop)
        effects.show(measures)
        await effects.prepare()
        for side in read_sides:
            stack.push_async_callback(side.stop)
        async with asyncio.TaskGroup() as group:
            for share in shares:
                group.create_task(share.run(), name=f"share of {share.host.purpose}")
            for share in shares:
                await share.ready.wait()
            for side in read_sides:
                await side.start(group)
            await effects.start(group)
            log.info("service.ready", purposes=[share.host.purpose for share in shares])
            if ready is not None:
                ready()
