"""Bring a service's tables up to what this code knows, from anywhere, safely beside other processes doing the same."""

import asyncio
import hashlib
import importlib.resources
import random
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from holdfast.sql._database import SQLITE, DatabaseProblem, open_first, open_for_migration, service_url

MIGRATION_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 0.1
_one_at_a_time: Final = threading.Lock()
"""Alembic's `op` and `context` are global to the process."""


async def migrate(url: str, service: str, *, package: str | None = None, timeout: float = MIGRATION_SECONDS) -> None:
    """Upgrade the service's database to the newest revisions of Holdfast and of `package`.migrations, if it has any.

    All of it or nothing takes effect. `timeout` bounds, in seconds, the wait for others and each statement.
    `DatabaseProblem` says what hinders it.
    """
    await asyncio.to_thread(_migrate_in_turn, url, service, package, timeout)


def _migrate_in_turn(url: str, service: str, package: str | None, timeout: float) -> None:
    if not _one_at_a_time.acquire(timeout=timeout):
        raise DatabaseProblem("another migration in this process does not end; look at its log")
    try:
        asyncio.run(_migrate(url, service, package, timeout))
    finally:
        _one_at_a_time.release()


async def _migrate(url: str, service: str, package: str | None, timeout: float) -> None:
    async with locked(url, service, timeout=timeout) as connection:
        await connection.run_sync(_upgrade, package)


def _upgrade(connection: Connection, package: str | None) -> None:
    config = Config()
    config.set_main_option("script_location", _escape(_shared()))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escape(folder) for folder in _histories(package)))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise DatabaseProblem(
            f"the database is newer than this program: it has revision {', '.join(sorted(unknown))}; "
            "install the version that made it, or a later one"
        )
    command.upgrade(config, "heads")


def _shared() -> Path:
    return Path(str(importlib.resources.files("holdfast.sql"))) / "migrations"


def _histories(package: str | None) -> list[Path]:
    histories = [_shared() / "versions"]
    if package is not None:
        try:
            own = Path(str(importlib.resources.files(package))) / "migrations"
        except ModuleNotFoundError as error:
            raise DatabaseProblem(f"there is no package {package!r} to take migrations from") from error
        if own.is_dir():
            histories.append(own)
    return histories


def _escape(path: Path) -> str:
    """Alembic's configuration reads `%` as the start of an interpolation."""
    return str(path).replace("%", "%%")


@asynccontextmanager
async def locked(url: str, service: str, *, timeout: float = MIGRATION_SECONDS) -> AsyncGenerator[AsyncConnection]:
    """One transaction that no other migration of this service runs beside, on any machine."""
    where = service_url(url, service)
    engine = open_for_migration(where, service, wait=timeout, poolclass=NullPool)
    try:
        if where.drivername == SQLITE:
            await _prepare_file(where, timeout=timeout)
        async with engine.begin() as connection:
            if where.drivername != SQLITE:
                await _take_schema(connection, service)
            yield connection
    except (DBAPIError, OSError) as error:
        raise DatabaseProblem(_advice(error, where)) from error
    finally:
        await engine.dispose()


async def _prepare_file(where: URL, *, timeout: float) -> None:
    """Make the folder, and let readers and a writer work at once: the write-ahead mode stays with the file."""
    Path(where.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(where, poolclass=NullPool, connect_args={"timeout": timeout})
    open_first(engine)
    try:
        await _write_ahead(engine, timeout=timeout)
    finally:
        await engine.dispose()


async def _write_ahead(engine: AsyncEngine, *, timeout: float) -> None:
    """Try again and again while locked: a change of mode does not always wait for others by itself."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() >= deadline:
                raise
            await asyncio.sleep(random.uniform(_RETRY_SECONDS / 2, _RETRY_SECONDS))  # noqa: S311 - jitter, no secret
        else:
            return


async def _take_schema(connection: AsyncConnection, service: str) -> None:
    key = int.from_bytes(hashlib.blake2b(f"holdfast:{service}".encode(), digest_size=8).digest(), signed=True)
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    exists = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
    if (await connection.execute(exists, {"schema": service})).first() is None:
        await connection.execute(text(f'CREATE SCHEMA "{service}"'))


def _without_secrets(where: URL) -> str:
    """Where a database is; what else a query says may be a password too."""
    place = {key: value for key, value in where.query.items() if key in {"host", "port"}}
    return where.set(query=place).render_as_string(hide_password=True)


def _advice(error: DBAPIError | OSError, where: URL) -> str:
    place = where.database if where.drivername == SQLITE else _without_secrets(where)
    reason = str(error.orig if isinstance(error, DBAPIError) else error)
    if "not a database" in reason or "malformed" in reason:
        return f"{place} is damaged or not an SQLite database: move it away, or set another one, and start again"
    if isinstance(error, TimeoutError) or "locked" in reason:
        return f"{place} stays locked: end the process that holds it, then start again"
    if where.drivername == SQLITE and (isinstance(error, OSError) or "open" in reason or "readonly" in reason):
        return f"cannot write {place}: let this user write to its folder, or set another one ({reason})"
    if isinstance(error, OSError):
        return f"cannot reach {place}: is PostgreSQL running there? ({reason})"
    return f"migrating {place} failed and changed nothing: {reason}"
