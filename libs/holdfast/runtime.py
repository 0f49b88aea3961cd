"""Runs services on NATS until it is cancelled."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import structlog

from holdfast._entity import AnyEntity
from holdfast._host import Host, HostSettings
from holdfast._log import Judged
from holdfast._names import Name
from holdfast._service import Service
from holdfast._snapshots import Snapshots
from holdfast.jetstream import (
    H_REPLY,
    JetStreamAlarms,
    JetStreamLog,
    NatsBus,
    ReceivedMessage,
    commands,
    ensure_streams,
    rings,
)
from holdfast.sql import SqlSnapshots, migrate, open_database

DRAIN_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


async def serve(
    services: Sequence[Service],
    *,
    servers: str | Sequence[str],
    database: str,
    replicas: int = 1,
    settings: HostSettings | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve every entity of these services until cancelled, then finish what is under way and put all to sleep.

    `Unavailable` when NATS is not there or not usable, `DatabaseProblem` when the database is not. `ready` is called
    once commands are being taken.
    """
    for service in services:
        await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        bus = await NatsBus.connect(servers, name=f"holdfast {' '.join(service.name for service in services)}")
        stack.push_async_callback(bus.close)
        runners: list[_Runner] = []
        for service in services:
            engine = open_database(database, service.name)
            stack.push_async_callback(engine.dispose)
            snapshots = SqlSnapshots(engine)
            runners += [_Runner(bus, entity, snapshots, replicas, settings) for entity in service.entities]
        for runner in runners:
            await ensure_streams(bus, runner.host.purpose, replicas=replicas)
        stack.push_async_callback(_drain, runners)
        async with asyncio.TaskGroup() as group:
            for runner in runners:
                runner.start(group)
            for runner in runners:
                await runner.commands.ready.wait()
            log.info("service.ready", purposes=[runner.host.purpose for runner in runners])
            if ready is not None:
                ready()


class _Runner:
    """One purpose: its host, its commands and its rings."""

    def __init__(
        self, bus: NatsBus, entity: AnyEntity, snapshots: Snapshots, replicas: int, settings: HostSettings | None
    ) -> None:
        self.host = Host(
            entity,
            events=JetStreamLog(bus, replicas=replicas),
            alarms=JetStreamAlarms(bus, entity.purpose),
            snapshots=snapshots,
            answer=bus.publish,
            pass_ring=partial(_pass_ring, bus),
            settings=settings,
        )
        self.commands = commands(bus, entity.purpose, self._on_command, replicas=replicas)
        self.rings = rings(bus, entity.purpose, self._on_ring, replicas=replicas)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start everything that runs for this purpose."""
        group.create_task(self.host.run(), name=f"host {self.host.purpose}")
        group.create_task(self.commands.run(), name=f"commands {self.host.purpose}")
        group.create_task(self.rings.run(), name=f"rings {self.host.purpose}")

    async def _on_command(self, message: ReceivedMessage) -> None:
        await self.host.deliver(
            message.subject,
            message.data,
            place=Judged(message.received, message.sequence),
            reply=message.headers.get(H_REPLY, ""),
        )

    async def _on_ring(self, message: ReceivedMessage) -> None:
        await self.host.ring(message.subject, message.sequence)


async def _drain(runners: Sequence[_Runner]) -> None:
    await asyncio.gather(*(runner.host.drain(seconds=DRAIN_SECONDS) for runner in runners))


async def _pass_ring(bus: NatsBus, name: Name, body: bytes) -> None:
    await bus.publish(name.subject("cmd"), body)
