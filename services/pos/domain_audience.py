"""Who may see what of an event (rule C9): what is ordered everyone there, money who takes it, the rest managers."""

from typing import Final

from holdfast import Audience
from services.pos import domain_guest_events as guests
from services.pos import domain_money_events as money
from services.pos import domain_tab_events as tabs
from services.pos import domain_till_events as till
from services.pos.domain_events import SessionEvent
from services.pos.domain_roles import CASHIERS, INSIDERS, MANAGERS, SETTLERS

_MANAGERS: Final = tuple(sorted(f"role:{role}" for role in MANAGERS))
_CASHIERS: Final = tuple(sorted(f"role:{role}" for role in CASHIERS))
_STAFF: Final = tuple(sorted(f"role:{role}" for role in SETTLERS))
_INSIDERS: Final = tuple(sorted(f"role:{role}" for role in INSIDERS))


def audience(event: SessionEvent) -> Audience:  # noqa: PLR0911 - one line for each circle
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
        ):
            return Audience(only=_STAFF)
        case _:
            return Audience(only=_INSIDERS)
