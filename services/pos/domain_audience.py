"""Who may see what of an event (rule C9): what is ordered everyone there, money who takes it, the rest managers."""

from typing import Final, assert_never

from holdfast import Audience
from services.pos import domain_charge_events as charges
from services.pos import domain_guest_events as guests
from services.pos import domain_money_events as money
from services.pos import domain_stock_events as stock
from services.pos import domain_tab_events as tabs
from services.pos import domain_till_events as till
from services.pos.domain_events import SessionEvent
from services.pos.domain_roles import CASHIERS, INSIDERS, MANAGERS, SETTLERS

_MANAGERS: Final = tuple(sorted(f"role:{role}" for role in MANAGERS))
_CASHIERS: Final = tuple(sorted(f"role:{role}" for role in CASHIERS))
_STAFF: Final = tuple(sorted(f"role:{role}" for role in SETTLERS))
_INSIDERS: Final = tuple(sorted(f"role:{role}" for role in INSIDERS))


Ordered = (
    tabs.TabOpened
    | tabs.LineAdded
    | tabs.LineQtyChanged
    | tabs.LineRemoved
    | tabs.LineVoided
    | tabs.LineComped
    | tabs.LinesSent
    | tabs.TabVoided
    | tabs.TabSplit
    | tabs.TabsMerged
    | tabs.LinesMoved
    | tabs.TabTransferred
    | tabs.TabConflict
    | tabs.PriceStale
    | tabs.PriceMissing
    | stock.StockAdjusted
    | stock.OversellRecorded
    | stock.ItemEightySixed
    | stock.ItemBack
    | till.ItemSet
    | till.PriceBookSet
    | money.DayOpened
)


def audience(event: SessionEvent) -> Audience:  # noqa: C901, PLR0911, PLR0912 - one line for each circle
    """Who may see this event: nobody outside sees any, though a guest's display sees its tab in the view."""
    match event:
        case (
            till.Configured()
            | till.OfflineQuarantined()
            | money.DayClosed()
            | money.TipsPooled()
            | money.DrawerPaidIn()
        ):
            return Audience(only=_MANAGERS)
        case money.DrawerPaidOut() | money.DrawerNoSale():
            return Audience(only=_MANAGERS)
        case money.DrawerClosed(holder=holder):
            return Audience(only=_CASHIERS if holder is None else (*_CASHIERS, f"user:{holder}"))
        case money.DrawerOpened():
            return Audience(only=_STAFF)
        case (
            guests.TableCodeIssued()
            | guests.TableCodesRevoked()
            | guests.TableCodeExpired()
            | guests.LinesClaimed()
            | till.ApprovalGranted()
            | till.ApprovalUsed()
            | till.ApprovalExpired()
            | till.DiscountSet()
        ):
            return Audience(only=_STAFF)
        case money.PaymentStarted() | money.PaymentFailed() | money.PaymentTimedOut() | money.Refunded():
            return Audience(only=_STAFF)
        case money.PaymentCaptured() | money.OfflinePaymentSettled() | money.OfflinePaymentDeclined():
            return Audience(only=_STAFF, fields={"processor_ref": _CASHIERS})
        case money.OfflinePaymentStored() | money.OfflinePaymentExpired():
            return Audience(only=_STAFF)
        case (
            tabs.GratuityWaived()
            | tabs.TabClosed()
            | tabs.TabReopened()
            | tabs.BillPrinted()
            | tabs.TabBalanceChanged()
            | tabs.FloorHeard()
            | charges.TabCustomerSet()
            | charges.ValueRecallAsked()
            | charges.ValueAnswered()
        ):
            return Audience(only=_STAFF)
        case tabs.DiscountApplied() | tabs.DiscountRemoved():
            return Audience(only=_STAFF)
        case money.DrawerEnded() | money.DrawerMissing() | money.DrawerQuestioned():
            return Audience(only=_STAFF)
        case stock.HoldPlaced() | stock.HoldExtended() | stock.HoldReleased() | stock.HoldExpired():
            return Audience(only=_STAFF)
        case (
            stock.HoldConsumed()
            | till.TerminalRegistered()
            | till.TerminalSeen()
            | till.TerminalLocked()
            | till.TerminalUnlocked()
            | till.TerminalRevoked()
            | till.TrainingSet()
            | till.TabShown()
            | till.OfflineRecorded()
        ):
            return Audience(only=_STAFF)
        case _:
            return _of_orders(event)


def _of_orders(event: Ordered) -> Audience:  # noqa: C901, PLR0911 - as above
    """What screens see too, but for what it costs."""
    match event:
        case tabs.TabOpened():
            return _priced("gratuity_ppm")
        case tabs.LineAdded():
            return _priced("unit_price_minor", "modifiers", "account_id", "stored_value")
        case tabs.LineVoided():
            return _priced("value_minor", "counted_minor")
        case tabs.LineComped():
            return _priced("value_minor")
        case tabs.TabVoided():
            return _priced("value_minor", "shares")
        case tabs.TabSplit():
            return _priced("children", "kept", "rounding_delta_minor")
        case tabs.TabsMerged():
            return _priced("discounts", "gratuity_ppm", "waived_limit_minor", "rounding_delta_minor")
        case tabs.LinesMoved():
            limits = ("waived_limit_minor", "to_waived_limit_minor")
            return _priced("from_discounts", "to_discounts", *limits, "rounding_delta_minor")
        case tabs.PriceStale():
            return _priced("sold_minor", "current_minor")
        case (
            tabs.LineQtyChanged()
            | tabs.LineRemoved()
            | tabs.LinesSent()
            | tabs.TabTransferred()
            | tabs.TabConflict()
            | tabs.PriceMissing()
            | stock.StockAdjusted()
            | stock.OversellRecorded()
            | stock.ItemEightySixed()
            | stock.ItemBack()
            | till.ItemSet()
            | till.PriceBookSet()
            | money.DayOpened()
        ):
            return Audience(only=_INSIDERS)
        case _:
            assert_never(event)


def _priced(*fields: str) -> Audience:
    return Audience(only=_INSIDERS, fields=dict.fromkeys(fields, _STAFF))
