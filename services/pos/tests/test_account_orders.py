"""Customers' accounts at a till in the orders that nobody expects: tried before they are opened, asked while they answer."""

from services.pos.contract import Refund
from services.pos.domain_account_commands import EarnPoints, LoadAccount, OpenAccount
from services.pos.domain_account_terms import Source
from services.pos.domain_charge_commands import RecallLine, SetTabCustomer
from services.pos.tests.customers import CARD, CODE, Street
from services.pos.tests.scenes import CASHIER, MANAGER, SERVICE, WAITER, done
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
