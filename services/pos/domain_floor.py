"""What the floor tells: orders that the kitchen has, cancellations, moves. Where money was taken, it is only flagged."""

from services.pos import domain_floor_commands as commands
from services.pos.domain_checks import merge, move
from services.pos.domain_discounts import beyond_waived
from services.pos.domain_draft import Draft
from services.pos.domain_facts import fact_tab, known_lines, record_lines
from services.pos.domain_prices import Price, price_of, priced, taxes_of
from services.pos.domain_pricing import gratuity_of
from services.pos.domain_session import Tab
from services.pos.domain_stock import consume
from services.pos.domain_tab_events import LineAdded, LineVoided, TabConflict, TabOpened, TabTransferred
from services.pos.domain_tabs import countable_void, worth
from services.pos.domain_terms import OrderType


def post_order(draft: Draft, command: commands.PostOrder) -> None:
    """Put an order on its tab; lines that are there already are left alone."""
    opening = TabOpened(
        tab_id=command.tab_id,
        opened_by=draft.ctx.actor.user,
        guest_count=command.guest_count,
        table_ref=command.table_ref,
        floor=command.floor,
        order_type=command.order_type,
        gratuity_ppm=gratuity_of(draft.settings, command.guest_count),
    )
    known = known_lines(draft, command.tab_id)
    lines = [line for line in command.lines if line.line_id not in known]
    if not lines and (command.tab_id in draft.session.tabs or command.tab_id in draft.session.closed):
        return
    tab_id = fact_tab(draft, opening, about="lines")
    posted = (_line(draft, tab_id, line, draft.session.tabs[tab_id].order_type) for line in lines)
    record_lines(draft, tab_id, posted, current=False)
    consume(draft, tab_id)


def _line(draft: Draft, tab_id: str, line: commands.PostedLine, order_type: OrderType) -> LineAdded:
    item = draft.session.items.get(line.sku)
    price = Price(0, 0) if item is None else price_of(draft.session, line.sku, item, order_type, draft.ctx.now)
    return LineAdded(
        tab_id=tab_id,
        line_id=line.line_id,
        sku=line.sku,
        qty_milli=line.qty_milli,
        unit_price_minor=price.minor if line.unit_price_minor is None else line.unit_price_minor,
        price_version=price.version,
        price_book=price.book,
        modifiers=line.modifiers if item is None else priced(item, line.modifiers),
        tax_ids=() if item is None else taxes_of(item, order_type),
        seat=line.seat,
        course=line.course,
        note=line.note,
        station="" if item is None else item.station,
        sent_milli=line.qty_milli,
    )


def post_cancel(draft: Draft, command: commands.PostCancel) -> None:
    """Void what the floor cancelled, wherever the till has it by now; nothing when it is off, a flag when it is paid."""
    shares = _shares(draft, command.floor, command.tab_id, command.line_id)
    there = sum(draft.session.tabs[tab_id].lines[line_id].qty_milli for tab_id, line_id in shares)
    left = None if command.qty_milli is None or command.qty_milli >= there else command.qty_milli
    beyond: list[str] = []
    for tab_id, line_id in shares:
        tab = draft.session.tabs[tab_id]
        line = tab.lines[line_id]
        qty = line.qty_milli if left is None else min(left, line.qty_milli)
        # What takes all of it off takes shares of less than a thousandth off too.
        if not qty and left is not None:
            continue
        if tab.status != "OPEN" or tab.paid_minor:
            draft.record(TabConflict(tab_id=tab_id, about="cancel"))
        elif _cancel(draft, command, tab_id, line_id, qty):
            beyond.append(tab_id)
        left = None if left is None else left - qty
    if beyond:
        draft.record(TabConflict(tab_id=beyond[0], about="cancel"))
    closed = draft.session.closed.get(command.tab_id)
    if closed is not None and command.line_id in closed.lines:
        draft.record(TabConflict(tab_id=command.tab_id, about="cancel"))


def _cancel(draft: Draft, command: commands.PostCancel, tab_id: str, line_id: str, qty_milli: int) -> bool:
    """Void what the kitchen had of a line; whether that would have needed an approval at the till."""
    line = draft.session.tabs[tab_id].lines[line_id]
    value = worth(draft, tab_id, line_id, qty_milli)
    counted = countable_void(line, value) if command.unapproved else 0
    draft.record(
        LineVoided(
            tab_id=tab_id,
            line_id=line_id,
            sku=line.sku,
            qty_milli=qty_milli,
            reason_code=command.reason_code or "floor",
            value_minor=value,
            cancelled_by=command.by,
            counted_minor=counted,
        )
    )
    return counted > 0 and line.voided_minor + counted > draft.settings.void_limit_minor


def _shares(draft: Draft, floor: str | None, tab_id: str, line_id: str) -> list[tuple[str, str]]:
    """Where the till has a line of a floor: on the tab that the floor names first, and on those made or filled of it."""
    others = (key for key, tab in draft.session.tabs.items() if key != tab_id and tab.floor == floor and floor)
    return [
        (key, share)
        for key in (tab_id, *others)
        if key in draft.session.tabs
        for share in draft.session.tabs[key].lines
        if share == line_id or share.startswith(f"{line_id}.")
    ]


def post_move(draft: Draft, command: commands.PostMove) -> None:
    """Put lines on the tab of another table, opening it when it is not there."""
    moving: dict[str, list[str]] = {}
    for line_id in command.line_ids:
        for tab_id, share in _shares(draft, command.floor, command.from_tab_id, line_id):
            if tab_id != command.to_tab_id:
                moving.setdefault(tab_id, []).append(share)
    for from_tab_id, shares in moving.items():
        source = draft.session.tabs[from_tab_id]
        if command.to_tab_id not in draft.session.tabs and command.to_tab_id not in draft.session.closed:
            draft.record(_beside(source, command.to_tab_id, command.table_ref))
        into = draft.session.tabs.get(command.to_tab_id)
        if into is None or not _movable(source, into) or set(shares) & set(into.lines):
            draft.record(TabConflict(tab_id=from_tab_id, about="move"))
        else:
            consume(draft, from_tab_id)
            _flag_waived(draft, from_tab_id)
            source = draft.session.tabs[from_tab_id]
            move(draft, from_tab_id, command.to_tab_id, shares, source=source, into=into)


def post_table(draft: Draft, command: commands.PostTable) -> None:
    """Follow the party, with all tabs made of its own; nothing when they are at this table, or gone."""
    for tab_id, tab in draft.session.tabs.items():
        if command.tab_id in (tab_id, tab.branch_of) and tab.table_ref != command.table_ref:
            draft.record(TabTransferred(tab_id=tab_id, owner=tab.owner, table_ref=command.table_ref))


def post_merge(draft: Draft, command: commands.PostMerge) -> None:
    """Put two tabs together; nothing when one is gone, a flag when money was taken."""
    source = draft.session.tabs.get(command.from_tab_id)
    if source is None or command.from_tab_id == command.into_tab_id:
        return
    if command.into_tab_id not in draft.session.tabs and command.into_tab_id not in draft.session.closed:
        draft.record(_beside(source, command.into_tab_id, source.table_ref))
    into = draft.session.tabs.get(command.into_tab_id)
    if into is None or not _movable(source, into) or set(source.lines) & set(into.lines):
        draft.record(TabConflict(tab_id=command.from_tab_id, about="merge"))
        return
    consume(draft, command.from_tab_id)
    _flag_waived(draft, command.from_tab_id)
    source = draft.session.tabs[command.from_tab_id]
    merge(draft, command.from_tab_id, command.into_tab_id, source=source, into=into)


def post_unmerge(draft: Draft, command: commands.PostUnmerge) -> None:
    """Bring a merged tab back with its lines."""
    into = draft.session.tabs.get(command.into_tab_id)
    table_ref = None if into is None else into.table_ref
    post_move(
        draft,
        commands.PostMove(
            floor=command.floor,
            from_tab_id=command.into_tab_id,
            to_tab_id=command.from_tab_id,
            table_ref=table_ref,
            line_ids=command.line_ids,
        ),
    )


def _beside(tab: Tab, tab_id: str, table_ref: str | None) -> TabOpened:
    return TabOpened(
        tab_id=tab_id,
        opened_by=tab.owner,
        table_ref=tab.table_ref if table_ref is None else table_ref,
        floor=tab.floor,
        order_type=tab.order_type,
        gratuity_ppm=tab.merged_ppm.get(tab_id, tab.gratuity_ppm or tab.waived_ppm),
    )


def _flag_waived(draft: Draft, tab_id: str) -> None:
    """Flag lines that go elsewhere without the service that was waived for them beyond what was allowed."""
    if beyond_waived(draft, tab_id) is not None:
        draft.record(TabConflict(tab_id=tab_id, about="gratuity"))


def _movable(source: Tab, into: Tab) -> bool:
    """Whether no money stands in the way."""
    return (
        source.status == "OPEN"
        and into.status == "OPEN"
        and not source.paid_minor
        and not (source.training or into.training)
    )
