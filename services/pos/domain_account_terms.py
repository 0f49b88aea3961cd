"""The words that commands, events and the state of a customer's account share."""

import hashlib
from typing import Annotated, Final, Literal

import msgspec

from services.pos.domain_terms import AccountKind, Part

Kind = AccountKind
AccountStatus = Literal["OPEN", "FROZEN", "CLOSED"]
MovementKind = Literal["load", "recall", "charge", "return", "earn", "take_back", "redeem"]
Reason = Literal[
    "INSUFFICIENT_BALANCE",
    "CREDIT_LIMIT",
    "ACCOUNT_UNKNOWN",
    "ACCOUNT_FROZEN",
    "ACCOUNT_CLOSED",
    "KIND_MISMATCH",
    "CURRENCY_MISMATCH",
    "TOO_MANY_HOLDS",
    "AMOUNT_INVALID",
    "NEVER_LOADED",
]
"""Why an account did not do what a till asked of it: the codes by which it refuses the same to people."""
MOST: Final = 10**15
"""The highest balance; what is counted in one stays exact in every reader and table."""
HOLDS: Final = 100
"""The most amounts that are held on an account at a time."""
MOVEMENTS: Final = 20
"""The newest ones, which the state keeps; all are in the list."""
REFUSED: Final = 100
"""The newest purchases that put nothing on the account, which it remembers to take nothing off for them."""
Quantity = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
"""Minor units or, on a loyalty account, points."""
CardCode = Annotated[str, msgspec.Meta(min_length=12, max_length=64, pattern=r"^(-*[A-Za-z0-9]){12}[A-Za-z0-9-]*$")]
"""What stands on a gift card: 12 letters and digits or more, which should be random. Whoever knows it spends the card, so it is in no event, no state and no list."""


def card_account(code: str) -> str:
    """The id of a gift card's account: `gc-` and the first 40 hex digits of the SHA-256 of `card:` and the code.

    The code is taken in capitals and without hyphens. The way back from an id is to try all codes, so that an id gives nothing away as long as codes are long and random.
    """
    digest = hashlib.sha256(f"card:{code.replace('-', '').upper()}".encode()).hexdigest()
    return f"gc-{digest[:40]}"


class Source(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What at which till caused a movement."""

    till: str
    tab_id: str
    line_id: str | None = None
    payment_id: str | None = None
    refund_no: str | None = None
