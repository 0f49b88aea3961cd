"""What is asked of payments, drawers, refunds and business days."""

from datetime import date
from typing import Annotated, Literal

import msgspec

from holdfast import Command
from holdfast.money import Amount, AmountInvalid, CurrencyMismatch
from services.pos import domain_errors as refusals
from services.pos.domain_account_terms import CardCode
from services.pos.domain_ids import DrawerKey, UserId
from services.pos.domain_roles import CASHIERS, MANAGERS, SETTLERS, STAFF
from services.pos.domain_tab_commands import LinePortion
from services.pos.domain_terms import Key, Part, Tender, Words

Outcome = Literal["captured", "failed", "cancelled"]
_DRAWER = (refusals.DrawerState, refusals.TerminalRevoked, refusals.TrainingTerminal)


class BeginPayment(Command, tag="begin_payment"):
    """Start to pay some or all of a tab. What is reserved for it stays so until the outcome is known.

    `amount_minor` goes towards the tab; only cash may be more. A card's tip comes on top of it.
    """

    roles = STAFF
    raises = (
        refusals.TabNotOpen,
        refusals.PaymentInProgress,
        refusals.HoldExpired,
        refusals.AmountExceedsDue,
        refusals.ApprovalRequired,
        refusals.DrawerNotOpen,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
        AmountInvalid,
        CurrencyMismatch,
    )

    tab_id: Key
    payment_id: Key
    amount_minor: Amount
    tender: Tender
    tip_minor: Amount = 0
    currency: str | None = None
    terminal_id: DrawerKey | None = None
    """Whose drawer takes the cash; when left out the sender's bank, or that of the sender's device."""
    account_id: Key | None = None
    """The house account, deposit or loyalty account that pays: it answers by itself, and nobody else tells the outcome."""
    card_code: CardCode | None = None
    """What stands on the gift card that pays."""


class RecordPaymentResult(Command, tag="record_payment_result"):
    """Say how a payment ended; only cash is a waiter's to confirm, and what a guest began at his table to give up."""

    roles = SETTLERS
    raises = (
        refusals.PaymentUnknown,
        refusals.PaymentAlreadyFinal,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    payment_id: Key
    outcome: Outcome
    processor_ref: Words = ""


class CloseTab(Command, tag="close_tab"):
    """Close a paid tab and give it its receipt number."""

    roles = STAFF
    raises = (
        refusals.BalanceDue,
        refusals.ApprovalRequired,
        refusals.PaymentInProgress,
        refusals.DayClosed,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    tab_id: Key


class RefundLine(LinePortion, frozen=True, kw_only=True, omit_defaults=True):
    """Some or all of a sold line; with `restock` the goods are sellable again."""

    restock: bool = False


class Refund(Command, tag="refund"):
    """Give money of a closed tab back, for a reason."""

    roles = CASHIERS
    raises = (
        refusals.RefundExceedsPaid,
        refusals.ReasonRequired,
        refusals.ReasonUnknown,
        refusals.ApprovalRequired,
        refusals.DrawerNotOpen,
        refusals.DayClosed,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
        AmountInvalid,
    )

    tab_id: Key
    amount_minor: Amount
    tender: Tender
    reason_code: str = ""
    lines: Annotated[tuple[RefundLine, ...], msgspec.Meta(max_length=500)] = ()
    approver: Key | None = None
    terminal_id: DrawerKey | None = None
    account_id: Key | None = None
    """The account on which the money goes back, when several paid."""


class OpenDrawer(Command, tag="open_drawer"):
    """Begin with so much cash in this terminal's drawer."""

    roles = STAFF
    raises = (AmountInvalid, refusals.TerminalUnknown, *_DRAWER)

    minor: Amount
    terminal_id: DrawerKey | None = None


class OpenBank(Command, tag="open_bank"):
    """Begin a waiter's bank with so much cash: what he takes in cash goes there, and to no drawer."""

    roles = STAFF
    raises = (AmountInvalid, refusals.DrawerState, refusals.TrainingTerminal)

    minor: Amount
    waiter: UserId | None = None
    """The sender when left out; only a cashier opens somebody else's."""
    floor: Key | None = None
    """Where the waiter works: beside those of the settings, this floor lets nobody clock out before the bank is settled."""


class SettleBank(Command, tag="settle_bank"):
    """End a waiter's bank with what was counted in it, without having been told what should be there."""

    roles = STAFF
    raises = (AmountInvalid, refusals.DrawerState, refusals.TrainingTerminal)

    minor: Amount
    waiter: UserId | None = None
    """The sender when left out; only a cashier settles somebody else's."""


class PayIn(Command, tag="pay_in"):
    """Put cash into the drawer that is no sale."""

    roles = CASHIERS
    raises = (AmountInvalid, refusals.ReasonRequired, *_DRAWER)

    minor: Amount
    reason: Words = ""
    terminal_id: DrawerKey | None = None


class PayOut(Command, tag="pay_out"):
    """Take cash out of the drawer that is no refund."""

    roles = CASHIERS
    raises = (AmountInvalid, refusals.ReasonRequired, *_DRAWER)

    minor: Amount
    reason: Words = ""
    terminal_id: DrawerKey | None = None


class NoSale(Command, tag="no_sale"):
    """Open the drawer without a sale, for a reason."""

    roles = STAFF
    raises = (refusals.ReasonRequired, *_DRAWER)

    reason: Words = ""
    terminal_id: DrawerKey | None = None


class EndDrawer(Command, tag="end_drawer"):
    """Take no more cash into this drawer: it waits to be counted."""

    roles = STAFF
    raises = _DRAWER

    terminal_id: DrawerKey | None = None


class CountDrawer(Command, tag="count_drawer"):
    """Close an ended drawer with what was counted in it, without having been told what should be there."""

    roles = STAFF
    raises = (AmountInvalid, *_DRAWER)

    minor: Amount
    terminal_id: DrawerKey | None = None


class OpenDay(Command, tag="open_day"):
    """Begin a business day."""

    roles = CASHIERS
    raises = (refusals.TerminalRevoked, refusals.TrainingTerminal)

    business_date: date


class CloseDay(Command, tag="close_day"):
    """End the business day with its Z report; open tabs go over to the next one only when that is said."""

    roles = MANAGERS
    raises = (refusals.DayNotClear, refusals.DayClosed, refusals.TerminalRevoked, refusals.TrainingTerminal)

    carry_over: bool = False


class TipShare(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody's part of the tips, by hours worked or points."""

    user: UserId
    weight: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class PoolTips(Command, tag="pool_tips"):
    """Share out among the staff what tips and gratuity of the day are not shared out yet, to the cent."""

    roles = MANAGERS
    raises = (refusals.NothingToPool, refusals.DayClosed, refusals.TerminalRevoked, refusals.TrainingTerminal)

    pool_id: Key
    shares: Annotated[tuple[TipShare, ...], msgspec.Meta(min_length=1, max_length=200)]


MoneyCommand = (
    BeginPayment
    | RecordPaymentResult
    | CloseTab
    | Refund
    | OpenDrawer
    | OpenBank
    | SettleBank
    | PayIn
    | PayOut
    | NoSale
    | EndDrawer
    | CountDrawer
    | OpenDay
    | CloseDay
    | PoolTips
)
