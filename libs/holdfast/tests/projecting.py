"""A projection whose rows tell what was applied to them, on a history and a database of its own."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._judge import Judge
from holdfast.jetstream import NatsBus
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Projection, Projector, StoredEvent, migrate, open_database
from holdfast.testing.counter import Added, CounterEntity, CounterEvent
from holdfast.testing.history import History

PATIENCE = 60.0
SMALL = 3
"""Commits a pull, so that a short history takes several transactions."""
RETRY = 0.01
BIG_PRIME = 1_000_003

tables = MetaData()
mixtures = Table(
    "mixtures",
    tables,
    Column("tenant", String(100), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("mixture", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)


class Mixtures(Projection[CounterEvent]):
    """Its rows tell the order in which events were applied, and whether one was left out or came twice."""

    name = "mixtures"
    tables = (mixtures,)

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def apply(self, connection: Connection, stored: StoredEvent[CounterEvent], /) -> None:
        amount = self.amount(stored)
        tenant, id_ = stored.name.tenant, stored.name.id
        if stored.seq == 1:
            connection.execute(insert(mixtures).values(tenant=tenant, id=id_, mixture=0, seq=0))
        mixed = (mixtures.c.mixture * 31 + amount) % BIG_PRIME
        mine = (mixtures.c.tenant == tenant) & (mixtures.c.id == id_) & (mixtures.c.seq == stored.seq - 1)
        assert connection.execute(update(mixtures).where(mine).values(mixture=mixed, seq=stored.seq)).rowcount == 1

    def amount(self, stored: StoredEvent[CounterEvent]) -> int:
        return stored.event.amount if isinstance(stored.event, Added) else 0


@dataclass(frozen=True)
class World:
    bus: NatsBus
    history: History
    database: AsyncEngine
    url: str

    def projector(self, database: AsyncEngine | None = None, projection: Mixtures | None = None) -> Projector:
        return Projector(
            projection or Mixtures(self.history.purpose),
            judge=Judge(CounterEntity()),
            whole_log=JetStreamWholeLog(self.bus, self.history.purpose, pull=SMALL),
            database=database or self.database,
            retry_seconds=RETRY,
            stand_by_seconds=RETRY,
        )

    async def rows(self) -> list[tuple[Any, ...]]:
        async with self.database.begin() as connection:
            query = select(mixtures).order_by(mixtures.c.tenant, mixtures.c.id)
            return [tuple(row) for row in await connection.execute(query)]

    def expected(self) -> list[tuple[Any, ...]]:
        """The rows by plain arithmetic over the history."""
        made: dict[tuple[str, str], tuple[int, int]] = {}
        for _, commit in self.history.commits:
            _, tenant, id_ = commit.name.split(":")
            for each in commit.events:
                mixture, seq = made.get((tenant, id_), (0, 0))
                amount = Judge(CounterEntity()).event(each)
                assert isinstance(amount, Added)
                made[tenant, id_] = ((mixture * 31 + amount.amount) % BIG_PRIME, seq + 1)
        return [(tenant, id_, *made[tenant, id_]) for tenant, id_ in sorted(made)]

    async def until(self, condition: Callable[[list[tuple[Any, ...]]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(await self.rows()):
                await asyncio.sleep(RETRY)

    async def until_complete(self) -> None:
        expected = self.expected()
        await self.until(lambda rows: rows == expected)


@asynccontextmanager
async def opened(bus: NatsBus, database_url: str) -> AsyncGenerator[World]:
    history = await History(bus).open()
    await migrate(database_url, "counter")
    database = open_database(database_url, "counter")
    async with database.begin() as connection:
        await connection.run_sync(tables.create_all)
    yield World(bus, history, database, database_url)
    await database.dispose()


async def some_history(history: History) -> None:
    for amount in range(1, 5):
        await history.add(amount, amount + 10, id_="a")
        await history.add(amount + 20, id_="b")
        await history.add(amount + 30, id_="a", tenant="umbra")
