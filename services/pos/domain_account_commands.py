"""What is asked of a customer's account: by people, and by tills through their reactor."""

from typing import Annotated

import msgspec

from holdfast import Command
from holdfast.money import Amount, AmountInvalid, CurrencyMismatch
from services.pos import domain_account_errors as refusals
from services.pos.domain_account_terms import Kind, Quantity, Source
from services.pos.domain_roles import CASHIERS, MANAGERS, SERVICES
from services.pos.domain_terms import Key, Words

Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
_STANDING = (refusals.AccountUnknown, refusals.AccountClosed)
_TAKING = (
    refusals.InsufficientBalance,
    refusals.CreditLimit,
    refusals.AccountFrozen,
    refusals.KindMismatch,
    AmountInvalid,
    *_STANDING,
)


class OpenAccount(Command, tag="open_account"):
    """Open an account for a customer; only a manager lets one owe money."""

    roles = CASHIERS
    creates = True
    raises = (refusals.AccountExists, AmountInvalid)

    kind: Kind
    currency: Currency
    holder: Words = ""
    """Whose it is, in words."""
    credit_limit_minor: Amount = 0
    """What a house account may owe."""


class SetCreditLimit(Command, tag="set_credit_limit"):
    """Let a house account owe so much, knowing the `terms_version`; never less than it owes."""

    roles = MANAGERS
    raises = (refusals.CreditLimit, refusals.KindMismatch, AmountInvalid, *_STANDING)

    credit_limit_minor: Amount
    expected_version: int


class LoadAccount(Command, tag="load_account"):
    """Put money on the account that was taken beside a till: a transfer, a deposit, a house account that is settled. Above 100,000 minor units at once a manager does it."""

    roles = CASHIERS
    raises = (refusals.KindMismatch, AmountInvalid, CurrencyMismatch, *_STANDING)

    amount_minor: Amount
    tender: Key
    """How it was paid: cash, card, transfer …"""
    reference: Words = ""
    currency: Currency | None = None


class HoldAmount(Command, tag="hold_amount"):
    """Keep some of a deposit or house account for something to come, for a while."""

    roles = CASHIERS
    raises = (refusals.HeldExists, refusals.TooManyHolds, CurrencyMismatch, *_TAKING)

    hold_id: Key
    amount_minor: Amount
    ttl_s: Annotated[int, msgspec.Meta(ge=60, le=30 * 86_400)]
    currency: Currency | None = None
    reference: Words = ""


class CaptureHeld(Command, tag="capture_held"):
    """Take what is held, or some of it; the rest is free again."""

    roles = CASHIERS
    raises = (refusals.HeldUnknown, AmountInvalid, *_STANDING)

    hold_id: Key
    amount_minor: Amount | None = None


class ReleaseHeld(Command, tag="release_held"):
    """Keep it no longer."""

    roles = CASHIERS
    raises = (refusals.HeldUnknown, *_STANDING)

    hold_id: Key


class RedeemPoints(Command, tag="redeem_points"):
    """Give something for points beside a till, for a reason."""

    roles = CASHIERS
    raises = _TAKING

    points: Quantity
    reason: Words


class FreezeAccount(Command, tag="freeze_account"):
    """Let nothing be taken from the account, for a reason."""

    roles = CASHIERS
    raises = _STANDING

    reason: Words


class UnfreezeAccount(Command, tag="unfreeze_account"):
    """Let the account be used again."""

    roles = MANAGERS
    raises = _STANDING


class CloseAccount(Command, tag="close_account"):
    """Close an account on which nothing is left and that owes nothing."""

    roles = MANAGERS
    raises = (refusals.AccountNotEmpty, refusals.AccountUnknown)


class AuthorizeCharge(Command, tag="authorize_charge"):
    """Keep what a payment at a till needs, until the till says how that ended. Answered by an event, also when it is declined."""

    roles = SERVICES
    creates = True

    charge_id: Key
    kind: Kind
    quantity: Quantity
    currency: Currency
    source: Source


class CaptureCharge(Command, tag="capture_charge"):
    """The till has the payment: take what is kept for it."""

    roles = SERVICES
    raises = (refusals.HeldUnknown,)

    charge_id: Key


class ReleaseCharge(Command, tag="release_charge"):
    """The payment came to nothing at the till: keep nothing for it; nothing to do when nothing was kept."""

    roles = SERVICES

    charge_id: Key


class ReturnCharge(Command, tag="return_charge"):
    """A till gave back what was paid with this account."""

    roles = SERVICES
    raises = (refusals.AccountUnknown,)

    quantity: Quantity
    source: Source


class LoadValue(Command, tag="load_value"):
    """A till sold this. A gift card, a deposit and a loyalty account begin with it; what cannot be loaded is told the till."""

    roles = SERVICES
    creates = True

    kind: Kind
    amount_minor: Quantity
    currency: Currency
    source: Source


class RecallValue(Command, tag="recall_value"):
    """A till wants to pay back what it sold: take it off again, if all of it is still there."""

    roles = SERVICES
    creates = True

    amount_minor: Quantity
    source: Source


class EarnPoints(Command, tag="earn_points"):
    """A guest has bought something. A loyalty account begins with it."""

    roles = SERVICES
    creates = True

    points: Quantity
    currency: Currency
    source: Source


class TakeBackPoints(Command, tag="take_back_points"):
    """A guest was given money back: what was earned with it is taken back, from later points when it is spent."""

    roles = SERVICES
    raises = (refusals.AccountUnknown,)

    points: Quantity
    currency: Currency | None = None
    source: Source


AccountCommand = (
    OpenAccount
    | SetCreditLimit
    | LoadAccount
    | HoldAmount
    | CaptureHeld
    | ReleaseHeld
    | RedeemPoints
    | FreezeAccount
    | UnfreezeAccount
    | CloseAccount
    | AuthorizeCharge
    | CaptureCharge
    | ReleaseCharge
    | ReturnCharge
    | LoadValue
    | RecallValue
    | EarnPoints
    | TakeBackPoints
)
