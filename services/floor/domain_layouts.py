"""Layouts that are kept under a name, for the parts of a day: edited in versions, laid out by hand or by the clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from holdfast import Context, NotFound, TooLarge, VersionConflict
from services.floor import domain_commands as commands
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor import domain_layout_events as layout_events
from services.floor.domain_floor import Floor, Layout
from services.floor.domain_settings import TableLayout, check_layout

Events = tuple[events.FloorEvent, ...]
MAX_LAYOUTS: Final = 20
WEEK: Final = 7


def save_layout(floor: Floor, command: commands.SaveLayout) -> Events:
    """Keep a layout, or another version of it; nothing when it is kept like this already."""
    known = floor.layouts.get(command.layout_id)
    wanted = (command.name, command.tables, command.begins)
    if known is not None and wanted == (known.name, known.tables, known.begins):
        return ()
    _check_version(known, command.expected_version)
    if known is None and len(floor.layouts) >= MAX_LAYOUTS:
        raise TooLarge(f"a floor keeps {MAX_LAYOUTS} layouts at most: drop one", maximum=MAX_LAYOUTS)
    check_layout(command.tables)
    return (
        layout_events.LayoutSaved(
            layout_id=command.layout_id,
            name=command.name,
            tables=command.tables,
            begins=command.begins,
            version=1 if known is None else known.version + 1,
        ),
    )


def drop_layout(floor: Floor, command: commands.DropLayout) -> Events:
    """Keep a layout no longer; nothing when it is not kept. The tables stand as they do."""
    known = floor.layouts.get(command.layout_id)
    if known is None:
        return ()
    _check_version(known, command.expected_version)
    return (layout_events.LayoutDropped(layout_id=command.layout_id),)


def apply_layout(floor: Floor, command: commands.ApplyLayout) -> Events:
    """Set the tables as a layout has them; nothing when they stand so."""
    layout = floor.layouts.get(command.layout_id)
    if layout is None:
        raise NotFound(f"no layout {command.layout_id!r} is kept: save it first")
    if floor.layout_id == command.layout_id and layout.tables == _standing(floor):
        return ()
    check_not_in_use(floor, layout.tables)
    configured = events.FloorConfigured(tables=layout.tables, version=floor.version + 1, layout_id=command.layout_id)
    return (configured,)


def began(
    floor: Floor, layout_id: str, ctx: Context, due: datetime
) -> layout_events.LayoutBegan | layout_events.LayoutWaits:
    """What the hour of a layout brings: its tables, or a word to managers when it lacks one that is in use."""
    tables = floor.layouts[layout_id].tables
    lacking = tables_lacking(floor, tables)
    if lacking:
        return layout_events.LayoutWaits(layout_id=layout_id, table_ids=lacking, effective_at=due, cause=ctx.cause)
    version = floor.version if tables == _standing(floor) else floor.version + 1
    return layout_events.LayoutBegan(
        layout_id=layout_id, tables=tables, version=version, effective_at=due, cause=ctx.cause
    )


def layouts_due(floor: Floor, at: datetime) -> Iterator[layout_events.LayoutScheduled]:
    """The layout that the clock lays out next, when it is not known yet."""
    if floor.next_layout is None:
        starts = min(_starts(floor, at), default=None)
        if starts is not None:
            yield layout_events.LayoutScheduled(layout_id=starts[1], starts_at=starts[0])


def check_not_in_use(floor: Floor, tables: tuple[TableLayout, ...]) -> None:
    """Refuse to take tables away at which somebody sits or is expected."""
    lacking = tables_lacking(floor, tables)
    if lacking:
        raise refusals.TableInUse(f"{lacking[0]} is taken or reserved: keep it in the layout", table_id=lacking[0])


def tables_lacking(floor: Floor, tables: tuple[TableLayout, ...]) -> tuple[str, ...]:
    """The tables in use that these are not among."""
    in_use = {table_id for table_id, table in floor.tables.items() if table.party_id is not None}
    in_use.update(table_id for each in floor.reservations.values() for table_id in each.table_ids)
    in_use.update(each.table_id for each in floor.waitlist.values() if each.table_id is not None)
    return tuple(sorted(in_use - {table.id for table in tables}))


def _standing(floor: Floor) -> tuple[TableLayout, ...]:
    return tuple(table.layout for table in floor.tables.values())


def _starts(floor: Floor, after: datetime) -> Iterator[tuple[datetime, str]]:
    """When each layout is laid out next by the clock on the wall."""
    zone = ZoneInfo(floor.settings.timezone)
    today = after.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    for layout_id, layout in floor.layouts.items():
        for part in layout.begins:
            hour, minute = divmod(part.minute, 60)
            for days in range(WEEK + 1):
                local = (today + timedelta(days=days)).replace(hour=hour, minute=minute)
                starts_at = local.astimezone(UTC)
                if local.weekday() in part.weekdays and starts_at > after:
                    yield starts_at, layout_id
                    break


def _check_version(known: Layout | None, expected: int) -> None:
    version = 0 if known is None else known.version
    if expected != version:
        raise VersionConflict(
            f"this layout was changed meanwhile: look at it again, and send expected_version {version}", version=version
        )
