"""How busy each table is, by month, weekday and hour of the clock on the wall: for a map of the room in colours."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from holdfast import Name
from holdfast.sql import Listing, Projection, StoredEvent
from services.floor import domain_events as events
from services.floor.readmodel_lists import list_of_heat
from services.floor.readmodel_tables import heat, heat_floors, heat_stays

HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)


class Hour(NamedTuple):
    """An hour of a weekday (0 is Monday) in a month, where the floor is."""

    month: str
    weekday: int
    hour: int


class Heat(Projection[events.FloorEvent]):
    """Turns and covers by the hour in which guests sat down, and the time that they sat in each hour."""

    name = "heat"
    purpose = "floor"
    tables = (heat_floors, heat_stays, heat)
    lists: ClassVar[Mapping[str, Listing[Any]]] = {"heat": list_of_heat}

    def apply(self, connection: Connection, stored: StoredEvent[events.FloorEvent], /) -> None:
        """Write what one event changes."""
        name = stored.name
        match stored.event:
            case events.SettingsChanged(settings=settings):
                _set_zone(connection, name, settings.timezone)
            case events.PartySeated(party_id=party_id, table_ids=table_ids, size=size, at=at):
                _sat_down(connection, name, table_ids, size, at=at)
                _begin(connection, name, party_id, table_ids, at)
            case events.TablesLinked(party_id=party_id, table_ids=table_ids, at=at):
                _begin(connection, name, party_id, table_ids, at)
            case events.TablesUnlinked(table_ids=table_ids, at=at):
                _end(connection, name, heat_stays.c.table_id.in_(table_ids), at)
            case events.PartyMoved(party_id=party_id, from_table_ids=before, to_table_ids=after, at=at):
                _end(connection, name, heat_stays.c.table_id.in_(sorted(set(before) - set(after))), at)
                _begin(connection, name, party_id, sorted(set(after) - set(before)), at)
            case (
                events.PartyLeft(party_id=party_id, at=at) | events.TableAutoClosed(party_id=party_id, effective_at=at)
            ):
                _end(connection, name, heat_stays.c.party_id == party_id, at)
            case _:
                pass


def hours_of(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[tuple[Hour, int]]:
    """The hours that a stay touches, and for how many seconds."""
    while since < until:
        local = since.astimezone(zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        following = min(until, since + HOUR - into)
        yield _hour(since, zone), (following - since) // SECOND
        since = following


def _hour(moment: datetime, zone: ZoneInfo) -> Hour:
    local = moment.astimezone(zone)
    return Hour(f"{local:%Y-%m}", local.weekday(), local.hour)


def _sat_down(connection: Connection, name: Name, table_ids: tuple[str, ...], size: int, *, at: datetime) -> None:
    """Count a party at each of its tables, with its guests spread over them."""
    hour = _hour(at, _zone(connection, name))
    each, rest = divmod(size, len(table_ids))
    for number, table_id in enumerate(table_ids):
        _add(connection, name, table_id, hour, turns=1, covers=each + (number < rest))


def _begin(connection: Connection, name: Name, party_id: str, table_ids: Iterable[str], at: datetime) -> None:
    for table_id in table_ids:
        stay = {"table_id": table_id, "party_id": party_id, "since": at}
        connection.execute(insert(heat_stays).values(tenant=name.tenant, id=name.id, **stay))


def _end(connection: Connection, name: Name, which: ColumnElement[bool], at: datetime) -> None:
    row = heat_stays.c
    these = (row.tenant == name.tenant) & (row.id == name.id) & which
    zone = _zone(connection, name)
    for table_id, since in connection.execute(select(row.table_id, row.since).where(these)).all():
        for hour, seconds in hours_of(since, at, zone):
            _add(connection, name, table_id, hour, seconds=seconds)
    connection.execute(delete(heat_stays).where(these))


def _add(connection: Connection, name: Name, table_id: str, hour: Hour, **more: int) -> None:
    row = heat.c
    key = {"tenant": name.tenant, "id": name.id, "table_id": table_id, **hour._asdict()}
    this = [row[column] == value for column, value in key.items()]
    changed = connection.execute(
        update(heat).where(*this).values({column: row[column] + more[column] for column in more})
    )
    if not changed.rowcount:
        connection.execute(insert(heat).values({**key, "turns": 0, "covers": 0, "seconds": 0, **more}))


def _set_zone(connection: Connection, name: Name, timezone: str) -> None:
    this = (heat_floors.c.tenant == name.tenant) & (heat_floors.c.id == name.id)
    connection.execute(delete(heat_floors).where(this))
    connection.execute(insert(heat_floors).values(tenant=name.tenant, id=name.id, timezone=timezone))


def _zone(connection: Connection, name: Name) -> ZoneInfo:
    this = (heat_floors.c.tenant == name.tenant) & (heat_floors.c.id == name.id)
    return ZoneInfo(connection.execute(select(heat_floors.c.timezone).where(this)).scalar_one_or_none() or "UTC")
