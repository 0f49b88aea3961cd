"""What happened at a till to customers' accounts."""

from services.pos.domain_charge_commands import ValueOutcome
from services.pos.domain_tab_events import OnTab


class TabCustomerSet(OnTab, tag="tab_customer_set"):
    """A tab counts on this loyalty account, or on nobody's."""

    tab_id: str
    account_id: str | None = None


class ValueRecallAsked(OnTab, tag="value_recall_asked"):
    """The account is asked to give back what a line sold."""

    tab_id: str
    line_id: str
    account_id: str
    minor: int


class ValueAnswered(OnTab, tag="value_answered"):
    """The account has given back what a line sold, keeps it, or never took it."""

    tab_id: str
    line_id: str
    outcome: ValueOutcome
    reason: str = ""
    available: int = 0


ChargeEvent = TabCustomerSet | ValueRecallAsked | ValueAnswered
