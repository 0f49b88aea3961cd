"""One database per service: an SQLite file of its own, or a schema of its own in PostgreSQL."""

import re
import sqlite3
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECTIONS: Final = 5
WAIT_SECONDS: Final = 2.0
SQLITE: Final = "sqlite+aiosqlite"
POSTGRESQL: Final = "postgresql+asyncpg"
_SERVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EXAMPLES: Final = f"{SQLITE}:///./data/{{service}}.db or {POSTGRESQL}://user:password@host/database"


class DatabaseProblem(Exception):
    """The database cannot be used as it is; the message says what to do."""


def open_database(url: str, service: str, *, wait: float = WAIT_SECONDS) -> AsyncEngine:
    """The service's own database, with a bounded pool; it connects at first use. Dispose of it at the end.

    `{service}` in `url` stands for the service's name; in an SQLite URL it must occur.
    `wait` is the longest wait in seconds for a connection, for a lock and for a statement.
    """
    where = service_url(url, service)
    return _create(where, service, begin="BEGIN", wait=wait, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=wait)


def open_for_migration(where: URL, service: str, *, wait: float, **options: Any) -> AsyncEngine:
    """The same database for a change of its tables: on SQLite every transaction holds the write lock from its start."""
    return _create(where, service, begin="BEGIN IMMEDIATE", wait=wait, **options)


def service_url(url: str, service: str) -> URL:
    """Fill in the service's name; an unusable URL is a `DatabaseProblem`."""
    if not _SERVICE.fullmatch(service):
        raise DatabaseProblem(f"a service's name is like 'auction': lower case, at most 40 characters; not {service!r}")
    try:
        where = make_url(url.replace("{service}", service))
    except (ArgumentError, ValueError):
        raise DatabaseProblem(f"not a database URL; write it like {_EXAMPLES}") from None
    if where.drivername not in (SQLITE, POSTGRESQL):
        raise DatabaseProblem(f"no driver for {where.drivername!r}; write the database URL like {_EXAMPLES}")
    if where.drivername == SQLITE and "{service}" not in url:
        raise DatabaseProblem(
            f"each service has an SQLite file of its own; put {{service}} into the URL, like {_EXAMPLES}"
        )
    return where


def _create(where: URL, service: str, *, begin: str, wait: float, **options: Any) -> AsyncEngine:
    sqlite = where.drivername == SQLITE
    connect = {"timeout": wait} if sqlite else _postgresql_arguments(service, wait=wait)
    try:
        engine = create_async_engine(
            where,
            connect_args=connect,
            pool_pre_ping=not sqlite,
            hide_parameters=True,
            **options,
        )
    except ModuleNotFoundError as error:
        raise DatabaseProblem(f"{where.drivername} needs the package {error.name}: pip install {error.name}") from error
    if sqlite:
        open_first(engine)
        _own_the_transactions(engine, begin)
    return engine


def _postgresql_arguments(service: str, *, wait: float) -> dict[str, Any]:
    settings = {"search_path": service, "application_name": f"holdfast-{service}"}
    return {"timeout": wait, "command_timeout": wait, "server_settings": settings}


def open_first(engine: AsyncEngine) -> None:
    """Open an SQLite file once before a thread is made for it: the thread of a failure may outlive the event loop."""

    def connecting(_dialect: Any, _record: Any, arguments: Any, options: Any) -> None:
        sqlite3.connect(*arguments, **options).close()

    event.listen(engine.sync_engine, "do_connect", connecting)


def _own_the_transactions(engine: AsyncEngine, begin: str) -> None:
    """Begin SQLite's transactions here: Python's sqlite3 leaves DDL and reads outside of them."""

    def connected(connection: Any, _: Any) -> None:
        # In write-ahead mode a power cut then loses the newest transactions whole, and never half of one.
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    def begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
