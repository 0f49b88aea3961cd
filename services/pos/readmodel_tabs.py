"""Tabs as rows, kept when they have left the till."""

from typing import Any

from sqlalchemy import Connection, select

from services.pos import domain_tab_events as events
from services.pos.readmodel_rows import Stored, add, is_tab, newest_tab, of, put, till_of
from services.pos.readmodel_tables import tabs


def follow_tabs(connection: Connection, stored: Stored) -> None:  # noqa: C901 - one line for each event
    """Write what an event changes about tabs."""
    match stored.event:
        case events.TabOpened() as opened:
            _open(connection, stored, **_opened(opened))
        case events.TabSplit(tab_id=tab_id, children=children):
            source = connection.execute(
                select(tabs).where(of(tabs, stored.name), is_tab(tabs, newest_tab(connection, stored.name, tab_id)))
            ).one()
            kept = ("owner", "name", "table_ref", "floor", "order_type")
            for child in children:
                same = {column: getattr(source, column) for column in kept}
                _open(connection, stored, tab_id=child.tab_id, opened_by=stored.by.user, came_from=tab_id, **same)
        case events.TabTransferred(tab_id=tab_id, owner=owner, table_ref=table_ref):
            _set(connection, stored, tab_id, owner=owner, table_ref=table_ref)
        case events.BillPrinted(tab_id=tab_id):
            _set(connection, stored, tab_id, bill_printed=True)
        case events.TabBalanceChanged(tab_id=tab_id, status=status, floor=floor) as changed:
            standing = _standing(changed.total_minor, changed.paid_minor)
            _set(connection, stored, tab_id, status=status, floor=floor, **standing)
        case events.TabClosed(tab_id=tab_id, receipt_no=receipt_no, totals=totals):
            standing = _standing(totals.due, totals.due)
            _end(connection, stored, tab_id, status="CLOSED", receipt_no=receipt_no, **standing)
        case events.TabVoided(tab_id=tab_id):
            _end(connection, stored, tab_id, status="VOIDED")
        case events.TabsMerged(from_=tab_id, into=into):
            _end(connection, stored, tab_id, status="MERGED", merged_into=into)
        case events.TabReopened(tab_id=tab_id, reverses=None):
            _set(connection, stored, tab_id, status="OPEN", reopened=True)
        case events.TabReopened(tab_id=tab_id):
            again = {"receipt_no": None, "ended_at": None, "floor": None}
            _set(connection, stored, tab_id, status="OPEN", reopened=True, **again)
        case _:
            pass


def _opened(event: events.TabOpened) -> dict[str, Any]:
    return {
        "tab_id": event.tab_id,
        "opened_by": event.opened_by,
        "owner": event.opened_by,
        "name": event.name,
        "guest_count": event.guest_count,
        "table_ref": event.table_ref,
        "floor": event.floor,
        "order_type": event.order_type,
        "offline": event.offline,
        "came_from": event.instead_of,
    }


def _open(connection: Connection, stored: Stored, **values: Any) -> None:
    till = till_of(connection, stored.name)
    fresh = {"status": "OPEN", "bill_printed": False, "reopened": False, "offline": False, **_standing(0, 0), **values}
    add(
        connection,
        tabs,
        stored.name,
        opened_seq=stored.seq,
        opened_at=stored.at,
        terminal=stored.by.device,
        day=till.day,
        currency=till.currency,
        **fresh,
    )


def _standing(total: int, paid: int) -> dict[str, int]:
    return {"total_minor": total, "paid_minor": paid, "balance_minor": total - paid}


def _end(connection: Connection, stored: Stored, tab_id: str, **values: Any) -> None:
    _set(connection, stored, tab_id, ended_at=stored.at, **values)


def _set(connection: Connection, stored: Stored, tab_id: str, **values: Any) -> None:
    key = newest_tab(connection, stored.name, tab_id)
    put(connection, tabs, stored.name, key._asdict(), **values)
