"""Customers' accounts at a till: payments that an account has to answer, stored value that is sold, points.

The till decides about its payments and the account about its balance; each tells the other by a reactor. Whatever ends
a payment without money tells the account, so that nothing stays kept for it.
"""

from collections.abc import Mapping
from typing import Final

from holdfast import Name, NotFound, StateConflict, ValidationFailed
from holdfast.money import PPM, divide
from services.pos import domain_charge_commands as commands
from services.pos import domain_charge_events as events
from services.pos import domain_errors as refusals
from services.pos.domain_account_terms import MOST, card_account
from services.pos.domain_charge_terms import Charge, Load, Points, Returned, StoredLine, Taken
from services.pos.domain_draft import Draft
from services.pos.domain_money_commands import BeginPayment, Refund
from services.pos.domain_money_events import PaymentFailed
from services.pos.domain_pricing import Bill
from services.pos.domain_session import ClosedTab, Session, Tab
from services.pos.domain_tab_commands import AddLine
from services.pos.domain_tab_events import TabConflict
from services.pos.domain_terms import ONE, AccountKind, Item, Line, Settings, Tender, Totals

KINDS: Final[Mapping[Tender, AccountKind]] = {
    "gift": "GIFT_CARD",
    "account": "HOUSE",
    "deposit": "DEPOSIT",
    "loyalty": "LOYALTY",
}
OFTEN_OUTSIDE: Final[tuple[Tender, ...]] = ("gift", "account")
"""Without an account these are somebody else's cards and books, whose outcome a cashier tells."""


def charge_of(draft: Draft, command: BeginPayment, minor: int) -> Charge | None:
    """What a payment asks of which account; nothing for cash and cards, nor for practice."""
    account_id = _account_of(command)
    if draft.session.tabs[command.tab_id].training:
        return None
    if account_id is None and command.tender in KINDS and command.tender not in OFTEN_OUTSIDE:
        raise ValidationFailed(f"account_id: name the account for the tender {command.tender}")
    if account_id is None:
        return None
    check_account(draft, account_id)
    quantity = _points_for(draft.settings, minor) if command.tender == "loyalty" else minor
    charge_id = draft.ctx.new_id("charge")
    return Charge(charge_id=charge_id, account_id=account_id, kind=KINDS[command.tender], quantity=quantity)


def check_account(draft: Draft, account_id: str) -> None:
    """Refuse an id that no account can have: what is sent there would never arrive, nor anything behind it."""
    try:
        Name.of("pos-account", draft.ctx.name.tenant, account_id)
    except ValidationFailed as error:
        raise ValidationFailed(f"account_id: {error.message}") from None


def _account_of(command: BeginPayment) -> str | None:
    if command.tender not in KINDS and (command.account_id or command.card_code):
        raise ValidationFailed(f"account_id: leave it out for the tender {command.tender}")
    if command.tender == "gift" and command.account_id is not None:
        raise ValidationFailed("card_code: who spends a gift card tells what stands on it, not its account")
    if command.tender != "gift" and command.card_code is not None:
        raise ValidationFailed("account_id: only a gift card has a code")
    return command.account_id if command.card_code is None else card_account(command.card_code)


def _points_for(settings: Settings, minor: int) -> int:
    """The points that such an amount takes, rounded up to whole ones."""
    if settings.loyalty is None or not settings.loyalty.point_ppm:
        raise ValidationFailed("tender: points buy nothing here; a manager sets settings.loyalty")
    points = divide(minor * PPM, settings.loyalty.point_ppm, "UP")
    if points > MOST:
        raise ValidationFailed(f"amount_minor: it takes more than {MOST} points")
    return points


def same_account(known: Charge | None, command: BeginPayment) -> bool:
    """Whether a payment that is under way is from the account that is named."""
    return known is None or known.account_id == _account_of(command)


def declined(draft: Draft, command: commands.RecordCharge) -> PaymentFailed | None:
    """The end of a payment for which its account keeps nothing; None when it keeps what is needed."""
    if command.declined is None:
        return None
    payment = draft.session.payments[command.payment_id]
    return PaymentFailed(
        payment_id=command.payment_id,
        tab_id=payment.tab_id,
        at=draft.ctx.now,
        reason=command.declined,
        available=command.available,
    )


def is_awaited(session: Session, command: commands.RecordCharge) -> bool:
    """Whether this is the answer to a payment that is still under way."""
    payment = session.payments.get(command.payment_id)
    if payment is None or payment.charge is None or payment.status != "started":
        return False
    return payment.charge.charge_id == command.charge_id


def value_account(draft: Draft, item: Item, command: AddLine) -> str | None:
    """The account on which a line puts what it sells; None for a line that sells something else."""
    given = [each for each in (command.account_id, command.card_code) if each is not None]
    if item.stored_value is None:
        if given:
            raise ValidationFailed("account_id: this item puts nothing on an account; leave it out")
        return None
    if len(given) != 1 or (command.card_code is not None and item.stored_value != "GIFT_CARD"):
        wanted = "card_code or account_id" if item.stored_value == "GIFT_CARD" else "account_id"
        raise ValidationFailed(f"{wanted}: the account on which its value is put")
    if command.modifiers or command.qty_milli != ONE:
        raise ValidationFailed("qty_milli: one for each account, without modifiers")
    account_id = given[0] if command.card_code is None else card_account(command.card_code)
    check_account(draft, account_id)
    return account_id


def check_ordinary(line: Line) -> None:
    """Refuse to change or give away what is put on an account at its price."""
    if line.stored_value is not None:
        raise StateConflict("this line puts its price on an account: remove it, and add another one")


def set_customer(draft: Draft, command: commands.SetTabCustomer) -> None:
    """Let a tab count for somebody; nothing when it does."""
    tab = draft.tab(command.tab_id)
    if command.account_id is not None:
        check_account(draft, command.account_id)
    if tab.customer != command.account_id:
        draft.record(events.TabCustomerSet(tab_id=command.tab_id, account_id=command.account_id))


def loads_of(tab: Tab, bill: Bill) -> tuple[Load, ...]:
    """What a tab has on accounts when it is closed, by the prices of its lines."""
    return tuple(
        Load(
            line_id=line_id,
            account_id=line.account_id,
            kind=line.stored_value,
            minor=bill.lines[line_id].gross_minor,
        )
        for line_id, line in tab.lines.items()
        if line.stored_value is not None and line.account_id is not None and bill.lines[line_id].gross_minor
    )


def points_of(settings: Settings, tab: Tab, totals: Totals) -> Points | None:
    """What a tab earns: of what was bought, without taxes, service, stored value, and what was paid with points."""
    if tab.customer is None or tab.training or settings.loyalty is None:
        return None
    within = sum(tax.minor for tax in totals.tax if tax.inclusive)
    bought = totals.gross - totals.discount - totals.comp - within - tab.paid.loyalty
    points = min(MOST, divide(max(0, bought) * settings.loyalty.earn_ppm, PPM, "DOWN"))
    return Points(account_id=tab.customer, points=points) if points else None


def recall_line(draft: Draft, command: commands.RecallLine) -> None:
    """Ask the account for what a line sold; nothing when it is asked, or has given it back."""
    tab_id, line_id = command.tab_id, command.line_id
    on = _on_account(draft, tab_id, line_id)
    if on is None:
        raise NotFound("there is no such line that put something on an account, or it can be refunded no longer")
    if tab_id in draft.session.owed:
        raise refusals.PaymentInProgress("a stored card is not settled: until then nothing is put on the account")
    if on.state == "on":
        draft.record(events.ValueRecallAsked(tab_id=tab_id, line_id=line_id, account_id=on.account_id, minor=on.minor))


def _on_account(draft: Draft, tab_id: str, line_id: str) -> StoredLine | None:
    """What a line of a closed tab has put on an account."""
    closed = draft.session.closed.get(tab_id)
    return None if closed is None else closed.stored.get(line_id)


def record_value(draft: Draft, command: commands.RecordValue) -> None:
    """Note what the account says of a line; nothing when that is known, or the tab is long gone."""
    on = _on_account(draft, command.tab_id, command.line_id)
    if on is None or on.state == "off":
        return
    answered = events.ValueAnswered(
        tab_id=command.tab_id,
        line_id=command.line_id,
        outcome=command.outcome,
        reason=command.reason or "",
        available=command.available,
    )
    draft.record(answered)
    if command.outcome == "refused":
        draft.record(TabConflict(tab_id=command.tab_id, about="value"))


def refundable(tab: ClosedTab, tender: Tender) -> int:
    """What can be given back by a tender: not what is on an account still, nor what another tender's account paid."""
    left = tab.paid_minor - tab.refunded_minor - sum(each.minor for each in tab.stored.values() if each.state != "off")
    elsewhere = (each for each in tab.charges.values() if each.tender != tender)
    return max(0, left - sum(taken.minor - taken.returned_minor for taken in elsewhere))


def returned_of(tab: ClosedTab, command: Refund, minor: int) -> Returned | None:
    """On which account how much of a refund goes; None when its tender was no account's."""
    paid = {key: taken for key, taken in tab.charges.items() if taken.tender == command.tender}
    if command.account_id is None and len(paid) > 1:
        raise ValidationFailed(f"account_id: one of {', '.join(sorted(paid))}")
    if not paid and command.account_id is None and command.tender not in {"deposit", "loyalty"}:
        return None
    account_id = command.account_id or next(iter(paid), "")
    taken = paid.get(account_id)
    left = 0 if taken is None else taken.minor - taken.returned_minor
    if taken is None or minor > left:
        raise refusals.RefundExceedsPaid(f"amount_minor: {left} at most was paid so by this account", left_minor=left)
    return Returned(account_id=account_id, quantity=_share(taken, minor))


def _share(taken: Taken, minor: int) -> int:
    """So much of what was taken from an account: all refunds together never give back more."""
    whole = divide(taken.quantity * (taken.returned_minor + minor), taken.minor, "DOWN")
    return whole - taken.returned_quantity


def points_back(tab: ClosedTab, minor: int) -> Returned | None:
    """The points that go back with a refund, by its part of what had earned them."""
    if tab.points is None:
        return None
    stored = sum(each.minor for each in tab.stored.values())
    off = sum(each.minor for each in tab.stored.values() if each.state == "off")
    bought = tab.paid_minor - stored
    refunded = min(bought, max(0, tab.refunded_minor + minor - off))
    due = divide(tab.points.points * refunded, bought, "DOWN") if bought > 0 else 0
    back = due - tab.points_returned
    return Returned(account_id=tab.points.account_id, quantity=back) if back > 0 else None
