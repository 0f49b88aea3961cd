"""What is asked of the location: its settings, catalogue, terminals and approvals, and what terminals did offline."""

from typing import Annotated, Literal

import msgspec

from holdfast import Command
from services.pos import domain_errors as refusals
from services.pos.domain_ids import DrawerKey
from services.pos.domain_roles import ADMINS, MANAGERS, STAFF, TERMINALS
from services.pos.domain_terms import (
    Discount,
    Item,
    Key,
    Moment,
    OrderType,
    Part,
    PriceBook,
    Settings,
    Units,
    Words,
)

ApprovalOf = Literal["void", "comp", "discount", "gratuity", "refund"]


class Configure(Command, tag="configure"):
    """Set how the location does business, knowing the `settings_version` before; 0 makes the location."""

    roles = ADMINS
    creates = True

    settings: Settings
    expected_version: Annotated[int, msgspec.Meta(ge=0)]


class SetItem(Command, tag="set_item"):
    """Put an item into the catalogue, or give one a newer `price_version`."""

    roles = MANAGERS
    raises = (refusals.UnknownSku, refusals.TerminalRevoked)

    sku: Key
    item: Item


class SetPriceBook(Command, tag="set_price_book"):
    """Sell at other prices at some hours, or by a newer `version` of a book."""

    roles = MANAGERS
    raises = (refusals.UnknownSku, refusals.TerminalRevoked)

    book_id: Key
    book: PriceBook


class SetDiscount(Command, tag="set_discount"):
    """Offer a discount, or a newer `version` of one."""

    roles = MANAGERS

    discount_id: Key
    discount: Discount


class RegisterTerminal(Command, tag="register_terminal"):
    """Let a terminal take part."""

    roles = MANAGERS
    raises = (refusals.TerminalRevoked,)

    terminal_id: Key
    name: Words = ""


class Heartbeat(Command, tag="heartbeat"):
    """Say every 15 seconds that the terminal is there; the log keeps one a minute."""

    roles = TERMINALS
    raises = (refusals.TerminalRevoked,)

    terminal_id: Key


class LockTerminal(Command, tag="lock_terminal"):
    """Say that nobody may go on at the terminal without signing in; `log_out` also ends who was signed in."""

    roles = STAFF
    raises = (refusals.TerminalRevoked,)

    terminal_id: Key
    log_out: bool = False


class UnlockTerminal(Command, tag="unlock_terminal"):
    """Say that the sender works at the terminal now."""

    roles = STAFF
    raises = (refusals.TerminalRevoked,)

    terminal_id: Key


class SetTraining(Command, tag="set_training"):
    """Use a terminal without a drawer for practice, or in earnest again. Tabs that are opened there meanwhile count nowhere."""

    roles = MANAGERS
    raises = (refusals.DrawerState, refusals.TerminalRevoked)

    terminal_id: Key
    on: bool


class ShowTab(Command, tag="show_tab"):
    """Show a tab to the guest at this terminal; none when it is left out."""

    roles = STAFF
    raises = (refusals.TabNotOpen, refusals.TerminalRevoked)

    tab_id: Key | None = None
    terminal_id: Key | None = None


class RevokeTerminal(Command, tag="revoke_terminal"):
    """Refuse this terminal for good, with all that it has queued."""

    roles = MANAGERS

    terminal_id: Key


class GrantApproval(Command, tag="grant_approval"):
    """Approve one act of someone else, as a manager under one's own credential; good for a short while, and once."""

    roles = MANAGERS
    raises = (refusals.TerminalRevoked,)

    approval_id: Key
    action: ApprovalOf
    tab_id: Key
    limit_minor: Units
    """Up to which value."""


class OfflineLine(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A line as the terminal rang it up, at the price that it knew."""

    line_id: Key
    sku: Key
    qty_milli: Units = 1_000
    unit_price_minor: Units
    tax_ids: tuple[Key, ...] = ()


class OfflineFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fact"):
    """Something that happened at a terminal without a connection."""

    occurred_at: Moment
    """By the terminal's clock: evidence, and never the time by which anything is judged."""


class LinesRung(OfflineFact, frozen=True, kw_only=True, tag="lines_rung"):
    """Lines were added to a tab, which was opened for them when it was not there."""

    tab_id: Key
    lines: Annotated[tuple[OfflineLine, ...], msgspec.Meta(min_length=1, max_length=500)]
    order_type: OrderType = "dine_in"
    table_ref: Key | None = None


class CashSale(OfflineFact, frozen=True, kw_only=True, tag="cash_sale"):
    """A sale was paid in cash, and the guest left with it."""

    tab_id: Key
    payment_id: Key
    lines: Annotated[tuple[OfflineLine, ...], msgspec.Meta(min_length=1, max_length=500)]
    paid_minor: Units
    order_type: OrderType = "dine_in"


class CardSale(OfflineFact, frozen=True, kw_only=True, tag="card_sale"):
    """A sale was paid by a card that the processor has not seen yet."""

    tab_id: Key
    payment_id: Key
    lines: Annotated[tuple[OfflineLine, ...], msgspec.Meta(min_length=1, max_length=500)]
    paid_minor: Units
    tip_minor: Units = 0
    order_type: OrderType = "dine_in"


class DrawerMoved(OfflineFact, frozen=True, kw_only=True, tag="drawer_moved"):
    """The drawer was opened: without a sale, or to put cash in or out."""

    kind: Literal["no_sale", "paid_in", "paid_out"]
    amount_minor: Units = 0
    reason: Words = ""


Fact = LinesRung | CashSale | CardSale | DrawerMoved
Facts = Annotated[tuple[Fact, ...], msgspec.Meta(min_length=1, max_length=200)]
FirstSeq = Annotated[int, msgspec.Meta(ge=1)]


class SubmitOffline(Command, tag="submit_offline"):
    """Record what a terminal did without a connection, in its own order; `terminal_seq` is that of the first fact.

    Facts are never refused for what they say: conflicts are flagged. Those that are known already are left alone.
    They are told by the credential of that device, or by a cashier; those of a bank (`bank:` and a name) by its holder.
    """

    roles = STAFF
    raises = (refusals.TerminalSeqGap, refusals.TerminalRevoked, refusals.TerminalUnknown)

    terminal_id: DrawerKey
    terminal_seq: FirstSeq
    facts: Facts


class QuarantineOffline(Command, tag="quarantine_offline"):
    """Keep what a revoked terminal had queued for review: nothing of it takes effect."""

    roles = STAFF
    raises = (refusals.TerminalSeqGap,)

    terminal_id: DrawerKey
    terminal_seq: FirstSeq
    facts: Facts


TillCommand = (
    Configure
    | SetItem
    | SetPriceBook
    | SetDiscount
    | RegisterTerminal
    | Heartbeat
    | LockTerminal
    | UnlockTerminal
    | SetTraining
    | ShowTab
    | RevokeTerminal
    | GrantApproval
    | SubmitOffline
    | QuarantineOffline
)
