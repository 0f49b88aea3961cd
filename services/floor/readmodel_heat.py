"""How busy each table is, by month, weekday and hour of the clock on the wall: for a map of the room in colours."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql, sqlite

from holdfast import Name
from holdfast.sql import Listing, Projection, StoredEvent
from services.floor import domain_events as events
from services.floor.readmodel_lists import list_of_heat
from services.floor.readmodel_rows import Row, Rows
from services.floor.readmodel_tables import heat, heat_floors, heat_stays

HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = {"turns": 0, "covers": 0, "seconds": 0}


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
        self.apply_all(connection, (stored,))

    def apply_all(self, connection: Connection, events_: Sequence[StoredEvent[events.FloorEvent]], /) -> None:
        """Write what many events change in few statements."""
        rows, names = Rows(connection), {stored.name for stored in events_}
        rows.load(heat_floors, names)
        rows.load(heat_stays, names)
        warmth = _Warmth(rows)
        for stored in events_:
            warmth.follow(stored)
        rows.write()
        warmth.write(connection)


class _Warmth:
    """Who sits where, and what is to be added to each table and hour."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._more: dict[tuple[Name, str, Hour], Counter[str]] = {}

    def follow(self, stored: StoredEvent[events.FloorEvent]) -> None:
        name = stored.name
        match stored.event:
            case events.SettingsChanged(settings=settings):
                for row in self._rows.of(heat_floors, name):
                    row.gone = True
                self._rows.add(heat_floors, name, timezone=settings.timezone)
            case events.PartySeated(party_id=party_id, table_ids=table_ids, size=size, at=at):
                self._sat_down(name, table_ids, size, at=at)
                self._begin(name, party_id, table_ids, at)
            case events.TablesLinked(party_id=party_id, table_ids=table_ids, at=at):
                self._begin(name, party_id, table_ids, at)
            case events.TablesUnlinked(table_ids=table_ids, at=at):
                self._end(name, lambda row: row["table_id"] in table_ids, at)
            case events.PartyMoved(party_id=party_id, from_table_ids=before, to_table_ids=after, at=at):
                self._end(name, lambda row: row["table_id"] in set(before) - set(after), at)
                self._begin(name, party_id, sorted(set(after) - set(before)), at)
            case (
                events.PartyLeft(party_id=party_id, at=at) | events.TableAutoClosed(party_id=party_id, effective_at=at)
            ):
                self._end(name, lambda row: row["party_id"] == party_id, at)
            case _:
                pass

    def write(self, connection: Connection) -> None:
        added = [
            {"tenant": name.tenant, "id": name.id, "table_id": table_id, **hour._asdict(), **_NOTHING, **more}
            for (name, table_id, hour), more in self._more.items()
        ]
        if added:
            connection.execute(_adding(connection.dialect.name), added)

    def _sat_down(self, name: Name, table_ids: tuple[str, ...], size: int, *, at: datetime) -> None:
        """Count a party at each of its tables, with its guests spread over them."""
        hour = _hour(at, self._zone(name))
        each, rest = divmod(size, len(table_ids))
        for number, table_id in enumerate(table_ids):
            self._add(name, table_id, hour, turns=1, covers=each + (number < rest))

    def _begin(self, name: Name, party_id: str, table_ids: Iterable[str], at: datetime) -> None:
        for table_id in table_ids:
            self._rows.add(heat_stays, name, table_id=table_id, party_id=party_id, since=at)

    def _end(self, name: Name, which: Callable[[Row], bool], at: datetime) -> None:
        zone = self._zone(name)
        for row in self._rows.of(heat_stays, name):
            if which(row):
                row.gone = True
                for hour, seconds in hours_of(row["since"], at, zone):
                    self._add(name, row["table_id"], hour, seconds=seconds)

    def _add(self, name: Name, table_id: str, hour: Hour, **more: int) -> None:
        self._more.setdefault((name, table_id, hour), Counter()).update(more)

    def _zone(self, name: Name) -> ZoneInfo:
        found = self._rows.of(heat_floors, name)
        return ZoneInfo(found[0]["timezone"] if found else "UTC")


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


@cache
def _adding(dialect: str) -> Executable:
    """Add to what a table and hour has, or begin with it."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(heat)
    more = {column: heat.c[column] + insert.excluded[column] for column in _NOTHING}
    return insert.on_conflict_do_update(index_elements=list(heat.primary_key), set_=more)
