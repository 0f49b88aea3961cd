"""Payments, closing and refunds: money in, a receipt, money back."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from holdfast import Forbidden, NotFound, ValidationFailed
from holdfast.money import check_currency, to_increment
from services.pos import domain_errors as refusals
from services.pos import domain_money_commands as commands
from services.pos import domain_money_events as events
from services.pos.domain_approval import approved_by, check_reason
from services.pos.domain_banks import bank_of_sender, cash_to
from services.pos.domain_bounds import check_tip
from services.pos.domain_charge_commands import RecordCharge
from services.pos.domain_charges import (
    charge_of,
    declined,
    is_awaited,
    loads_of,
    points_back,
    points_of,
    refundable,
    returned_of,
    same_account,
)
from services.pos.domain_closing import sold_lines
from services.pos.domain_discounts import check_given
from services.pos.domain_draft import Draft
from services.pos.domain_drawers import amount_of, open_drawer_of
from services.pos.domain_roles import CASHIERS, SERVICE
from services.pos.domain_session import ClosedTab, Payment, is_stored
from services.pos.domain_stock import consume, holds_of, reserve, sell_uncovered
from services.pos.domain_tab_events import TabClosed, TabReopened
from services.pos.domain_terms import Flow, Tender, Totals

TRAINING_SERIES: Final = "training"
"""Small letters, so that no location's own series is the same."""


def begin_payment(draft: Draft, command: commands.BeginPayment) -> None:
    """Start a payment; nothing when this very one is under way."""
    amount, tip = amount_of(command.amount_minor, "amount_minor"), amount_of(command.tip_minor, "tip_minor")
    if tip and command.tender == "cash":
        raise ValidationFailed("tip_minor: only what is not cash has a tip here; a cash tip is the waiter's")
    check_currency(command.currency, draft.settings.currency)
    if _is_under_way(draft, command, amount, tip):
        return
    if draft.tab(command.tab_id).status == "PAYING":
        raise refusals.PaymentInProgress("the tab is being paid; wait for the outcome")
    tab = draft.open_tab(command.tab_id)
    check_tip(tab, tip)
    check_given(draft, command.tab_id)
    balance = draft.bill(command.tab_id).due_minor - tab.paid_minor
    terminal_id = None
    if command.tender == "cash":
        terminal_id = None if tab.training else cash_to(draft, command.terminal_id)
        due, rounding = _cash(draft, balance, amount)
    else:
        due, rounding = _exact(balance, amount)
    charge = charge_of(draft, command, due + tip)
    reserve(draft, command.tab_id)
    draft.record(
        events.PaymentStarted(
            payment_id=command.payment_id,
            tab_id=command.tab_id,
            tender=command.tender,
            amount_minor=amount,
            due_minor=due,
            rounding_minor=rounding,
            tip_minor=tip,
            currency=draft.settings.currency,
            holds_pinned=tuple(hold_id for hold_id, _ in holds_of(draft.session, command.tab_id)),
            timeout_at=draft.ctx.now + timedelta(seconds=draft.settings.payment_timeout_s),
            terminal_id=terminal_id,
            tips_to=bank_of_sender(draft) if tip and draft.settings.bank_tips and not tab.training else None,
            charge=charge,
            by_guest=draft.session.code_of(draft.ctx.actor.user) is not None,
        )
    )


def _is_under_way(draft: Draft, command: commands.BeginPayment, amount: int, tip: int) -> bool:
    """Whether this very payment was begun before; an id of another one is refused."""
    known = draft.session.payments.get(command.payment_id)
    if known is None:
        return False
    wanted = (command.tab_id, command.tender, amount, tip)
    same = (known.tab_id, known.tender, known.amount_minor, known.tip_minor) == wanted
    if not same or known.status != "started" or not same_account(known.charge, command):
        raise refusals.PaymentInProgress("payment_id: this one is used already; make a new one")
    return True


def in_cash(draft: Draft, amount_minor: int) -> int:
    """What an amount comes to in coins and notes."""
    rounding = draft.settings.cash_rounding
    return to_increment(amount_minor, rounding.increment_minor, rounding.rounding)


def _cash(draft: Draft, balance: int, amount: int) -> tuple[int, int]:
    """What cash takes off the balance, and the rounding: only the last tender is rounded."""
    rounded = in_cash(draft, balance)
    if amount >= rounded:
        return balance, rounded - balance
    if amount >= balance:
        raise ValidationFailed(f"amount_minor: {rounded} in cash", due_minor=rounded)
    if amount == 0:
        raise ValidationFailed("amount_minor: above 0")
    return amount, 0


def _exact(balance: int, amount: int) -> tuple[int, int]:
    if amount > balance:
        raise refusals.AmountExceedsDue(f"amount_minor: at most {balance}, or take cash", due_minor=balance)
    if amount == 0:
        raise ValidationFailed("amount_minor: above 0; a tab that comes to nothing is closed at once")
    return amount, 0


def record_payment_result(draft: Draft, command: commands.RecordPaymentResult) -> None:
    """Let a payment end; nothing when it has ended so."""
    payment = draft.session.payments.get(command.payment_id)
    if payment is None:
        raise refusals.PaymentUnknown("no open tab has such a payment", payment_id=command.payment_id)
    given_up = payment.by_guest and command.outcome == "cancelled"
    if payment.tender != "cash" and not given_up and {SERVICE, *CASHIERS}.isdisjoint(draft.ctx.actor.roles):
        raise Forbidden("only a cashier or the processor tells how a card payment ended")
    if payment.tab_id in draft.session.tabs:
        draft.tab(payment.tab_id)
    if payment.status == "stored":
        _settle_stored(draft, command, payment)
        return
    if payment.status != "started":
        if payment.status == command.outcome:
            return
        raise refusals.PaymentAlreadyFinal(
            f"the payment has {payment.status.replace('_', ' ')}: give the money back at the processor",
            status=payment.status,
        )
    if command.outcome != "captured":
        draft.record(
            events.PaymentFailed(
                payment_id=command.payment_id,
                tab_id=payment.tab_id,
                cancelled=command.outcome == "cancelled",
                processor_ref=command.processor_ref,
                at=draft.ctx.now,
                charge=payment.charge,
            )
        )
        return
    if payment.charge is not None:
        raise Forbidden("the account that pays tells this by itself; cancel the payment to give it up")
    _capture(draft, command.payment_id, payment, processor_ref=command.processor_ref)


def record_charge(draft: Draft, command: RecordCharge) -> None:
    """Let a payment end as its account says; nothing when it has ended, for then the account was told so."""
    if not is_awaited(draft.session, command):
        return
    failed = declined(draft, command)
    if failed is not None:
        draft.record(failed)
        return
    _capture(draft, command.payment_id, draft.session.payments[command.payment_id])


def _capture(draft: Draft, payment_id: str, payment: Payment, *, processor_ref: str = "") -> None:
    taken = payment.due_minor + payment.rounding_minor
    paid = draft.session.tabs[payment.tab_id].paid_minor + payment.due_minor
    draft.record(
        events.PaymentCaptured(
            settles=paid >= draft.bill(payment.tab_id).due_minor,
            payment_id=payment_id,
            tab_id=payment.tab_id,
            tender=payment.tender,
            due_minor=payment.due_minor,
            rounding_minor=payment.rounding_minor,
            tip_minor=payment.tip_minor,
            change_minor=payment.amount_minor - taken if payment.tender == "cash" else 0,
            processor_ref=processor_ref,
            terminal_id=payment.terminal_id,
            tips_to=payment.tips_to,
            charge=payment.charge,
        )
    )
    consume(draft, payment.tab_id)


def _settle_stored(draft: Draft, command: commands.RecordPaymentResult, payment: Payment) -> None:
    if command.outcome == "captured":
        draft.record(_settled(draft, command, payment.tab_id))
        return
    declined = events.OfflinePaymentDeclined(
        payment_id=command.payment_id, tab_id=payment.tab_id, processor_ref=command.processor_ref
    )
    draft.record(declined)
    reopen_without(draft, command.payment_id, payment, reason="offline_payment_declined")


def _settled(draft: Draft, command: commands.RecordPaymentResult, tab_id: str) -> events.OfflinePaymentSettled:
    settled = events.OfflinePaymentSettled(
        payment_id=command.payment_id, tab_id=tab_id, processor_ref=command.processor_ref
    )
    owed = draft.session.owed.get(tab_id)
    if owed is None or not (owed.loads or owed.points) or is_stored(draft.session, tab_id, but=command.payment_id):
        return settled
    return replace(settled, currency=draft.settings.currency, loads=owed.loads, points=owed.points)


def reopen_without(draft: Draft, payment_id: str, payment: Payment, *, reason: str) -> None:
    """Let a check be without a stored payment: due again, its receipt reversed; nothing when the check is gone."""
    owed = draft.session.owed.get(payment.tab_id)
    if owed is None and payment.tab_id not in draft.session.tabs:
        return
    reopened = TabReopened(
        tab_id=payment.tab_id,
        reason=reason,
        reverses=None if owed is None else owed.receipt_no,
        totals=Totals() if owed is None else owed.totals,
        paid=Flow() if owed is None else owed.tab.paid,
        lost_payment_id=payment_id,
        lost_minor=payment.due_minor,
        lost_tip_minor=payment.tip_minor,
    )
    draft.record(reopened)


def close_tab(draft: Draft, command: commands.CloseTab) -> None:
    """Close a paid tab; nothing when it is closed already."""
    if command.tab_id in draft.session.closed:
        return
    tab = draft.tab(command.tab_id)
    if tab.status == "PAYING":
        raise refusals.PaymentInProgress("wait for the outcome of its payment")
    balance = draft.bill(command.tab_id).due_minor - tab.paid_minor
    if balance > 0 or not tab.lines:
        hint = f"{balance} is due" if balance else "nothing was ordered: void the tab"
        raise refusals.BalanceDue(hint, minor=balance)
    if draft.session.day is None:
        raise refusals.DayClosed("open the business day first (open_day)")
    check_given(draft, command.tab_id)
    if tab.status == "PAID":
        sell_uncovered(draft, command.tab_id)
    else:
        reserve(draft, command.tab_id)
        consume(draft, command.tab_id)
    draft.record(closing(draft, command.tab_id))


def closing(draft: Draft, tab_id: str) -> TabClosed:
    """The end of a tab, with the next receipt number of the location's series."""
    tab = draft.session.tabs[tab_id]
    series = TRAINING_SERIES if tab.training else draft.settings.receipt_series
    number = draft.session.receipts.get(series, 0) + 1
    bill = draft.bill(tab_id)
    totals = bill.totals(tab)
    awaits_card = is_stored(draft.session, tab_id)
    loads = () if tab.training else loads_of(tab, bill)
    points = points_of(draft.settings, tab, totals)
    own_tip = _own_tip(draft, tab_id)
    return TabClosed(
        tab_id=tab_id,
        receipt_no=f"{series}-{number:06}",
        series=series,
        number=number,
        currency=draft.settings.currency,
        totals=totals,
        paid=tab.paid,
        lines=sold_lines(tab),
        closed_at=draft.ctx.now,
        day=draft.session.days + (draft.session.day is None),
        table_ref=tab.table_ref,
        awaits_card=awaits_card,
        loads=loads,
        points=points,
        held_back=awaits_card and bool(loads or points),
        pooled_tip_minor=0 if tab.training else tab.tip_minor - own_tip,
        own_tip_minor=own_tip,
    )


def _own_tip(draft: Draft, tab_id: str) -> int:
    """The tips of a tab that waiters with a bank keep."""
    own = (each.tip_minor for each in draft.session.payments.values() if each.tab_id == tab_id and _is_own(each))
    return draft.session.tabs[tab_id].own_tip_minor + sum(own)


def _is_own(payment: Payment) -> bool:
    return payment.tips_to is not None and payment.status == "captured"


def refund(draft: Draft, command: commands.Refund) -> None:
    """Give money of a closed tab back: never more than was paid, nor for more than was sold."""
    amount = amount_of(command.amount_minor, "amount_minor")
    tab = _refundable(draft, command.tab_id)
    _check_left(tab, command.tender, amount)
    returned = returned_of(tab, command, amount)
    _check_lines(tab, command)
    check_reason(draft, command.reason_code)
    if draft.session.day is None:
        raise refusals.DayClosed("open the business day first (open_day)")
    cash = command.tender == "cash"
    terminal_id = open_drawer_of(draft, command.terminal_id) if cash else None
    approver = approved_by(
        draft,
        command.approver,
        action="refund",
        tab_id=command.tab_id,
        value_minor=tab.refunded_minor + amount,
        limit_minor=draft.settings.refund_limit_minor,
    )
    number = draft.session.refunds + 1
    draft.record(
        events.Refunded(
            refund_no=f"R-{number:06}",
            number=number,
            tab_id=command.tab_id,
            receipt_no=tab.receipt_no,
            amount_minor=amount,
            rounding_minor=_refund_rounding(draft, tab, amount) if cash else 0,
            tender=command.tender,
            currency=draft.settings.currency,
            reason_code=command.reason_code,
            lines=command.lines,
            terminal_id=terminal_id,
            approved_by=approver,
            returned=returned,
            points_back=points_back(tab, amount),
            tip_minor=_tip_back(draft, tab, amount),
        )
    )


def _check_left(tab: ClosedTab, tender: Tender, amount_minor: int) -> None:
    """Refuse to give back more by a tender than is left of what it paid."""
    left = refundable(tab, tender)
    if not 0 < amount_minor <= left:
        hint = "; what an account paid goes back by its own tender" if tab.charges else ""
        raise refusals.RefundExceedsPaid(f"amount_minor: 1 to {left}{hint}", left_minor=left)


def _tip_back(draft: Draft, tab: ClosedTab, amount_minor: int) -> int:
    """What a refund takes off the tips of the day: that of today's which is more than was paid for goods and service."""
    if tab.day != draft.session.days:
        return 0
    before, kept = tab.refunded_minor, tab.paid_minor - tab.pooled_tip_minor
    return max(0, before + amount_minor - kept) - max(0, before - kept)


def _refund_rounding(draft: Draft, tab: ClosedTab, amount_minor: int) -> int:
    """What rounding adds to what is given back in cash: all of a tab's cash refunds are rounded together."""
    before = tab.cash_refunded_minor
    return in_cash(draft, before + amount_minor) - in_cash(draft, before) - amount_minor


def _refundable(draft: Draft, tab_id: str) -> ClosedTab:
    tab = draft.session.closed.get(tab_id)
    if tab is None and tab_id in draft.session.tabs:
        raise refusals.RefundExceedsPaid("the tab is not closed: void, or close it first", left_minor=0)
    if tab_id in draft.session.owed:
        raise refusals.RefundExceedsPaid("a stored card is not settled: wait until the processor has it", left_minor=0)
    window = timedelta(seconds=draft.settings.refund_window_s)
    if tab is None or draft.ctx.now >= tab.closed_at + window:
        raise NotFound(f"there is no tab of this id that was closed in the last {window.days} days")
    return tab


def _check_lines(tab: ClosedTab, command: commands.Refund) -> None:
    if len({line.line_id for line in command.lines}) < len(command.lines):
        raise ValidationFailed("lines: name each line once")
    for line in command.lines:
        sold = tab.lines.get(line.line_id)
        left = 0 if sold is None else sold.qty_milli - sold.refunded_milli
        if not 0 < line.qty_milli <= left:
            raise refusals.RefundExceedsPaid(
                f"lines: {left} thousandths of this line are left", line_id=line.line_id, left_milli=left
            )
