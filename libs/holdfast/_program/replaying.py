"""Verify that snapshots and read models are what the log says, entity by entity."""

import math
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final, TextIO

import msgspec
from sqlalchemy import Connection, Table, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._history import EntityHistory
from holdfast._image import Image, from_snapshot
from holdfast._judge import Judge
from holdfast._log import EventLog, StoredCommit
from holdfast._names import Name
from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._program.progress import Report
from holdfast._projection import AnyProjection, StoredEvent
from holdfast._read_side import projections_of
from holdfast._remembered import Bounds
from holdfast._service import Service
from holdfast._snapshots import schema_fingerprint
from holdfast.jetstream import JetStreamLog, NatsBus
from holdfast.jetstream._names import name_pages
from holdfast.sql import DatabaseProblem, SqlArchive, SqlSnapshots, migrate, open_database
from holdfast.sql._tables import positions

STATEMENT_SECONDS: Final = 60.0
SHOWN: Final = 200
BEFORE: Final = 60
EVERYTHING: Final = Bounds(count=sys.maxsize, seconds=math.inf)
"""Snapshots are made with bounds that this program does not know."""
GROWN: Final = frozenset({"version", "digest", "commit_id", "received", "sequence"})
"""Columns of the archive that rows from before they were added lack."""
_ordered: Final = msgspec.msgpack.Encoder(order="deterministic")

Row = Mapping[str, Any]


async def replay_services(
    names: Sequence[str], *, only: str | None, nats: str, database: str, out: TextIO, err: TextIO
) -> bool:
    """Compare all entities of these services, or one; write the first difference, and say whether there is none."""
    checked = 0
    for service in [load_service(name) for name in names]:
        try:
            async with _verifier(service, nats=nats, database=database) as verifier:
                with Report(service.name, "entities", err, only_if_long=True) as report:
                    done = 0
                    async for name, total in verifier.names(only):
                        if difference := await verifier.difference(name) and await verifier.difference(name):
                            out.write(f"{name}: {difference}\n")  # twice: it is no deletion that was just under way
                            return False
                        done += 1
                        report(done, total, events=verifier.replayed)
                checked += done
        except DatabaseProblem as problem:
            raise CannotStart(str(problem)) from problem
    if only is not None and not checked:
        raise CannotStart(f"{only} is not in the log of these services")
    out.write(f"entities that are what their events say: {checked}\n")
    return True


@asynccontextmanager
async def _verifier(service: Service, *, nats: str, database: str) -> AsyncGenerator["_Verifier"]:
    await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        engine = open_database(database, service.name, wait=STATEMENT_SECONDS)
        stack.push_async_callback(engine.dispose)
        bus = await NatsBus.connect(nats, name=f"holdfast replay {service.name}")
        stack.push_async_callback(bus.close)
        scratch = create_engine("sqlite://")
        stack.callback(scratch.dispose)
        connection = stack.enter_context(scratch.connect())
        yield _Verifier(service, bus, engine, connection)


class _Verifier:
    """One service's entities. Projections are applied to a database in memory, one entity at a time."""

    def __init__(self, service: Service, bus: NatsBus, database: AsyncEngine, scratch: Connection) -> None:
        self._judges = {entity.purpose: Judge(entity) for entity in service.entities}
        self._projections = projections_of(service)
        self._bus = bus
        self._log: EventLog = JetStreamLog(bus)
        self._history = EntityHistory(self._log, SqlArchive(database))
        self._snapshots = SqlSnapshots(database)
        self._database = database
        if database.dialect.name == "postgresql":  # rows and their position have to be of one moment
            self._database = database.execution_options(isolation_level="REPEATABLE READ")
        self._scratch = scratch
        self.replayed = 0
        """How many events were replayed, one for each thing that they were compared with."""
        for projection in self._projections:
            for table in projection.tables:
                table.create(scratch, checkfirst=True)
        scratch.commit()

    async def names(self, only: str | None) -> AsyncGenerator[tuple[Name, int]]:
        """What is to be compared, of this service, and about how many there are."""
        if only is None:
            earlier = 0
            for purpose in self._judges:
                total = 0
                async with aclosing(name_pages(self._bus, purpose, "*")) as pages:
                    async for page in pages:
                        total = page.total
                        for name in page.names:
                            yield name, earlier + total
                earlier += total
        elif (name := Name.parse(only)).purpose in self._judges and await self._log.last(name):
            yield name, 1

    async def difference(self, name: Name) -> str | None:
        """The first difference of what is stored from a replay, None when there is none."""
        found = await self._in_snapshot(name)
        for projection in self._projections:
            if found is None and projection.purpose == name.purpose:
                found = await self._in_rows(name, projection)
        return found

    async def _in_snapshot(self, name: Name) -> str | None:
        judge = self._judges[name.purpose]
        snapshot = await self._snapshots.load(name)
        if snapshot is None or snapshot.fingerprint != schema_fingerprint(judge.entity):
            return None
        replayed = Image(judge.entity.initial, EVERYTHING)
        async for stored in self._commits(name, until=snapshot.position):
            replayed.apply(stored, judge.fold(replayed.state, stored.commit.events))
        if (replayed.position, replayed.seq) != (snapshot.position, snapshot.seq):
            return f"its snapshot is of seq {snapshot.seq}, where the log has {replayed.seq}"
        kept = from_snapshot(judge.entity, snapshot)
        for field in ("state", "last_at", "judged"):
            stored_value, value = (_ordered.encode(getattr(image, field)) for image in (kept, replayed))
            if stored_value != value:
                told = _told(getattr(kept, field), getattr(replayed, field))
                return f"the {field} in its snapshot at seq {snapshot.seq} {told}"
        for command_id, remembered in kept.commands.items():
            if remembered != (accepted := replayed.commands.get(command_id)):
                return f"the command {command_id} in its snapshot at seq {snapshot.seq} {_told(remembered, accepted)}"
        return None

    async def _in_rows(self, name: Name, projection: AnyProjection) -> str | None:
        position, stored = await self._stored_rows(name, projection)
        try:
            async for commit in self._commits(name, until=position):
                judge = self._judges[name.purpose]
                events: list[StoredEvent[Any]] = [
                    StoredEvent(name=name, position=commit.position, recorded=recorded, judge=judge, commit=commit)
                    for recorded in commit.commit.events
                ]
                projection.apply_all(self._scratch, events)
            for table in projection.tables:
                replayed = _rows(self._scratch, projection, name, table)
                if (difference := _between(table, stored[table.name], replayed)) is not None:
                    return difference
        finally:
            self._scratch.rollback()
        return None

    async def _stored_rows(self, name: Name, projection: AnyProjection) -> tuple[int, Mapping[str, list[Row]]]:
        query = select(positions.c.position).where(positions.c.projection == projection.name)
        async with self._database.begin() as connection:
            position = (await connection.execute(query)).scalar_one_or_none() or 0
            rows = {
                table.name: await connection.run_sync(_rows, projection, name, table) for table in projection.tables
            }
        return position, rows

    async def _commits(self, name: Name, *, until: int) -> AsyncIterator[StoredCommit]:
        async with aclosing(self._history.commits(name)) as commits:
            async for stored in commits:
                if stored.position > until:
                    return
                self.replayed += len(stored.commit.events)
                yield stored


def _rows(connection: Connection, projection: AnyProjection, name: Name, table: Table) -> list[Row]:
    query = select(table).where(projection.rows_of(name, table)).order_by(*table.primary_key)
    return [dict(row) for row in connection.execute(query).mappings()]


def _between(table: Table, stored: Sequence[Row], replayed: Sequence[Row]) -> str | None:
    """The first row that differs; without regard to how a database sorts text."""
    keys = [column.name for column in table.primary_key]
    by_key = [{tuple(row[key] for key in keys): row for row in rows} for rows in (stored, replayed)]
    for key in sorted({*by_key[0], *by_key[1]}, key=repr):
        row = f"the row {', '.join(map(str, key))} of {table.name}"
        kept, made = by_key[0].get(key), by_key[1].get(key)
        if kept is None or made is None:
            return f"{row} is missing" if kept is None else f"{row} is of no event"
        for column, value in made.items():
            if kept[column] != value and not (kept[column] is None and column in GROWN):
                return f"{column} in {row} {_told(kept[column], value)}"
    return None


def _told(stored: object, replayed: object) -> str:
    """The two values; of long ones the part around where they part."""
    texts = repr(stored), repr(replayed)
    parted = next((place for place, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), 0)
    kept, made = (text if len(text) <= SHOWN else "…" + text[max(0, parted - BEFORE) :][:SHOWN] for text in texts)
    return f"is {kept}, by its events it is {made}"
