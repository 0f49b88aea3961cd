"""What happened to the location: its settings, catalogue, terminals and approvals."""

from datetime import datetime

from holdfast import Event
from services.pos.domain_terms import Discount, Item, PriceBook, Settings
from services.pos.domain_till_commands import ApprovalOf, Fact


class Configured(Event, tag="configured"):
    """How the location does business from now on."""

    settings: Settings
    version: int


class ItemSet(Event, tag="item_set"):
    """How an item is sold from now on."""

    sku: str
    item: Item


class PriceBookSet(Event, tag="price_book_set"):
    """What is sold at which hours at which prices from now on."""

    book_id: str
    book: PriceBook


class DiscountSet(Event, tag="discount_set"):
    """How a discount is given from now on."""

    discount_id: str
    discount: Discount


class TerminalRegistered(Event, tag="terminal_registered"):
    """A terminal takes part."""

    terminal_id: str
    name: str
    at: datetime


class TerminalSeen(Event, tag="terminal_seen"):
    """A terminal was there."""

    terminal_id: str
    at: datetime


class TerminalLocked(Event, tag="terminal_locked"):
    """Nobody works at a terminal until somebody signs in."""

    terminal_id: str
    logged_out: bool = False


class TerminalUnlocked(Event, tag="terminal_unlocked"):
    """Somebody works at a terminal."""

    terminal_id: str
    user: str


class TrainingSet(Event, tag="training_set"):
    """A terminal is used for practice from now on, or not any more."""

    terminal_id: str
    on: bool


class TabShown(Event, tag="tab_shown"):
    """The guest at a terminal sees this tab, or none."""

    terminal_id: str
    shown: str | None


class TerminalRevoked(Event, tag="terminal_revoked"):
    """A terminal may do nothing any more."""

    terminal_id: str


class ApprovalGranted(Event, tag="approval_granted"):
    """A manager approved one act of someone else."""

    approval_id: str
    action: ApprovalOf
    tab_id: str
    limit_minor: int
    approved_by: str
    expires_at: datetime


class ApprovalUsed(Event, tag="approval_used"):
    """It was used, and cannot be again."""

    approval_id: str


class ApprovalExpired(Event, tag="approval_expired"):
    """It was not used in time."""

    approval_id: str
    effective_at: datetime
    cause: str


class OfflineRecorded(Event, tag="offline_recorded"):
    """A terminal's facts are recorded up to this one."""

    terminal_id: str
    terminal_seq: int
    facts: int


class OfflineQuarantined(Event, tag="offline_quarantined"):
    """What a revoked terminal had queued: it had no effect, and a manager should look at it."""

    terminal_id: str
    terminal_seq: int
    facts: tuple[Fact, ...]


TillEvent = (
    Configured
    | ItemSet
    | PriceBookSet
    | DiscountSet
    | TerminalRegistered
    | TerminalSeen
    | TerminalLocked
    | TerminalUnlocked
    | TrainingSet
    | TabShown
    | TerminalRevoked
    | ApprovalGranted
    | ApprovalUsed
    | ApprovalExpired
    | OfflineRecorded
    | OfflineQuarantined
)
