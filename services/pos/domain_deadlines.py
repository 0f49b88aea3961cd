"""What has a time: holds, payments without an outcome, stored cards, approvals, codes. All end at their moment, not after it."""

from datetime import datetime

from services.pos import domain_money_events as money
from services.pos.domain_draft import Draft
from services.pos.domain_guests import expire_codes
from services.pos.domain_payments import reopen_without
from services.pos.domain_stock_events import HoldExpired
from services.pos.domain_till_events import ApprovalExpired


def expire(draft: Draft, due: datetime) -> None:
    """Let everything end whose time is over at `due`."""
    session, cause = draft.session, draft.ctx.cause
    for hold_id, hold in session.holds.items():
        if not hold.pinned and hold.expires_at <= due:
            draft.record(
                HoldExpired(
                    hold_id=hold_id,
                    tab_id=hold.tab_id,
                    sku=hold.sku,
                    qty_milli=hold.qty_milli,
                    effective_at=due,
                    cause=cause,
                )
            )
    for payment_id, payment in session.payments.items():
        if payment.deadline <= due and payment.status == "started":
            draft.record(
                money.PaymentTimedOut(
                    payment_id=payment_id,
                    tab_id=payment.tab_id,
                    effective_at=due,
                    cause=cause,
                    charge=payment.charge,
                )
            )
        if payment.deadline <= due and payment.status == "stored":
            draft.record(
                money.OfflinePaymentExpired(
                    payment_id=payment_id, tab_id=payment.tab_id, effective_at=due, cause=cause
                ),
            )
            reopen_without(draft, payment_id, payment, reason="offline_payment_expired")
    for approval_id, approval in session.approvals.items():
        if approval.expires_at <= due:
            draft.record(ApprovalExpired(approval_id=approval_id, effective_at=due, cause=cause))
    expire_codes(draft, due)
