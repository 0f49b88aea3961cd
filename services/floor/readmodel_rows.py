"""Rows in the making: what many events change is looked up in few queries, changed here, and written in few statements."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Delete, Table, Update, bindparam, delete, insert, select, update

from holdfast import Name

AT_ONCE: Final = 500
"""Values in one condition: databases take some ten thousand parameters in a statement."""


class Row:
    """A row as it will be written."""

    __slots__ = ("_changed", "_stored", "_values", "gone")

    def __init__(self, values: dict[str, Any], *, stored: bool) -> None:
        self._values = values
        self._stored = stored
        self._changed: set[str] = set()
        self.gone = False

    def __getitem__(self, column: str) -> Any:
        return self._values[column]

    def change(self, **values: Any) -> None:
        """Set some of its columns."""
        for column, value in values.items():
            if self._values[column] != value:
                self._values[column] = value
                self._changed.add(column)

    @property
    def values(self) -> Mapping[str, Any]:
        """All of its columns."""
        return self._values

    @property
    def is_new(self) -> bool:
        """Whether it has to be inserted."""
        return not self._stored and not self.gone

    @property
    def must_go(self) -> bool:
        """Whether it has to be deleted."""
        return self._stored and self.gone

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns that have to be updated."""
        return tuple(sorted(self._changed)) if self._stored and not self.gone else ()


class Rows:
    """The rows that some events may change. What they look for must have been loaded before, or added here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {}
        self._of: dict[tuple[str, str, str], list[Row]] = {}
        self._tables: dict[str, Table] = {}

    def load(self, table: Table, names: Iterable[Name], *where: ColumnElement[bool]) -> None:
        """Look up rows of these floors."""
        for tenant, ids in _by_tenant(names).items():
            for some in parts(ids):
                query = select(table).where(table.c.tenant == tenant, table.c.id.in_(some), *where)
                for found in self._connection.execute(query).mappings():
                    if _key(table, found) not in self._rows.get(table.name, {}):
                        self._keep(table, Row(dict(found), stored=True))

    def of(self, table: Table, name: Name) -> list[Row]:
        """Those of a floor, in the order in which they came."""
        return [row for row in self._of.get((table.name, name.tenant, name.id), ()) if not row.gone]

    def add(self, table: Table, name: Name, /, **values: Any) -> None:
        """A new row; columns that are not given are empty."""
        filled = dict.fromkeys(table.c.keys()) | {"tenant": name.tenant, "id": name.id, **values}
        before = self._rows.get(table.name, {}).get(_key(table, filled))
        if before is None:
            self._keep(table, Row(filled, stored=False))
            return
        if not before.gone:
            raise ValueError(f"{table.name} has a row {_key(table, filled)} already")
        before.gone = False
        before.change(**filled)

    def write(self) -> None:
        """Write everything, each kind of change of a table in one statement."""
        for table in self._tables.values():
            rows = self._rows[table.name].values()
            old = [_named(table, row) for row in rows if row.must_go]
            if old:
                self._connection.execute(_delete_of(table), old)
            new = [dict(row.values) for row in rows if row.is_new]
            if new:
                self._connection.execute(insert(table), new)
            alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
            for row in rows:
                if row.changed:
                    values = {f"new_{column}": row[column] for column in row.changed}
                    alike.setdefault(row.changed, []).append(_named(table, row) | values)
            for columns, changes in alike.items():
                self._connection.execute(_update_of(table, columns), changes)

    def _keep(self, table: Table, row: Row) -> None:
        self._tables[table.name] = table
        self._rows.setdefault(table.name, {})[_key(table, row.values)] = row
        self._of.setdefault((table.name, row["tenant"], row["id"]), []).append(row)


def parts(values: Collection[str]) -> Iterator[list[str]]:
    """All of these, so many at once."""
    listed = sorted(values)
    for first in range(0, len(listed), AT_ONCE):
        yield listed[first : first + AT_ONCE]


def _by_tenant(names: Iterable[Name]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(name.tenant, set()).add(name.id)
    return found


def _key(table: Table, values: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(values[column.name] for column in table.primary_key)


def _named(table: Table, row: Row) -> dict[str, Any]:
    """A row's key, as parameters of a statement."""
    return {f"its_{column.name}": row[column.name] for column in table.primary_key}


def _this(table: Table) -> list[ColumnElement[bool]]:
    return [column == bindparam(f"its_{column.name}", type_=column.type) for column in table.primary_key]


@cache
def _update_of(table: Table, columns: tuple[str, ...]) -> Update:
    values = {column: bindparam(f"new_{column}", type_=table.c[column].type) for column in columns}
    return update(table).where(*_this(table)).values(values)


@cache
def _delete_of(table: Table) -> Delete:
    return delete(table).where(*_this(table))
