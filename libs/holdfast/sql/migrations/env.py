"""Alembic's entry: `holdfast.sql.migrate` hands in a connection, the command line names a service by its section."""

import asyncio
import os

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from holdfast.sql._migrate import locked


def run(connection: Connection) -> None:
    """Run what was asked for inside the transaction that the connection is in."""
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    """Take the service's lock as `migrate` does; the setting comes from HOLDFAST_DATABASE or alembic.ini."""
    service = context.config.get_main_option("service")
    url = os.environ.get("HOLDFAST_DATABASE") or context.config.get_main_option("database")
    if service is None or url is None:
        raise CommandError("name the service: alembic -n auction upgrade heads")
    async with locked(url, service) as connection:
        await connection.run_sync(run)


if context.is_offline_mode():
    raise CommandError("migrations run on a connection only: leave out --sql")
handed_in: Connection | None = context.config.attributes.get("connection")
if handed_in is None:
    asyncio.run(run_from_command_line())
else:
    run(handed_in)
