"""Run services, or bring their databases up to date, by name."""

from collections.abc import Callable, Sequence

from holdfast._fitness import FitnessSettings
from holdfast._host import HostSettings
from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._program.settings import Settings, database_url
from holdfast.runtime import serve
from holdfast.sql import DatabaseProblem, migrate
from holdfast.telemetry import Health, Measures, Tracing
from holdfast.telemetry.door import operators_door


async def serve_services(
    names: Sequence[str], settings: Settings, *, nats: str, ready: Callable[[], None], tracing: Tracing | None = None
) -> None:
    """Serve these services until cancelled, with a door for operators."""
    services = [load_service(name) for name in names]
    measures, health = Measures(), Health()
    bounds = HostSettings(
        commands_per_second=settings.entity_commands_per_second,
        tenant_commands_per_second=settings.tenant_commands_per_second,
        idle_seconds=settings.idle_seconds,
        remembered_commands=settings.remembered_commands,
        remembered_seconds=settings.remembered_seconds,
        command_id_seconds=settings.command_id_seconds,
    )
    fitness = FitnessSettings(
        grace_seconds=settings.step_back_seconds,
        min_free_bytes=settings.min_free_bytes,
        max_lag=settings.max_lag,
    )
    host, port = settings.operators_host, settings.operators_port
    try:
        async with operators_door(host, port, health=health, registry=measures.registry):
            await serve(
                services,
                servers=nats,
                database=database_url(settings),
                replicas=settings.replicas,
                settings=bounds,
                fitness=fitness,
                keep_seconds=settings.log_keep_seconds,
                measures=measures,
                health=health,
                tracing=tracing,
                ready=ready,
            )
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
