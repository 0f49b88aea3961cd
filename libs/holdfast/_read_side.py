"""The read side of one service: its archive, its projections and its lists, beside the entities and apart from them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._bus import Bus
from holdfast._entity import AnyEntity
from holdfast._judge import Judge
from holdfast._lists import list_server
from holdfast._names import Name
from holdfast._past_server import past_server
from holdfast._projection import AnyProjection, Listing, WholeLog
from holdfast._retention import Retention
from holdfast._service import Service
from holdfast.jetstream import JetStreamLog
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Archive, Projector, SqlArchive
from holdfast.sql._archived_log import ArchivedWholeLog
from holdfast.sql._trimming import TrimPlan
from holdfast.telemetry import Measures, Tracing


class ReadSide:
    """Projectors and list servers on one database. Whatever fails here, commands go on."""

    def __init__(
        self,
        bus: Bus,
        service: Service,
        database: AsyncEngine,
        *,
        keep_seconds: float | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._service = service.name
        self.projectors = projectors_of(bus, service, database, tracing=tracing)
        lists = [
            list_server(bus, entity.purpose, _listing(service, entity), database, named=_named_lists(service, entity))
            for entity in service.entities
        ]
        archive = SqlArchive(database)
        pasts = [past_server(bus, entity.purpose, archive) for entity in service.entities]
        self._servers = (*lists, *pasts)
        self._retentions = [
            _retention(bus, service, entity.purpose, database, keep_seconds=keep_seconds)
            for entity in service.entities
            if keep_seconds is not None
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
        """Begin to follow the logs, to trim them, and to answer from the database."""
        for projector in self.projectors:
            group.create_task(projector.run(), name=f"projector {projector.projection.name}")
        for retention in self._retentions:
            group.create_task(retention.run(), name=f"retention {retention.purpose}")
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Finish the answers that are under way."""
        for server in self._servers:
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


def projectors_of(
    bus: Bus, service: Service, database: AsyncEngine, *, tracing: Tracing | None = None
) -> Sequence[Projector]:
    """One for each archive and each projection of the service."""
    judges = {entity.purpose: Judge(entity) for entity in service.entities}
    return [
        Projector(
            projection,
            judge=judges[projection.purpose],
            whole_log=_source(bus, projection, database),
            database=database,
            tracing=tracing,
        )
        for projection in projections_of(service)
    ]


def _source(bus: Bus, projection: AnyProjection, database: AsyncEngine) -> WholeLog:
    """What a projection is made from; the archive can only be made from the stream."""
    stream = JetStreamWholeLog(bus, projection.purpose)
    if isinstance(projection, Archive):
        return stream
    return ArchivedWholeLog(projection.purpose, SqlArchive(database), stream)


def _retention(bus: Bus, service: Service, purpose: str, database: AsyncEngine, *, keep_seconds: float) -> Retention:
    projections = [each.name for each in projections_of(service) if each.purpose == purpose]
    plan = TrimPlan(purpose, projections, database)
    return Retention(bus, purpose, JetStreamLog(bus), plan, keep_seconds=keep_seconds)


def _listing(service: Service, entity: AnyEntity) -> Listing[Any] | None:
    declared = [each.listing for each in service.projections if each.purpose == entity.purpose and each.listing]
    if len(declared) > 1:
        raise ValueError(f"{service.name}: two projections declare the list of {entity.purpose}")
    return declared[0] if declared else None


def _named_lists(service: Service, entity: AnyEntity) -> Mapping[str, Listing[Any]]:
    named: dict[str, Listing[Any]] = {}
    for projection in service.projections:
        if projection.purpose == entity.purpose:
            doubled = sorted(named.keys() & projection.lists.keys())
            if doubled:
                raise ValueError(f"{service.name}: two projections declare the list {doubled[0]!r} of {entity.purpose}")
            named |= projection.lists
    return named
