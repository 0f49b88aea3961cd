"""The reactors and workers of services, beside the entities and apart from them."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Final

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast._jobs import WorkerRunner
from holdfast._judge import Judge
from holdfast._reactors import ReactorRunner
from holdfast._service import Service
from holdfast.client import Client
from holdfast.jetstream import ApiError
from holdfast.jetstream._work import ensure_work_streams
from holdfast.telemetry import Measures, Tracing

PREPARE_SECONDS: Final = 15.0
RETRY_SECONDS: Final = 0.2
_LABEL: Final = re.compile(r"[a-z][a-z0-9-]*")


class Effects:
    """Everything that services let out after their commits. Whatever fails here, commands go on."""

    def __init__(
        self, bus: Bus, services: Iterable[Service], *, replicas: int = 1, tracing: Tracing | None = None
    ) -> None:
        self._bus = bus
        self._replicas = replicas
        self._client = Client(bus, replicas=replicas, tracing=tracing)
        self.reactors: list[ReactorRunner] = []
        self.workers: list[WorkerRunner] = []
        for service in services:
            judges = {entity.purpose: Judge(entity) for entity in service.entities}
            _check(service.name, judges, [(each.purpose, each.name) for each in service.reactors])
            _check(service.name, judges, [(each.purpose, each.kind) for each in service.workers])
            self.reactors += [
                ReactorRunner(bus, reactor, judge=judges[reactor.purpose], client=self._client, tracing=tracing)
                for reactor in service.reactors
            ]
            self.workers += [WorkerRunner(bus, worker, tracing=tracing) for worker in service.workers]

    def show(self, measures: Measures) -> None:
        """Let what waits and what was given up be seen."""
        for each in (*self.reactors, *self.workers):
            backlog = each.backlog
            measures.effects(
                backlog.purpose,
                backlog.origin,
                waiting=lambda backlog=backlog: backlog.lag,
                dead=lambda backlog=backlog: backlog.dead,
            )

    async def prepare(self) -> None:
        """Make what is needed on NATS before the first event; `Unavailable` says what is in the way."""
        purposes = {each.reactor.purpose for each in self.reactors} | {each.worker.purpose for each in self.workers}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PREPARE_SECONDS
        while True:
            try:
                for purpose in sorted(purposes):
                    await ensure_work_streams(self._bus, purpose, replicas=self._replicas)
                for each in (*self.reactors, *self.workers):
                    await each.prepare()
            except (Unavailable, ApiError) as error:
                if loop.time() > deadline:  # a cluster that elects its leaders needs some seconds
                    raise Unavailable(f"reactors and workers cannot be set up: {error}") from error
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to react and to work."""
        if self.reactors:
            await self._client.open()
        for reactor in self.reactors:
            group.create_task(reactor.run(), name=f"reactor {reactor.reactor.name}")
        for worker in self.workers:
            group.create_task(worker.run(), name=f"worker {worker.worker.kind}")

    async def stop(self) -> None:
        """Listen for no more answers."""
        await self._client.close()


def _check(service: str, judges: Iterable[str], declared: Sequence[tuple[str, str]]) -> None:
    for purpose, label in declared:
        if purpose not in judges:
            raise ValueError(f"{service}: no entity has the purpose {purpose!r} of {label}")
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{service}: {label!r} is not of lower-case letters, digits and '-'")
    if len(set(declared)) < len(declared):
        raise ValueError(f"{service}: two reactors, or two workers, of one purpose share a name")
