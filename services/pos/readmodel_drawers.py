"""Cash drawers as rows, and each time that one was opened for something else than a sale."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from services.pos import domain_money_events as events
from services.pos.readmodel_rows import Stored, add, change, more, of, till_of
from services.pos.readmodel_tables import drawers, movements

Moved = events.DrawerPaidIn | events.DrawerPaidOut | events.DrawerNoSale


def follow_drawers(connection: Connection, stored: Stored) -> None:
    """Write what an event changes about drawers."""
    match stored.event:
        case events.DrawerOpened() as opened:
            add(connection, drawers, stored.name, **_opened(stored, opened))
        case events.PaymentCaptured(tender="cash", terminal_id=str() as terminal, due_minor=due, rounding_minor=added):
            cash = due + added
            _add(connection, stored, terminal, cash_sales_minor=cash, expected_minor=cash)
        case events.PaymentCaptured(tips_to=str() as bank, tip_minor=tip):
            _add(connection, stored, bank, tips_minor=tip)
        case events.Refunded(tender="cash", terminal_id=str() as terminal, amount_minor=amount, rounding_minor=added):
            cash = amount + added
            _add(connection, stored, terminal, cash_refunds_minor=cash, expected_minor=-cash)
        case events.DrawerPaidIn(minor=amount) as paid_in:
            _move(connection, stored, "paid_in", paid_in, amount)
            _add(connection, stored, paid_in.terminal_id, paid_in_minor=amount, expected_minor=amount)
        case events.DrawerPaidOut(minor=amount) as paid_out:
            _move(connection, stored, "paid_out", paid_out, amount)
            _add(connection, stored, paid_out.terminal_id, paid_out_minor=amount, expected_minor=-amount)
        case events.DrawerNoSale() as no_sale:
            _move(connection, stored, "no_sale", no_sale, 0)
            _add(connection, stored, no_sale.terminal_id, no_sales=1)
        case events.DrawerEnded(terminal_id=terminal):
            change(connection, drawers, stored.name, _open(terminal), status="ENDED", ended_at=stored.at)
        case events.DrawerClosed(terminal_id=terminal, counted=counted, over_short=over_short):
            told = {"counted_minor": counted, "over_short_minor": over_short, "closed_by": stored.by.user}
            told |= {"status": "CLOSED", "closed_at": stored.at, "day": till_of(connection, stored.name).day}
            change(connection, drawers, stored.name, _open(terminal), **told)
        case _:
            pass


def _opened(stored: Stored, event: events.DrawerOpened) -> dict[str, Any]:
    nothing = ("cash_sales_minor", "cash_refunds_minor", "paid_in_minor", "paid_out_minor", "no_sales", "tips_minor")
    return {
        **dict.fromkeys(nothing, 0),
        "opened_seq": stored.seq,
        "drawer_id": event.drawer_id,
        "terminal": event.terminal_id,
        "status": "OPEN",
        "opened_at": stored.at,
        "opened_by": stored.by.user,
        "opening_minor": event.minor,
        "expected_minor": event.minor,
    }


def _open(terminal: str) -> ColumnElement[bool]:
    """The drawer that a terminal has now: there is never more than one."""
    return (drawers.c.terminal == terminal) & (drawers.c.status != "CLOSED")


def _add(connection: Connection, stored: Stored, terminal: str, **amounts: int) -> None:
    change(connection, drawers, stored.name, _open(terminal), **more(**amounts))


def _move(connection: Connection, stored: Stored, kind: str, event: Moved, amount: int) -> None:
    into = select(drawers.c.drawer_id).where(of(drawers, stored.name), _open(event.terminal_id))
    told = {"reason": event.reason, "offline": event.offline, "occurred_at": event.occurred_at}
    add(
        connection,
        movements,
        stored.name,
        seq=stored.seq,
        kind=kind,
        terminal=event.terminal_id,
        drawer_id=connection.execute(into).scalar_one_or_none(),
        day=till_of(connection, stored.name).day,
        at=stored.at,
        by=stored.by.user,
        amount_minor=amount,
        **told,
    )
