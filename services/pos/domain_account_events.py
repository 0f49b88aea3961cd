"""What happened to a customer's account. Whatever moves the balance tells it as it is afterwards."""

from datetime import datetime

from holdfast import Event
from services.pos.domain_account_terms import Kind, Reason, Source


class AccountOpened(Event, tag="account_opened"):
    """A customer has an account."""

    kind: Kind
    currency: str
    holder: str = ""
    credit_limit_minor: int = 0


class CreditLimitSet(Event, tag="credit_limit_set"):
    """A house account may owe so much."""

    credit_limit_minor: int
    version: int


class ValueLoaded(Event, tag="value_loaded"):
    """Money is on the account: sold by a till, or taken beside one."""

    amount_minor: int
    balance: int
    at: datetime
    source: Source | None = None
    tender: str = ""
    reference: str = ""


class LoadRefused(Event, tag="load_refused"):
    """What a till sold is not on the account."""

    amount_minor: int
    reason: Reason
    source: Source


class ValueRecalled(Event, tag="value_recalled"):
    """What a till sold is off the account again, to be paid back."""

    amount_minor: int
    balance: int
    at: datetime
    source: Source


class RecallRefused(Event, tag="recall_refused"):
    """What a till sold stays on the account, for it is not there any more in full."""

    amount_minor: int
    reason: Reason
    available: int
    source: Source


class ChargeAuthorized(Event, tag="charge_authorized"):
    """So much is kept for a payment at a till, until the till says how that ended."""

    charge_id: str
    quantity: int
    source: Source


class ChargeDeclined(Event, tag="charge_declined"):
    """Nothing is kept for a payment at a till."""

    charge_id: str
    quantity: int
    reason: Reason
    available: int = 0
    source: Source


class ChargeCaptured(Event, tag="charge_captured"):
    """A payment at a till was made with it."""

    charge_id: str
    quantity: int
    balance: int
    at: datetime
    source: Source


class ChargeReleased(Event, tag="charge_released"):
    """A payment at a till came to nothing: what was kept for it is free."""

    charge_id: str
    quantity: int


class ChargeReturned(Event, tag="charge_returned"):
    """A till gave back what was paid with it. A closed account is open again."""

    quantity: int
    balance: int
    at: datetime
    source: Source


class AmountHeld(Event, tag="amount_held"):
    """So much is kept for something to come, until `expires_at`."""

    hold_id: str
    amount_minor: int
    expires_at: datetime
    reference: str = ""


class HeldCaptured(Event, tag="held_captured"):
    """What was held is taken, or so much of it."""

    hold_id: str
    amount_minor: int
    balance: int
    at: datetime
    reference: str = ""


class HeldReleased(Event, tag="held_released"):
    """What was held is free."""

    hold_id: str


class HeldExpired(Event, tag="held_expired"):
    """Nobody took in time what was held."""

    hold_id: str
    effective_at: datetime
    cause: str


class PointsEarned(Event, tag="points_earned"):
    """A guest has points for a purchase, less what is taken back of earlier ones."""

    points: int
    settled: int = 0
    """What of them goes towards points that were to be taken back and were spent."""
    balance: int
    at: datetime
    source: Source


class PointsRefused(Event, tag="points_refused"):
    """A purchase earned nothing here."""

    points: int
    reason: Reason
    source: Source


class PointsTakenBack(Event, tag="points_taken_back"):
    """Points of a purchase that was paid back are off the account."""

    points: int
    owed: int = 0
    """What of them was spent, and is taken from the next ones."""
    balance: int
    at: datetime
    source: Source


class PointsRedeemed(Event, tag="points_redeemed"):
    """A guest got something for points beside a till."""

    points: int
    balance: int
    at: datetime
    reason: str


class AccountFrozen(Event, tag="account_frozen"):
    """Nothing is taken from the account."""

    reason: str


class AccountUnfrozen(Event, tag="account_unfrozen"):
    """The account is used again."""


class AccountClosed(Event, tag="account_closed"):
    """The account is at its end."""


AccountEvent = (
    AccountOpened
    | CreditLimitSet
    | ValueLoaded
    | LoadRefused
    | ValueRecalled
    | RecallRefused
    | ChargeAuthorized
    | ChargeDeclined
    | ChargeCaptured
    | ChargeReleased
    | ChargeReturned
    | AmountHeld
    | HeldCaptured
    | HeldReleased
    | HeldExpired
    | PointsEarned
    | PointsRefused
    | PointsTakenBack
    | PointsRedeemed
    | AccountFrozen
    | AccountUnfrozen
    | AccountClosed
)
