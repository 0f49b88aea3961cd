"""What a manager looks at: what guests did not pay for, and by whose hand; and what a till without a connection got wrong."""

from typing import Any

from sqlalchemy import Connection, select, update

from services.pos import domain_money_events as money
from services.pos import domain_tab_events as tabs_
from services.pos.domain_stock_events import OversellRecorded
from services.pos.domain_till_events import OfflineQuarantined
from services.pos.readmodel_rows import Stored, TabKey, add, is_tab, newest_tab, of, till_of
from services.pos.readmodel_tables import flags, lines, payments, reductions, tabs


def follow_reductions(connection: Connection, stored: Stored) -> None:
    """Note voids, comps, discounts and service that was waived: different things, whose values are never added up."""
    match stored.event:
        case tabs_.LineVoided(tab_id=tab_id, line_id=line_id, sku=sku, qty_milli=qty) as voided:
            what = {"line_id": line_id, "sku": sku, "qty_milli": qty, "reason_code": voided.reason_code}
            if voided.cancelled_by is not None:
                what["by"] = voided.cancelled_by
            _reduce(connection, stored, "void", tab_id, voided, **what)
        case tabs_.TabVoided(tab_id=tab_id, value_minor=value, reason_code=reason) as voided if value:
            _reduce(connection, stored, "void", tab_id, voided, reason_code=reason)
        case tabs_.LineComped(tab_id=tab_id, line_id=line_id, reason_code=reason) as comped:
            key = newest_tab(connection, stored.name, tab_id)
            _reduce(
                connection,
                stored,
                "comp",
                tab_id,
                comped,
                reason_code=reason,
                **_line(connection, stored, key, line_id),
            )
        case tabs_.DiscountApplied(tab_id=tab_id, discount_id=discount_id, line_id=line_id) as given:
            key = newest_tab(connection, stored.name, tab_id)
            what = {} if line_id is None else _line(connection, stored, key, line_id)
            of_giving = {"given_id": given.given_id or None}
            _reduce(
                connection,
                stored,
                "discount",
                tab_id,
                given,
                discount_id=discount_id,
                reason_code="",
                **of_giving,
                **what,
            )
        case tabs_.GratuityWaived(tab_id=tab_id, reason_code=reason) as waived:
            _reduce(connection, stored, "gratuity", tab_id, waived, reason_code=reason)
        case tabs_.DiscountRemoved() as removed:
            _take_back(connection, stored, removed)
        case _:
            pass


def _reduce(connection: Connection, stored: Stored, kind: str, tab_id: str, event: Any, **what: Any) -> None:
    key = newest_tab(connection, stored.name, tab_id)
    table_ref = connection.execute(
        select(tabs.c.table_ref).where(of(tabs, stored.name), is_tab(tabs, key))
    ).scalar_one()
    whose = {"value_minor": event.value_minor, "approved_by": event.approved_by, "table_ref": table_ref}
    whose["taken_back_minor"] = 0
    done = {**_done(connection, stored), **whose, **what}
    add(connection, reductions, stored.name, kind=kind, tab_id=tab_id, **done)


def _line(connection: Connection, stored: Stored, key: TabKey, line_id: str) -> dict[str, Any]:
    this = of(lines, stored.name) & is_tab(lines, key) & (lines.c.line_id == line_id)
    line = connection.execute(select(lines.c.sku, lines.c.qty_milli).where(this)).one()
    return {"line_id": line_id, "sku": line.sku, "qty_milli": line.qty_milli}


def _take_back(connection: Connection, stored: Stored, event: tabs_.DiscountRemoved) -> None:
    """Note it where the discount was given, of which this may be a part that went elsewhere with a line."""
    row = reductions.c
    given = of(reductions, stored.name) & (row.kind == "discount")
    if event.given_id:
        which = row.given_id == event.given_id
    else:
        which = row.taken_back_at.is_(None) & (row.tab_id == event.tab_id) & (row.discount_id == event.discount_id)
        which &= row.line_id.is_(None) if event.line_id is None else row.line_id == event.line_id
        which &= row.seq > newest_tab(connection, stored.name, event.tab_id).opened_seq
    value = row.value_minor if event.value_minor is None else event.value_minor
    taken = {"taken_back_at": stored.at, "taken_back_minor": row.taken_back_minor + value}
    connection.execute(update(reductions).where(given, which).values(**taken))


def follow_flags(connection: Connection, stored: Stored) -> None:  # noqa: C901 - one line for each event
    """Note what somebody should look at."""
    match stored.event:
        case OversellRecorded(tab_id=tab_id, line_id=line_id, sku=sku, short_milli=short):
            _flag(connection, stored, "oversell", tab_id=tab_id, line_id=line_id, sku=sku, short_milli=short)
        case tabs_.PriceStale(tab_id=tab_id, line_id=line_id, sold_minor=sold, current_minor=current):
            key = newest_tab(connection, stored.name, tab_id)
            sku = _line(connection, stored, key, line_id)["sku"]
            prices = {"sold_minor": sold, "current_minor": current}
            _flag(connection, stored, "price_stale", tab_id=tab_id, line_id=line_id, sku=sku, **prices)
        case tabs_.PriceMissing(tab_id=tab_id, line_id=line_id, sku=sku):
            _flag(connection, stored, "price_missing", tab_id=tab_id, line_id=line_id, sku=sku)
        case tabs_.TabConflict(tab_id=tab_id, about=about, moved_to=moved_to):
            _flag(connection, stored, "tab_conflict", tab_id=tab_id, about=about, moved_to=moved_to)
        case money.OfflinePaymentStored(tab_id=tab_id, payment_id=payment_id, over_limit=True):
            _flag_card(connection, stored, "card_over_limit", tab_id, payment_id)
        case money.OfflinePaymentDeclined(tab_id=tab_id, payment_id=payment_id):
            _flag_card(connection, stored, "card_declined", tab_id, payment_id)
        case money.OfflinePaymentExpired(tab_id=tab_id, payment_id=payment_id):
            _flag_card(connection, stored, "card_expired", tab_id, payment_id)
        case money.DrawerMissing(terminal_id=terminal):
            _flag(connection, stored, "drawer_missing", terminal=terminal)
        case money.DrawerQuestioned(terminal_id=terminal, about=about):
            _flag(connection, stored, "drawer_questioned", terminal=terminal, about=about)
        case OfflineQuarantined(terminal_id=terminal, facts=facts):
            _flag(connection, stored, "quarantined", terminal=terminal, facts=len(facts))
        case _:
            pass


def _flag_card(connection: Connection, stored: Stored, kind: str, tab_id: str, payment_id: str) -> None:
    """With what the card was to pay."""
    this = of(payments, stored.name) & (payments.c.payment_id == payment_id)
    found = select(payments.c.due_minor).where(this).order_by(payments.c.begun_seq.desc()).limit(1)
    paid = connection.execute(found).scalar_one()
    _flag(connection, stored, kind, tab_id=tab_id, payment_id=payment_id, sold_minor=paid)


def _flag(connection: Connection, stored: Stored, kind: str, **what: Any) -> None:
    add(connection, flags, stored.name, kind=kind, **{**_done(connection, stored), **what})


def _done(connection: Connection, stored: Stored) -> dict[str, Any]:
    """When, on which day, by whom and where something was done."""
    day = till_of(connection, stored.name).day
    return {"seq": stored.seq, "at": stored.at, "day": day, "by": stored.by.user, "terminal": stored.by.device}
