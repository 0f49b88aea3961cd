"""How tills and customers' accounts tell each other: the till what it needs and how that ended, the account what it has.

For each till in the order of its events: what is kept for a payment is asked for before it is taken or let go.
"""

from collections.abc import Sequence
from typing import Any, Final

from holdfast import Actor, Command, Name
from holdfast.sql import StoredEvent
from holdfast.worker import Effect, Reactor, Send
from services.pos import domain_account_commands as to_account
from services.pos import domain_account_events as from_account
from services.pos import domain_charge_commands as to_till
from services.pos import domain_charge_events as charges
from services.pos import domain_money_events as money
from services.pos.domain_account_events import AccountEvent
from services.pos.domain_account_terms import Source
from services.pos.domain_charge_terms import Charge, Load
from services.pos.domain_events import SessionEvent
from services.pos.domain_tab_events import OnTab, TabClosed

TILL: Final = "pos-session"
ACCOUNT: Final = "pos-account"


class Accounts(Reactor[SessionEvent]):
    """Asks accounts for what payments need, and puts on them what was sold, earned and given back."""

    purpose = TILL
    name = "accounts"
    actor = Actor(user="_pos", roles=("service",))

    def react(  # noqa: PLR0911 - one line for each event
        self, stored: StoredEvent[SessionEvent], /
    ) -> Sequence[Effect]:
        """The commands for the accounts that the event concerns; practice concerns none."""
        event, till = stored.event, stored.name
        if isinstance(event, OnTab) and event.training:
            return []
        match event:
            case money.PaymentStarted(charge=Charge() as charge):
                return [_account(till, charge.account_id, _authorize(till, event, charge))]
            case money.PaymentCaptured(charge=Charge(charge_id=charge_id, account_id=account_id)):
                return [_account(till, account_id, to_account.CaptureCharge(charge_id=charge_id))]
            case (
                money.PaymentFailed(charge=Charge(charge_id=charge_id, account_id=account_id))
                | money.PaymentTimedOut(charge=Charge(charge_id=charge_id, account_id=account_id))
            ):
                return [_account(till, account_id, to_account.ReleaseCharge(charge_id=charge_id))]
            case TabClosed(held_back=False) | money.OfflinePaymentSettled():
                return _put_on(till, event)
            case money.Refunded():
                return _returns(till, event)
            case charges.ValueRecallAsked(tab_id=tab_id, line_id=line_id, account_id=account_id, minor=minor):
                source = Source(till=till.id, tab_id=tab_id, line_id=line_id)
                return [_account(till, account_id, to_account.RecallValue(amount_minor=minor, source=source))]
            case _:
                return []


def _account(till: Name, account_id: str, command: Command, *, step: str = "") -> Send:
    return Send(name=Name.of(ACCOUNT, till.tenant, account_id), command=command, step=step)


def _authorize(till: Name, started: money.PaymentStarted, charge: Charge) -> to_account.AuthorizeCharge:
    return to_account.AuthorizeCharge(
        charge_id=charge.charge_id,
        kind=charge.kind,
        quantity=charge.quantity,
        currency=started.currency,
        source=Source(till=till.id, tab_id=started.tab_id, payment_id=started.payment_id),
    )


def _put_on(till: Name, done: TabClosed | money.OfflinePaymentSettled) -> list[Send]:
    """What was sold and earned, once its money is certain."""
    sends = [_load(till, done, load) for load in done.loads]
    if done.points is not None:
        source = Source(till=till.id, tab_id=done.tab_id)
        earn = to_account.EarnPoints(points=done.points.points, currency=done.currency, source=source)
        sends.append(_account(till, done.points.account_id, earn, step="earn"))
    return sends


def _load(till: Name, done: TabClosed | money.OfflinePaymentSettled, load: Load) -> Send:
    source = Source(till=till.id, tab_id=done.tab_id, line_id=load.line_id)
    command = to_account.LoadValue(kind=load.kind, amount_minor=load.minor, currency=done.currency, source=source)
    return _account(till, load.account_id, command, step=f"load-{load.line_id}")


def _returns(till: Name, refunded: money.Refunded) -> list[Send]:
    source = Source(till=till.id, tab_id=refunded.tab_id, refund_no=refunded.refund_no)
    sends: list[Send] = []
    if refunded.returned is not None and refunded.returned.quantity:
        back = to_account.ReturnCharge(quantity=refunded.returned.quantity, source=source)
        sends.append(_account(till, refunded.returned.account_id, back, step="return"))
    if refunded.points_back is not None:
        points = to_account.TakeBackPoints(
            points=refunded.points_back.quantity, currency=refunded.currency, source=source
        )
        sends.append(_account(till, refunded.points_back.account_id, points, step="points"))
    return sends


class Answers(Reactor[AccountEvent]):
    """Tells tills what an account keeps, took and gave back."""

    purpose = ACCOUNT
    name = "answers"
    actor = Actor(user="_accounts", roles=("service",))

    def react(self, stored: StoredEvent[AccountEvent], /) -> Sequence[Effect]:
        """The answer to the till that asked."""
        match stored.event:
            case from_account.ChargeAuthorized(charge_id=charge_id, source=source):
                return _answer(stored.name, source, _outcome(source, charge_id))
            case from_account.ChargeDeclined(charge_id=charge_id, source=source) as no:
                outcome = _outcome(source, charge_id, declined=no.reason, available=max(0, no.available))
                return _answer(stored.name, source, outcome)
            case from_account.LoadRefused(source=source, reason=reason):
                return _answer(stored.name, source, _value(source, "refused", reason=reason))
            case from_account.ValueRecalled(source=source):
                return _answer(stored.name, source, _value(source, "recalled"))
            case from_account.RecallRefused(source=source, reason=reason, available=available):
                return _answer(stored.name, source, _value(source, "kept", reason=reason, available=available))
            case _:
                return []


def _answer(account: Name, source: Source, command: Command | None) -> list[Send]:
    till = Name.or_none(TILL, account.tenant, source.till)
    return [] if command is None or till is None else [Send(name=till, command=command)]


def _outcome(source: Source, charge_id: str, **answer: Any) -> to_till.RecordCharge | None:
    if source.payment_id is None:
        return None
    return to_till.RecordCharge(payment_id=source.payment_id, charge_id=charge_id, **answer)


def _value(source: Source, outcome: to_till.ValueOutcome, **answer: Any) -> to_till.RecordValue | None:
    if source.line_id is None:
        return None
    return to_till.RecordValue(tab_id=source.tab_id, line_id=source.line_id, outcome=outcome, **answer)
