"""What is taken off tabs: discounts, and gratuities that are not charged, each within what its giver may give."""

from typing import Final

from msgspec.structs import replace

from holdfast import NotFound, StateConflict, ValidationFailed
from services.pos import domain_errors as refusals
from services.pos import domain_tab_commands as commands
from services.pos import domain_tab_events as events
from services.pos.domain_approval import approved_by, check_reason
from services.pos.domain_charges import check_ordinary
from services.pos.domain_draft import Draft
from services.pos.domain_pricing import bill_of, waived_of
from services.pos.domain_session import Tab
from services.pos.domain_tabs import check_worth
from services.pos.domain_terms import Discount

_BY_MANAGER: Final = "let a manager take the payment (begin_payment), or close the tab (close_tab) when nothing is due"
_STAYS: Final = "let a manager put its lines on another tab"


def apply_discount(draft: Draft, command: commands.ApplyDiscount) -> None:
    """Give a discount; nothing when this version of it is given already."""
    tab = draft.open_tab(command.tab_id)
    discount = _active(draft, command)
    if command.scope != discount.scope or (discount.scope == "item") != (command.line_id is not None):
        raise ValidationFailed(f"scope: this discount is for {discount.scope}; an item's names its line_id")
    if command.line_id is not None and command.line_id not in tab.lines:
        raise NotFound("there is no such line on this tab")
    if command.line_id is not None:
        check_ordinary(tab.lines[command.line_id])
    if any((each.discount_id, each.line_id) == (command.discount_id, command.line_id) for each in tab.discounts):
        return
    if discount.scope == "order" and any(each.discount_id == command.discount_id for each in tab.discounts):
        raise refusals.NotCombinable("lines of this tab have it already, as they came here; remove it from them first")
    _check_ordered(tab)
    if tab.discounts and not (discount.combinable and all(each.combinable for each in tab.discounts)):
        raise refusals.NotCombinable("this discount and those of the tab exclude each other; remove them first")
    applied = events.DiscountApplied(
        tab_id=command.tab_id,
        discount_id=command.discount_id,
        version=discount.version,
        line_id=command.line_id,
        ppm=discount.ppm,
        amount_minor=discount.amount_minor,
        combinable=discount.combinable,
        given_id=draft.ctx.new_id("discount"),
        value_minor=0,
    )
    value = _taken_off(draft, tab, applied)
    limit = draft.settings.discount_limit_minor
    allowed = _allowed(draft, command.approver, value, limit)
    approver = approved_by(
        draft, command.approver, action="discount", tab_id=command.tab_id, value_minor=value, limit_minor=limit
    )
    draft.record(replace(applied, value_minor=value, approved_by=approver, limit_minor=allowed))
    check_worth(draft, command.tab_id, refusals.TabPaid)


def _active(draft: Draft, command: commands.ApplyDiscount) -> Discount:
    discount = draft.session.discounts.get(command.discount_id)
    if discount is None or not discount.window.holds(draft.ctx.now):
        raise refusals.DiscountInactive("there is no such discount now")
    if discount.code is not None and discount.code != command.code:
        raise refusals.DiscountInactive("code: ask the guest for the code of this discount")
    return discount


def _check_ordered(tab: Tab) -> None:
    """Refuse to judge by nothing what may be much."""
    if not tab.lines:
        raise StateConflict("nothing is ordered on this tab yet: add its lines first")


def _allowed(draft: Draft, approver: str | None, value_minor: int, limit_minor: int) -> int | None:
    """How much may be given so, of lines that are added later as well; None when there is no limit."""
    if draft.is_manager:
        return None
    approval = None if approver is None else draft.session.approvals.get(approver)
    return limit_minor if value_minor <= limit_minor or approval is None else approval.limit_minor


def check_given(draft: Draft, tab_id: str) -> None:
    """Refuse money for a tab off which more is taken than was allowed, because lines were added since."""
    refusal = beyond_given(draft, tab_id)
    if refusal is not None:
        raise refusal


def beyond_given(draft: Draft, tab_id: str) -> refusals.ApprovalRequired | None:
    """Why money for a tab is refused, when more is taken off it than was allowed."""
    tab = draft.session.tabs[tab_id]
    if draft.is_manager:
        return None
    for place, discount in enumerate(tab.discounts):
        if discount.limit_minor is not None and (value := _value(draft, tab, place)) > discount.limit_minor:
            return _too_much("discount", tab_id, value, hint="remove it and apply it again with an approval")
    return beyond_waived(draft, tab_id, hint=_BY_MANAGER)


def beyond_waived(draft: Draft, tab_id: str, *, hint: str = _STAYS) -> refusals.ApprovalRequired | None:
    """Why lines of a tab stay there, when more service is waived for them than was allowed."""
    tab = draft.session.tabs[tab_id]
    value = waived_of(tab, draft.settings)
    if draft.is_manager or tab.waived_limit_minor is None or value <= tab.waived_limit_minor:
        return None
    return _too_much("gratuity", tab_id, value, hint=hint)


def _too_much(action: str, tab_id: str, value_minor: int, *, hint: str) -> refusals.ApprovalRequired:
    text = f"the {action} that was given is worth {value_minor} by now: {hint}"
    return refusals.ApprovalRequired(text, action=action, tab_id=tab_id, value_minor=value_minor)


def _taken_off(draft: Draft, tab: Tab, applied: events.DiscountApplied) -> int:
    """What a discount takes off the tab as it is now."""
    after = Draft(draft.session, draft.ctx)
    after.record(applied)
    return _value(draft, after.session.tabs[applied.tab_id], len(tab.discounts))


def _value(draft: Draft, tab: Tab, place: int) -> int:
    """By how much less would be taken off without the discount at this place."""
    others = replace(tab, discounts=(*tab.discounts[:place], *tab.discounts[place + 1 :]))
    off = bill_of(tab, draft.settings).totals(tab).discount
    return off - bill_of(others, draft.settings).totals(tab).discount


def remove_discount(draft: Draft, command: commands.RemoveDiscount) -> None:
    """Take a discount back; nothing when it is not given."""
    tab = draft.open_tab(command.tab_id)
    for place, given in enumerate(tab.discounts):
        if (given.discount_id, given.line_id) == (command.discount_id, command.line_id):
            draft.record(
                events.DiscountRemoved(
                    tab_id=command.tab_id,
                    discount_id=command.discount_id,
                    line_id=command.line_id,
                    given_id=given.given_id,
                    value_minor=_value(draft, tab, place),
                )
            )


def waive_gratuity(draft: Draft, command: commands.WaiveGratuity) -> None:
    """Charge nothing for service; nothing when nothing is charged."""
    tab = draft.open_tab(command.tab_id)
    if not tab.gratuity_ppm and not any(line.gratuity_ppm for line in tab.lines.values()):
        return
    _check_ordered(tab)
    check_reason(draft, command.reason_code)
    value = draft.bill(command.tab_id).gratuity_minor
    whole = waived_of(tab, draft.settings) + value
    limit = max(draft.settings.discount_limit_minor, tab.waived_limit_minor or 0)
    allowed = _allowed(draft, command.approver, whole, limit)
    approver = approved_by(
        draft, command.approver, action="gratuity", tab_id=command.tab_id, value_minor=whole, limit_minor=limit
    )
    rate = tab.gratuity_ppm or tab.waived_ppm
    draft.record(
        events.GratuityWaived(
            tab_id=command.tab_id,
            reason_code=command.reason_code,
            value_minor=value,
            approved_by=approver,
            limit_minor=None if allowed is None else allowed + _never_charged(draft, tab, rate, whole),
            waived_ppm=rate,
        )
    )
    check_worth(draft, command.tab_id, refusals.TabPaid)


def _never_charged(draft: Draft, tab: Tab, rate_ppm: int, whole_minor: int) -> int:
    """What a tab's service would have come to for lines that came from where none is charged: they use up no limit."""
    lines = {line_id: replace(line, gratuity_ppm=0) for line_id, line in tab.lines.items()}
    return max(0, waived_of(replace(tab, lines=lines, waived_ppm=rate_ppm), draft.settings) - whole_minor)
