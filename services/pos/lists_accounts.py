"""What may be asked of the lists of customers' accounts, and what their items show."""

from datetime import datetime

import msgspec

from services.pos.domain_account_terms import AccountStatus, Kind, MovementKind
from services.pos.lists import Amount, Instant


class AccountFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    account: str | None = None
    kind: Kind | None = None
    status: AccountStatus | None = None
    currency: str | None = None
    balance_below: Amount | None = None
    """With 0: the accounts that owe something."""
    opened_after: Instant | None = None
    """At this moment or later."""
    opened_before: Instant | None = None


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's account; `id` is the account."""

    id: str
    kind: Kind
    currency: str
    holder: str
    status: AccountStatus
    balance: int
    """Minor units or points; below zero what a house account owes."""
    held: int
    """What is kept of it for payments under way and for what is to come."""
    credit_limit_minor: int
    owed_points: int
    opened_at: datetime
    opened_by: str
    moved_at: datetime | None


class AccountMovementFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that are given must hold."""

    account: str | None = None
    account_kind: Kind | None = None
    kind: MovementKind | None = None
    till: str | None = None
    tab_id: str | None = None
    after: Instant | None = None
    """At this moment or later."""
    before: Instant | None = None


class AccountMovementRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an account's statement."""

    id: str
    seq: int
    kind: MovementKind
    account_kind: Kind
    currency: str
    change: int
    balance: int
    """Afterwards."""
    at: datetime
    by: str
    till: str | None
    tab_id: str | None
    line_id: str | None
    payment_id: str | None
    refund_no: str | None
    note: str
