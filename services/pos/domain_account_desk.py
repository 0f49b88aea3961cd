"""What people ask of an account beside a till: opening, loading, holding, freezing, closing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Never

from holdfast import Context, Forbidden, ValidationFailed, VersionConflict
from holdfast.money import CURRENCIES, Amount, AmountInvalid, check_currency, minor
from services.pos import domain_account_commands as commands
from services.pos import domain_account_errors as refusals
from services.pos import domain_account_events as events
from services.pos.domain_account_state import Account
from services.pos.domain_account_terms import MOST, Kind
from services.pos.domain_account_tills import lacking
from services.pos.domain_roles import MANAGERS

Events = Sequence[events.AccountEvent]
HELD_FOR: Final[tuple[Kind, ...]] = ("DEPOSIT", "HOUSE")
"""On a gift card nothing is held: whoever knows its code spends it, and nobody else."""
BY_CASHIERS: Final = 100_000
"""The most that a cashier puts on an account at once beside a till: 1,000.00 in most currencies; a manager may put more."""
LOADED: Final[tuple[Kind, ...]] = ("GIFT_CARD", "DEPOSIT", "HOUSE")


def open_account(account: Account, command: commands.OpenAccount, ctx: Context) -> Events:
    """Open an account; nothing when this very one is open."""
    limit = _amount(command.credit_limit_minor, "credit_limit_minor", least=0)
    if command.currency not in CURRENCIES:
        raise ValidationFailed("currency: an ISO 4217 code of three capitals, such as EUR")
    if limit and command.kind != "HOUSE":
        raise ValidationFailed("credit_limit_minor: only a house account owes money")
    if command.kind == "HOUSE" and MANAGERS.isdisjoint(ctx.actor.roles):
        raise Forbidden("only a manager opens a house account")
    wanted = (command.kind, command.currency, command.holder, limit)
    if account.kind is not None:
        if (account.kind, account.currency, account.holder, account.credit_limit_minor) == wanted:
            return []
        raise refusals.AccountExists("this account is open already", kind=account.kind)
    kind, currency, holder, _ = wanted
    return [events.AccountOpened(kind=kind, currency=currency, holder=holder, credit_limit_minor=limit)]


def set_credit_limit(account: Account, command: commands.SetCreditLimit) -> Events:
    """Let a house account owe so much; nothing when it may."""
    limit = _amount(command.credit_limit_minor, "credit_limit_minor", least=0)
    _check_kind(account, ("HOUSE",))
    if limit == account.credit_limit_minor:
        return []
    if command.expected_version != account.terms_version:
        raise VersionConflict(
            f"the terms are at version {account.terms_version}; look at them again", version=account.terms_version
        )
    least = account.credit_limit_minor - account.available
    if limit < least:
        raise refusals.CreditLimit(
            f"{least} is owed or held already: settle that first, or freeze the account", available=0, owed=least
        )
    return [events.CreditLimitSet(credit_limit_minor=limit, version=account.terms_version + 1)]


def load_account(account: Account, command: commands.LoadAccount, ctx: Context) -> Events:
    """Put money on the account."""
    amount = _amount(command.amount_minor, "amount_minor", least=1)
    _check_kind(account, LOADED)
    check_currency(command.currency, account.currency)
    if amount > BY_CASHIERS and MANAGERS.isdisjoint(ctx.actor.roles):
        raise Forbidden(f"amount_minor: {BY_CASHIERS} at once; a manager puts more on an account")
    balance = account.balance + amount
    if balance > MOST:
        raise AmountInvalid(f"amount_minor: the balance is {MOST} at most", most=MOST)
    tender, reference = command.tender, command.reference
    loaded = events.ValueLoaded(amount_minor=amount, balance=balance, at=ctx.now, tender=tender, reference=reference)
    return [loaded]


def hold_amount(account: Account, command: commands.HoldAmount, ctx: Context) -> Events:
    """Keep some of it until a moment; nothing when this very amount is kept."""
    amount = _amount(command.amount_minor, "amount_minor", least=1)
    _check_kind(account, HELD_FOR)
    check_currency(command.currency, account.currency)
    known = account.holds.get(command.hold_id)
    if known is not None:
        if (known.quantity, known.reference, known.source) == (amount, command.reference, None):
            return []
        raise refusals.HeldExists("hold_id: this one is taken; make a new one")
    _check_takeable(account, amount)
    until = ctx.now + timedelta(seconds=command.ttl_s)
    told = {"hold_id": command.hold_id, "reference": command.reference}
    return [events.AmountHeld(**told, amount_minor=amount, expires_at=until)]


def capture_held(account: Account, command: commands.CaptureHeld, ctx: Context) -> Events:
    """Take what is held, or so much of it."""
    held, reference = _held(account, command.hold_id)
    wanted = held if command.amount_minor is None else _amount(command.amount_minor, "amount_minor", least=1)
    if wanted > held:
        raise AmountInvalid(f"amount_minor: {held} at most, for no more is held", most=held)
    told = {"hold_id": command.hold_id, "reference": reference}
    return [events.HeldCaptured(**told, amount_minor=wanted, balance=account.balance - wanted, at=ctx.now)]


def release_held(account: Account, command: commands.ReleaseHeld) -> Events:
    """Keep it no longer."""
    _held(account, command.hold_id)
    return [events.HeldReleased(hold_id=command.hold_id)]


def _held(account: Account, hold_id: str) -> tuple[int, str]:
    """What people hold; what is kept for a payment is the till's to end."""
    _check_open(account)
    held = account.holds.get(hold_id)
    if held is None or held.expires_at is None:
        raise refusals.HeldUnknown("nothing is held by this id; it was taken, released, or its time is over")
    return held.quantity, held.reference


def expired(account: Account, due: datetime, ctx: Context) -> Events:
    """The ends of what was held until this moment, or longer ago."""
    over = [key for key, held in account.holds.items() if held.expires_at is not None and held.expires_at <= due]
    return [events.HeldExpired(hold_id=key, effective_at=due, cause=ctx.cause) for key in over]


def redeem_points(account: Account, command: commands.RedeemPoints, ctx: Context) -> Events:
    """Take points for something that is given beside a till."""
    _check_kind(account, ("LOYALTY",))
    _check_takeable(account, command.points)
    if not command.reason:
        raise ValidationFailed("reason: say what is given for the points")
    left = account.balance - command.points
    return [events.PointsRedeemed(points=command.points, balance=left, at=ctx.now, reason=command.reason)]


def freeze(account: Account, command: commands.FreezeAccount) -> Events:
    """Let nothing be taken; nothing when it is frozen."""
    _check_open(account)
    if not command.reason:
        raise ValidationFailed("reason: say why the account is frozen")
    return [] if account.status == "FROZEN" else [events.AccountFrozen(reason=command.reason)]


def unfreeze(account: Account) -> Events:
    """Let it be used; nothing when it is."""
    _check_open(account)
    return [events.AccountUnfrozen()] if account.status == "FROZEN" else []


def close_account(account: Account) -> Events:
    """End an empty account; nothing when it is closed."""
    _check_known(account)
    if account.status == "CLOSED":
        return []
    if account.balance or account.holds:
        raise refusals.AccountNotEmpty(
            "take what is on it, or settle what it owes, first", balance=account.balance, holds=len(account.holds)
        )
    return [events.AccountClosed()]


def _amount(value: Amount, field: str, *, least: int) -> int:
    amount = minor(value, field)
    if not least <= amount <= MOST:
        raise AmountInvalid(f"{field}: {least} to {MOST}", field=field)
    return amount


def _check_known(account: Account) -> None:
    if account.kind is None:
        raise refusals.AccountUnknown("this account is not open: open_account first")


def _check_open(account: Account) -> None:
    _check_known(account)
    if account.status == "CLOSED":
        raise refusals.AccountClosed("this account is closed; open another one")


def _check_kind(account: Account, kinds: Sequence[Kind]) -> None:
    _check_open(account)
    if account.kind not in kinds:
        raise refusals.KindMismatch(f"this is for {', '.join(kinds)}", kind=account.kind)


def _check_takeable(account: Account, quantity: int) -> None:
    match lacking(account, quantity):
        case None:
            return
        case "ACCOUNT_FROZEN":
            raise refusals.AccountFrozen("a manager unfreezes it by unfreeze_account")
        case "TOO_MANY_HOLDS":
            raise refusals.TooManyHolds("release some of what is held first")
        case "CREDIT_LIMIT":
            _lacks(refusals.CreditLimit, account)
        case _:
            _lacks(refusals.InsufficientBalance, account)


def _lacks(refusal: type[refusals.CreditLimit | refusals.InsufficientBalance], account: Account) -> Never:
    raise refusal(f"{max(0, account.available)} can be taken", available=account.available)
