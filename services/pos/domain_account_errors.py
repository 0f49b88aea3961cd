"""Why a customer's account refuses, one class per code."""

from holdfast import Rejected


class AccountExists(Rejected):
    """The account is open already, as another one."""

    code = "ACCOUNT_EXISTS"
    status = 409


class AccountFrozen(Rejected):
    """The account is frozen: nothing is taken from it until it is unfrozen."""

    code = "ACCOUNT_FROZEN"
    status = 409


class AccountClosed(Rejected):
    """The account is closed."""

    code = "ACCOUNT_CLOSED"
    status = 409


class AccountUnknown(Rejected):
    """The account is not open."""

    code = "ACCOUNT_UNKNOWN"
    status = 404


class KindMismatch(Rejected):
    """Another kind of account does this; `details.kind` tells which this one is."""

    code = "KIND_MISMATCH"
    status = 422


class InsufficientBalance(Rejected):
    """Not so much is left; `details.available` tells how much is."""

    code = "INSUFFICIENT_BALANCE"
    status = 422


class CreditLimit(Rejected):
    """The account may not owe so much; `details.available` tells how much more it may."""

    code = "CREDIT_LIMIT"
    status = 422


class TooManyHolds(Rejected):
    """So many amounts are held on this account that it takes no more."""

    code = "TOO_MANY_HOLDS"
    status = 409


class HeldUnknown(Rejected):
    """There is no such amount held on this account: it was taken, released, or its time is over."""

    code = "HELD_UNKNOWN"
    status = 404


class HeldExists(Rejected):
    """The id of a held amount is taken."""

    code = "HELD_EXISTS"
    status = 409


class AccountNotEmpty(Rejected):
    """There is something on the account; `details` tell the `balance` and how many `holds`."""

    code = "ACCOUNT_NOT_EMPTY"
    status = 409
