"""The words of payments from customers' accounts, of stored value that is sold, and of points."""

from typing import Literal

from services.pos.domain_terms import AccountKind, Part, StoredKind, Tender

StoredState = Literal["on", "asked", "off"]


class Charge(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a payment asks of an account, under an id of its own: payment ids may be used again."""

    charge_id: str
    account_id: str
    kind: AccountKind
    quantity: int
    """Minor units with the tip or, of a loyalty account, points."""


class Taken(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a tab was paid with from one account, and what of that went back."""

    tender: Tender
    minor: int
    quantity: int
    returned_minor: int = 0
    returned_quantity: int = 0


class Load(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a line puts on an account when its tab is closed."""

    line_id: str
    account_id: str
    kind: StoredKind
    minor: int


class StoredLine(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A line that put something on an account; `off` when it is not there, and can be paid back."""

    account_id: str
    minor: int
    state: StoredState = "on"


class Points(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a tab earned on a loyalty account."""

    account_id: str
    points: int
    fresh: int | None = None
    """In older logs, which told here what of the points was not earned yet; nothing reads it."""


class Returned(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What goes back on an account, or off it, with a refund."""

    account_id: str
    quantity: int
