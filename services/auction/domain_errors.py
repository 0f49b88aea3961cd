"""Why an auction refuses a command, one class per code."""

from holdfast import Rejected


class NotOpen(Rejected):
    """The lot does not take this now: not opened yet, paused, or in another phase."""

    code = "NOT_OPEN"
    status = 409


class AuctionEnded(Rejected):
    """The lot was closed or cancelled."""

    code = "AUCTION_ENDED"
    status = 409


class WrongAuctionType(Rejected):
    """The lot is sold by another kind of auction."""

    code = "WRONG_AUCTION_TYPE"
    status = 409


class BidTooLow(Rejected):
    """Below the next acceptable bid, which `details.minimum` tells."""

    code = "BID_TOO_LOW"
    status = 422


class NotHigherThanOwnMax(Rejected):
    """The leader may only raise his own maximum."""

    code = "NOT_HIGHER_THAN_OWN_MAX"
    status = 422


class ShillBid(Rejected):
    """The seller and the seller's agents may not bid on their own lot."""

    code = "SHILL_BID"
    status = 403


class NotEligible(Rejected):
    """Banned from this lot, not registered for it, or its terms of sale not accepted."""

    code = "NOT_ELIGIBLE"
    status = 403


class CreditLimit(Rejected):
    """The bidder's limit does not cover this bid; `details.available` tells what it covers."""

    code = "CREDIT_LIMIT"
    status = 422


class BuyNowGone(Rejected):
    """The lot has no buy-now price, or a bid ended the offer."""

    code = "BUY_NOW_GONE"
    status = 409


class RetractionWindow(Rejected):
    """Too late to take this bid back."""

    code = "RETRACTION_WINDOW"
    status = 422


class ReasonInvalid(Rejected):
    """A bid is retracted for `wrong_amount` or `description_changed` only."""

    code = "REASON_INVALID"
    status = 422


class HasBids(Rejected):
    """There are bids, so the seller may not change this any more."""

    code = "HAS_BIDS"
    status = 409


class TooLate(Rejected):
    """The lot has ended or was cancelled; it can no longer be changed."""

    code = "TOO_LATE"
    status = 409


class NotRelistable(Rejected):
    """Only a lot that ended without a sale is listed again, and only once."""

    code = "NOT_RELISTABLE"
    status = 409


class NothingDue(Rejected):
    """No payment is awaited for this lot."""

    code = "NOTHING_DUE"
    status = 409


class NoOffer(Rejected):
    """There is no second-chance offer to this bidder."""

    code = "NO_OFFER"
    status = 409


class CommitmentMismatch(Rejected):
    """The revealed amount and nonce do not give the commitment that was made."""

    code = "COMMITMENT_MISMATCH"
    status = 422
