"""Read models: what a service makes of its log in SQL, and what others may ask of it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Table

from holdfast._judge import Judge
from holdfast._log import Judged, StoredCommit
from holdfast._messages import Actor, Commit, Event, RecordedEvent
from holdfast._names import Name

E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=msgspec.Struct)
RESERVED: Final = frozenset({"list", "format", "limit", "cursor"})
"""What every list's query has beside its filters."""


class LoggedCommit(NamedTuple):
    """A commit and its position in the log."""

    position: int
    name: Name
    commit: Commit
    commit_id: str = ""
    judged: Judged = Judged()
    digests: Sequence[tuple[str, str]] = ()
    traceparent: str = ""
    """The span in which it was stored; "" where that was not traced, and in the archive."""

    @property
    def stored(self) -> StoredCommit:
        """The same as its entity's log has it."""
        return StoredCommit(self.position, self.commit, self.commit_id, self.judged, self.digests)


class Chunk(NamedTuple):
    """Commits that follow each other in the log, oldest first; none when there was nothing new."""

    commits: Sequence[LoggedCommit]
    behind: int
    """How many more the log held then."""


class WholeLog(Protocol):
    """The log of one purpose, all entities in one order. `Unavailable` when the reading breaks: then begin anew."""

    async def end(self) -> int:
        """The position of the newest commit, 0 when there was never one."""
        ...

    def follow(self, after: int, /) -> AsyncGenerator[Chunk]:
        """Every commit after this position, in order, for ever; the next ones are read when asked for."""
        ...


@dataclass(frozen=True)
class StoredEvent(Generic[E]):
    """One event of the log. All but `event` can be read whatever code wrote it."""

    name: Name
    position: int
    recorded: RecordedEvent
    judge: Judge
    commit: StoredCommit | None = None
    """What it was committed with; a projection other than the archive has no use for it."""

    @property
    def event(self) -> E:
        """The event itself; `UnknownEvent` when newer code wrote it, which stops the projection and loses nothing."""
        return cast("E", self.judge.event(self.recorded))

    @property
    def seq(self) -> int:
        """Its place among the entity's events."""
        return self.recorded.seq

    @property
    def type(self) -> str:
        """Its wire tag."""
        return self.recorded.type

    @property
    def at(self) -> datetime:
        """When it was recorded."""
        return self.recorded.at

    @property
    def by(self) -> Actor:
        """Who caused it."""
        return self.recorded.by


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[F]):
    """What `GET /v1/{purpose}` answers from a table.

    Only the columns that `row` names leave the table, and only rows of the caller's tenant.
    """

    table: Table
    """With a column `tenant`."""
    filters: type[F]
    """A struct of optional fields; the strings of the query are converted to their types.

    A number has bounds, within those of its column: beyond them PostgreSQL would fail, and a caller be told to try again.
    """
    row: type[msgspec.Struct]
    """The public shape of an item; its fields are columns."""
    sort: tuple[Column[Any], ...]
    """The order of the list; together unique in a tenant, never null."""
    where: Callable[[F, Actor], Sequence[ColumnElement[bool]]]
    """The conditions that these filters mean, and those for what this caller may not see."""
    roles: frozenset[str] | None = None
    """Any one of these lets a caller ask; None means every member of the tenant."""

    def __post_init__(self) -> None:
        columns: Mapping[str, Column[Any]] = dict(self.table.columns.items())
        missing = [name for name in ("tenant", *self.row.__struct_fields__) if name not in columns]
        if missing:
            raise TypeError(f"the table {self.table.name} lacks {', '.join(missing)}")
        taken = sorted(RESERVED & set(self.filters.__struct_fields__))
        if taken:
            raise TypeError(f"a filter of {self.table.name} is called {taken[0]!r}, which every list has already")
        if endless := _endless(self.filters):
            raise TypeError(
                f"the filter {endless!r} of {self.table.name} is a number: give it the bounds of its column"
            )
        if any(column.nullable for column in self.sort):
            raise TypeError(f"the table {self.table.name} sorts by what may be null, which no cursor can pass")


def _endless(filters: type[msgspec.Struct]) -> str | None:
    """A filter that is a number without a least and a greatest value."""
    for field in msgspec.structs.fields(filters):
        form = msgspec.inspect.type_info(field.type)
        for kind in form.types if isinstance(form, msgspec.inspect.UnionType) else (form,):
            if isinstance(kind, msgspec.inspect.IntType) and (kind.ge is None or kind.le is None):
                return field.name
    return None


MOST_COLUMNS: Final = 100_000


class Projection(Generic[E]):
    """A read model: tables that are a function of one purpose's log, written event by event."""

    name: str
    """Unique in the service; its position in the log is kept under it."""
    purpose: str
    tables: tuple[Table, ...]
    """What it writes, and what is emptied for a rebuild. No other projection writes them."""
    listing: Listing[Any] | None = None
    """The purpose's list when none is named."""
    lists: ClassVar[Mapping[str, Listing[Any]]] = {}
    """Lists by name, for `?list=`."""
    generation: ClassVar[int] = 1
    """Raise it when the same columns get another meaning or other names, and the rows are made anew by themselves.

    More columns are noticed without it. 0 is for rows that nothing could make anew: they are never emptied.
    """

    @property
    def version(self) -> int:
        """Which rows this code makes: those of a lower version are made anew, those of a higher one left to newer code."""
        return self.generation and self.generation * MOST_COLUMNS + sum(len(table.columns) for table in self.tables)

    def rows_of(self, name: Name, table: Table, /) -> ColumnElement[bool]:
        """Which rows of one of its tables an entity made: by default those with its `tenant` and its `id`.

        They go when the entity is deleted, and are compared with a replay.
        """
        columns: Mapping[str, Column[Any]] = dict(table.columns.items())
        if "tenant" not in columns or "id" not in columns:
            raise TypeError(f"{self.name}: say in `rows_of` which rows of {table.name} an entity made")
        return (columns["tenant"] == name.tenant) & (columns["id"] == name.id)

    def apply(self, connection: Connection, stored: StoredEvent[E], /) -> None:
        """Write what one event changes: SQL for SQLite and PostgreSQL alike, nothing else. Raising stops the projection."""
        raise NotImplementedError

    def apply_all(self, connection: Connection, events: Sequence[StoredEvent[E]], /) -> None:
        """Write what these events change, in their order."""
        for stored in events:
            self.apply(connection, stored)


AnyProjection = Projection[Any]
