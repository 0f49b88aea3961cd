"""Stock and holds: what can be promised, for how long, and to which tab."""

from datetime import datetime, timedelta
from typing import Final

from holdfast import StateConflict, TooLarge
from services.pos import domain_errors as refusals
from services.pos import domain_stock_commands as commands
from services.pos import domain_stock_events as events
from services.pos.domain_bounds import MOST_HOLDS
from services.pos.domain_draft import Draft
from services.pos.domain_session import Hold, Session, Stock, Tab
from services.pos.domain_terms import ONE, Item, Line


def item_of(session: Session, sku: str) -> Item:
    """An item of the catalogue."""
    item = session.items.get(sku)
    if item is None:
        raise refusals.UnknownSku(f"the catalogue has no {sku!r}; a manager adds it by set_item", sku=sku)
    return item


def item_of_line(session: Session, line: Line) -> Item:
    """What the catalogue says of the item of a line, or else the line itself: facts bring what no catalogue has."""
    shown = Item(price_minor=line.unit_price_minor, weighed=line.qty_milli % ONE != 0)
    return session.items.get(line.sku, shown)


MOST_MILLI: Final = 10**9
"""A million pieces on one line, as the floor takes them."""


def check_qty(item: Item, qty_milli: int) -> None:
    """Refuse nothing, less than nothing, more than a line takes, and fractions of what is not weighed."""
    if qty_milli <= 0 or (qty_milli % ONE and not item.weighed):
        allowed = "above 0" if item.weighed else "a positive multiple of 1000"
        raise refusals.QtyInvalid(f"qty_milli: {allowed}", qty_milli=qty_milli)
    if qty_milli > MOST_MILLI:
        raise refusals.QtyInvalid(f"qty_milli: {MOST_MILLI} at most", qty_milli=qty_milli)


def available(session: Session, sku: str) -> int:
    """How much of an item can be promised; nothing of what is sold out by word of mouth."""
    return 0 if sku in session.eighty_six else session.stock.get(sku, Stock()).available_milli


def covered(session: Session, tab_id: str, sku: str) -> int:
    """How much of an item the tab holds beyond what its lines rely on; negative when holds have expired."""
    held = sum(hold.qty_milli for _, hold in holds_of(session, tab_id) if hold.sku == sku)
    return held - _relying(session.tabs[tab_id], sku)


def firm_qty(session: Session, tab_id: str, sku: str, qty_milli: int) -> int:
    """How much of so many more must come from what is available, because the tab does not hold it."""
    return qty_milli - min(qty_milli, max(0, covered(session, tab_id, sku)))


def check_available(session: Session, sku: str, qty_milli: int) -> None:
    """Refuse to promise more than there is."""
    there = available(session, sku)
    if qty_milli > there:
        raise refusals.InsufficientStock(f"only {max(there, 0)} thousandths of {sku!r} are left", available=there)


def taken_from_stock(draft: Draft, tab_id: str, sku: str, item: Item, qty_milli: int) -> tuple[bool, int]:
    """Whether so much more counts as stock, and what of it no hold covers; refused when there is not so much."""
    tracked = item.tracked and not draft.session.tabs[tab_id].training
    firm = firm_qty(draft.session, tab_id, sku, qty_milli) if tracked else 0
    if tracked or sku in draft.session.eighty_six:
        check_available(draft.session, sku, firm or (0 if tracked else qty_milli))
    return tracked, firm


def place_hold(draft: Draft, command: commands.PlaceHold) -> None:
    """Keep some of an item for an open tab; nothing when this very hold stands already."""
    if draft.open_tab(command.tab_id).training:
        raise refusals.TrainingTerminal("nothing is held for practice: leave the hold out")
    check_qty(item_of(draft.session, command.sku), command.qty_milli)
    standing = draft.session.holds.get(command.hold_id)
    wanted = (command.tab_id, command.sku, command.qty_milli)
    if standing is not None and (standing.tab_id, standing.sku, standing.qty_milli) == wanted:
        return
    if standing is not None:
        raise StateConflict("hold_id: this one is used already; choose another")
    if sum(1 for _ in holds_of(draft.session, command.tab_id)) >= MOST_HOLDS:
        raise TooLarge(f"a tab has {MOST_HOLDS} holds at most: hold more of an item at once", maximum=MOST_HOLDS)
    check_available(draft.session, command.sku, command.qty_milli)
    draft.record(
        events.HoldPlaced(
            hold_id=command.hold_id,
            tab_id=command.tab_id,
            sku=command.sku,
            qty_milli=command.qty_milli,
            expires_at=_until(draft, command.ttl_s),
        )
    )


def extend_hold(draft: Draft, command: commands.ExtendHold) -> None:
    """Keep it for another while from now, once."""
    hold = _hold(draft.session, command.hold_id)
    if hold.extended:
        raise refusals.ExtensionLimit("a hold is extended once; release it and place another")
    expires_at = max(hold.expires_at, _until(draft, command.ttl_s))
    draft.record(events.HoldExtended(hold_id=command.hold_id, expires_at=expires_at))


def release_hold(draft: Draft, command: commands.ReleaseHold) -> None:
    """Let a hold go, unless a payment relies on it."""
    hold = _hold(draft.session, command.hold_id)
    if hold.pinned:
        raise refusals.PaymentInProgress("a payment relies on this hold; wait for its outcome")
    draft.record(_released(command.hold_id, hold))


def adjust_stock(draft: Draft, command: commands.AdjustStock) -> None:
    """Count goods in or out; nothing for a difference of zero."""
    item_of(draft.session, command.sku)
    if not command.reason:
        raise refusals.ReasonRequired("reason: say why the stock is another one")
    stock = draft.session.stock.get(command.sku, Stock())
    if not command.delta_milli:
        return
    if command.delta_milli < 0 and stock.available_milli + command.delta_milli < 0:
        raise refusals.InsufficientStock(
            f"{stock.held_milli + stock.sold_milli} thousandths are held or sold; void those first",
            available=stock.available_milli,
        )
    draft.record(
        events.StockAdjusted(
            sku=command.sku,
            delta_milli=command.delta_milli,
            on_hand_milli=stock.on_hand_milli + command.delta_milli,
            reason=command.reason,
        )
    )


def set_eighty_six(draft: Draft, command: commands.SetEightySix) -> None:
    """Tell everyone that an item is sold out, or back; nothing when they know."""
    item_of(draft.session, command.sku)
    if (command.sku in draft.session.eighty_six) == command.unavailable:
        return
    seated = {tab.floor: None for tab in draft.session.tabs.values() if tab.floor is not None}
    floors = tuple(dict.fromkeys((*draft.settings.floors, *seated)))
    said = events.ItemEightySixed if command.unavailable else events.ItemBack
    draft.record(said(sku=command.sku, floors=floors))


def reserve(draft: Draft, tab_id: str) -> None:
    """Hold anew what the tab's lines rely on and holds no longer cover; `HOLD_EXPIRED` names lines that cannot be."""
    tab = draft.session.tabs[tab_id]
    lacking: list[str] = []
    for sku in dict.fromkeys(line.sku for line in tab.lines.values() if line.firm_milli < line.qty_milli):
        short = -covered(draft.session, tab_id, sku)
        if not _relying(tab, sku) or short <= 0:
            continue
        if short > available(draft.session, sku):
            lacking += [line_id for line_id in tab.lines if _relies(tab, line_id, sku)]
            continue
        draft.record(_held_anew(draft, tab_id, sku, short))
    if lacking:
        raise refusals.HoldExpired("these lines are held no longer and sold out: take them off", lines=lacking)


def consume(draft: Draft, tab_id: str) -> None:
    """Let what the tab holds count as sold by its lines, and free the rest."""
    for hold_id, hold in holds_of(draft.session, tab_id):
        relied = min(hold.qty_milli, _relying(draft.session.tabs[tab_id], hold.sku))
        if relied:
            draft.record(events.HoldConsumed(hold_id=hold_id, tab_id=tab_id, sku=hold.sku, qty_milli=relied))
        else:
            draft.record(_released(hold_id, hold))


def release_all(draft: Draft, tab_id: str) -> None:
    """Let everything go that the tab holds."""
    draft.record(*(_released(hold_id, hold) for hold_id, hold in holds_of(draft.session, tab_id)))


def holds_of(session: Session, tab_id: str) -> list[tuple[str, Hold]]:
    """What a tab holds."""
    return [(hold_id, session.holds[hold_id]) for hold_id in session.tabs[tab_id].holds]


def oversold(draft: Draft, tab_id: str, line_id: str, sku: str) -> None:
    """Flag a line that took more than there was."""
    short = -draft.session.stock.get(sku, Stock()).available_milli
    if short > 0:
        draft.record(events.OversellRecorded(tab_id=tab_id, line_id=line_id, sku=sku, short_milli=short))


def flag_uncovered(draft: Draft, tab_id: str) -> None:
    """Flag lines that are about to be gone though nothing is held for them any more, and there is not enough."""
    lines = draft.session.tabs[tab_id].lines
    taken: dict[str, int] = {}
    for line_id, line in lines.items():
        uncovered = line.qty_milli - line.firm_milli if line.tracked else 0
        if not uncovered:
            continue
        taken[line.sku] = taken.get(line.sku, 0) + uncovered
        short = taken[line.sku] - draft.session.stock.get(line.sku, Stock()).available_milli
        if short > 0:
            draft.record(events.OversellRecorded(tab_id=tab_id, line_id=line_id, sku=line.sku, short_milli=short))


def sell_uncovered(draft: Draft, tab_id: str) -> None:
    """Let lines that were paid for count as sold though nothing is held for them any more, flagging what there is not."""
    flag_uncovered(draft, tab_id)
    tab = draft.session.tabs[tab_id]
    for sku in dict.fromkeys(line.sku for line in tab.lines.values()):
        short = -covered(draft.session, tab_id, sku) if _relying(tab, sku) else 0
        if short > 0:
            draft.record(_held_anew(draft, tab_id, sku, short))
    consume(draft, tab_id)


def _held_anew(draft: Draft, tab_id: str, sku: str, qty_milli: int) -> events.HoldPlaced:
    return events.HoldPlaced(
        hold_id=draft.ctx.new_id(f"hold {tab_id} {sku}"),
        tab_id=tab_id,
        sku=sku,
        qty_milli=qty_milli,
        expires_at=_until(draft, None),
    )


def _released(hold_id: str, hold: Hold) -> events.HoldReleased:
    return events.HoldReleased(hold_id=hold_id, tab_id=hold.tab_id, sku=hold.sku, qty_milli=hold.qty_milli)


def _relying(tab: Tab, sku: str) -> int:
    return sum(line.qty_milli - line.firm_milli for line in tab.lines.values() if line.tracked and line.sku == sku)


def _relies(tab: Tab, line_id: str, sku: str) -> bool:
    line = tab.lines[line_id]
    return line.tracked and line.sku == sku and line.firm_milli < line.qty_milli


def _until(draft: Draft, ttl_s: int | None) -> datetime:
    return draft.ctx.now + timedelta(seconds=ttl_s or draft.settings.hold_ttl_s)


def _hold(session: Session, hold_id: str) -> Hold:
    hold = session.holds.get(hold_id)
    if hold is None:
        if hold_id in session.expired_holds:
            raise refusals.HoldExpired("the time of this hold is over: place another one", lines=[])
        raise refusals.HoldNotFound("there is no such hold: it was used or released")
    return hold
