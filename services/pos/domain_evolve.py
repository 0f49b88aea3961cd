"""What a history of events makes of the session. Nothing is judged here."""

from typing import assert_never

from msgspec.structs import replace

from services.pos import domain_charge_events as charges
from services.pos import domain_guest_events as guests
from services.pos import domain_money_events as money
from services.pos import domain_stock_events as stock
from services.pos import domain_tab_events as tabs
from services.pos import domain_till_events as till
from services.pos.domain_closing import closed, refunded, reopened
from services.pos.domain_events import SessionEvent
from services.pos.domain_fold_charges import evolve_charges
from services.pos.domain_fold_guests import codes_kept, evolve_guests
from services.pos.domain_fold_money import evolve_money
from services.pos.domain_fold_stock import adjusted, consumed, hold_expired, hold_gone, hold_placed
from services.pos.domain_fold_tabs import evolve_tab
from services.pos.domain_fold_taxes import with_taxes_kept
from services.pos.domain_session import Approval, Session, Terminal, without
from services.pos.domain_waking import waking


def evolve(session: Session, event: SessionEvent) -> Session:
    """The session after an event."""
    return codes_kept(session, waking(session, _evolved(session, event), event))


def _evolved(session: Session, event: SessionEvent) -> Session:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    match event:
        case tabs.TabClosed():
            return closed(session, event)
        case tabs.TabReopened():
            return reopened(session, event)
        case money.Refunded():
            return refunded(session, event)
        case tabs.FloorHeard():
            return session
        case tabs.PriceMissing() | tabs.PriceStale() | tabs.TabConflict() | stock.OversellRecorded():
            return replace(session, flags=session.flags + 1)
        case money.DrawerMissing() | money.DrawerQuestioned():
            return replace(session, flags=session.flags + 1)
        case (
            tabs.TabOpened()
            | tabs.LineAdded()
            | tabs.LineQtyChanged()
            | tabs.LineRemoved()
            | tabs.LineVoided()
            | tabs.LineComped()
            | tabs.DiscountApplied()
            | tabs.DiscountRemoved()
            | tabs.GratuityWaived()
            | tabs.LinesSent()
            | tabs.BillPrinted()
            | tabs.TabVoided()
            | tabs.TabSplit()
            | tabs.TabsMerged()
            | tabs.LinesMoved()
            | tabs.TabTransferred()
            | tabs.TabBalanceChanged()
        ):
            return evolve_tab(session, event)
        case stock.HoldPlaced():
            return hold_placed(session, event)
        case stock.HoldExtended(hold_id=hold_id, expires_at=expires_at):
            hold = replace(session.holds[hold_id], expires_at=expires_at, extended=True)
            return replace(session, holds={**session.holds, hold_id: hold})
        case stock.HoldReleased(hold_id=hold_id):
            return hold_gone(session, hold_id)
        case stock.HoldExpired(hold_id=hold_id):
            return hold_expired(session, hold_id)
        case stock.HoldConsumed():
            return consumed(session, event)
        case stock.StockAdjusted(sku=sku, delta_milli=delta):
            return adjusted(session, sku, on_hand=delta)
        case stock.ItemEightySixed(sku=sku):
            return replace(session, eighty_six=(*session.eighty_six, sku))
        case stock.ItemBack(sku=sku):
            return replace(session, eighty_six=tuple(gone for gone in session.eighty_six if gone != sku))
        case (
            till.Configured()
            | till.ItemSet()
            | till.PriceBookSet()
            | till.DiscountSet()
            | till.TerminalRegistered()
            | till.TerminalSeen()
            | till.TerminalLocked()
            | till.TerminalUnlocked()
            | till.TrainingSet()
            | till.TabShown()
            | till.TerminalRevoked()
            | till.ApprovalGranted()
            | till.ApprovalUsed()
            | till.ApprovalExpired()
            | till.OfflineRecorded()
            | till.OfflineQuarantined()
        ):
            return _evolve_till(session, event)
        case (
            money.PaymentStarted()
            | money.PaymentCaptured()
            | money.PaymentFailed()
            | money.PaymentTimedOut()
            | money.OfflinePaymentStored()
            | money.OfflinePaymentSettled()
            | money.OfflinePaymentDeclined()
            | money.OfflinePaymentExpired()
            | money.DrawerOpened()
            | money.DrawerPaidIn()
            | money.DrawerPaidOut()
            | money.DrawerNoSale()
            | money.DrawerEnded()
            | money.DrawerClosed()
            | money.DayOpened()
            | money.DayClosed()
            | money.TipsPooled()
        ):
            return evolve_money(session, event)
        case guests.TableCodeIssued() | guests.TableCodesRevoked() | guests.TableCodeExpired() | guests.LinesClaimed():
            return evolve_guests(session, event)
        case charges.TabCustomerSet() | charges.ValueRecallAsked() | charges.ValueAnswered():
            return evolve_charges(session, event)
        case _:
            assert_never(event)


def _evolve_till(session: Session, event: till.TillEvent) -> Session:  # noqa: C901, PLR0911, PLR0912 - as above
    match event:
        case till.Configured(settings=settings, version=version):
            kept = with_taxes_kept(session, settings.taxes)
            return replace(kept, settings=settings, settings_version=version)
        case till.ItemSet(sku=sku, item=item):
            return replace(session, items={**session.items, sku: item})
        case till.PriceBookSet(book_id=book_id, book=book):
            return replace(session, price_books={**session.price_books, book_id: book})
        case till.DiscountSet(discount_id=discount_id, discount=discount):
            return replace(session, discounts={**session.discounts, discount_id: discount})
        case till.TerminalRegistered(terminal_id=terminal_id, name=name, at=at):
            return _terminal(session, terminal_id, name=name, last_seen_at=at)
        case till.TerminalSeen(terminal_id=terminal_id, at=at):
            return _terminal(session, terminal_id, last_seen_at=at)
        case till.TerminalLocked(terminal_id=terminal_id, logged_out=True):
            return _terminal(session, terminal_id, locked=True, user=None)
        case till.TerminalLocked(terminal_id=terminal_id):
            return _terminal(session, terminal_id, locked=True)
        case till.TerminalUnlocked(terminal_id=terminal_id, user=user):
            return _terminal(session, terminal_id, locked=False, user=user)
        case till.TrainingSet(terminal_id=terminal_id, on=on):
            return _terminal(session, terminal_id, training=on)
        case till.TabShown(terminal_id=terminal_id, shown=shown):
            return _terminal(session, terminal_id, showing=shown)
        case till.TerminalRevoked(terminal_id=terminal_id):
            return _terminal(session, terminal_id, revoked=True, locked=True, user=None)
        case till.ApprovalGranted():
            approval = Approval(
                action=event.action,
                tab_id=event.tab_id,
                limit_minor=event.limit_minor,
                approved_by=event.approved_by,
                expires_at=event.expires_at,
            )
            return replace(session, approvals={**session.approvals, event.approval_id: approval})
        case till.ApprovalUsed(approval_id=approval_id) | till.ApprovalExpired(approval_id=approval_id):
            kept = without(session.approvals, approval_id)
            return replace(session, approvals=kept)
        case till.OfflineRecorded(terminal_id=terminal_id, terminal_seq=seq):
            return _terminal(session, terminal_id, offline_seq=seq)
        case till.OfflineQuarantined(terminal_id=terminal_id, facts=facts):
            before = session.terminals.get(terminal_id, Terminal()).quarantined
            return _terminal(session, terminal_id, quarantined=before + len(facts))
        case _:
            assert_never(event)


def _terminal(session: Session, terminal_id: str, **changes: object) -> Session:
    terminal = replace(session.terminals.get(terminal_id, Terminal()), **changes)
    return replace(session, terminals={**session.terminals, terminal_id: terminal})
