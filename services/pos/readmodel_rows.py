"""How the parts of the till's read model find and write the rows of one location."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, func, insert, select, update

from holdfast import Name
from holdfast.sql import StoredEvent
from services.pos.domain_events import SessionEvent
from services.pos.readmodel_tables import tabs, tills

Stored = StoredEvent[SessionEvent]


class TabKey(NamedTuple):
    """Which of the tabs that have had this id."""

    opened_seq: int
    tab_id: str


def of(table: Table, name: Name) -> ColumnElement[bool]:
    """The rows of this location."""
    return (table.c.tenant == name.tenant) & (table.c.id == name.id)


def add(connection: Connection, table: Table, location: Name, /, **values: Any) -> None:
    """Add a row to a location."""
    connection.execute(insert(table).values(tenant=location.tenant, id=location.id, **values))


def change(connection: Connection, table: Table, location: Name, /, *which: ColumnElement[bool], **values: Any) -> None:
    """Set columns of those rows of a location."""
    connection.execute(update(table).where(of(table, location), *which).values(**values))


def more(table: Table, **amounts: int) -> dict[str, Any]:
    """The values that add these amounts to columns."""
    return {column: table.c[column] + amount for column, amount in amounts.items()}


def newest_tab(connection: Connection, name: Name, tab_id: str) -> TabKey:
    """The tab that has this id now."""
    newest = select(func.max(tabs.c.opened_seq)).where(of(tabs, name), tabs.c.tab_id == tab_id)
    return TabKey(connection.execute(newest).scalar_one(), tab_id)


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
    known = connection.execute(
        select(tills.c.currency, tills.c.days, tills.c.open).where(of(tills, name))
    ).one_or_none()
    return Till("", 1) if known is None else Till(known.currency, known.days + (not known.open))
