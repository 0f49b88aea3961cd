"""Run services, or bring their databases up to date, by name."""

from collections.abc import Callable, Sequence

from holdfast._host import HostSettings
from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._program.settings import Settings
from holdfast.runtime import serve
from holdfast.sql import DatabaseProblem, migrate


async def serve_services(
    names: Sequence[str], *, nats: str, database: str, settings: Settings, ready: Callable[[], None]
) -> None:
    """Serve these services until cancelled."""
    services = [load_service(name) for name in names]
    bounds = HostSettings(
        remembered_commands=settings.remembered_commands,
        remembered_seconds=settings.remembered_seconds,
        command_id_seconds=settings.command_id_seconds,
    )
    try:
        await serve(services, servers=nats, database=database, replicas=settings.replicas, settings=bounds, ready=ready)
    except DatabaseProblem as problem:
        raise CannotStart(str(problem)) from problem


async def migrate_services(names: Sequence[str], *, database: str) -> None:
    """Bring the database of each of these services up to date."""
    services = [load_service(name) for name in names]
    try:
        for service in services:
            await migrate(database, service.name, package=service.package)
    except DatabaseProblem as problem:
        raise CannotStart(str(problem)) from problem
