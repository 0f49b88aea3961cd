"""A customer's account, as its history made it. Nothing is judged here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, assert_never

from msgspec.structs import replace

from holdfast import State
from services.pos import domain_account_events as events
from services.pos.domain_account_terms import MOVEMENTS, REFUSED, AccountStatus, Kind, MovementKind, Source
from services.pos.domain_session import without
from services.pos.domain_terms import Part


class Held(Part, frozen=True, kw_only=True, omit_defaults=True):
    """An amount that is kept: for a payment at a till until that ends, for anything else until a moment."""

    quantity: int
    expires_at: datetime | None = None
    source: Source | None = None
    reference: str = ""


class Movement(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What changed the balance."""

    kind: MovementKind
    change: int
    balance: int
    at: datetime
    source: Source | None = None
    note: str = ""


class Account(State, omit_defaults=True):
    """A gift card, a house account, a deposit or a loyalty account; one that is not open has no kind."""

    kind: Kind | None = None
    currency: str = ""
    holder: str = ""
    status: AccountStatus = "OPEN"
    credit_limit_minor: int = 0
    terms_version: int = 0
    balance: int = 0
    """Minor units or points; below zero what a house account owes."""
    owed_points: int = 0
    """Points that were to be taken back and were spent."""
    holds: Mapping[str, Held] = {}
    movements: tuple[Movement, ...] = ()
    """The newest ones."""
    refused: tuple[Source, ...] = ()
    """The newest of what tills sold and the account did not take."""

    @property
    def available(self) -> int:
        """What can be taken: the balance and the credit, less what is kept."""
        return self.balance + self.credit_limit_minor - sum(held.quantity for held in self.holds.values())


def evolve_account(account: Account, event: events.AccountEvent) -> Account:  # noqa: C901, PLR0911, PLR0912 - one line for each
    """The account after an event."""
    match event:
        case events.AccountOpened(kind=kind, currency=currency, holder=holder, credit_limit_minor=limit):
            terms = {"credit_limit_minor": limit, "terms_version": 1}
            return replace(account, kind=kind, currency=currency, holder=holder, **terms)
        case events.CreditLimitSet(credit_limit_minor=limit, version=version):
            return replace(account, credit_limit_minor=limit, terms_version=version)
        case events.RecallRefused() | events.ChargeDeclined():
            return account
        case events.LoadRefused(source=source) | events.PointsRefused(source=source):
            return replace(account, refused=(*_others(account, source), source)[-REFUSED:])
        case events.ValueLoaded(source=source, tender=tender, reference=reference):
            note = reference if source is not None else f"{tender} {reference}".strip()
            taken = replace(account, refused=_others(account, source))
            return _moved(taken, "load", event, source, note=note)
        case events.ValueRecalled(source=source):
            return _moved(account, "recall", event, source)
        case events.ChargeAuthorized(charge_id=charge_id, quantity=quantity, source=source):
            return replace(account, holds={**account.holds, charge_id: Held(quantity=quantity, source=source)})
        case events.ChargeCaptured(charge_id=charge_id, source=source):
            return _moved(_freed(account, charge_id), "charge", event, source)
        case events.ChargeReturned(source=source):
            status = "OPEN" if account.status == "CLOSED" else account.status
            return _moved(replace(account, status=status), "return", event, source)
        case events.AmountHeld(hold_id=hold_id, amount_minor=quantity, expires_at=at, reference=reference):
            held = Held(quantity=quantity, expires_at=at, reference=reference)
            return replace(account, holds={**account.holds, hold_id: held})
        case events.HeldCaptured(hold_id=hold_id, reference=reference):
            return _moved(_freed(account, hold_id), "charge", event, note=reference)
        case events.ChargeReleased(charge_id=gone):
            return _freed(account, gone)
        case events.HeldReleased(hold_id=gone) | events.HeldExpired(hold_id=gone):
            return _freed(account, gone)
        case events.PointsEarned(settled=settled, source=source):
            owing = account.owed_points - settled
            taken = replace(account, owed_points=owing, refused=_others(account, source))
            return _moved(taken, "earn", event, source)
        case events.PointsTakenBack(owed=owed, source=source):
            owing = replace(account, owed_points=account.owed_points + owed)
            return _moved(owing, "take_back", event, source)
        case events.PointsRedeemed(reason=reason):
            return _moved(account, "redeem", event, note=reason)
        case events.AccountFrozen():
            return replace(account, status="FROZEN")
        case events.AccountUnfrozen():
            return replace(account, status="OPEN")
        case events.AccountClosed():
            return replace(account, status="CLOSED")
        case _:
            assert_never(event)


def _others(account: Account, source: Source | None) -> tuple[Source, ...]:
    """What it did not take, but for this purchase."""
    return tuple(each for each in account.refused if each != source)


def _freed(account: Account, hold_id: str) -> Account:
    return replace(account, holds=without(account.holds, hold_id))


class _Moving(Protocol):
    """What an event tells that moves the balance."""

    @property
    def balance(self) -> int: ...

    @property
    def at(self) -> datetime: ...


def _moved(
    account: Account, kind: MovementKind, event: _Moving, source: Source | None = None, *, note: str = ""
) -> Account:
    change = event.balance - account.balance
    movement = Movement(kind=kind, change=change, balance=event.balance, at=event.at, source=source, note=note)
    return replace(account, balance=event.balance, movements=(*account.movements, movement)[-MOVEMENTS:])
