"""What happened to a lot.

Names in public fields (`bidder`, `leader`, `winner`) are masked; the users themselves stand in the `…_id` fields, which
`domain_audience` guards. Deadlines tell when they took effect (`effective_at`) and how they were found (`cause`).
"""

from datetime import datetime
from typing import Literal

import msgspec

from holdfast import Event
from services.auction.domain_commands import LotType, Schedule
from services.auction.domain_increments import Bands
from services.auction.domain_soft_close import SoftClose

Result = Literal["SOLD", "UNSOLD_RESERVE", "NO_BIDS"]


class LotCreated(Event, tag="lot_created"):
    """A lot was offered, on these terms."""

    type: LotType
    seller: str
    seller_agents: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    currency: str
    start_minor: int
    reserve_minor: int | None = None
    has_reserve: bool = False
    buy_now_minor: int | None = None
    opens_at: datetime
    ends_at: datetime
    increments: Bands
    soft_close: SoftClose
    schedule: Schedule | None = None
    reveal_s: int
    payment_s: int
    terms_of_sale: str | None = None
    registration_required: bool = False
    relisted_from: str | None = None


class LotOpened(Event, tag="lot_opened"):
    """The lot takes bids."""

    effective_at: datetime
    cause: str


class BidAccepted(Event, tag="bid_accepted"):
    """A bid stands. `price_minor`, `leader` and `reserve_met` are the lot's after it.

    `shown_minor` is the amount shown for this bid itself: the price when it leads, else the minimum it was asked for.
    `own_raise` marks a leader's raise that changed nothing for others, who do not see it.
    """

    bid_id: str
    bidder: str
    bidder_id: str
    max_minor: int
    shown_minor: int
    price_minor: int
    leader: str
    leader_id: str
    reserve_met: bool
    at: datetime
    own_raise: bool = False


class Outbid(Event, tag="outbid"):
    """A bidder does not lead any more, or his bid was beaten at once by an earlier maximum."""

    bidder: str
    bidder_id: str
    price_minor: int
    minimum_minor: int


class EndExtended(Event, tag="end_extended"):
    """A late bid moved the end."""

    from_: datetime = msgspec.field(name="from")
    to: datetime


class BoughtNow(Event, tag="bought_now"):
    """The lot was taken at its buy-now price."""

    bidder: str
    bidder_id: str
    price_minor: int


class PriceAccepted(Event, tag="price_accepted"):
    """A Dutch lot was taken at the price of that moment."""

    bidder: str
    bidder_id: str
    price_minor: int


class BidCommitted(Event, tag="bid_committed"):
    """A sealed bid was handed in."""

    bidder: str
    bidder_id: str
    commitment: str
    at: datetime


class RevealOpened(Event, tag="reveal_opened"):
    """Sealed bidding has ended and bids may be revealed."""

    reveal_ends_at: datetime
    effective_at: datetime
    cause: str


class BidRevealed(Event, tag="bid_revealed"):
    """A sealed bid was opened and fits its commitment."""

    bidder: str
    bidder_id: str
    max_minor: int


class AuctionClosed(Event, tag="auction_closed"):
    """The auction is over. `price_minor` is what the winner pays, or the last price of an unsold lot."""

    result: Result
    winner: str | None = None
    winner_id: str | None = None
    price_minor: int | None = None
    bids: int
    payment_due_at: datetime | None = None
    effective_at: datetime
    cause: str


class BidRetracted(Event, tag="bid_retracted"):
    """Bids were taken back; price and leader are what the others lead to, both absent when none is left."""

    bid_ids: tuple[str, ...]
    bidder: str
    bidder_id: str
    reason: str
    price_minor: int | None
    leader: str | None
    leader_id: str | None
    reserve_met: bool


class LotCancelled(Event, tag="lot_cancelled"):
    """The lot was withdrawn."""

    reason: str = ""


class LotRelisted(Event, tag="lot_relisted"):
    """The lot is offered again under another id."""

    new_lot_id: str


class LotPaused(Event, tag="lot_paused"):
    """The clock stands."""

    at: datetime
    reason: str = ""


class LotResumed(Event, tag="lot_resumed"):
    """The clock goes on; `ends_at` is the end of the phase that was interrupted."""

    ends_at: datetime
    max_end: datetime | None = None
    clock_from: datetime
    """From when a Dutch price falls: the opening, later by the time the clock stood."""


class DescriptionAmended(Event, tag="description_amended"):
    """What is said of the lot has changed."""

    title: str
    description: str


class IncrementsChanged(Event, tag="increments_changed"):
    """Bids go up by another table."""

    increments: Bands


class BidderRegistered(Event, tag="bidder_registered"):
    """Someone may bid, within a limit when there is one."""

    bidder_id: str
    limit_minor: int | None = None
    exposure_minor: int = 0


class TermsAccepted(Event, tag="terms_accepted"):
    """Someone agreed to the terms of sale."""

    bidder_id: str
    terms_of_sale: str


class BidderBanned(Event, tag="bidder_banned"):
    """Someone may not bid."""

    bidder_id: str
    reason: str = ""


class BidderUnbanned(Event, tag="bidder_unbanned"):
    """Someone may bid again."""

    bidder_id: str


class Settled(Event, tag="settled"):
    """The buyer has paid."""

    buyer_id: str
    price_minor: int
    reference: str = ""


class PaymentOverdue(Event, tag="payment_overdue"):
    """The buyer did not pay in time and has lost the lot."""

    buyer_id: str
    price_minor: int
    effective_at: datetime
    cause: str


class SecondChanceOffered(Event, tag="second_chance_offered"):
    """The next bidder may buy at his own highest bid."""

    bidder_id: str
    price_minor: int
    expires_at: datetime


class SecondChanceAccepted(Event, tag="second_chance_accepted"):
    """The next bidder bought."""

    bidder_id: str
    price_minor: int
    payment_due_at: datetime


class SecondChanceDeclined(Event, tag="second_chance_declined"):
    """The next bidder does not want the lot."""

    bidder_id: str


class SecondChanceLapsed(Event, tag="second_chance_lapsed"):
    """The next bidder did not answer in time."""

    bidder_id: str
    effective_at: datetime
    cause: str


AuctionEvent = (
    LotCreated
    | LotOpened
    | BidAccepted
    | Outbid
    | EndExtended
    | BoughtNow
    | PriceAccepted
    | BidCommitted
    | RevealOpened
    | BidRevealed
    | AuctionClosed
    | BidRetracted
    | LotCancelled
    | LotRelisted
    | LotPaused
    | LotResumed
    | DescriptionAmended
    | IncrementsChanged
    | BidderRegistered
    | TermsAccepted
    | BidderBanned
    | BidderUnbanned
    | Settled
    | PaymentOverdue
    | SecondChanceOffered
    | SecondChanceAccepted
    | SecondChanceDeclined
    | SecondChanceLapsed
)
