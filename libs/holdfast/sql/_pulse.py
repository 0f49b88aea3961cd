"""Whether a service's database takes writes, which a mere connection does not tell."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import Unavailable
from holdfast.sql._database import WAIT_SECONDS
from holdfast.sql._projector import zero_if_new
from holdfast.sql._tables import positions
from holdfast.sql._whole import to_the_end

_ROW: Final = "_pulse"
"""A projection's name has no underscore in front, so that this row is nobody's position."""


class Pulse:
    """Writes one row of the database again and again, and looks at the disk under an SQLite file."""

    def __init__(self, database: AsyncEngine, *, min_free_bytes: int) -> None:
        self._database = database
        self._min_free_bytes = min_free_bytes
        file = database.url.database if database.dialect.name == "sqlite" else None
        self._folder = Path(file).parent if file else None

    async def beat(self) -> None:
        """Write; `Unavailable` when that fails, or when the next writes would soon."""
        if self._folder is not None:
            free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
            if free < self._min_free_bytes:
                raise Unavailable(f"the disk of the database is full: {free} bytes are free, fewer than the bound")
        await self._write()

    @to_the_end
    async def _write(self) -> None:
        mine = positions.c.projection == _ROW
        try:
            async with asyncio.timeout(2 * WAIT_SECONDS), self._database.begin() as connection:
                await connection.execute(zero_if_new(_ROW, self._database.dialect.name))
                await connection.execute(update(positions).where(mine).values(position=positions.c.position + 1))
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the database takes no writes") from error
