"""Facts: what happened already, in the kitchen or at a terminal without a connection.

They are recorded, and flagged where they do not fit; never refused.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from services.pos.domain_bounds import MOST_LINES, countable
from services.pos.domain_draft import Draft
from services.pos.domain_ids import free_id, id_beside
from services.pos.domain_prices import price_of, taxes_of
from services.pos.domain_stock import firm_qty, oversold
from services.pos.domain_tab_events import LineAdded, PriceMissing, PriceStale, TabConflict, TabOpened
from services.pos.domain_terms import ONE, Item

About = Literal["lines", "payment"]


def fact_tab(draft: Draft, opening: TabOpened, *, about: About) -> str:
    """The tab on which a fact goes: the one it names, opened when it was never there, or a fresh one beside it."""
    tab_id, number = opening.tab_id, 1
    while not _takes(draft, tab_id, about):
        if tab_id not in draft.session.tabs and tab_id not in draft.session.closed:
            instead = None if number == 1 else opening.tab_id
            draft.record(replace(opening, tab_id=tab_id, instead_of=instead))
            break
        number += 1
        tab_id = id_beside(opening.tab_id, number)
    if number > 1:
        draft.record(TabConflict(tab_id=opening.tab_id, about=about, moved_to=tab_id))
    return tab_id


def _takes(draft: Draft, tab_id: str, about: About) -> bool:
    tab = draft.session.tabs.get(tab_id)
    if tab is None or tab.status != "OPEN" or tab.training:
        return False
    # What a sale brings stays with its money.
    return about == "payment" or len(tab.lines) < MOST_LINES


def known_lines(draft: Draft, tab_id: str) -> set[str]:
    """The lines that this tab has, had when it was closed, or gave to the fresh one beside it."""
    known: set[str] = set()
    number = 1
    candidate = tab_id
    while (tab := draft.session.tabs.get(candidate) or draft.session.closed.get(candidate)) is not None:
        known |= set(tab.lines)
        number += 1
        candidate = id_beside(tab_id, number)
    return known


def record_lines(draft: Draft, tab_id: str, lines: Iterable[LineAdded], *, current: bool) -> None:
    """Put lines on a tab, flagging what is oversold, unknown, beyond counting, or (with `current`) sold at an old price."""
    for named in lines:
        line = replace(named, line_id=_free_line(draft, tab_id, named.line_id))
        item = draft.session.items.get(line.sku)
        tracked = item is not None and item.tracked
        firm = firm_qty(draft.session, tab_id, line.sku, line.qty_milli) if tracked else 0
        told = replace(line, tab_id=tab_id, tracked=tracked, firm_milli=firm)
        if item is not None and item.stored_value is not None:
            told = replace(told, stored_value=item.stored_value, tax_ids=(), modifiers=())
        elif current:
            told = _taxed(draft, told)
        recorded = countable(draft, tab_id, told)
        draft.record(recorded)
        if recorded is not told or (item is not None and _is_odd(item, told)):
            draft.record(TabConflict(tab_id=tab_id, about="lines"))
        if told.stored_value is not None:
            # It names no account: whoever looks at the flags puts it on one.
            draft.record(TabConflict(tab_id=tab_id, about="value"))
        if item is None:
            draft.record(PriceMissing(tab_id=tab_id, line_id=line.line_id, sku=line.sku))
        elif current:
            _flag_price(draft, tab_id, line, item)
            _flag_taxes(draft, tab_id, line, item)
        if firm:
            oversold(draft, tab_id, line.line_id, line.sku)


def _free_line(draft: Draft, tab_id: str, line_id: str) -> str:
    """The id of a line, or when one fact names it twice a fresh one beside it, which is flagged."""
    free = free_id(line_id, draft.session.tabs[tab_id].lines)
    if free != line_id:
        draft.record(TabConflict(tab_id=tab_id, about="lines"))
    return free


def _flag_price(draft: Draft, tab_id: str, line: LineAdded, item: Item) -> None:
    """Flag a price that is neither that of now nor that of when it was rung, by the terminal's clock."""
    order_type, now = draft.session.tabs[tab_id].order_type, draft.ctx.now
    current = price_of(draft.session, line.sku, item, order_type, now).minor
    then = price_of(draft.session, line.sku, item, order_type, line.occurred_at or now).minor
    if line.unit_price_minor not in {current, then}:
        draft.record(
            PriceStale(tab_id=tab_id, line_id=line.line_id, sold_minor=line.unit_price_minor, current_minor=current)
        )


def _taxed(draft: Draft, line: LineAdded) -> LineAdded:
    """The line without taxes that the location does not have: they are charged nowhere, and could never be given up."""
    return replace(line, tax_ids=tuple(tax_id for tax_id in line.tax_ids if tax_id in draft.settings.taxes))


def _flag_taxes(draft: Draft, tab_id: str, line: LineAdded, item: Item) -> None:
    """Flag taxes that are not those of the item: what was left out is the house's to pay."""
    due = taxes_of(item, draft.session.tabs[tab_id].order_type)
    if item.stored_value is None and set(line.tax_ids) != set(due):
        draft.record(TabConflict(tab_id=tab_id, about="tax"))


def _is_odd(item: Item, line: LineAdded) -> bool:
    """Whether nobody could have ordered this at the till: a combo without its parts, a fraction, a wish not offered."""
    offered = {option for group in item.modifier_groups for option in group.options}
    strange = bool(offered) and any(modifier.id not in offered for modifier in line.modifiers)
    return strange or bool(item.combo) or (line.qty_milli % ONE != 0 and not item.weighed)
