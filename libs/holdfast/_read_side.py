"""The read side of one service: its archive, its projections and its lists, beside the entities and apart from them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._bus import Bus
from holdfast._entity import AnyEntity
from holdfast._judge import Judge
from holdfast._lists import ListServer
from holdfast._names import Name
from holdfast._projection import AnyProjection, Listing
from holdfast._service import Service
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Archive, Projector
from holdfast.telemetry import Measures


class ReadSide:
    """Projectors and list servers on one database. Whatever fails here, commands go on."""

    def __init__(self, bus: Bus, service: Service, database: AsyncEngine) -> None:
        self._service = service.name
        self.projectors = projectors_of(bus, service, database)
        self._lists = [
            ListServer(bus, entity.purpose, _listing(service, entity), database) for entity in service.entities
        ]

    def show(self, measures: Measures) -> None:
        """Let every projector's lag be seen."""
        for projector in self.projectors:
            measures.projection(
                self._service,
                projector.projection.name,
                commits=lambda projector=projector: projector.lag,
                seconds=lambda projector=projector: projector.late,
            )

    def behind(self, bound: int) -> str | None:
        """Which read models lack more commits than this, in words; None when none does."""
        late = [f"{each.projection.name} lacks {each.lag} commits" for each in self.projectors if each.lag > bound]
        return ", ".join(late) or None

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to follow the logs and to answer lists."""
        for projector in self.projectors:
            group.create_task(projector.run(), name=f"projector {projector.projection.name}")
        for server in self._lists:
            await server.start()

    async def stop(self) -> None:
        """Finish the lists that are under way."""
        for server in self._lists:
            await server.stop()


def projections_of(service: Service) -> Sequence[AnyProjection]:
    """An archive for each purpose, and the service's own; one that does not fit the service is an error that says so."""
    purposes = {entity.purpose for entity in service.entities}
    projections: list[AnyProjection] = [*(Archive(purpose) for purpose in sorted(purposes)), *service.projections]
    for projection in service.projections:
        if projection.purpose not in purposes:
            raise ValueError(f"{service.name}: no entity has the purpose {projection.purpose!r} of {projection.name}")
        for table in projection.tables:
            projection.rows_of(Name.of(projection.purpose, "any", "any"), table)
    if len({projection.name for projection in projections}) < len(projections):
        raise ValueError(f"{service.name}: two projections share a name")
    return projections


def projectors_of(bus: Bus, service: Service, database: AsyncEngine) -> Sequence[Projector]:
    """One for each archive and each projection of the service."""
    judges = {entity.purpose: Judge(entity) for entity in service.entities}
    return [
        Projector(
            projection,
            judge=judges[projection.purpose],
            whole_log=JetStreamWholeLog(bus, projection.purpose),
            database=database,
        )
        for projection in projections_of(service)
    ]


def _listing(service: Service, entity: AnyEntity) -> Listing[Any] | None:
    declared = [each.listing for each in service.projections if each.purpose == entity.purpose and each.listing]
    if len(declared) > 1:
        raise ValueError(f"{service.name}: two projections declare the list of {entity.purpose}")
    return declared[0] if declared else None
