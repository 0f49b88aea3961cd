"""Payments, receipts and refunds as rows."""

from typing import Any

import msgspec
from sqlalchemy import Connection

from holdfast import Name
from services.pos import domain_money_events as events
from services.pos.domain_tab_events import TabClosed, TabReopened
from services.pos.domain_terms import Flow, Totals
from services.pos.readmodel_rows import Stored, add, more, newest, put, till_of
from services.pos.readmodel_tables import TENDERS, payments, receipts, refunds


def follow_money(connection: Connection, stored: Stored) -> None:  # noqa: C901 - one line for each event
    """Write what an event changes about payments, receipts and refunds."""
    name = stored.name
    match stored.event:
        case events.PaymentStarted() as started:
            _begin(connection, stored, "started", **_paid(started), over_limit=False, offline=False)
        case events.PaymentCaptured() as captured:
            _capture(connection, stored, captured)
        case events.PaymentFailed(payment_id=payment_id, cancelled=cancelled, processor_ref=reference):
            status = "cancelled" if cancelled else "failed"
            _end(connection, stored, payment_id, "started", status=status, processor_ref=reference)
        case events.PaymentTimedOut(payment_id=payment_id, effective_at=at):
            _end(connection, stored, payment_id, "started", status="timed_out", ended_at=at)
        case events.OfflinePaymentStored(payment_id=payment_id, upload_by=upload_by, over_limit=over_limit):
            awaited = {"status": "stored", "upload_by": upload_by, "over_limit": over_limit, "ended_at": None}
            put(connection, payments, name, _newest(connection, name, payment_id), **awaited)
        case events.OfflinePaymentSettled(payment_id=payment_id, processor_ref=reference):
            _end(connection, stored, payment_id, "stored", status="captured", processor_ref=reference)
        case events.OfflinePaymentDeclined(payment_id=payment_id, processor_ref=reference):
            _end(connection, stored, payment_id, "stored", status="declined", processor_ref=reference)
        case events.OfflinePaymentExpired(payment_id=payment_id, effective_at=at):
            _end(connection, stored, payment_id, "stored", status="expired", ended_at=at)
        case TabClosed() as closed:
            add(connection, receipts, name, **_receipt(stored, closed))
        case TabReopened(reverses=str() as receipt_no):
            reversal = {"reversed_day": till_of(connection, name).day, "reversed_at": stored.at}
            put(connection, receipts, name, {"receipt_no": receipt_no}, **reversal)
        case events.Refunded() as refunded:
            _refund(connection, stored, refunded)
        case _:
            pass


def figures(totals: Totals, paid: Flow) -> dict[str, int]:
    """A receipt's figures, by the names that its columns and those of reports share."""
    return {
        "gross_minor": totals.gross,
        "discount_minor": totals.discount,
        "comp_minor": totals.comp,
        "gratuity_minor": totals.gratuity,
        "stored_minor": totals.stored,
        "tax_minor": sum(tax.minor for tax in totals.tax),
        "due_minor": totals.due,
        "rounding_minor": totals.rounding,
        "tip_minor": totals.tip,
        **{f"{tender}_minor": getattr(paid, tender) for tender in TENDERS},
    }


def _begin(connection: Connection, stored: Stored, status: str, **values: Any) -> None:
    till = till_of(connection, stored.name)
    begun = {"begun_seq": stored.seq, "begun_at": stored.at, "begun_by": stored.by.user}
    fresh: dict[str, Any] = {"change_minor": 0, "processor_ref": "", "terminal": stored.by.device, **begun, **values}
    add(connection, payments, stored.name, status=status, day=till.day, currency=till.currency, **fresh)


def _paid(event: events.PaymentStarted | events.PaymentCaptured) -> dict[str, Any]:
    same = ("payment_id", "tab_id", "tender", "due_minor", "rounding_minor", "tip_minor")
    terminal = {} if event.terminal_id is None else {"terminal": event.terminal_id}
    return {field: getattr(event, field) for field in same} | terminal


def _capture(connection: Connection, stored: Stored, event: events.PaymentCaptured) -> None:
    """End a payment that was started, or note one that was made without a connection."""
    name = stored.name
    told = {"change_minor": event.change_minor, "processor_ref": event.processor_ref, "ended_at": stored.at}
    newest = _newest(connection, name, event.payment_id)
    if put(connection, payments, name, {**newest, "status": "started"}, **{**told, "status": "captured"}):
        return
    _begin(connection, stored, "captured", **_paid(event), over_limit=False, offline=event.offline, **told)


def _newest(connection: Connection, name: Name, payment_id: str) -> dict[str, int | None]:
    """The payment that has this id now: an id may be used again when its tab is gone."""
    return {"begun_seq": newest(connection, payments, name, "begun_seq", payment_id=payment_id)}


def _end(connection: Connection, stored: Stored, payment_id: str, before: str, **values: Any) -> None:
    this = {**_newest(connection, stored.name, payment_id), "status": before}
    put(connection, payments, stored.name, this, **{"ended_at": stored.at, **values})


def _receipt(stored: Stored, event: TabClosed) -> dict[str, Any]:
    same = ("series", "number", "receipt_no", "tab_id", "day", "closed_at", "table_ref", "currency", "offline")
    return {
        **{field: getattr(event, field) for field in same},
        **figures(event.totals, event.paid),
        "tax": msgspec.to_builtins(event.totals.tax),
        "closed_by": stored.by.user,
        "terminal": stored.by.device,
        "occurred_at": event.occurred_at,
        "refunded_minor": 0,
    }


def _refund(connection: Connection, stored: Stored, event: events.Refunded) -> None:
    same = ("number", "refund_no", "receipt_no", "tab_id", "tender", "currency", "amount_minor", "rounding_minor")
    told = {
        **{field: getattr(event, field) for field in (*same, "reason_code", "approved_by")},
        "lines": msgspec.to_builtins(event.lines),
        "day": till_of(connection, stored.name).day,
        "at": stored.at,
        "by": stored.by.user,
        "terminal": event.terminal_id or stored.by.device,
    }
    add(connection, refunds, stored.name, **told)
    this = {"receipt_no": event.receipt_no}
    put(connection, receipts, stored.name, this, **more(refunded_minor=event.amount_minor))
