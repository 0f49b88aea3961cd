"""A customer's account: a gift card, a house account, a deposit or loyalty points; an entity each, for every till of a tenant.

`domain_account_desk` is what people ask, `domain_account_tills` what tills do, `domain_account_state` what became of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from holdfast import Actor, Context, Entity
from services.pos import domain_account_commands as commands
from services.pos import domain_account_desk as desk
from services.pos import domain_account_tills as tills
from services.pos.domain_account_commands import AccountCommand
from services.pos.domain_account_events import AccountEvent
from services.pos.domain_account_state import Account, Movement, evolve_account
from services.pos.domain_account_terms import AccountStatus, Kind
from services.pos.domain_roles import CASHIERS, SERVICE
from services.pos.domain_view import Shown

READERS = frozenset({SERVICE, *CASHIERS})
"""Who may see what customers have."""


class HeldView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """An amount that is kept; what is kept for a payment at a till has no time of its own."""

    quantity: int
    expires_at: datetime | None = None
    till: str | None = None
    reference: str = ""


class AccountView(Shown, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's account, with its newest movements; all are in the list."""

    kind: Kind | None
    currency: str
    holder: str
    status: AccountStatus
    balance: int
    """Minor units or points; below zero what a house account owes."""
    available: int
    credit_limit_minor: int
    terms_version: int
    owed_points: int
    holds: Mapping[str, HeldView]
    movements: tuple[Movement, ...]


class PosAccount(Entity[Account, AccountCommand, AccountEvent]):
    """The account of one customer."""

    purpose = "pos-account"
    initial = Account()

    def decide(  # noqa: C901, PLR0911, PLR0912 - one line for each command
        self, account: Account, command: AccountCommand, ctx: Context, /
    ) -> Sequence[AccountEvent]:
        """Judge a command."""
        match command:
            case commands.OpenAccount():
                return desk.open_account(account, command, ctx)
            case commands.SetCreditLimit():
                return desk.set_credit_limit(account, command)
            case commands.LoadAccount():
                return desk.load_account(account, command, ctx)
            case commands.HoldAmount():
                return desk.hold_amount(account, command, ctx)
            case commands.CaptureHeld():
                return desk.capture_held(account, command, ctx)
            case commands.ReleaseHeld():
                return desk.release_held(account, command)
            case commands.RedeemPoints():
                return desk.redeem_points(account, command, ctx)
            case commands.FreezeAccount():
                return desk.freeze(account, command)
            case commands.UnfreezeAccount():
                return desk.unfreeze(account)
            case commands.CloseAccount():
                return desk.close_account(account)
            case commands.AuthorizeCharge():
                return tills.authorize(account, command)
            case commands.CaptureCharge():
                return tills.capture(account, command, ctx)
            case commands.ReleaseCharge():
                return tills.release(account, command)
            case commands.ReturnCharge():
                return tills.give_back(account, command, ctx)
            case commands.LoadValue():
                return tills.load(account, command, ctx)
            case commands.RecallValue():
                return tills.recall(account, command, ctx)
            case commands.EarnPoints():
                return tills.earn(account, command, ctx)
            case commands.TakeBackPoints():
                return tills.take_back(account, command, ctx)
            case _:
                assert_never(command)

    def evolve(self, account: Account, event: AccountEvent, /) -> Account:
        """Obey an event."""
        return evolve_account(account, event)

    def alarm_at(self, account: Account, /) -> datetime | None:
        """The earliest end of what people hold; a payment's end is its till's to tell."""
        return min((held.expires_at for held in account.holds.values() if held.expires_at is not None), default=None)

    def on_alarm(self, account: Account, ctx: Context, /) -> Sequence[AccountEvent]:
        """End what is over, as of the deadline itself."""
        return desk.expired(account, ctx.due_at or ctx.now, ctx)

    def view(self, account: Account, viewer: Actor, /) -> AccountView:
        """All of it, for those who may see it at all."""
        return AccountView(
            kind=account.kind,
            currency=account.currency,
            holder=account.holder,
            status=account.status,
            balance=account.balance,
            available=account.available,
            credit_limit_minor=account.credit_limit_minor,
            terms_version=account.terms_version,
            owed_points=account.owed_points,
            holds={
                key: HeldView(
                    quantity=held.quantity,
                    expires_at=held.expires_at,
                    till=None if held.source is None else held.source.till,
                    reference=held.reference,
                )
                for key, held in account.holds.items()
            },
            movements=account.movements,
        )

    def may_read(self, account: Account, viewer: Actor, /) -> bool:
        """Cashiers, managers and services; of an account that is not open there is nothing to see yet, but it can be opened."""
        return not READERS.isdisjoint(viewer.roles)
