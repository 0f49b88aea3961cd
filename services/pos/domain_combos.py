"""Combos: several items at one price, which their lines share, so that each keeps its taxes, its stock and its kitchen."""

from collections.abc import Mapping, Sequence

from holdfast import StateConflict, ValidationFailed
from holdfast.money import distribute
from services.pos import domain_errors as refusals
from services.pos import domain_tab_commands as commands
from services.pos.domain_bounds import check_amounts, check_lines
from services.pos.domain_draft import Draft
from services.pos.domain_prices import Price, check_modifiers, price_of, taxes_of
from services.pos.domain_session import Session, Tab
from services.pos.domain_stock import check_available, check_qty, item_of, taken_from_stock
from services.pos.domain_tab_events import LineAdded
from services.pos.domain_terms import ComboSlot, Item, Line


def add_combo(draft: Draft, command: commands.AddCombo) -> None:
    """Put a combo on a tab, a line for each of its parts; nothing when these very lines are on it."""
    tab = draft.open_tab(command.tab_id)
    combo = item_of(draft.session, command.sku)
    check_qty(combo, command.qty_milli)
    known = [tab.lines[part.line_id] for part in command.parts if part.line_id in tab.lines]
    if known:
        wanted = [(part.sku, command.combo_id, command.qty_milli, part.modifiers) for part in command.parts]
        if [(line.sku, line.combo, line.qty_milli, line.modifiers) for line in known] == wanted:
            return
        raise refusals.LineExists("parts.line_id: one is taken; make new ones")
    if any(line.combo == command.combo_id for line in tab.lines.values()):
        raise refusals.ComboInvalid("combo_id: one of its own for each combo on a tab")
    _check_choices(combo, command)
    items = [item_of(draft.session, part.sku) for part in command.parts]
    price = price_of(draft.session, command.sku, combo, tab.order_type, draft.ctx.now)
    weights = [
        price_of(draft.session, part.sku, item, tab.order_type, draft.ctx.now).minor
        for part, item in zip(command.parts, items, strict=True)
    ]
    if command.sku in draft.session.eighty_six:
        check_available(draft.session, command.sku, command.qty_milli)
    for part, item, share in zip(command.parts, items, distribute(price.minor, weights), strict=True):
        _add_part(draft, command, part, item, tab=tab, price=price._replace(minor=share))
    check_lines(draft, command.tab_id)
    check_amounts(draft, command.tab_id)


def _check_choices(combo: Item, command: commands.AddCombo) -> None:
    """Refuse what is not one offered choice for each slot."""
    chosen = [part.slot for part in command.parts]
    if not combo.combo or sorted(chosen) != sorted(slot.id for slot in combo.combo):
        slots = ", ".join(slot.id for slot in combo.combo)
        raise refusals.ComboInvalid(f"parts: one for each of {slots or 'no slots, for this is no combo'}")
    if len({part.line_id for part in command.parts}) < len(command.parts):
        raise refusals.ComboInvalid("parts.line_id: one of its own for each part")
    offered = {slot.id: slot.skus for slot in combo.combo}
    for part in command.parts:
        if part.sku not in offered[part.slot]:
            raise refusals.ComboInvalid(f"parts.sku: one of {', '.join(offered[part.slot])}", slot=part.slot)


def _add_part(
    draft: Draft, command: commands.AddCombo, part: commands.ComboPart, item: Item, *, tab: Tab, price: Price
) -> None:
    if item.stored_value is not None:
        raise refusals.ComboInvalid("parts.sku: this is put on an account; add it by a line of its own", slot=part.slot)
    check_modifiers(draft, item, part.modifiers)
    tracked, firm = taken_from_stock(draft, command.tab_id, part.sku, item, command.qty_milli)
    draft.record(
        LineAdded(
            tab_id=command.tab_id,
            line_id=part.line_id,
            sku=part.sku,
            qty_milli=command.qty_milli,
            unit_price_minor=price.minor,
            price_version=price.version,
            price_book=price.book,
            combo=command.combo_id,
            combo_key=draft.ctx.new_id("combo"),
            combo_parts=len(command.parts),
            modifiers=part.modifiers,
            tax_ids=taxes_of(item, tab.order_type),
            seat=command.seat,
            course=command.course,
            note=command.note,
            station=item.station,
            tracked=tracked,
            firm_milli=firm,
        )
    )


def combo_of(line_id: str, lines: Mapping[str, Line]) -> Mapping[str, Line]:
    """A line with the other parts of its combo that are among these, its shares too; itself when it is no part."""
    line = lines[line_id]
    if line.combo is None:
        return {line_id: line}
    own = (line.combo, line.combo_key)
    return {key: each for key, each in lines.items() if (each.combo, each.combo_key) == own}


def is_whole(parts: Mapping[str, Line]) -> bool:
    """Whether lines of one combo are all its parts, each as often as the others."""
    quantities: dict[str, int] = {}
    for line_id, part in parts.items():
        root = part.share_of or line_id
        quantities[root] = quantities.get(root, 0) + part.qty_milli
    expected = max(part.combo_parts for part in parts.values())
    return len(quantities) == expected and len(set(quantities.values())) == 1


def check_whole(parts: Mapping[str, Line]) -> None:
    """Refuse when these are not the whole combo of a line; a line that is no part is whole."""
    combo = next(part.combo for part in parts.values())
    if combo is not None and not is_whole(parts):
        hint = "not all of its combo is on this tab: move the other parts here, or void it with a reason"
        raise StateConflict(hint, combo=combo)


def apart(lines: Mapping[str, Line]) -> set[str]:
    """Which of these are parts of combos that are not whole here."""
    combos: dict[tuple[str, str], dict[str, Line]] = {}
    for line_id, line in lines.items():
        if line.combo is not None:
            combos.setdefault((line.combo, line.combo_key), {})[line_id] = line
    return {line_id for parts in combos.values() if not is_whole(parts) for line_id in parts}


def check_slots(session: Session, item: Item) -> None:
    """Refuse a combo of what cannot be part of one."""
    slots: Sequence[ComboSlot] = item.combo
    if len({slot.id for slot in slots}) < len(slots) or any(not slot.skus for slot in slots):
        raise ValidationFailed("item.combo: each slot once, with items to choose from")
    if slots and (item.tracked or item.weighed or item.modifier_groups):
        raise ValidationFailed("item.combo: its parts are counted and wished for, not the combo itself")
    for sku in (sku for slot in slots for sku in slot.skus):
        part = item_of(session, sku)
        if part.combo or part.weighed or part.stored_value is not None:
            raise ValidationFailed(f"item.combo: {sku!r} is weighed, put on an account, or a combo itself")
