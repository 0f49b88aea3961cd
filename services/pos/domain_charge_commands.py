"""What is asked of a till about customers' accounts, by people and by the accounts themselves."""

from typing import Literal

from holdfast import Command
from services.pos import domain_errors as refusals
from services.pos.domain_account_terms import Reason
from services.pos.domain_roles import CASHIERS, SERVICES, STAFF
from services.pos.domain_terms import Key, LineKey

ValueOutcome = Literal["recalled", "kept", "refused"]


class RecordCharge(Command, tag="record_charge"):
    """The account has answered a payment. One that has ended meanwhile stays as it is: its end has told the account."""

    roles = SERVICES

    payment_id: Key
    charge_id: Key
    declined: Reason | None = None
    available: int = 0


class SetTabCustomer(Command, tag="set_tab_customer"):
    """Say on whose loyalty account a tab counts, or on nobody's."""

    roles = STAFF
    raises = (refusals.TabNotOpen, refusals.TerminalRevoked, refusals.TrainingTerminal)

    tab_id: Key
    account_id: Key | None = None


class RecallLine(Command, tag="recall_line"):
    """Take what a line sold off its account again, so that its price can be paid back."""

    roles = CASHIERS
    raises = (refusals.PaymentInProgress, refusals.TerminalRevoked, refusals.TrainingTerminal)

    tab_id: Key
    line_id: LineKey


class RecordValue(Command, tag="record_value"):
    """The account has answered what a line sold: it took it back, keeps it, or never took it."""

    roles = SERVICES

    tab_id: Key
    line_id: LineKey
    outcome: ValueOutcome
    reason: Reason | None = None
    available: int = 0


ChargeCommand = RecordCharge | SetTabCustomer | RecallLine | RecordValue
