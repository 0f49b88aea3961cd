"""Why a floor refuses a command, one class per code."""

from holdfast import Rejected


class TableInUse(Rejected):
    """A table with a party, a reservation or an offer cannot be taken out of the layout."""

    code = "TABLE_IN_USE"
    status = 409


class TableOccupied(Rejected):
    """Another party sits there; `details.table_id` tells where."""

    code = "TABLE_OCCUPIED"
    status = 409


class TableBlocked(Rejected):
    """The table is out of use."""

    code = "TABLE_BLOCKED"
    status = 409


class TableNotSeated(Rejected):
    """Nobody sits at this table."""

    code = "TABLE_NOT_SEATED"
    status = 409


class OverCapacity(Rejected):
    """More guests than the tables take; a manager may force it."""

    code = "OVER_CAPACITY"
    status = 422


class ReservedSoon(Rejected):
    """The table is kept for somebody; `details.at` tells from when they are expected."""

    code = "RESERVED_SOON"
    status = 409


class ItemEightySixed(Rejected):
    """The kitchen is out of this item; `details.sku` tells which."""

    code = "ITEM_86"
    status = 409


class CourseEmpty(Rejected):
    """No line of the party has this course."""

    code = "COURSE_EMPTY"
    status = 409


class AlreadyFired(Rejected):
    """Every line of this course has gone to the kitchen."""

    code = "ALREADY_FIRED"
    status = 409


class BadTransition(Rejected):
    """No way leads from this state to the one that was asked for."""

    code = "BAD_TRANSITION"
    status = 409


class AlreadyServed(Rejected):
    """What was served is not cancelled any more: void it at the till."""

    code = "ALREADY_SERVED"
    status = 409


class ReasonRequired(Rejected):
    """Say why: without a reason it is not done."""

    code = "REASON_REQUIRED"
    status = 422


class PaymentInProgress(Rejected):
    """The bill is being paid or has been: it stays as it is."""

    code = "PAYMENT_IN_PROGRESS"
    status = 409


class DifferentTaxMode(Rejected):
    """Orders to eat here and to take away are taxed differently and do not share a bill."""

    code = "DIFFERENT_TAX_MODE"
    status = 409


class NotMerged(Rejected):
    """There is nothing to take apart."""

    code = "NOT_MERGED"
    status = 409


class NotOnShift(Rejected):
    """The waiter has not clocked in."""

    code = "NOT_ON_SHIFT"
    status = 409


class OpenTables(Rejected):
    """The waiter still has parties; `details.table_ids` tells where. Hand them over first."""

    code = "OPEN_TABLES"
    status = 409


class BankOpen(Rejected):
    """The waiter still has a bank of the house's cash: settle it at the till first."""

    code = "BANK_OPEN"
    status = 409


class BalanceDue(Rejected):
    """The party has not paid; `details.balance_minor` tells what is open, as far as it is known."""

    code = "BALANCE_DUE"
    status = 409


class NoCapacity(Rejected):
    """No table is free for so many guests at that time; `details.next_at` tells when one is, if that is within a day."""

    code = "NO_CAPACITY"
    status = 409


class PacingLimit(Rejected):
    """As many guests arrive in that quarter of an hour as the kitchen takes in; `details.next_at` tells when it takes more."""

    code = "PACING_LIMIT"
    status = 409


class LeadTime(Rejected):
    """Too close to now, or past; `details.earliest` tells from when on."""

    code = "LEAD_TIME"
    status = 422


class OutOfHours(Rejected):
    """The stay does not lie within the opening hours."""

    code = "OUT_OF_HOURS"
    status = 422
