"""What waiters ask of tabs and their lines."""

from typing import Annotated, Literal

import msgspec

from holdfast import Command
from holdfast.money import Amount, AmountInvalid, CurrencyMismatch
from services.pos import domain_errors as refusals
from services.pos.domain_account_terms import CardCode
from services.pos.domain_ids import UserId
from services.pos.domain_roles import CASHIERS, STAFF
from services.pos.domain_terms import (
    Course,
    Guests,
    Key,
    LineKey,
    Milli,
    Modifier,
    OrderType,
    Part,
    Seat,
    Units,
    Words,
)

SplitMode = Literal["lines", "quantity", "seats", "evenly", "amount"]
_CHANGING = (refusals.TabNotOpen, refusals.TerminalRevoked, refusals.TrainingTerminal)
_LESSENING = (refusals.LinePaid, *_CHANGING)
_REASONED = (refusals.ReasonRequired, refusals.ReasonUnknown, refusals.ApprovalRequired)
_COVER = (refusals.HoldExpired,)


class OpenTab(Command, tag="open_tab"):
    """Open a tab under an id that the terminal made. The first one makes its location, with the default settings."""

    roles = STAFF
    creates = True
    raises = (refusals.TabExists, refusals.DayClosed, refusals.TerminalRevoked, refusals.TrainingTerminal)

    tab_id: Key
    name: Words = ""
    guest_count: Guests | None = None
    table_ref: Key | None = None
    order_type: OrderType = "dine_in"


class AddLine(Command, tag="add_line"):
    """Put an item on a tab under an id that the terminal made. A price of one's own is a manager's to give."""

    roles = STAFF
    raises = (
        refusals.UnknownSku,
        refusals.QtyInvalid,
        refusals.PriceOverrideForbidden,
        refusals.ModifierUnknown,
        refusals.ModifiersRequired,
        refusals.ComboInvalid,
        refusals.LineExists,
        refusals.InsufficientStock,
        AmountInvalid,
        CurrencyMismatch,
        *_CHANGING,
    )

    tab_id: Key
    line_id: Key
    sku: Key
    qty_milli: Milli = 1_000
    unit_price_minor: Amount | None = None
    currency: str | None = None
    modifiers: Annotated[tuple[Modifier, ...], msgspec.Meta(max_length=50)] = ()
    seat: Seat | None = None
    course: Course | None = None
    note: Words = ""
    account_id: Key | None = None
    """Of stored value, the account on which its price is put."""
    card_code: CardCode | None = None
    """Or what stands on the gift card."""


class ComboPart(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What is chosen for a slot, and the id of its line, which the terminal made."""

    slot: Key
    line_id: Key
    sku: Key
    modifiers: Annotated[tuple[Modifier, ...], msgspec.Meta(max_length=50)] = ()


class AddCombo(Command, tag="add_combo"):
    """Put a combo on a tab: a line for each part, which together cost what the combo costs, and their wishes on top."""

    roles = STAFF
    raises = (
        refusals.UnknownSku,
        refusals.QtyInvalid,
        refusals.ComboInvalid,
        refusals.ModifierUnknown,
        refusals.ModifiersRequired,
        refusals.PriceOverrideForbidden,
        refusals.LineExists,
        refusals.InsufficientStock,
        AmountInvalid,
        *_CHANGING,
    )

    tab_id: Key
    combo_id: Key
    """One of its own for each combo on a tab: its parts are taken off together."""
    sku: Key
    qty_milli: Milli = 1_000
    parts: Annotated[tuple[ComboPart, ...], msgspec.Meta(min_length=1, max_length=20)]
    seat: Seat | None = None
    course: Course | None = None
    note: Words = ""


class SetLineQty(Command, tag="set_line_qty"):
    """Change how many of a line, knowing its `version`."""

    roles = STAFF
    raises = (
        refusals.QtyInvalid,
        refusals.LineSent,
        refusals.InsufficientStock,
        refusals.PriceOverrideForbidden,
        AmountInvalid,
        *_LESSENING,
    )

    line_id: LineKey
    qty_milli: Milli
    expected_version: int
    tab_id: Key | None = None


class RemoveLine(Command, tag="remove_line"):
    """Take a line off that the kitchen does not have; a combo as a whole, when all of it is on the tab."""

    roles = STAFF
    raises = (refusals.LineSent, *_LESSENING)

    line_id: LineKey
    tab_id: Key | None = None


class VoidLine(Command, tag="void_line"):
    """Take some or all of a sent line off, for a reason. Only with `restock` the goods count as sellable again."""

    roles = STAFF
    raises = (*_REASONED, refusals.QtyInvalid, *_LESSENING)

    line_id: LineKey
    qty_milli: Milli | None = None
    """All when left out."""
    reason_code: str = ""
    approver: Key | None = None
    """The id of a manager's approval."""
    restock: bool = False
    tab_id: Key | None = None


class CompLine(Command, tag="comp_line"):
    """Give a line away: it stays on the tab and costs nothing."""

    roles = STAFF
    raises = (*_REASONED, *_LESSENING)

    line_id: LineKey
    reason_code: str = ""
    approver: Key | None = None
    tab_id: Key | None = None


class ApplyDiscount(Command, tag="apply_discount"):
    """Give a discount on a line (`line_id`), or on the whole tab, as its scope says."""

    roles = STAFF
    raises = (
        refusals.DiscountInactive,
        refusals.NotCombinable,
        refusals.ApprovalRequired,
        refusals.TabPaid,
        *_CHANGING,
    )

    tab_id: Key
    discount_id: Key
    scope: Literal["item", "order"] = "order"
    line_id: LineKey | None = None
    code: str | None = None
    approver: Key | None = None


class RemoveDiscount(Command, tag="remove_discount"):
    """Take a discount back."""

    roles = STAFF
    raises = _CHANGING

    tab_id: Key
    discount_id: Key
    line_id: LineKey | None = None


class WaiveGratuity(Command, tag="waive_gratuity"):
    """Let a large party pay nothing for service, for a reason."""

    roles = STAFF
    raises = (*_REASONED, refusals.TabPaid, *_CHANGING)

    tab_id: Key
    reason_code: str = ""
    approver: Key | None = None


class SendToKitchen(Command, tag="send_to_kitchen"):
    """Let the kitchen make what it does not have yet: all lines when none is named."""

    roles = STAFF
    raises = (refusals.NothingToSend, *_COVER, *_CHANGING)

    tab_id: Key
    line_ids: Annotated[tuple[LineKey, ...], msgspec.Meta(max_length=500)] = ()


class PrintBill(Command, tag="print_bill"):
    """Bring the guest the bill."""

    roles = STAFF
    raises = _CHANGING

    tab_id: Key


class VoidTab(Command, tag="void_tab"):
    """Give up a tab on which nothing was paid; what it holds is free again.

    What the kitchen has of it needs a reason, and so do parts of a combo that is not whole on it.
    """

    roles = STAFF
    raises = (
        refusals.TabPaid,
        refusals.PaymentInProgress,
        *_REASONED,
        *_CHANGING,
    )

    tab_id: Key
    reason_code: str = ""
    """Needed when the kitchen has lines of it."""
    approver: Key | None = None


class ReopenTab(Command, tag="reopen_tab"):
    """Take lines again on a tab that was paid but not closed. A closed one stays closed: refund instead."""

    roles = CASHIERS
    raises = (refusals.ReasonRequired, refusals.PaymentInProgress, refusals.TerminalRevoked, refusals.TrainingTerminal)

    tab_id: Key
    reason: Words = ""


class LinePortion(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Some or all of a line."""

    line_id: LineKey
    qty_milli: Units


class SplitPart(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One new tab, and what of the old one goes there; what is in no part stays."""

    tab_id: Key
    line_ids: tuple[LineKey, ...] = ()
    """Whole lines, in the mode `lines`."""
    lines: tuple[LinePortion, ...] = ()
    """Parts of lines, in the mode `quantity`."""
    seats: tuple[int, ...] = ()
    amount_minor: int | None = None
    """What this part pays with its taxes, to some cents, in the mode `amount`."""


class SplitTab(Command, tag="split_tab"):
    """Make several tabs of one, each with a receipt of its own; the old one keeps the rest, or the first even part."""

    roles = STAFF
    raises = (
        refusals.SplitInvalid,
        refusals.TabExists,
        refusals.TabPaid,
        refusals.PaymentInProgress,
        *_COVER,
        *_CHANGING,
    )

    tab_id: Key
    mode: SplitMode
    parts: Annotated[tuple[SplitPart, ...], msgspec.Meta(min_length=1, max_length=99)]


class MergeTabs(Command, tag="merge_tabs"):
    """Put all lines of one tab on another one."""

    roles = STAFF
    raises = (
        refusals.SplitInvalid,
        refusals.TabPaid,
        refusals.PaymentInProgress,
        refusals.LineExists,
        refusals.ApprovalRequired,
        AmountInvalid,
        *_COVER,
        *_CHANGING,
    )

    from_: Key = msgspec.field(name="from")
    into: Key


class MoveLines(Command, tag="move_lines"):
    """Put some lines of a tab on another one."""

    roles = STAFF
    raises = (
        refusals.SplitInvalid,
        refusals.TabPaid,
        refusals.PaymentInProgress,
        refusals.LineExists,
        refusals.ApprovalRequired,
        AmountInvalid,
        *_COVER,
        *_CHANGING,
    )

    from_tab_id: Key
    to_tab_id: Key
    line_ids: Annotated[tuple[LineKey, ...], msgspec.Meta(min_length=1, max_length=500)]


class TransferTab(Command, tag="transfer_tab"):
    """Give a tab to another waiter, or move it to another table."""

    roles = STAFF
    raises = _CHANGING

    tab_id: Key
    owner: UserId | None = None
    table_ref: Key | None = None


TabCommand = (
    OpenTab
    | AddLine
    | AddCombo
    | SetLineQty
    | RemoveLine
    | VoidLine
    | CompLine
    | ApplyDiscount
    | RemoveDiscount
    | WaiveGratuity
    | SendToKitchen
    | PrintBill
    | VoidTab
    | ReopenTab
    | SplitTab
    | MergeTabs
    | MoveLines
    | TransferTab
)
