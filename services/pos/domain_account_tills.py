"""What tills ask of an account. They have taken or given money already: whatever is decided is recorded as an event."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from holdfast import Context
from services.pos import domain_account_commands as commands
from services.pos import domain_account_errors as refusals
from services.pos import domain_account_events as events
from services.pos.domain_account_state import Account
from services.pos.domain_account_terms import HOLDS, MOST, Kind, Reason

Events = Sequence[events.AccountEvent]


def authorize(account: Account, command: commands.AuthorizeCharge) -> Events:
    """Keep what a payment needs, or say why not; nothing when it is kept."""
    if command.charge_id in account.holds:
        return []
    reason = _unusable(account, command.kind, command.currency) or lacking(account, command.quantity)
    asked: dict[str, Any] = {"charge_id": command.charge_id, "quantity": command.quantity, "source": command.source}
    if reason is None:
        return [events.ChargeAuthorized(**asked)]
    known = reason in {"INSUFFICIENT_BALANCE", "CREDIT_LIMIT"}
    return [events.ChargeDeclined(**asked, reason=reason, available=account.available if known else 0)]


def lacking(account: Account, quantity: int) -> Reason | None:
    """Why so much cannot be kept on an account that is fit for it."""
    if account.status == "FROZEN":
        return "ACCOUNT_FROZEN"
    if quantity > account.available:
        return "CREDIT_LIMIT" if account.kind == "HOUSE" else "INSUFFICIENT_BALANCE"
    return "TOO_MANY_HOLDS" if len(account.holds) >= HOLDS else None


def _unusable(account: Account, kind: Kind | None, currency: str | None) -> Reason | None:
    """Why an account is not fit for something at all."""
    if account.kind is None:
        return "ACCOUNT_UNKNOWN"
    if kind not in (None, account.kind):
        return "KIND_MISMATCH"
    if currency not in (None, account.currency):
        return "CURRENCY_MISMATCH"
    return "ACCOUNT_CLOSED" if account.status == "CLOSED" else None


def capture(account: Account, command: commands.CaptureCharge, ctx: Context) -> Events:
    """Take what is kept for a payment."""
    held = account.holds.get(command.charge_id)
    if held is None or held.source is None:
        raise refusals.HeldUnknown("nothing is kept for this payment", charge_id=command.charge_id)
    left = account.balance - held.quantity
    asked: dict[str, Any] = {"charge_id": command.charge_id, "quantity": held.quantity, "source": held.source}
    return [events.ChargeCaptured(**asked, balance=left, at=ctx.now)]


def release(account: Account, command: commands.ReleaseCharge) -> Events:
    """Keep nothing for a payment; nothing when nothing is kept."""
    held = account.holds.get(command.charge_id)
    if held is None or held.source is None:
        return []
    return [events.ChargeReleased(charge_id=command.charge_id, quantity=held.quantity)]


def give_back(account: Account, command: commands.ReturnCharge, ctx: Context) -> Events:
    """Put back what was paid with the account, whatever has become of it since."""
    _check_known(account)
    balance = account.balance + command.quantity
    return [events.ChargeReturned(quantity=command.quantity, balance=balance, at=ctx.now, source=command.source)]


def load(account: Account, command: commands.LoadValue, ctx: Context) -> Events:
    """Put what a till sold on the account, which may begin with it."""
    begun = _begun(account, command.kind, command.currency)
    kind, currency = command.kind, command.currency
    reason = None if begun else _unusable(account, kind, currency)
    if reason is None and account.balance + command.amount_minor > MOST:
        reason = "AMOUNT_INVALID"
    if reason is not None:
        return [events.LoadRefused(amount_minor=command.amount_minor, reason=reason, source=command.source)]
    balance = account.balance + command.amount_minor
    loaded = events.ValueLoaded(amount_minor=command.amount_minor, balance=balance, at=ctx.now, source=command.source)
    return [*begun, loaded]


def _begun(account: Account, kind: Kind, currency: str) -> list[events.AccountOpened]:
    """The opening of an account that begins with its first load; a house account is opened by a manager."""
    if account.kind is not None or kind == "HOUSE":
        return []
    return [events.AccountOpened(kind=kind, currency=currency)]


def recall(account: Account, command: commands.RecallValue, ctx: Context) -> Events:
    """Take what a till sold off the account again, all of it or nothing."""
    amount = command.amount_minor
    reason = _unusable(account, None, None) or _irrevocable(account, command)
    if reason is not None:
        there = account.available if account.kind is not None else 0
        return [events.RecallRefused(amount_minor=amount, reason=reason, available=there, source=command.source)]
    balance = account.balance - amount
    return [events.ValueRecalled(amount_minor=amount, balance=balance, at=ctx.now, source=command.source)]


def _irrevocable(account: Account, command: commands.RecallValue) -> Reason | None:
    """Why what a till sold stays where it is; a frozen account gives nothing back either."""
    if command.source in account.refused:
        return "NEVER_LOADED"
    if account.status == "FROZEN":
        return "ACCOUNT_FROZEN"
    return "INSUFFICIENT_BALANCE" if command.amount_minor > account.available else None


def earn(account: Account, command: commands.EarnPoints, ctx: Context) -> Events:
    """Add the points of a purchase, first to what is owed."""
    begun = _begun(account, "LOYALTY", command.currency)
    reason = None if begun else _unusable(account, "LOYALTY", command.currency)
    if reason is None and account.balance + command.points > MOST:
        reason = "AMOUNT_INVALID"
    if reason is not None:
        return [events.PointsRefused(points=command.points, reason=reason, source=command.source)]
    settled = min(account.owed_points, command.points)
    balance = account.balance + command.points - settled
    earned = events.PointsEarned(
        points=command.points, settled=settled, balance=balance, at=ctx.now, source=command.source
    )
    return [*begun, earned]


def take_back(account: Account, command: commands.TakeBackPoints, ctx: Context) -> Events:
    """Take points off again; what was spent of them is owed. Nothing for a purchase that earned nothing here."""
    _check_known(account)
    if _unusable(account, "LOYALTY", command.currency) or replace(command.source, refund_no=None) in account.refused:
        return []
    there = max(0, min(command.points, account.available))
    balance = account.balance - there
    asked: dict[str, Any] = {"points": command.points, "source": command.source}
    return [events.PointsTakenBack(**asked, owed=command.points - there, balance=balance, at=ctx.now)]


def _check_known(account: Account) -> None:
    if account.kind is None:
        raise refusals.AccountUnknown("this account was never opened")
