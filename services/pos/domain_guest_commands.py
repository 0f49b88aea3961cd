"""What is asked of codes at tables: staff issue and end them, and whoever scans one pays."""

from typing import Annotated

import msgspec

from holdfast import Command
from holdfast.money import Amount, AmountInvalid
from services.pos import domain_errors as refusals
from services.pos.domain_roles import GUESTS, SETTLERS, STAFF
from services.pos.domain_terms import Key, LineKey

CodeId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{15,99}$")]
"""Long and random, for it is all that a guest needs to know: a UUID will do."""


class IssueTableCode(Command, tag="issue_table_code"):
    """Let whoever has this code see one tab, and pay it by card, until its time is over or the tab is gone."""

    roles = STAFF
    raises = (refusals.TabNotOpen, refusals.CodeInUse, refusals.TerminalRevoked, refusals.TrainingTerminal)

    code_id: CodeId
    tab_id: Key
    seconds: Annotated[int, msgspec.Meta(ge=60, le=12 * 3_600)] = 2 * 3_600


class RevokeTableCodes(Command, tag="revoke_table_codes"):
    """End all codes of a tab; the floor asks for it when its guests have gone."""

    roles = SETTLERS
    raises = (refusals.TerminalRevoked, refusals.TrainingTerminal)

    tab_id: Key


class PayAtTable(Command, tag="pay_at_table"):
    """Begin a card payment of the tab of the sender's code: of one of so many even parts, of some lines, or of all that is due.

    Its outcome is the processor's to tell, as of every card (`record_payment_result`).
    """

    roles = GUESTS
    raises = (
        refusals.TabNotOpen,
        refusals.PaymentInProgress,
        refusals.HoldExpired,
        refusals.AmountExceedsDue,
        refusals.ApprovalRequired,
        refusals.LineTaken,
        AmountInvalid,
    )

    payment_id: Key
    parts: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """Of how many even parts one is paid."""
    line_ids: Annotated[tuple[LineKey, ...], msgspec.Meta(min_length=1, max_length=500)] | None = None
    """The lines that the guest had."""
    tip_minor: Amount = 0


GuestCommand = IssueTableCode | RevokeTableCodes | PayAtTable
