"""What people may ask of a lot."""

from typing import Annotated, Literal

import msgspec

from holdfast import Command
from holdfast.money import Amount, AmountInvalid, CurrencyMismatch
from services.auction import domain_errors as refusals
from services.auction.domain_increments import Band, TableId
from services.auction.domain_soft_close import Moment, SoftClose

LotType = Literal["english", "dutch", "sealed", "vickrey"]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_:-]*$")]
UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Title = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Nonce = Annotated[str, msgspec.Meta(min_length=16, max_length=200)]

BIDDERS = frozenset({"bidder", "clerk"})
SELLERS = frozenset({"seller", "auctioneer"})
AUCTIONEERS = frozenset({"auctioneer"})

_TAKING_PART = (refusals.NotOpen, refusals.AuctionEnded, refusals.WrongAuctionType)
_ELIGIBLE = (refusals.ShillBid, refusals.NotEligible)
_PAYING = (refusals.CreditLimit, CurrencyMismatch)
_CHANGING = (refusals.HasBids, refusals.TooLate)


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Dutch price: down by `step_minor` every `every_s` seconds, to `floor_minor` at the lowest."""

    step_minor: Annotated[int, msgspec.Meta(ge=1)]
    every_s: Annotated[int, msgspec.Meta(ge=1)]
    floor_minor: Annotated[int, msgspec.Meta(ge=1)]


class CreateLot(Command, tag="create_lot"):
    """Offer a lot for sale. It opens at `opens_at`, or at once when that is left out or past.

    `increments` and `table_id` exclude each other; without both the table is `ebay-us`. Bidders must be registered
    when `registration_required`, and accept the terms that `terms_of_sale` names when it is given.
    """

    roles = SELLERS
    creates = True
    raises = (AmountInvalid,)

    currency: str
    start_minor: Amount
    ends_at: Moment
    opens_at: Moment | None = None
    type: LotType = "english"
    lot_id: str | None = None
    """When given, the id in the entity's name."""
    title: Title = ""
    description: Text = ""
    reserve_minor: Amount | None = None
    buy_now_minor: Amount | None = None
    increments: tuple[Band, ...] | None = None
    table_id: TableId | None = None
    soft_close: SoftClose = SoftClose()
    schedule: Schedule | None = None
    """The falling price of a Dutch auction."""
    reveal_s: Annotated[int, msgspec.Meta(ge=1, le=30 * 86_400)] = 86_400
    """How long bids of a sealed auction may be revealed after its end."""
    payment_s: Annotated[int, msgspec.Meta(ge=1, le=365 * 86_400)] = 48 * 3_600
    """How long a winner has to pay, and a second-chance offer stands."""
    seller_id: UserId | None = None
    """For whom an auctioneer creates the lot."""
    seller_agents: Annotated[tuple[UserId, ...], msgspec.Meta(max_length=100)] = ()
    terms_of_sale: Key | None = None
    registration_required: bool = False
    relisted_from: str | None = None


class PlaceBid(Command, tag="place_bid"):
    """Let the auction bid for the sender up to `max_minor`. A clerk bids for the `bidder_id` on the telephone."""

    roles = BIDDERS
    raises = (
        *_TAKING_PART,
        refusals.BidTooLow,
        refusals.NotHigherThanOwnMax,
        *_ELIGIBLE,
        *_PAYING,
        AmountInvalid,
    )

    max_minor: Amount
    bid_id: Key | None = None
    """Names the bid within its lot; made up when left out."""
    bidder_id: UserId | None = None
    currency: str | None = None


class BuyNow(Command, tag="buy_now"):
    """Take the lot at its buy-now price, which ends the auction."""

    roles = BIDDERS
    raises = (refusals.BuyNowGone, *_TAKING_PART, *_ELIGIBLE, *_PAYING)

    bidder_id: UserId | None = None
    currency: str | None = None


class RetractBid(Command, tag="retract_bid"):
    """Take a bid back, because of a typing error (`wrong_amount`) or a `description_changed`.

    With more than 12 hours left all bids of the bidder go; later only this one, within an hour of placing it.
    """

    roles = BIDDERS
    raises = (refusals.RetractionWindow, refusals.ReasonInvalid, *_TAKING_PART)

    bid_id: Key
    reason: str
    bidder_id: UserId | None = None


class Accept(Command, tag="accept"):
    """Take a Dutch lot at the price of this moment."""

    roles = BIDDERS
    raises = (*_TAKING_PART, *_ELIGIBLE, *_PAYING)

    bidder_id: UserId | None = None
    currency: str | None = None


class CommitBid(Command, tag="commit_bid"):
    """Bind the sender to a sealed bid without telling it; a later one replaces it and its place in time.

    `commitment` is the SHA-256 in hexadecimal of `{lot name}|{bidder}|{amount}|{nonce}`.
    """

    roles = BIDDERS
    raises = (*_TAKING_PART, *_ELIGIBLE)

    commitment: Hash
    bidder_id: UserId | None = None


class RevealBid(Command, tag="reveal_bid"):
    """Tell the amount of a sealed bid after the end of bidding; what is not revealed does not count."""

    roles = BIDDERS
    raises = (*_TAKING_PART, refusals.CommitmentMismatch, refusals.BidTooLow, *_PAYING, AmountInvalid)

    max_minor: Amount
    nonce: Nonce
    bidder_id: UserId | None = None
    currency: str | None = None


class CancelLot(Command, tag="cancel_lot"):
    """Withdraw the lot. With bids, the seller may not in its last 12 hours."""

    roles = SELLERS
    raises = _CHANGING

    reason: Title = ""


class RelistLot(Command, tag="relist_lot"):
    """Note under which id the unsold lot is offered again; that one is created with `relisted_from`."""

    roles = SELLERS
    raises = (refusals.NotRelistable,)

    new_lot_id: Key


class PauseLot(Command, tag="pause_lot"):
    """Stop the clock: nobody can bid and nothing ends until the lot is resumed."""

    roles = SELLERS
    raises = (refusals.NotOpen, *_CHANGING)

    reason: Title = ""


class ResumeLot(Command, tag="resume_lot"):
    """Go on, with the end moved by `credit_s`; by the length of the pause when left out."""

    roles = SELLERS
    raises = (refusals.NotOpen, refusals.TooLate)

    credit_s: Annotated[int, msgspec.Meta(ge=0, le=365 * 86_400)] | None = None


class AmendDescription(Command, tag="amend_description"):
    """Change what is said of the lot. With bids, the seller may not in its last 12 hours."""

    roles = SELLERS
    raises = _CHANGING

    description: Text
    title: Title | None = None


class ChangeIncrements(Command, tag="change_increments"):
    """Use another increment table, as long as nobody has bid."""

    roles = SELLERS
    raises = (*_CHANGING, refusals.WrongAuctionType)

    increments: tuple[Band, ...] | None = None
    table_id: TableId | None = None


class RegisterBidder(Command, tag="register_bidder"):
    """Admit a bidder, up to `limit_minor` when given; repeated, the newest registration counts.

    Lots are entities of their own and do not see each other: `exposure_minor` is what the bidder already leads or
    owes on other lots, as the registering side knows it.
    """

    roles = frozenset({"auctioneer", "clerk"})
    raises = (AmountInvalid, refusals.TooLate)

    bidder_id: UserId
    limit_minor: Amount | None = None
    exposure_minor: Amount = 0


class AcceptTerms(Command, tag="accept_terms"):
    """Agree to the terms of sale that the lot names."""

    roles = BIDDERS
    raises = (refusals.TooLate,)

    terms_of_sale: Key
    bidder_id: UserId | None = None


class BanBidder(Command, tag="ban_bidder"):
    """Keep someone from bidding on this lot and from its second-chance offers; bids already placed stand."""

    roles = AUCTIONEERS

    bidder_id: UserId
    reason: Title = ""


class UnbanBidder(Command, tag="unban_bidder"):
    """Lift a ban."""

    roles = AUCTIONEERS

    bidder_id: UserId


class ConfirmPayment(Command, tag="confirm_payment"):
    """Note that the buyer has paid, which settles the lot."""

    roles = AUCTIONEERS
    raises = (refusals.NothingDue,)

    reference: Title = ""


class AcceptSecondChance(Command, tag="accept_second_chance"):
    """Buy at the price offered after the winner failed to pay."""

    roles = BIDDERS
    raises = (refusals.NoOffer,)

    bidder_id: UserId | None = None


class DeclineSecondChance(Command, tag="decline_second_chance"):
    """Leave a second-chance offer to the next bidder."""

    roles = BIDDERS
    raises = (refusals.NoOffer,)

    bidder_id: UserId | None = None


AuctionCommand = (
    CreateLot
    | PlaceBid
    | BuyNow
    | RetractBid
    | Accept
    | CommitBid
    | RevealBid
    | CancelLot
    | RelistLot
    | PauseLot
    | ResumeLot
    | AmendDescription
    | ChangeIncrements
    | RegisterBidder
    | AcceptTerms
    | BanBidder
    | UnbanBidder
    | ConfirmPayment
    | AcceptSecondChance
    | DeclineSecondChance
)
