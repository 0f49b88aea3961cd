"""How events change tabs and their lines."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from msgspec.structs import replace

from services.pos import domain_tab_events as events
from services.pos.domain_fold_stock import adjusted, unsold
from services.pos.domain_session import Payment, Session, Tab, without
from services.pos.domain_terms import AppliedDiscount, Line

MERGED_REMEMBERED: Final = 50

OnOpenTab = (
    events.TabOpened
    | events.LineAdded
    | events.LineQtyChanged
    | events.LineRemoved
    | events.LineVoided
    | events.LineComped
    | events.DiscountApplied
    | events.DiscountRemoved
    | events.GratuityWaived
    | events.LinesSent
    | events.BillPrinted
    | events.TabVoided
    | events.TabSplit
    | events.TabsMerged
    | events.LinesMoved
    | events.TabTransferred
    | events.TabBalanceChanged
)


def evolve_tab(session: Session, event: OnOpenTab) -> Session:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """The session after something happened to one of its tabs."""
    match event:
        case events.TabOpened():
            return _opened(session, event)
        case events.LineAdded():
            return _line_added(session, event)
        case events.LineQtyChanged(tab_id=tab_id, line_id=line_id, to=qty, firm_milli=firm, version=version):
            line = session.tabs[tab_id].lines[line_id]
            session = adjusted(session, line.sku, sold=firm - line.firm_milli)
            return _with_line(session, tab_id, line_id, replace(line, qty_milli=qty, firm_milli=firm, version=version))
        case events.LineRemoved(tab_id=tab_id, line_id=line_id):
            line = session.tabs[tab_id].lines[line_id]
            return without_lines(unsold(session, line, line.qty_milli), tab_id, (line_id,))
        case events.LineVoided():
            return _voided(session, event)
        case events.LineComped(tab_id=tab_id, line_id=line_id):
            line = session.tabs[tab_id].lines[line_id]
            session = _with_line(session, tab_id, line_id, replace(line, comped=True, version=line.version + 1))
            return _voided_of(session, line.share_of, event.value_minor)
        case events.DiscountApplied():
            return _discounted(session, event)
        case events.DiscountRemoved(tab_id=tab_id, discount_id=discount_id, line_id=line_id):
            taken = (discount_id, line_id)
            kept = tuple(each for each in session.tabs[tab_id].discounts if (each.discount_id, each.line_id) != taken)
            return with_tab(session, tab_id, discounts=kept)
        case events.GratuityWaived():
            return _unserved(session, event)
        case events.LinesSent(tab_id=tab_id, deltas=deltas):
            for delta in deltas:
                line = session.tabs[tab_id].lines[delta.line_id]
                session = _with_line(
                    session, tab_id, delta.line_id, replace(line, sent_milli=line.sent_milli + delta.qty_milli)
                )
            return session
        case events.BillPrinted(tab_id=tab_id):
            return with_tab(session, tab_id, bill_printed=True)
        case events.TabVoided(tab_id=tab_id, value_minor=value, shares=shares):
            session = _given_up(session, tab_id, value)
            for root, minor in shares.items():
                session = _voided_of(session, root, minor)
            return session
        case events.TabSplit():
            return _split(session, event)
        case events.TabsMerged():
            return _merged(session, event)
        case events.LinesMoved(from_tab_id=source, to_tab_id=into, line_ids=line_ids):
            session = _moved(session, source, into, line_ids)
            session = with_tab(session, source, discounts=event.from_discounts)
            session = _limited(session, source, event.waived_limit_minor)
            session = with_tab(session, into, discounts=event.to_discounts)
            return _limited(session, into, event.to_waived_limit_minor)
        case events.TabTransferred(tab_id=tab_id, owner=owner, table_ref=table_ref):
            return with_tab(session, tab_id, owner=owner, table_ref=table_ref)
        case events.TabBalanceChanged(tab_id=tab_id, total_minor=total):
            return with_tab(session, tab_id, total_minor=total) if tab_id in session.tabs else session
        case _:
            assert_never(event)


def with_tab(session: Session, tab_id: str, **changes: Any) -> Session:
    """With some fields of a tab changed."""
    return replace(session, tabs={**session.tabs, tab_id: replace(session.tabs[tab_id], **changes)})


def voided_more(session: Session, value_minor: int) -> Session:
    """With one more void in the day's report."""
    totals = session.day_totals
    return session.with_day_totals(replace(totals, voids=totals.voids + 1, void_minor=totals.void_minor + value_minor))


def without_lines(session: Session, tab_id: str, line_ids: tuple[str, ...]) -> Session:
    """Without these lines and what was taken off them."""
    tab = session.tabs[tab_id]
    lines = {line_id: line for line_id, line in tab.lines.items() if line_id not in line_ids}
    discounts = tuple(each for each in tab.discounts if each.line_id not in line_ids)
    return with_tab(session, tab_id, lines=lines, discounts=discounts)


def _opened(session: Session, event: events.TabOpened) -> Session:
    tab = Tab(
        owner=event.opened_by,
        name=event.name,
        guest_count=event.guest_count,
        table_ref=event.table_ref,
        floor=event.floor,
        branch_of=event.instead_of,
        order_type=event.order_type,
        gratuity_ppm=event.gratuity_ppm,
        training=event.training,
    )
    return replace(session, tabs={**session.tabs, event.tab_id: tab})


def _line_added(session: Session, event: events.LineAdded) -> Session:
    line = Line(
        sku=event.sku,
        qty_milli=event.qty_milli,
        unit_price_minor=event.unit_price_minor,
        price_version=event.price_version,
        price_book=event.price_book,
        combo=event.combo,
        combo_key=event.combo_key,
        combo_parts=event.combo_parts,
        modifiers=event.modifiers,
        tax_ids=event.tax_ids,
        seat=event.seat,
        course=event.course,
        note=event.note,
        station=event.station,
        tracked=event.tracked,
        sent_milli=event.sent_milli,
        firm_milli=event.firm_milli,
        gratuity_ppm=0 if event.stored_value else session.tabs[event.tab_id].gratuity_ppm,
        stored_value=event.stored_value,
        account_id=event.account_id,
    )
    return _with_line(adjusted(session, line.sku, sold=line.firm_milli), event.tab_id, event.line_id, line)


def _voided_of(session: Session, root: str | None, minor: int) -> Session:
    """With so much more voided of a line that was split, as each of its shares knows."""
    for tab_id, tab in session.tabs.items() if root else ():
        shares = {
            line_id: replace(line, voided_minor=line.voided_minor + minor)
            for line_id, line in tab.lines.items()
            if line.share_of == root
        }
        if shares:
            session = with_tab(session, tab_id, lines={**tab.lines, **shares})
    return session


def _voided(session: Session, event: events.LineVoided) -> Session:
    tab_id, line_id, qty = event.tab_id, event.line_id, event.qty_milli
    line = session.tabs[tab_id].lines[line_id]
    made = min(qty, line.sent_milli)
    counted = event.counted_minor
    if counted is None:
        counted = event.value_minor if made or line.made else 0
    session = unsold(session, line, qty)
    if line.tracked and not event.restocked:
        session = adjusted(session, line.sku, on_hand=-made)
    session = session if event.training else voided_more(session, event.value_minor)
    if qty >= line.qty_milli:
        return _voided_of(without_lines(session, tab_id, (line_id,)), line.share_of, counted)
    rest = replace(
        line,
        qty_milli=line.qty_milli - qty,
        sent_milli=line.sent_milli - made,
        firm_milli=max(0, line.firm_milli - qty),
        share_minor=None if line.share_minor is None else max(0, line.share_minor - event.value_minor),
        voided_minor=line.voided_minor + (0 if line.share_of else counted),
        version=line.version + 1,
    )
    return _voided_of(_with_line(session, tab_id, line_id, rest), line.share_of, counted)


def _discounted(session: Session, event: events.DiscountApplied) -> Session:
    discount = AppliedDiscount(
        discount_id=event.discount_id,
        version=event.version,
        line_id=event.line_id,
        ppm=event.ppm,
        amount_minor=event.amount_minor,
        combinable=event.combinable,
        given_id=event.given_id,
        limit_minor=event.limit_minor,
    )
    return with_tab(session, event.tab_id, discounts=(*session.tabs[event.tab_id].discounts, discount))


def _unserved(session: Session, event: events.GratuityWaived) -> Session:
    tab = session.tabs[event.tab_id]
    rate = tab.gratuity_ppm if event.waived_ppm is None else event.waived_ppm
    return with_tab(
        session,
        event.tab_id,
        lines={key: replace(line, gratuity_ppm=0) for key, line in tab.lines.items()},
        gratuity_ppm=0,
        waived_ppm=0 if event.limit_minor is None else rate,
        waived_limit_minor=event.limit_minor,
    )


def _limited(session: Session, tab_id: str, waived_limit_minor: int | None) -> Session:
    """With another limit for waived service; as before without one."""
    if waived_limit_minor is None:
        return session
    return with_tab(session, tab_id, waived_limit_minor=waived_limit_minor)


def _merged(session: Session, event: events.TabsMerged) -> Session:
    source, into = session.tabs[event.from_], session.tabs[event.into]
    session = _moved(session, event.from_, event.into, event.line_ids)
    session = replace(
        session,
        tabs=without(session.tabs, event.from_),
        payments=_without_ended(session.payments, event.from_),
    )
    session = with_tab(
        session,
        event.into,
        discounts=event.discounts,
        floor=into.floor or source.floor,
        customer=into.customer or source.customer,
    )
    if event.gratuity_ppm is not None:
        rates = {**into.merged_ppm, **source.merged_ppm, event.from_: event.gratuity_ppm}
        session = with_tab(session, event.into, merged_ppm=dict([*rates.items()][-MERGED_REMEMBERED:]))
    return _limited(session, event.into, event.waived_limit_minor)


def _given_up(session: Session, tab_id: str, value_minor: int) -> Session:
    for line in session.tabs[tab_id].lines.values():
        session = unsold(session, line, line.qty_milli)
        if line.tracked:
            session = adjusted(session, line.sku, on_hand=-line.sent_milli)
    session = voided_more(session, value_minor) if value_minor and not session.tabs[tab_id].training else session
    return replace(
        session,
        tabs=without(session.tabs, tab_id),
        payments={key: payment for key, payment in session.payments.items() if payment.tab_id != tab_id},
    )


def _split(session: Session, event: events.TabSplit) -> Session:
    source = session.tabs[event.tab_id]
    tabs: dict[str, Tab] = {
        **session.tabs,
        event.tab_id: replace(source, lines=event.kept.lines, discounts=event.kept.discounts),
    }
    if event.kept.waived_limit_minor is not None:
        limit = event.kept.waived_limit_minor
        tabs[event.tab_id] = replace(tabs[event.tab_id], waived_limit_minor=limit)
    for child in event.children:
        tabs[child.tab_id] = Tab(
            owner=source.owner,
            name=source.name,
            table_ref=source.table_ref,
            floor=source.floor,
            branch_of=source.branch_of or event.tab_id,
            order_type=source.order_type,
            gratuity_ppm=source.gratuity_ppm,
            merged_ppm=source.merged_ppm,
            training=source.training,
            customer=source.customer,
            lines=child.lines,
            discounts=child.discounts,
            waived_ppm=0 if child.waived_limit_minor is None else source.waived_ppm,
            waived_limit_minor=child.waived_limit_minor,
        )
    return replace(session, tabs=tabs)


def _without_ended(payments: Mapping[str, Payment], tab_id: str) -> Mapping[str, Payment]:
    return {key: each for key, each in payments.items() if each.tab_id != tab_id or each.status == "stored"}


def _moved(session: Session, source: str, into: str, line_ids: tuple[str, ...]) -> Session:
    moving: Mapping[str, Line] = {line_id: session.tabs[source].lines[line_id] for line_id in line_ids}
    session = without_lines(session, source, line_ids)
    return with_tab(session, into, lines={**session.tabs[into].lines, **moving})


def _with_line(session: Session, tab_id: str, line_id: str, line: Line) -> Session:
    return with_tab(session, tab_id, lines={**session.tabs[tab_id].lines, line_id: line})
