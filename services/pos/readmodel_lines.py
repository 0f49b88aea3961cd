"""The lines of tabs as rows, on open tabs and on receipts, and what they take from stock."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select

from services.pos import domain_tab_events as events
from services.pos.domain_ids import share_id
from services.pos.domain_money_events import Refunded
from services.pos.domain_stock_events import HoldConsumed
from services.pos.domain_terms import Line, Modifier
from services.pos.readmodel_rows import Stored, TabKey, add, change, is_tab, look, more, newest_tab, of, put
from services.pos.readmodel_stock import adjust
from services.pos.readmodel_tables import lines

MOST_LINES: Final = 1_000_000
"""More than one event can bring: each line has a place of its own, in the order in which lines came to their tab."""


def follow_lines(connection: Connection, stored: Stored) -> None:  # noqa: C901, PLR0912 - one line for each event
    """Write what an event changes about lines."""
    match stored.event:
        case events.LineAdded() as added:
            _add(connection, stored, added)
        case events.LineQtyChanged(tab_id=tab_id, line_id=line_id, to=qty, firm_milli=firm, version=version):
            key, line = _line(connection, stored, tab_id, line_id)
            adjust(connection, stored.name, line.sku, sold=firm - line.firm_milli)
            _set(connection, stored, key, line_id, qty_milli=qty, firm_milli=firm, version=version)
        case events.LineRemoved(tab_id=tab_id, line_id=line_id):
            key, line = _line(connection, stored, tab_id, line_id)
            adjust(connection, stored.name, line.sku, sold=-min(line.qty_milli, line.firm_milli))
            _remove(connection, stored, key, [line_id])
        case events.LineVoided() as voided:
            _void(connection, stored, voided)
        case events.LineComped(tab_id=tab_id, line_id=line_id):
            key = newest_tab(connection, stored.name, tab_id)
            _set(connection, stored, key, line_id, comped=True, **more(version=1))
        case events.LinesSent(tab_id=tab_id, deltas=deltas):
            key = newest_tab(connection, stored.name, tab_id)
            for delta in deltas:
                _set(connection, stored, key, delta.line_id, **more(sent_milli=delta.qty_milli))
        case events.TabVoided(tab_id=tab_id):
            for line in _lines(connection, stored, newest_tab(connection, stored.name, tab_id)):
                made = line.sent_milli if line.tracked else 0
                sold = min(line.qty_milli, line.firm_milli)
                adjust(connection, stored.name, line.sku, on_hand=-made, sold=-sold)
        case events.TabSplit() as split:
            _split(connection, stored, split)
        case (
            events.TabsMerged(from_=source, into=into, line_ids=line_ids)
            | events.LinesMoved(from_tab_id=source, to_tab_id=into, line_ids=line_ids)
        ):
            _move(connection, stored, source, into, line_ids)
        case events.TabClosed(tab_id=tab_id, receipt_no=receipt_no):
            _settle(connection, stored, tab_id, receipt_no, sign=1)
        case events.TabReopened(tab_id=tab_id, reverses=str()):
            _settle(connection, stored, tab_id, None, sign=-1)
        case HoldConsumed() as consumed:
            _consume(connection, stored, consumed)
        case Refunded() as refunded:
            _refund(connection, stored, refunded)
        case _:
            pass


def _add(connection: Connection, stored: Stored, event: events.LineAdded) -> None:
    same = ("line_id", "sku", "qty_milli", "seat", "course", "note", "station", "tracked", "sent_milli", "firm_milli")
    key = newest_tab(connection, stored.name, event.tab_id)
    fresh = {
        **key._asdict(),
        **{field: getattr(event, field) for field in same},
        **_price(event.unit_price_minor, event.modifiers),
        **_came(stored, 0),
        "comped": False,
        "version": 1,
        "refunded_milli": 0,
        "offline": event.offline,
    }
    if event.offline:
        # Of a line that was named twice in one fact, older tills kept what came last.
        _remove(connection, stored, key, [event.line_id])
    add(connection, lines, stored.name, **fresh)
    adjust(connection, stored.name, event.sku, sold=event.firm_milli)


def _price(unit_price_minor: int, modifiers: Sequence[Modifier]) -> dict[str, Any]:
    return {
        "unit_price_minor": unit_price_minor + sum(modifier.price_minor for modifier in modifiers),
        "modifiers": " ".join(modifier.id for modifier in modifiers),
    }


def _came(stored: Stored, number: int) -> dict[str, Any]:
    place = stored.seq * MOST_LINES + number
    return {"place": place, "added_at": stored.at, "added_by": stored.by.user, "terminal": stored.by.device}


def _void(connection: Connection, stored: Stored, event: events.LineVoided) -> None:
    key, line = _line(connection, stored, event.tab_id, event.line_id)
    qty = event.qty_milli
    made = min(qty, line.sent_milli)
    lost = made if line.tracked and not event.restocked else 0
    adjust(connection, stored.name, line.sku, on_hand=-lost, sold=-min(qty, line.firm_milli))
    if qty >= line.qty_milli:
        _remove(connection, stored, key, [event.line_id])
        return
    share = None if line.share_minor is None else max(0, line.share_minor - event.value_minor)
    left = {"firm_milli": max(0, line.firm_milli - qty), "share_minor": share}
    gone = more(qty_milli=-qty, sent_milli=-made, version=1)
    _set(connection, stored, key, event.line_id, **left, **gone)


def _split(connection: Connection, stored: Stored, event: events.TabSplit) -> None:
    """Put the lines of each piece where those of the whole were, as added by who added them."""
    source = newest_tab(connection, stored.name, event.tab_id)
    before = {line.line_id: line for line in _lines(connection, stored, source)}
    _remove(connection, stored, source, before)
    number = 0
    for child in (event.kept, *event.children):
        key = source if child is event.kept else TabKey(stored.seq, child.tab_id)
        shared = {
            share: line_id for line_id in before for share in (share_id(line_id, key.tab_id), f"{line_id}.{key.tab_id}")
        }
        for line_id, line in child.lines.items():
            whole = before[line_id if line_id in before else shared[line_id]]
            kept = {column: getattr(whole, column) for column in ("added_at", "added_by", "terminal", "offline")}
            add(connection, lines, stored.name, **{**_came(stored, number), **kept, **_piece(key, line_id, line)})
            number += 1


def _piece(key: TabKey, line_id: str, line: Line) -> Mapping[str, Any]:
    same = ("sku", "qty_milli", "share_minor", "seat", "course", "note", "station", "tracked", "sent_milli")
    return {
        **key._asdict(),
        **{field: getattr(line, field) for field in (*same, "firm_milli", "comped", "version")},
        **_price(line.unit_price_minor, line.modifiers),
        "line_id": line_id,
        "refunded_milli": 0,
    }


def _move(connection: Connection, stored: Stored, source: str, into: str, line_ids: Sequence[str]) -> None:
    leaving, joined = (newest_tab(connection, stored.name, tab_id) for tab_id in (source, into))
    for number, line_id in enumerate(line_ids):
        place = _came(stored, number)["place"]
        _set(connection, stored, leaving, line_id, **joined._asdict(), place=place)


def _settle(connection: Connection, stored: Stored, tab_id: str, receipt_no: str | None, *, sign: int) -> None:
    """Let a closed tab's goods be gone for good, or (with a sign of -1) be there again on an open one."""
    key = newest_tab(connection, stored.name, tab_id)
    for line in _lines(connection, stored, key):
        if line.tracked:
            adjust(connection, stored.name, line.sku, on_hand=-sign * line.qty_milli, sold=-sign * line.firm_milli)
    again = {} if sign > 0 else {"refunded_milli": 0}
    put(connection, lines, stored.name, key._asdict(), receipt_no=receipt_no, **again)


def _consume(connection: Connection, stored: Stored, event: HoldConsumed) -> None:
    """Let what was held count as sold by the tab's lines, those that came first before the others."""
    left = event.qty_milli
    key = newest_tab(connection, stored.name, event.tab_id)
    for line in _lines(connection, stored, key):
        if left and line.tracked and line.sku == event.sku and line.firm_milli < line.qty_milli:
            firmed = min(left, line.qty_milli - line.firm_milli)
            _set(connection, stored, key, line.line_id, **more(firm_milli=firmed))
            left -= firmed
    adjust(connection, stored.name, event.sku, sold=event.qty_milli - left)


def _refund(connection: Connection, stored: Stored, event: Refunded) -> None:
    on_receipt = of(lines, stored.name) & (lines.c.receipt_no == event.receipt_no)
    for refunded in event.lines:
        this = on_receipt & (lines.c.line_id == refunded.line_id)
        line = connection.execute(select(lines).where(this)).one()
        change(connection, lines, stored.name, this, **more(refunded_milli=refunded.qty_milli))
        if refunded.restock and line.tracked:
            adjust(connection, stored.name, line.sku, on_hand=refunded.qty_milli)


def _line(connection: Connection, stored: Stored, tab_id: str, line_id: str) -> tuple[TabKey, Row[Any]]:
    key = newest_tab(connection, stored.name, tab_id)
    this = {**key._asdict(), "line_id": line_id}
    return key, look(connection, lines, stored.name, this, *lines.c.keys()).one()


def _lines(connection: Connection, stored: Stored, key: TabKey) -> Sequence[Row[Any]]:
    """A tab's lines, in the order in which they came to it."""
    found = look(connection, lines, stored.name, key._asdict(), *lines.c.keys()).all()
    return sorted(found, key=lambda line: line.place)


def _set(connection: Connection, stored: Stored, key: TabKey, line_id: str, **values: Any) -> None:
    put(connection, lines, stored.name, {**key._asdict(), "line_id": line_id}, **values)


def _remove(connection: Connection, stored: Stored, key: TabKey, line_ids: Iterable[str]) -> None:
    these = of(lines, stored.name) & is_tab(lines, key) & lines.c.line_id.in_(list(line_ids))
    connection.execute(delete(lines).where(these))
