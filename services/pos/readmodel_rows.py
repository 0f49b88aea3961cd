"""How the parts of the till's read model find and write the rows of one location."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
    update,
)

from holdfast import Name
from holdfast.sql import StoredEvent
from services.pos.domain_events import SessionEvent
from services.pos.readmodel_tables import tabs, tills

Stored = StoredEvent[SessionEvent]
Found = CursorResult[Any]


class TabKey(NamedTuple):
    """Which of the tabs that have had this id."""

    opened_seq: int
    tab_id: str


def of(table: Table, name: Name) -> ColumnElement[bool]:
    """The rows of this location."""
    return (table.c.tenant == name.tenant) & (table.c.id == name.id)


class More(NamedTuple):
    """A value that is added to what a column holds."""

    amount: int


def more(**amounts: int) -> dict[str, More]:
    """The values that add these amounts to columns."""
    return {column: More(amount) for column, amount in amounts.items()}


def add(connection: Connection, table: Table, location: Name, /, **values: Any) -> None:
    """Add a row to a location."""
    connection.execute(_adding(table), {"tenant": location.tenant, "id": location.id, **values})


def put(connection: Connection, table: Table, location: Name, key: Mapping[str, Any], /, **values: Any) -> int:
    """Set columns of those rows of a location whose columns hold what the key says, and tell how many they are."""
    grown = tuple(column for column, value in values.items() if isinstance(value, More))
    given = _given(location, key)
    for column, value in values.items():
        given[f"new_{column}"] = value.amount if isinstance(value, More) else value
    return connection.execute(_putting(table, tuple(key), tuple(values), grown), given).rowcount


def look(connection: Connection, table: Table, location: Name, key: Mapping[str, Any], /, *columns: str) -> Found:
    """These columns of those rows of a location whose columns hold what the key says."""
    return connection.execute(_looking(table, tuple(key), columns), _given(location, key))


def change(connection: Connection, table: Table, location: Name, /, *which: ColumnElement[bool], **values: Any) -> None:
    """Set columns of those rows of a location that need more words to tell."""
    told = {key: table.c[key] + each.amount if isinstance(each, More) else each for key, each in values.items()}
    connection.execute(update(table).where(of(table, location), *which).values(**told))


def newest(connection: Connection, table: Table, location: Name, column: str, /, **key: Any) -> int | None:
    """The highest that a column holds in those rows of a location whose columns hold what the key says."""
    return connection.execute(_newest(table, column, tuple(key)), _given(location, key)).scalar_one()


def newest_tab(connection: Connection, name: Name, tab_id: str) -> TabKey:
    """The tab that has this id now."""
    return TabKey(newest(connection, tabs, name, "opened_seq", tab_id=tab_id) or 0, tab_id)


def is_tab(table: Table, key: TabKey) -> ColumnElement[bool]:
    """The rows of this tab."""
    return (table.c.opened_seq == key.opened_seq) & (table.c.tab_id == key.tab_id)


class Till(NamedTuple):
    """What a location's rows need to know of it."""

    currency: str
    day: int
    """The business day that is open, or else the next one."""


def till_of(connection: Connection, name: Name) -> Till:
    """The location as it is now."""
    known = look(connection, tills, name, {}, "currency", "days", "open").one_or_none()
    return Till("", 1) if known is None else Till(known.currency, known.days + (not known.open))


# Putting a statement together takes longer than carrying it out, and a rebuild carries out millions: each is made once.
def _given(location: Name, key: Mapping[str, Any]) -> dict[str, Any]:
    columns = {"tenant": location.tenant, "id": location.id, **key}
    return {f"its_{column}": value for column, value in columns.items()}


def _its(table: Table, *columns: str) -> list[ColumnElement[bool]]:
    return [table.c[column] == bindparam(f"its_{column}") for column in ("tenant", "id", *columns)]


@cache
def _adding(table: Table) -> Insert:
    return insert(table)


@cache
def _looking(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Select[Any]:
    return select(*(table.c[column] for column in columns)).where(*_its(table, *key))


@cache
def _putting(table: Table, key: tuple[str, ...], columns: tuple[str, ...], grown: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
    values |= {column: table.c[column] + bindparam(f"new_{column}") for column in grown}
    return update(table).where(*_its(table, *key)).values(values)


@cache
def _newest(table: Table, column: str, key: tuple[str, ...]) -> Select[Any]:
    return select(func.max(table.c[column])).where(*_its(table, *key))
