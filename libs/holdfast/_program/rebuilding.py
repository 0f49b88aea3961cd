"""Build read models anew from the log, and say how fast that goes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final, TextIO

from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._program.progress import Report
from holdfast._read_side import projectors_of
from holdfast._service import Service
from holdfast.jetstream import NatsBus
from holdfast.sql import DatabaseProblem, Projector, migrate, open_database
from holdfast.sql._projector import MadeByNewer, Stopped

STATEMENT_SECONDS: Final = 600.0
"""Dropping the rows of a large read model is one long statement."""


async def rebuild_services(names: Sequence[str], *, nats: str, database: str, out: TextIO) -> None:
    """Rebuild every read model of these services, while they go on serving; the archive stays as it is.

    `CannotStart` when a service declares none, or when its database cannot be used.
    """
    for service in [load_service(name) for name in names]:
        if not service.projections:
            raise CannotStart(f"{service.name} has no read models to rebuild")
        try:
            await _rebuild(service, nats=nats, database=database, out=out)
        except DatabaseProblem as problem:
            raise CannotStart(str(problem)) from problem


async def _rebuild(service: Service, *, nats: str, database: str, out: TextIO) -> None:
    await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        engine = open_database(database, service.name, wait=STATEMENT_SECONDS)
        stack.push_async_callback(engine.dispose)
        bus = await NatsBus.connect(nats, name=f"holdfast rebuild {service.name}")
        stack.push_async_callback(bus.close)
        for projector in projectors_of(bus, service, engine):
            if projector.projection in service.projections:
                await _rebuild_one(projector, out)


async def _rebuild_one(projector: Projector, out: TextIO) -> None:
    name = projector.projection.name
    try:
        with Report(name, "commits", out) as report:
            await projector.rebuild(progress=lambda position, end: report(position, end, events=projector.applied))
    except MadeByNewer as newer:
        raise CannotStart(f"{newer}, and has begun to make them anew: rebuild with the newer program") from newer
    except Stopped as stopped:
        raise CannotStart(f"{name} cannot be built by this program: {stopped}") from stopped
