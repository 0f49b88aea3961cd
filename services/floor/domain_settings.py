"""What a floor is made of and how it is run: the layout of its tables, and the times it keeps."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from holdfast import ValidationFailed

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_:-]*$")]
TillKey = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_:.-]*$")]
"""An id that the till gives: of a tab, of what it sells."""
UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Label = Annotated[str, msgspec.Meta(max_length=200)]
Covers = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=7 * 1440)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
MAX_ALLERGIES: Final = 20
Allergies = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], ...], msgspec.Meta(max_length=MAX_ALLERGIES)
]
Shape = Literal["round", "square", "rectangle", "bar", "booth"]

MAX_TABLES: Final = 500
MAX_SKUS: Final = 5_000
DAY_MINUTES: Final = 1440


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of what a manager sets."""


class TableLayout(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table as it stands in the room: for `min` to `max` guests, at `x`, `y` on a plan of whole units."""

    id: Key
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    min: Covers = 1
    max: Covers
    x: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    y: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    shape: Shape = "square"
    section: Key = "main"


class DayPart(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """On these weekdays (0 is Monday), from so many minutes after local midnight on."""

    weekdays: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=6)], ...], msgspec.Meta(min_length=1, max_length=7)
    ] = tuple(range(7))
    minute: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]


class Stay(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long parties of up to so many guests stay."""

    up_to: Covers
    minutes: Annotated[int, msgspec.Meta(ge=1, le=DAY_MINUTES)]


class Hours(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Open on this weekday (0 is Monday) from and to these minutes after local midnight; `closes` may pass 1440."""

    weekday: Annotated[int, msgspec.Meta(ge=0, le=6)]
    opens: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]
    closes: Annotated[int, msgspec.Meta(ge=1, le=2 * DAY_MINUTES)]


class Target(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many minutes a stage should take, and from how many on somebody is told."""

    target: Minutes
    alert: Minutes


class TurnTargets(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The stages of a turn, each named by the status in which a table waits for the next one."""

    seated: Target = Target(target=10, alert=15)
    ordered: Target = Target(target=25, alert=30)
    served: Target = Target(target=45, alert=60)
    check_dropped: Target = Target(target=10, alert=15)
    """Until the table is left: it goes on when the bill is paid."""
    dirty: Target = Target(target=5, alert=10)


class Settings(Setting, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a floor is run. Times are minutes."""

    idle_paid: Minutes = 20
    idle_seated: Minutes = 15
    idle_ordered: Minutes = 90
    stays: Annotated[tuple[Stay, ...], msgspec.Meta(max_length=20)] = (
        Stay(up_to=2, minutes=90),
        Stay(up_to=4, minutes=105),
    )
    longest_stay: Annotated[int, msgspec.Meta(ge=1, le=DAY_MINUTES)] = 120
    """For parties larger than all `stays`."""
    buffer: Annotated[int, msgspec.Meta(ge=0, le=30)] = 0
    """Between two reservations of a table."""
    hold_before: Minutes = 30
    grace: Minutes = 15
    lead_time: Minutes = 0
    slot: Annotated[int, msgspec.Meta(ge=1, le=DAY_MINUTES)] | None = None
    """Reservations begin on multiples of so many minutes after local midnight; at any moment without it."""
    timezone: Label = "UTC"
    """IANA name; opening hours are read in it."""
    opening_hours: Annotated[tuple[Hours, ...], msgspec.Meta(max_length=50)] = ()
    """Empty means always open."""
    combinations: Annotated[tuple[tuple[Key, ...], ...], msgspec.Meta(max_length=200)] = ()
    """Tables that may be reserved together."""
    max_covers_per_quarter: Covers | None = None
    """How many guests may be reserved to arrive within the same quarter of an hour."""
    arrive_by: Annotated[int, msgspec.Meta(ge=1, le=DAY_MINUTES)] = 10
    """How long a notified party of the waitlist has to come."""
    turn_targets: TurnTargets = TurnTargets()
    stations: Annotated[Mapping[str, Key], msgspec.Meta(max_length=MAX_SKUS)] = {}
    """The kitchen station of each sku that is not made at `default_station`."""
    default_station: Key = "kitchen"
    fire_first_course: bool = True
    """Whether course 1 goes to the kitchen with its order; later courses always wait."""
    auto_fire: Minutes | None = None
    """Fire the next course so long after the one before was served."""
    payments: Literal["pos", "none"] = "pos"
    """With `none` no till follows this floor, and it knows nothing of money."""
    pos_location: Key | None = None
    """The location of the till; the first part of the floor's id when absent."""


def target_of(targets: TurnTargets, status: str) -> Target | None:
    """How long a table should be in this stage; None for a status that is no stage."""
    match status:
        case "SEATED":
            return targets.seated
        case "ORDERED":
            return targets.ordered
        case "SERVED":
            return targets.served
        case "CHECK_DROPPED" | "PAID":
            return targets.check_dropped
        case "DIRTY":
            return targets.dirty
        case _:
            return None


def check_layout(tables: tuple[TableLayout, ...]) -> None:
    """Refuse a layout in which two tables share an id or a name, or one takes fewer guests at most than at least."""
    if len({table.id for table in tables}) < len(tables):
        raise ValidationFailed("tables: give each table an id of its own")
    if len({table.name for table in tables}) < len(tables):
        raise ValidationFailed("tables: give each table a name of its own, waiters and cooks go by it")
    for table in tables:
        if table.max < table.min:
            raise ValidationFailed(f"tables: {table.id} takes at most fewer guests than at least; swap min and max")


def check_settings(settings: Settings) -> None:
    """Refuse settings that contradict themselves."""
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationFailed("timezone: an IANA name such as Europe/Paris") from None
    sizes = [stay.up_to for stay in settings.stays]
    if sizes != sorted(set(sizes)):
        raise ValidationFailed("stays: in ascending order of up_to, each size once")
    if any(hours.closes <= hours.opens for hours in settings.opening_hours):
        raise ValidationFailed("opening_hours: closes after opens; add 1440 when it is past midnight")
    if any(len(set(tables)) < len(tables) or not tables for tables in settings.combinations):
        raise ValidationFailed("combinations: each names its tables once, and at least one")


def stay_of(settings: Settings, size: int) -> timedelta:
    """How long a party of this size is expected to stay."""
    return timedelta(
        minutes=next((stay.minutes for stay in settings.stays if size <= stay.up_to), settings.longest_stay)
    )


def on_slot(settings: Settings, start: datetime) -> bool:
    """Whether a reservation may begin then, by the clock on the wall."""
    if settings.slot is None:
        return True
    local = start.astimezone(ZoneInfo(settings.timezone))
    return (local.hour * 60 + local.minute) % settings.slot == 0 and not (local.second or local.microsecond)


def open_during(settings: Settings, start: datetime, end: datetime) -> bool:
    """Whether `[start, end)` lies within one opening; an opening that began the day before counts on past midnight."""
    if not settings.opening_hours:
        return True
    local = start.astimezone(ZoneInfo(settings.timezone))
    begins = local.hour * 60 + local.minute
    ends = begins - (start - end) // timedelta(minutes=1)
    return any(
        hours.opens <= begins + shift and ends + shift <= hours.closes
        for hours in settings.opening_hours
        for days, shift in ((0, 0), (1, DAY_MINUTES))
        if hours.weekday == (local.weekday() - days) % 7
    )
