"""The archived events of one purpose, and what removes those of its deleted entities."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._judge import Judge
from holdfast._projection import LoggedCommit
from holdfast.jetstream import JetStreamLog, NatsBus
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Archive, Forgetter, Projector, SqlArchive, migrate, open_database
from holdfast.sql._tables import deletions
from holdfast.testing.counter import CounterEntity
from holdfast.testing.history import History


@dataclass(frozen=True)
class Shelf:
    history: History
    log: JetStreamLog
    whole: JetStreamWholeLog
    database: AsyncEngine
    projector: Projector
    forgetter: Forgetter

    async def seqs(self, id_: str = "a") -> list[int]:
        return [event.seq for event in await SqlArchive(self.database).read(self.history.name(id_))]

    async def interrupted(self) -> None:
        """Three archived events of an entity, whose deletion came no further than its log."""
        await self.history.add(1, 2, 3)
        await self.projector.catch_up()
        await self.forgetter.begin(self.history.name())
        await self.history.purge("a")

    async def unfinished(self) -> int:
        async with self.database.begin() as connection:
            return (await connection.execute(select(func.count()).select_from(deletions))).scalar_one()


@asynccontextmanager
async def opened(bus: NatsBus, database_url: str) -> AsyncGenerator[Shelf]:
    """One on a history of its own, until the end of the block."""
    history = await History(bus).open()
    await migrate(database_url, "counter")
    database = open_database(database_url, "counter")
    archive, whole, log = Archive(history.purpose), JetStreamWholeLog(bus, history.purpose), JetStreamLog(bus)
    projector = Projector(archive, judge=Judge(CounterEntity()), whole_log=whole, database=database)
    forgetter = Forgetter([archive], database, log, partial(JetStreamWholeLog, bus))
    yield Shelf(history, log, whole, database, projector, forgetter)
    await database.dispose()


async def read_now(whole: JetStreamWholeLog) -> list[LoggedCommit]:
    """What a projector reads from the log's beginning."""
    async with aclosing(whole.follow(0)) as chunks:
        return list((await anext(chunks)).commits)
