"""What happened to the layouts that a floor keeps for the parts of a day."""

from datetime import datetime

from holdfast import Event
from services.floor.domain_settings import DayPart, TableLayout


class LayoutSaved(Event, tag="layout_saved"):
    """A layout is kept like this."""

    layout_id: str
    name: str
    tables: tuple[TableLayout, ...]
    begins: tuple[DayPart, ...]
    version: int


class LayoutDropped(Event, tag="layout_dropped"):
    """A layout is kept no longer."""

    layout_id: str


class LayoutScheduled(Event, tag="layout_scheduled"):
    """The clock lays out this one next."""

    layout_id: str
    starts_at: datetime


class LayoutBegan(Event, tag="layout_began"):
    """The clock laid out a layout: the tables are these now."""

    layout_id: str
    tables: tuple[TableLayout, ...]
    version: int
    effective_at: datetime
    cause: str


class LayoutWaits(Event, tag="layout_waits"):
    """The hour of a layout came while these tables, which it lacks, were in use: for managers, who apply it by hand."""

    layout_id: str
    table_ids: tuple[str, ...]
    effective_at: datetime
    cause: str
