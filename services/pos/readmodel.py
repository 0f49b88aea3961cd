"""The tills of a tenant in SQL, for lists and reports: tabs, lines, stock, money, drawers, days, and what to look at."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from holdfast.sql import Listing, Projection
from services.pos import readmodel_tables as tables
from services.pos.domain_events import SessionEvent
from services.pos.domain_tab_events import OnTab
from services.pos.readmodel_days import follow_days
from services.pos.readmodel_drawers import follow_drawers
from services.pos.readmodel_lines import follow_lines
from services.pos.readmodel_lists import LISTS, list_of_tabs
from services.pos.readmodel_money import follow_money
from services.pos.readmodel_reports import follow_flags, follow_reductions
from services.pos.readmodel_rows import Stored
from services.pos.readmodel_stock import follow_stock
from services.pos.readmodel_tabs import follow_tabs

FOLLOWERS: Final = (
    follow_tabs,
    follow_reductions,
    follow_lines,
    follow_stock,
    follow_money,
    follow_drawers,
    follow_flags,
    follow_days,
)
"""In this order: what a line was worth to whoever reduced it is noted before the line is gone."""


class Tills(Projection[SessionEvent]):
    """Rows of all that is at a till now, and of all that it sold."""

    name = "tills"
    purpose = "pos-session"
    tables = (
        tables.tills,
        tables.tabs,
        tables.lines,
        tables.holds,
        tables.stock,
        tables.payments,
        tables.receipts,
        tables.refunds,
        tables.drawers,
        tables.movements,
        tables.reductions,
        tables.flags,
        tables.z_reports,
        tables.day_taxes,
    )
    listing = list_of_tabs
    lists: ClassVar[Mapping[str, Listing[Any]]] = LISTS

    def apply(self, connection: Connection, stored: Stored, /) -> None:
        """Write what one event changes in each of the tables; practice changes nothing."""
        if isinstance(stored.event, OnTab) and stored.event.training:
            return
        for follow in FOLLOWERS:
            follow(connection, stored)
