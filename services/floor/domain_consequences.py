"""What follows from every decision: tickets for the kitchen, courses that are due soon, and the status of tables.

These are functions of the state alone. Asked again they say nothing, so nothing is told twice.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from holdfast import Context
from services.floor import domain_events as events
from services.floor import domain_order_events as order_events
from services.floor.domain_commands import TableStatus
from services.floor.domain_floor import Floor, Line, lines_by_party, statuses
from services.floor.domain_fold import evolve
from services.floor.domain_kitchen import tickets_due
from services.floor.domain_layouts import layouts_due
from services.floor.domain_lookup import effective_at

Events = tuple[events.FloorEvent, ...]


def with_consequences(floor: Floor, caused: Iterable[events.FloorEvent], ctx: Context) -> Events:
    """These events, followed by those that they entail."""
    happened = list(caused)
    if not happened:
        return ()
    for event in happened:
        floor = evolve(floor, event)
    at = effective_at(ctx)
    of_time = (courses_due(floor, at), layouts_due(floor, at))
    for entailed in (tickets_due(floor, ctx, at=at), *of_time, status_changes(floor, at)):
        for event in entailed:
            happened.append(event)
            floor = evolve(floor, event)
    return tuple(happened)


def courses_due(floor: Floor, at: datetime) -> Iterator[order_events.CourseScheduled]:
    """The courses that the clock is going to fire, since the one before was just served."""
    pause = floor.settings.auto_fire
    if pause is None:
        return
    by_party = lines_by_party(floor)
    for party_id, party in floor.parties.items():
        lines = [line for line in by_party.get(party_id, ()) if line.state != "CANCELLED"]
        course = None if party.fires_at is not None else _next_course(lines, party.held)
        if course is not None:
            yield order_events.CourseScheduled(party_id=party_id, course=course, fires_at=at + timedelta(minutes=pause))


def _next_course(lines: list[Line], held: tuple[int, ...]) -> int | None:
    """The first course that waits, when all before it are served and nobody holds it."""
    course = min((line.ordered.course for line in lines if line.state == "NEW" and line.ordered.course), default=None)
    if course is None or course in held:
        return None
    before = [line.state for line in lines if line.ordered.course is not None and line.ordered.course < course]
    return course if before and all(state == "SERVED" for state in before) else None


def status_changes(floor: Floor, at: datetime) -> Iterator[events.TableStatusChanged]:
    """The tables whose status is no longer what facts say; a status set by hand stands until the facts change."""
    for party_id, derived in statuses(floor):
        party = floor.parties[party_id]
        to = party.status if derived == party.derived else derived
        yield from _changed(floor, party.table_ids, to, party_id=party_id, at=at)
    kept = {
        table_id
        for reservation in floor.reservations.values()
        if reservation.held
        for table_id in reservation.table_ids
    }
    kept.update(waiting.table_id for waiting in floor.waitlist.values() if waiting.table_id is not None)
    for table_id, table in floor.tables.items():
        if table.party_id is None:
            to = "RESERVED" if table.base == "AVAILABLE" and table_id in kept else table.base
            yield from _changed(floor, (table_id,), to, party_id=None, at=at)


def _changed(
    floor: Floor, table_ids: tuple[str, ...], to: TableStatus, *, party_id: str | None, at: datetime
) -> Iterator[events.TableStatusChanged]:
    by_status: dict[TableStatus, list[str]] = {}
    for table_id in table_ids:
        if floor.tables[table_id].status != to:
            by_status.setdefault(floor.tables[table_id].status, []).append(table_id)
    for before, changed in by_status.items():
        yield events.TableStatusChanged(
            table_ids=tuple(changed), party_id=party_id, from_=before, to=to, cause="derived", at=at
        )
