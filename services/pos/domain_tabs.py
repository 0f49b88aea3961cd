"""Tabs and their lines: opening, ordering, changing, giving away, discounting."""

from collections.abc import Collection, Mapping

from holdfast import NotFound, StateConflict, ValidationFailed, VersionConflict
from holdfast.money import check_currency, minor
from services.pos import domain_errors as refusals
from services.pos import domain_tab_commands as commands
from services.pos import domain_tab_events as events
from services.pos.domain_approval import approved_by, check_reason
from services.pos.domain_bounds import check_amounts, check_lines
from services.pos.domain_charges import check_ordinary, value_account
from services.pos.domain_combos import apart, check_whole, combo_of
from services.pos.domain_draft import Draft
from services.pos.domain_prices import check_modifiers, price_of, taxes_of
from services.pos.domain_pricing import Bill, gratuity_of
from services.pos.domain_session import Tab
from services.pos.domain_settings import begin_location
from services.pos.domain_stock import (
    check_available,
    check_qty,
    consume,
    firm_qty,
    item_of,
    item_of_line,
    release_all,
    reserve,
    taken_from_stock,
)
from services.pos.domain_terms import Line, SentDelta


def open_tab(draft: Draft, command: commands.OpenTab) -> None:
    """Open a tab; nothing when this waiter has just opened the same one."""
    known = draft.session.tabs.get(command.tab_id)
    wanted = (draft.ctx.actor.user, command.name, command.guest_count, command.table_ref, command.order_type)
    if known is not None and not known.lines and known.status == "OPEN" and _opened_as(known) == wanted:
        return
    check_free(draft, command.tab_id)
    if not draft.session.settings_version:
        begin_location(draft)
    if draft.session.day is None:
        raise refusals.DayClosed("open the business day first (open_day)")
    draft.record(
        events.TabOpened(
            tab_id=command.tab_id,
            opened_by=draft.ctx.actor.user,
            name=command.name,
            guest_count=command.guest_count,
            table_ref=command.table_ref,
            order_type=command.order_type,
            gratuity_ppm=gratuity_of(draft.settings, command.guest_count),
            training=draft.in_training,
        )
    )


def _opened_as(tab: Tab) -> tuple[object, ...]:
    return (tab.owner, tab.name, tab.guest_count, tab.table_ref, tab.order_type)


def check_free(draft: Draft, tab_id: str) -> None:
    """Refuse the id of a tab that is there or was closed."""
    if tab_id in draft.session.tabs or tab_id in draft.session.closed:
        raise refusals.TabExists("tab_id: this one is taken; make a new one")


def add_line(draft: Draft, command: commands.AddLine) -> None:
    """Put an item on a tab; nothing when this very line is on it."""
    tab = draft.open_tab(command.tab_id)
    item = item_of(draft.session, command.sku)
    if item.combo:
        raise refusals.ComboInvalid("sku: this is a combo; add_combo names its parts")
    check_currency(command.currency, draft.settings.currency)
    check_qty(item, command.qty_milli)
    known = tab.lines.get(command.line_id)
    if known is not None:
        if _is_same(known, command) and known.account_id == value_account(draft, item, command):
            return
        raise refusals.LineExists("line_id: this one is taken; make a new one")
    account_id = value_account(draft, item, command)
    check_modifiers(draft, item, command.modifiers)
    price = price_of(draft.session, command.sku, item, tab.order_type, draft.ctx.now)
    tracked, firm = taken_from_stock(draft, command.tab_id, command.sku, item, command.qty_milli)
    draft.record(
        events.LineAdded(
            tab_id=command.tab_id,
            line_id=command.line_id,
            sku=command.sku,
            qty_milli=command.qty_milli,
            unit_price_minor=_price(draft, command, price.minor, free=account_id is not None),
            price_version=price.version,
            price_book=price.book,
            modifiers=command.modifiers,
            tax_ids=taxes_of(item, tab.order_type),
            seat=command.seat,
            course=command.course,
            note=command.note,
            station=item.station,
            tracked=tracked,
            firm_milli=firm,
            stored_value=item.stored_value,
            account_id=account_id,
        )
    )
    check_lines(draft, command.tab_id)
    check_amounts(draft, command.tab_id)


def _is_same(line: Line, command: commands.AddLine) -> bool:
    """Whether the line is what is asked for, at whatever price it was then."""
    asked = (command.sku, command.qty_milli, command.modifiers, command.seat, command.course)
    price = command.unit_price_minor
    found = (line.sku, line.qty_milli, line.modifiers, line.seat, line.course)
    return found == asked and price in {None, line.unit_price_minor}


def _price(draft: Draft, command: commands.AddLine, price_minor: int, *, free: bool) -> int:
    """The price of now; another one is a manager's to give, but for what is put on an account at any price."""
    if command.unit_price_minor is None:
        return price_minor
    wanted = minor(command.unit_price_minor, "unit_price_minor")
    if wanted < 0:
        raise ValidationFailed("unit_price_minor: not below 0")
    if wanted != price_minor and not free and not draft.is_manager:
        raise refusals.PriceOverrideForbidden(f"leave out unit_price_minor: it is {price_minor}")
    return wanted


def set_line_qty(draft: Draft, command: commands.SetLineQty) -> None:
    """Change how many of a line; nothing when it has so many."""
    tab_id, line = draft.line(command.line_id, command.tab_id)
    if command.expected_version != line.version:
        raise VersionConflict(f"the line is at version {line.version}; look at it again", version=line.version)
    if command.qty_milli == line.qty_milli:
        return
    if line.share_minor is not None:
        raise StateConflict("this is a share of a line that was split; void it, or add another line")
    check_ordinary(line)
    if line.comped:
        raise StateConflict("this line is given away; add another line for more")
    if line.combo is not None:
        raise StateConflict("this is a part of a combo; add another combo, or remove this part", combo=line.combo)
    check_qty(item_of_line(draft.session, line), command.qty_milli)
    if command.qty_milli < line.sent_milli:
        raise refusals.LineSent("the kitchen has more of it: void the difference", sent_milli=line.sent_milli)
    more = command.qty_milli - line.qty_milli
    firm = line.firm_milli
    if more > 0:
        _check_more(draft, tab_id, line, more)
    if line.tracked and more > 0:
        extra = firm_qty(draft.session, tab_id, line.sku, more)
        check_available(draft.session, line.sku, extra)
        firm += extra
    elif line.tracked:
        firm = max(0, firm + more)
    draft.record(
        events.LineQtyChanged(
            tab_id=tab_id,
            line_id=command.line_id,
            from_=line.qty_milli,
            to=command.qty_milli,
            firm_milli=firm,
            version=line.version + 1,
        )
    )
    check_amounts(draft, tab_id)
    check_worth(draft, tab_id, refusals.LinePaid)


def _check_more(draft: Draft, tab_id: str, line: Line, more_milli: int) -> None:
    """Refuse more of what is sold out by word of mouth, and more at a price that is not that of now."""
    if line.sku in draft.session.eighty_six and not line.tracked:
        check_available(draft.session, line.sku, more_milli)
    item = draft.session.items.get(line.sku)
    if item is None or draft.is_manager:
        return
    price = price_of(draft.session, line.sku, item, draft.session.tabs[tab_id].order_type, draft.ctx.now)
    if price.minor != line.unit_price_minor:
        raise refusals.PriceOverrideForbidden(f"it is {price.minor} by now: add another line for more")


def check_worth(draft: Draft, tab_id: str, refusal: type[refusals.LinePaid | refusals.TabPaid]) -> None:
    """Refuse what makes a tab worth less than what was paid for it."""
    tab = draft.session.tabs[tab_id]
    if tab.paid_minor and draft.bill(tab_id).due_minor < tab.paid_minor:
        raise refusal(f"{tab.paid_minor} is paid already: close the tab and refund", paid_minor=tab.paid_minor)


def remove_line(draft: Draft, command: commands.RemoveLine) -> None:
    """Take a line off that the kitchen does not have, with the other parts of its combo: what stays would cost less alone."""
    tab_id, line = draft.line(command.line_id, command.tab_id)
    going = combo_of(command.line_id, draft.session.tabs[tab_id].lines)
    if any(each.is_made for each in going.values()):
        hint = "the kitchen has it, or another part of its combo: void it with a reason"
        raise refusals.LineSent(hint, sent_milli=line.sent_milli)
    check_whole(going)
    draft.record(*(events.LineRemoved(tab_id=tab_id, line_id=line_id) for line_id in going))
    check_worth(draft, tab_id, refusals.LinePaid)


def void_line(draft: Draft, command: commands.VoidLine) -> None:
    """Take some or all of a line off, for a reason."""
    tab_id, line = draft.line(command.line_id, command.tab_id)
    qty = line.qty_milli if command.qty_milli is None else command.qty_milli
    if not min(1, line.qty_milli) <= qty <= line.qty_milli:
        raise refusals.QtyInvalid(f"qty_milli: 1 to {line.qty_milli}", qty_milli=qty)
    if qty < line.qty_milli and line.share_minor is None:
        check_qty(item_of_line(draft.session, line), qty)
    check_reason(draft, command.reason_code)
    value = worth(draft, tab_id, command.line_id, qty)
    counted = countable_void(line, value) if line.is_made or line.combo else 0
    approver = approved_by(
        draft,
        command.approver,
        action="void",
        tab_id=tab_id,
        value_minor=line.voided_minor + counted if line.is_made or line.combo else 0,
        limit_minor=draft.settings.void_limit_minor,
    )
    draft.record(
        events.LineVoided(
            tab_id=tab_id,
            line_id=command.line_id,
            sku=line.sku,
            qty_milli=qty,
            reason_code=command.reason_code,
            value_minor=value,
            restocked=command.restock,
            approved_by=approver,
            floor=draft.session.tabs[tab_id].floor if qty else None,
            counted_minor=counted,
        )
    )
    check_worth(draft, tab_id, refusals.LinePaid)


def worth(draft: Draft, tab_id: str, line_id: str, qty_milli: int) -> int:
    """The price of so much of a line, before discounts."""
    line = draft.session.tabs[tab_id].lines[line_id]
    return _portion(draft.bill(tab_id), line_id, line, qty_milli)


def _portion(bill: Bill, line_id: str, line: Line, qty_milli: int) -> int:
    gross = bill.lines[line_id].gross_minor
    # A split by amounts may leave a share of less than a thousandth.
    return gross * qty_milli // line.qty_milli if line.qty_milli else gross


def countable_void(line: Line, value_minor: int) -> int:
    """What voiding so much of a line adds to what was voided of it; a share that was given away is counted already."""
    return 0 if line.comped and line.share_of else value_minor


def comp_line(draft: Draft, command: commands.CompLine) -> None:
    """Give a line away; nothing when it is given away already."""
    tab_id, line = draft.line(command.line_id, command.tab_id)
    if line.comped:
        return
    check_ordinary(line)
    check_reason(draft, command.reason_code)
    value = worth(draft, tab_id, command.line_id, line.qty_milli)
    limit = draft.settings.void_limit_minor
    counted = value + (line.voided_minor if line.share_of else 0)
    approver = approved_by(
        draft, command.approver, action="comp", tab_id=tab_id, value_minor=counted, limit_minor=limit
    )
    draft.record(
        events.LineComped(
            tab_id=tab_id,
            line_id=command.line_id,
            reason_code=command.reason_code,
            value_minor=value,
            approved_by=approver,
        )
    )
    check_worth(draft, tab_id, refusals.LinePaid)


def send_to_kitchen(draft: Draft, command: commands.SendToKitchen) -> None:
    """Send what the kitchen does not have; what is being made is not held any more but sold."""
    tab = draft.open_tab(command.tab_id)
    for line_id in command.line_ids:
        if line_id not in tab.lines:
            raise NotFound("there is no such line on this tab")
    wanted = command.line_ids or tuple(tab.lines)
    deltas = tuple(_delta(line_id, line) for line_id, line in tab.lines.items() if line_id in wanted and _unsent(line))
    if not deltas:
        raise refusals.NothingToSend("the kitchen has all of it")
    if any(tab.lines[delta.line_id].tracked for delta in deltas):
        reserve(draft, command.tab_id)
        consume(draft, command.tab_id)
    draft.record(events.LinesSent(tab_id=command.tab_id, ticket_id=draft.ctx.new_id("ticket"), deltas=deltas))


def _unsent(line: Line) -> int:
    return line.qty_milli - line.sent_milli


def _delta(line_id: str, line: Line) -> SentDelta:
    return SentDelta(
        line_id=line_id,
        sku=line.sku,
        qty_milli=_unsent(line),
        station=line.station,
        seat=line.seat,
        course=line.course,
        note=line.note,
    )


def print_bill(draft: Draft, command: commands.PrintBill) -> None:
    """Bring the bill, also a second time: each print is a fact."""
    tab = draft.tab(command.tab_id)
    draft.record(
        events.BillPrinted(
            tab_id=command.tab_id,
            currency=draft.settings.currency,
            totals=draft.bill(command.tab_id).totals(tab),
            table_ref=tab.table_ref,
        )
    )


def void_tab(draft: Draft, command: commands.VoidTab) -> None:
    """Give up a tab; lines that the kitchen has, and parts of combos that are not whole here, need a reason, as voiding each of them would."""
    tab = draft.tab(command.tab_id)
    if tab.status == "PAYING":
        raise refusals.PaymentInProgress("wait for the outcome of its payment")
    if tab.paid_minor or tab.status == "PAID":
        raise refusals.TabPaid("money was taken for it: close it and refund", paid_minor=tab.paid_minor)
    parts = apart(tab.lines)
    made = {line_id: line for line_id, line in tab.lines.items() if line.is_made or line_id in parts}
    values = _values(draft.bill(command.tab_id), made, parts)
    counted = {line_id: countable_void(line, values[line_id]) for line_id, line in made.items()}
    approver = _voiding(draft, command, made, sum(counted.values())) if made else None
    release_all(draft, command.tab_id)
    portions = (events.SentPortion(line_id=line_id, qty_milli=line.sent_milli) for line_id, line in made.items())
    draft.record(
        events.TabVoided(
            tab_id=command.tab_id,
            value_minor=sum(values.values()),
            reason_code=command.reason_code,
            approved_by=approver,
            floor=tab.floor,
            sent=() if tab.floor is None else tuple(portion for portion in portions if portion.qty_milli),
            shares=_by_root(made, counted),
        )
    )


def _values(bill: Bill, made: Mapping[str, Line], parts: Collection[str]) -> Mapping[str, int]:
    """What the kitchen had of each line is worth, and all of these parts of combos."""
    return {
        line_id: _portion(bill, line_id, line, line.qty_milli if line_id in parts else line.sent_milli)
        for line_id, line in made.items()
    }


def _voiding(draft: Draft, command: commands.VoidTab, made: Mapping[str, Line], value_minor: int) -> str | None:
    """Who approved that these lines are voided, with what was voided of each, and of its other shares, before."""
    check_reason(draft, command.reason_code)
    before = {line.share_of or line_id: line.voided_minor for line_id, line in made.items()}
    return approved_by(
        draft,
        command.approver,
        action="void",
        tab_id=command.tab_id,
        value_minor=value_minor + sum(before.values()),
        limit_minor=draft.settings.void_limit_minor,
    )


def _by_root(made: Mapping[str, Line], values: Mapping[str, int]) -> dict[str, int]:
    """What shares are worth, by what those of one line have in common."""
    roots: dict[str, int] = {}
    for line_id, line in made.items():
        if line.share_of is not None:
            roots[line.share_of] = roots.get(line.share_of, 0) + values[line_id]
    return roots


def transfer_tab(draft: Draft, command: commands.TransferTab) -> None:
    """Give a tab to another waiter or table; nothing when it is there."""
    tab = draft.tab(command.tab_id)
    owner = command.owner or tab.owner
    table_ref = tab.table_ref if command.table_ref is None else command.table_ref
    if (owner, table_ref) != (tab.owner, tab.table_ref):
        draft.record(events.TabTransferred(tab_id=command.tab_id, owner=owner, table_ref=table_ref))
