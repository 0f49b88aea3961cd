"""Customers' accounts at a till in the orders that nobody expects: tried before they are opened, asked while they answer."""

from typing import Any

import pytest

from holdfast import NotFound
from services.pos import domain_errors as refusals
from services.pos.contract import (
    CardSale,
    MergeTabs,
    MoveLines,
    OfflinePaymentSettled,
    OpenTab,
    RecordPaymentResult,
    Refund,
    RemoveLine,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TabClosed,
    VoidTab,
)
from services.pos.domain_account_commands import EarnPoints, LoadAccount, OpenAccount
from services.pos.domain_account_terms import Source
from services.pos.domain_charge_commands import RecallLine, SetTabCustomer
from services.pos.tests.customers import CARD, CODE, Street
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, done
from services.pos.tests.test_account_payments import CASH_REFUND, paid_in_cash, session


def test_a_card_that_was_tried_before_it_is_sold_has_what_was_paid_for_it() -> None:
    street = Street()
    street.order("beer")
    street.begin("gift", card_code=CODE)
    street.settle()
    street.order("card", tab_id="t2", card_code=CODE)
    paid_in_cash(street, "t2", "c2")
    street.settle()
    assert street.balance(CARD) == 2_500


def test_what_is_paid_back_before_the_account_has_refused_it_is_not_taken_off_it() -> None:
    street = Street()
    deposit = done(street.account("d1").when(OpenAccount(kind="DEPOSIT", currency="EUR"), by=MANAGER))
    done(deposit.when(LoadAccount(amount_minor=5_000, tender="cash"), by=CASHIER))
    street.order("deposit", account_id="d1")
    paid_in_cash(street)
    done(street.do(RecallLine(tab_id="t1", line_id="l1")))
    street.settle()
    assert street.balance("d1") == 5_000
    assert session(street).closed["t1"].stored["l1"].state == "off"


def test_a_purchase_that_earned_nothing_takes_no_points_when_it_is_paid_back() -> None:
    street = Street()
    points = done(street.account("c1").when(OpenAccount(kind="LOYALTY", currency="EUR"), by=MANAGER))
    before = Source(till="elsewhere", tab_id="before")
    done(points.when(EarnPoints(points=100, currency="EUR", source=before), by=SERVICE))
    street.order("beer", "beer")
    done(street.do(SetTabCustomer(tab_id="t1", account_id="c1"), by=WAITER))
    paid_in_cash(street)
    street.settle()
    done(street.do(Refund(amount_minor=1_100, **CASH_REFUND), by=MANAGER))
    street.settle()
    assert street.balance("c1") == 100


def paid_by_stored_card(street: Street, *minors: int) -> None:
    """Close t1 by cards that the processor has yet to see: stored-1, stored-2 …"""
    sales = tuple(
        CardSale(tab_id="t1", payment_id=f"stored-{number}", lines=(), paid_minor=minor, occurred_at=NOON)
        for number, minor in enumerate(minors, start=1)
    )
    done(street.do(SubmitOffline(terminal_id="till-2", terminal_seq=1, facts=sales)))
    street.till.then_includes(TabClosed, tab_id="t1", awaits_card=True)
    street.settle()


def told(street: Street, payment_id: str, outcome: Any) -> None:
    """Let the processor say how a stored card ended."""
    done(street.do(RecordPaymentResult(payment_id=payment_id, outcome=outcome), by=SERVICE))
    street.settle()


def for_customer(street: Street, account_id: str | None = "c1", tab_id: str = "t1") -> None:
    done(street.do(SetTabCustomer(tab_id=tab_id, account_id=account_id), by=WAITER))


def test_what_a_stored_card_paid_is_on_accounts_when_the_processor_has_all_of_it_and_not_before() -> None:
    street = Street()
    street.order("beer", "card", card_code=CODE)
    for_customer(street)
    paid_by_stored_card(street, 3_000, 50)
    assert (street.balance(CARD), street.balance("c1")) == (0, 0)
    street.do(RecallLine(tab_id="t1", line_id="l2")).then_rejected(refusals.PaymentInProgress)
    told(street, "stored-1", "captured")
    assert (street.balance(CARD), street.balance("c1")) == (0, 0)
    told(street, "stored-2", "captured")
    street.till.then_includes(OfflinePaymentSettled, payment_id="stored-2", currency="USD")
    assert (street.balance(CARD), street.balance("c1")) == (2_500, 5)
    street.do(RecordPaymentResult(payment_id="stored-2", outcome="captured"), by=SERVICE)
    done(street.do(RecallLine(tab_id="t1", line_id="l2")))
    street.settle()
    assert street.balance(CARD) == 0


def test_a_check_that_is_open_again_has_put_nothing_on_accounts_and_does_so_once_when_it_is_paid() -> None:
    street = Street()
    street.order("beer", "card", card_code=CODE)
    for_customer(street)
    paid_by_stored_card(street, 3_050)
    told(street, "stored-1", "failed")
    paid_in_cash(street)
    street.settle()
    assert (street.balance(CARD), street.balance("c1")) == (2_500, 5)


def test_what_an_open_check_sells_is_taken_off_it_and_not_recalled() -> None:
    street = Street()
    street.order("beer", "card", card_code=CODE)
    paid_by_stored_card(street, 3_050)
    told(street, "stored-1", "failed")
    street.do(RecallLine(tab_id="t1", line_id="l2")).then_rejected(NotFound)
    done(street.do(RemoveLine(line_id="l2"), by=WAITER))
    paid_in_cash(street)
    street.settle()
    assert street.balance(CARD) == 0


def merged(street: Street) -> None:
    street.order("water", tab_id="t2")
    done(street.do(MergeTabs(from_="t1", into="t2"), by=WAITER))
    paid_in_cash(street, "t2", "c2")


def moved(street: Street) -> None:
    done(street.do(OpenTab(tab_id="t2"), by=WAITER))
    for_customer(street, tab_id="t2")
    done(street.do(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("l1", "l2")), by=WAITER))
    paid_in_cash(street, "t2", "c2")


def split(street: Street) -> None:
    done(street.do(SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t2"),)), by=WAITER))
    paid_in_cash(street, "t1", "ca")
    paid_in_cash(street, "t2", "cb")


def without_customer(street: Street) -> None:
    for_customer(street, None)
    paid_in_cash(street)


def voided(street: Street) -> None:
    done(street.do(VoidTab(tab_id="t1", reason_code="wrong"), by=MANAGER))


@pytest.mark.parametrize(
    ("turn", "points"), [(merged, 13), (moved, 10), (split, 10), (without_customer, 0), (voided, 0)]
)
def test_whatever_becomes_of_a_check_that_is_open_again_earns_its_points_once(turn: Any, points: int) -> None:
    street = Street()
    street.order("beer", "beer")
    for_customer(street)
    paid_by_stored_card(street, 1_100)
    told(street, "stored-1", "failed")
    turn(street)
    street.settle()
    assert street.balance("c1") == points


def test_the_points_of_a_check_go_back_from_the_customer_who_has_them() -> None:
    street = Street()
    street.opened("c2", "LOYALTY", 50)
    street.order("beer", "beer")
    for_customer(street)
    paid_by_stored_card(street, 1_100)
    told(street, "stored-1", "failed")
    for_customer(street, "c2")
    paid_in_cash(street)
    street.settle()
    assert street.balance("c2") == 60
    done(street.do(Refund(amount_minor=1_100, **CASH_REFUND), by=MANAGER))
    street.settle()
    assert (street.balance("c1"), street.balance("c2")) == (0, 50)


def test_what_an_account_paid_goes_back_on_it_and_not_out_in_cash() -> None:
    street = Street()
    street.opened("firm", "HOUSE", 0, 5_000)
    street.order("beer")
    street.begin("account", 500, account_id="firm")
    street.settle()
    paid_in_cash(street)
    refused = street.do(Refund(amount_minor=51, **CASH_REFUND), by=MANAGER)
    refused.then_rejected(refusals.RefundExceedsPaid, left_minor=50)
    assert "its own tender" in str(refused.refusal)
    done(street.do(Refund(tab_id="t1", amount_minor=500, tender="account", reason_code="wrong")))
    done(street.do(Refund(amount_minor=50, **CASH_REFUND)))
    street.settle()
    assert street.balance("firm") == 0


def test_a_closed_tab_stays_until_its_account_has_answered() -> None:
    street = Street(refundable_tabs=1)
    street.order("card", card_code=CODE)
    paid_in_cash(street)
    street.settle()
    done(street.do(RecallLine(tab_id="t1", line_id="l1")))
    street.order("water", tab_id="t2")
    paid_in_cash(street, "t2", "c2")
    street.settle()
    done(street.do(Refund(amount_minor=2_500, **CASH_REFUND), by=MANAGER))
    street.order("water", tab_id="t3")
    paid_in_cash(street, "t3", "c3")
    assert list(session(street).closed) == ["t3"]
