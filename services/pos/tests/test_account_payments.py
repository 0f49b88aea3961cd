"""Customers' accounts at a till: payments that they answer, value that is sold, points; whatever comes in between."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Forbidden, NotFound, StateConflict, ValidationFailed
from services.pos import domain_errors as refusals
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CashSale,
    CloseDay,
    CloseTab,
    CompLine,
    CountDrawer,
    EndDrawer,
    MergeTabs,
    OfflineLine,
    OpenTab,
    PaymentCaptured,
    PaymentFailed,
    PaymentStarted,
    PaymentTimedOut,
    RecordPaymentResult,
    Refund,
    Refunded,
    RemoveLine,
    SetItem,
    SetLineQty,
    SetTraining,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TabClosed,
    VoidTab,
)
from services.pos.domain_account_commands import LoadAccount
from services.pos.domain_account_events import (
    ChargeCaptured,
    ChargeReleased,
    ChargeReturned,
    PointsEarned,
    PointsTakenBack,
    ValueLoaded,
)
from services.pos.domain_account_terms import MOST
from services.pos.domain_charge_commands import RecallLine, RecordCharge, SetTabCustomer
from services.pos.domain_charge_events import TabCustomerSet, ValueAnswered, ValueRecallAsked
from services.pos.domain_charge_terms import Charge, Returned, Taken
from services.pos.domain_session import Session
from services.pos.domain_terms import Item, Loyalty
from services.pos.tests.customers import CARD, CODE, LOYALTY, Street
from services.pos.tests.scenes import CASHIER, MANAGER, MINUTE, NOON, SERVICE, WAITER, done

CASH_REFUND: dict[str, Any] = {"tab_id": "t1", "tender": "cash", "reason_code": "wrong", "terminal_id": "till-1"}


def session(street: Street) -> Session:
    return msgspec.json.decode(street.till.state_json, type=Session)


def paid_in_cash(street: Street, tab_id: str = "t1", payment_id: str = "cash") -> None:
    """Pay the rest in cash and close."""
    street.begin("cash", street.due(tab_id) + 100, tab_id=tab_id, payment_id=payment_id, terminal_id="till-1")
    done(street.do(RecordPaymentResult(payment_id=payment_id, outcome="captured")))
    street.close(tab_id)


def test_a_gift_card_pays_when_its_account_has_the_money() -> None:
    street = Street()
    card = street.opened(CARD, "GIFT_CARD", 1_000)
    street.order("beer")
    started = street.begin("gift", card_code=CODE)
    started.then_includes(PaymentStarted, due_minor=550, rounding_minor=0)
    done(street.do(BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="gift", card_code=CODE)))
    street.deliver()
    assert street.balance(CARD) == 1_000
    assert card.view(CASHIER)["available"] == 450
    street.settle()
    street.till.then_includes(PaymentCaptured, tender="gift", due_minor=550)
    card.then_includes(ChargeCaptured, quantity=550, balance=450)
    closed = street.close()
    closed.then_includes(TabClosed, receipt_no="A-000001")
    assert CODE.encode() not in b"".join(bytes(event.data) for event in street.till.log)


@pytest.mark.parametrize(
    ("tender", "kind", "limit"), [("account", "HOUSE", 1_000), ("deposit", "DEPOSIT", 0), ("loyalty", "LOYALTY", 0)]
)
def test_other_accounts_pay_by_their_id_and_with_the_tip(tender: str, kind: str, limit: int) -> None:
    street = Street()
    street.opened("a1", kind, 0 if limit else 1_000, limit)
    street.order("beer")
    street.begin(tender, account_id="a1", tip_minor=100)
    street.settle()
    street.close().then_includes(TabClosed, receipt_no="A-000001")
    left = {"HOUSE": -650, "DEPOSIT": 350, "LOYALTY": 1_000 - 130}
    assert street.balance("a1") == left[kind]


def test_what_the_account_does_not_have_fails_the_payment_with_the_reason() -> None:
    street = Street()
    street.opened("a1", "DEPOSIT", 549)
    street.order("beer")
    street.begin("deposit", account_id="a1")
    street.settle()
    street.till.then_includes(PaymentFailed, reason="INSUFFICIENT_BALANCE", available=549)
    street.begin("gift", card_code="NOBODY-HAS-THIS", payment_id="p2")
    street.settle()
    street.till.then_includes(PaymentFailed, reason="ACCOUNT_UNKNOWN")
    assert street.due() == 550


def test_an_answer_that_comes_after_the_payment_has_ended_changes_nothing_and_the_money_is_free() -> None:
    street = Street()
    account = street.opened("a1", "DEPOSIT", 1_000)
    street.order("beer")
    street.begin("deposit", account_id="a1")
    street.deliver()
    street.pass_time(2 * MINUTE)
    street.till.then_includes(PaymentTimedOut, payment_id="p1")
    street.settle()
    account.then_includes(ChargeReleased, quantity=550)
    assert account.view(CASHIER)["available"] == 1_000
    assert street.due() == 550


def test_who_gives_a_payment_up_and_uses_its_id_again_is_not_charged_for_the_first() -> None:
    street = Street()
    street.opened("a1", "DEPOSIT", 1_000)
    street.order("beer")
    street.begin("deposit", account_id="a1")
    street.deliver()
    done(street.do(RecordPaymentResult(payment_id="p1", outcome="cancelled")))
    done(street.do(VoidTab(tab_id="t1")))
    street.opened("a2", "DEPOSIT")
    street.order("water")
    street.begin("deposit", account_id="a2")
    street.settle()
    street.till.then_includes(PaymentFailed, reason="INSUFFICIENT_BALANCE")
    assert (street.balance("a1"), street.account("a1").view(CASHIER)["available"]) == (1_000, 1_000)


def test_nobody_but_the_account_tells_that_it_pays() -> None:
    street = Street()
    street.opened("a1", "DEPOSIT", 1_000)
    street.order("beer")
    street.begin("deposit", account_id="a1")
    captured = RecordPaymentResult(payment_id="p1", outcome="captured")
    for by in (CASHIER, SERVICE):
        street.do(captured, by=by).then_rejected(Forbidden)
    street.do(RecordCharge(payment_id="p1", charge_id="another"), by=SERVICE).then_nothing()
    street.do(RecordCharge(payment_id="p1", charge_id="another"), by=MANAGER).then_rejected(Forbidden)


def test_an_id_that_no_account_can_have_is_refused_before_anything_is_sent_there() -> None:
    street, account_id = Street(), "no.name"
    street.order("beer")
    pay = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="deposit", account_id=account_id)
    line = AddLine(tab_id="t1", line_id="x", sku="deposit", account_id=account_id)
    for command in (pay, line, SetTabCustomer(tab_id="t1", account_id=account_id)):
        street.do(command).then_rejected(ValidationFailed)


def test_no_payment_asks_for_more_points_than_can_be_counted() -> None:
    street = Street(loyalty=Loyalty(earn_ppm=10**12, point_ppm=1))
    street.order("book")
    done(street.do(SetTabCustomer(tab_id="t1", account_id="c1"), by=WAITER))
    line = AddLine(tab_id="t1", line_id="gold", sku="water", qty_milli=10**9, unit_price_minor=10**7)
    done(street.do(line, by=MANAGER))
    pay = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=10**13, tender="loyalty", account_id="c1")
    street.do(pay).then_rejected(ValidationFailed)
    paid_in_cash(street)
    street.settle()
    assert street.balance("c1") == MOST


@pytest.mark.parametrize(
    ("tender", "more"),
    [
        ("card", {"account_id": "a1"}),
        ("gift", {"account_id": CARD}),
        ("deposit", {}),
        ("loyalty", {}),
        ("account", {"card_code": CODE}),
    ],
)
def test_a_tender_and_its_account_fit(tender: Any, more: dict[str, Any]) -> None:
    street = Street()
    street.order("beer")
    pay = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender=tender, **more)
    street.do(pay).then_rejected(ValidationFailed)


def test_a_gift_card_of_somebody_elses_is_told_by_a_cashier_as_before() -> None:
    street = Street()
    street.order("beer")
    street.begin("gift")
    done(street.do(RecordPaymentResult(payment_id="p1", outcome="captured")))
    street.close()
    assert not street.deliver()


def test_practice_touches_no_account() -> None:
    street = Street()
    street.opened("a1", "DEPOSIT", 1_000)
    done(street.do(EndDrawer()))
    done(street.do(CountDrawer(minor=10_000)))
    done(street.do(SetTraining(terminal_id="till-1", on=True), by=MANAGER))
    street.order("water", "card", card_code=CODE)
    street.begin("deposit", account_id="a1")
    done(street.do(RecordPaymentResult(payment_id="p1", outcome="captured")))
    street.close()
    assert not street.deliver()
    assert street.balance("a1") == 1_000


def test_a_refund_goes_back_on_the_account_that_paid_and_never_more() -> None:
    street = Street()
    street.opened(CARD, "GIFT_CARD", 300)
    street.opened("d1", "DEPOSIT", 1_000)
    street.order("beer")
    street.begin("gift", 300, card_code=CODE)
    street.settle()
    street.begin("deposit", account_id="d1", payment_id="p2")
    street.settle()
    street.close()
    assert session(street).closed["t1"].charges[CARD] == Taken(tender="gift", minor=300, quantity=300)
    back = Refund(tab_id="t1", amount_minor=301, tender="gift", reason_code="wrong")
    street.do(back).then_rejected(refusals.RefundExceedsPaid, left_minor=300)
    done(street.do(msgspec.structs.replace(back, amount_minor=200)))
    street.till.then_includes(Refunded, returned=Returned(account_id=CARD, quantity=200))
    street.settle()
    assert street.balance(CARD) == 200
    street.do(msgspec.structs.replace(back, amount_minor=101)).then_rejected(refusals.RefundExceedsPaid, left_minor=100)
    other = Refund(tab_id="t1", amount_minor=1, tender="deposit", reason_code="wrong", account_id="d2")
    street.do(other).then_rejected(refusals.RefundExceedsPaid, left_minor=0)


def test_points_that_paid_go_back_as_points_and_never_as_money() -> None:
    street = Street()
    street.opened("c1", "LOYALTY", 100)
    street.order("beer")
    street.begin("loyalty", 300, account_id="c1")
    street.settle()
    assert street.balance("c1") == 40
    paid_in_cash(street)
    refund = Refund(amount_minor=251, **CASH_REFUND)
    street.do(refund).then_rejected(refusals.RefundExceedsPaid, left_minor=250)
    for minor in (100, 100, 100):
        done(street.do(Refund(tab_id="t1", amount_minor=minor, tender="loyalty", reason_code="wrong")))
    street.settle()
    assert street.balance("c1") == 100


def test_a_gift_card_is_sold_without_tax_discount_or_revenue_and_loaded_when_its_tab_is_closed() -> None:
    street = Street()
    street.order("beer", "card", card_code=CODE, unit_price_minor=3_000)
    done(street.do(ApplyDiscount(tab_id="t1", discount_id="ten", scope="order"), by=MANAGER))
    assert street.due() == 495 + 3_000
    assert not street.deliver()
    paid_in_cash(street)
    street.settle()
    assert street.balance(CARD) == 3_000
    street.account(CARD).then_includes(ValueLoaded, amount_minor=3_000)
    totals = session(street).day_totals
    assert (totals.gross_minor, totals.stored_minor, totals.due_minor) == (500, 3_000, 3_495)
    assert totals.discount_minor == 50
    assert CODE.encode() not in b"".join(bytes(event.data) for event in street.till.log)


def test_shares_of_a_split_gift_card_are_loaded_as_they_are_paid() -> None:
    street = Street()
    street.order("card", card_code=CODE)
    done(street.do(SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t2"), SplitPart(tab_id="t3")))))
    done(street.do(MergeTabs(from_="t3", into="t2")))
    paid_in_cash(street)
    street.settle()
    assert street.balance(CARD) == 834
    paid_in_cash(street, "t2", "cash-2")
    street.settle()
    assert street.balance(CARD) == 2_500


def test_what_was_sold_is_paid_back_only_when_it_is_off_its_account() -> None:
    street = Street()
    street.order("beer", "card", card_code=CODE)
    paid_in_cash(street)
    street.settle()
    refund = Refund(amount_minor=3_050, **CASH_REFUND)
    street.do(refund).then_rejected(refusals.RefundExceedsPaid, left_minor=550)
    street.order("water", tab_id="t2")
    street.begin("gift", tab_id="t2", payment_id="p2", card_code=CODE)
    street.settle()
    recall = RecallLine(tab_id="t1", line_id="l2")
    street.do(recall).then_includes(ValueRecallAsked, account_id=CARD, minor=2_500)
    street.settle()
    street.till.then_includes(ValueAnswered, outcome="kept", reason="INSUFFICIENT_BALANCE", available=2_200)
    street.close("t2")
    done(street.do(Refund(tab_id="t2", amount_minor=300, tender="gift", reason_code="wrong")))
    done(street.do(recall))
    street.settle()
    street.till.then_includes(ValueAnswered, outcome="recalled")
    assert street.balance(CARD) == 0
    street.do(recall).then_nothing()
    done(street.do(refund, by=MANAGER))


def test_what_an_account_gives_back_is_asked_for_and_answered_once() -> None:
    street = Street()
    street.order("card", card_code=CODE)
    paid_in_cash(street)
    street.settle()
    recall = RecallLine(tab_id="t1", line_id="l1")
    street.do(recall).then(ValueRecallAsked(tab_id="t1", line_id="l1", account_id=CARD, minor=2_500))
    street.do(recall).then_nothing()
    done(street.account(CARD).when(LoadAccount(amount_minor=4_000, tender="cash"), by=CASHIER))
    street.settle()
    assert street.balance(CARD) == 4_000
    answers = [event.outcome for event in street.till.events if isinstance(event, ValueAnswered)]
    assert answers == ["recalled"]
    street.do(RecallLine(tab_id="t1", line_id="none")).then_rejected(NotFound)


def test_what_a_terminal_sold_without_an_account_is_flagged_and_no_revenue() -> None:
    street = Street()
    line = OfflineLine(line_id="off", sku="card", unit_price_minor=2_500, tax_ids=("vat",))
    sale = CashSale(tab_id="t9", payment_id="off", lines=(line,), paid_minor=2_500, occurred_at=NOON)
    done(street.do(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(sale,))))
    assert (session(street).day_totals.gross_minor, session(street).day_totals.stored_minor) == (0, 2_500)
    assert session(street).flags == 1
    assert not street.deliver()


def test_what_no_account_takes_is_flagged_and_can_be_paid_back() -> None:
    street = Street()
    street.opened("a1", "DEPOSIT")
    street.order("settle", account_id="a1")
    paid_in_cash(street)
    street.settle()
    assert session(street).flags == 1
    assert session(street).closed["t1"].stored["l1"].state == "off"
    done(street.do(Refund(amount_minor=1_000, **CASH_REFUND)))


def test_a_house_account_is_settled_at_a_till() -> None:
    street = Street()
    street.opened("firm", "HOUSE", 0, 5_000)
    street.order("beer")
    street.begin("account", account_id="firm")
    street.settle()
    street.close()
    street.order("settle", tab_id="t2", account_id="firm", unit_price_minor=550)
    paid_in_cash(street, "t2")
    street.settle()
    assert street.balance("firm") == 0


def test_a_line_of_stored_value_is_sold_whole_at_its_price() -> None:
    street = Street()
    street.order("card", card_code=CODE)
    line = AddLine(tab_id="t1", line_id="x", sku="card", card_code=CODE)
    for more in ({"qty_milli": 2_000}, {"card_code": None}, {"account_id": "a"}):
        street.do(msgspec.structs.replace(line, **more), by=WAITER).then_rejected(ValidationFailed)
    street.do(AddLine(tab_id="t1", line_id="x", sku="beer", account_id="a"), by=WAITER).then_rejected(ValidationFailed)
    street.do(SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1), by=WAITER).then_rejected(StateConflict)
    street.do(CompLine(line_id="l1", reason_code="wrong"), by=MANAGER).then_rejected(StateConflict)
    happy = ApplyDiscount(tab_id="t1", discount_id="happy", scope="item", line_id="l1")
    street.do(happy, by=MANAGER).then_rejected(StateConflict)
    taxed = Item(price_minor=1, stored_value="DEPOSIT", tax_ids=("vat",))
    street.do(SetItem(sku="taxed", item=taxed), by=MANAGER).then_rejected(ValidationFailed)
    done(street.do(RemoveLine(line_id="l1"), by=WAITER))


def test_points_are_earned_of_what_was_bought_and_go_back_with_a_refund() -> None:
    street = Street(loyalty=msgspec.structs.replace(LOYALTY, earn_ppm=1_000_000))
    street.order("beer", "book", "card", card_code=CODE)
    customer = SetTabCustomer(tab_id="t1", account_id="c1")
    street.do(customer, by=WAITER).then_includes(TabCustomerSet, account_id="c1")
    street.do(customer, by=WAITER).then_nothing()
    street.begin("card", tip_minor=200)
    done(street.do(RecordPaymentResult(payment_id="p1", outcome="captured")))
    street.close()
    street.settle()
    net = 500 + 999 - 167
    street.account("c1").then_includes(PointsEarned, points=net)
    paid = 550 + 999 + 200
    for minor in (700, 700, paid - 1_400):
        done(street.do(Refund(tab_id="t1", amount_minor=minor, tender="card", reason_code="wrong"), by=MANAGER))
        street.settle()
    street.account("c1").then_includes(PointsTakenBack, balance=0)
    taken = [event.points for event in street.account("c1").events if isinstance(event, PointsTakenBack)]
    assert sum(taken) == net


def test_a_z_report_tells_what_accounts_paid_and_what_was_put_on_them() -> None:
    street = Street()
    street.opened("d1", "DEPOSIT", 1_000)
    street.order("beer", "deposit", account_id="d2")
    street.begin("deposit", 550, account_id="d1")
    street.settle()
    paid_in_cash(street)
    street.settle()
    totals = session(street).day_totals
    assert (totals.paid.deposit, totals.paid.cash, totals.stored_minor) == (550, 1_000, 1_000)
    done(street.do(CloseDay(), by=MANAGER))


def test_an_account_that_pays_is_shown_to_staff_and_its_customer_not_to_guests() -> None:
    street = Street()
    street.order("beer")
    done(street.do(SetTabCustomer(tab_id="t1", account_id="c1"), by=WAITER))
    street.begin("deposit", account_id="d1")
    assert street.till.view(WAITER)["payments"]["p1"]["account_id"] == "d1"
    assert street.till.view(WAITER)["tabs"]["t1"]["customer"] == "c1"


ACCOUNTS = {"gift": (CARD, "GIFT_CARD"), "deposit": ("d1", "DEPOSIT"), "account": ("h1", "HOUSE")}
TURNS = st.one_of(
    st.tuples(
        st.just("pay"), st.sampled_from(["t1", "t2"]), st.sampled_from(sorted(ACCOUNTS)), st.sampled_from([100, 300])
    ),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([1, 119, 120])),
    st.tuples(st.just("close"), st.sampled_from(["t1", "t2"])),
    st.tuples(
        st.just("refund"), st.sampled_from(["t1", "t2"]), st.sampled_from(sorted(ACCOUNTS)), st.sampled_from([50, 300])
    ),
)


def play(street: Street, turns: list[Any]) -> None:
    """Let people, time and messages do all this, in this order."""
    for number, turn in enumerate(turns):
        match turn:
            case ("pay", tab_id, tender, minor):
                account_id, _ = ACCOUNTS[tender]
                who: dict[str, Any] = {"card_code": CODE} if tender == "gift" else {"account_id": account_id}
                pay = BeginPayment(tab_id=tab_id, payment_id=f"p{number % 6}", amount_minor=minor, tender=tender, **who)
                street.do(pay)
            case ("cancel", which):
                street.do(RecordPaymentResult(payment_id=f"p{which}", outcome="cancelled"))
            case ("deliver", which):
                street.deliver(which)
            case ("wait", seconds):
                street.pass_time(timedelta(seconds=seconds))
            case ("close", tab_id):
                street.do(CloseTab(tab_id=tab_id))
                street.do(OpenTab(tab_id=tab_id), by=WAITER)
            case ("refund", tab_id, tender, minor):
                street.do(Refund(tab_id=tab_id, amount_minor=minor, tender=tender, reason_code="wrong"), by=MANAGER)
            case _:
                raise AssertionError(turn)


@settings(max_examples=120, deadline=None)
@for_all(turns=st.lists(TURNS, min_size=5, max_size=40))
def test_whatever_comes_in_between_no_money_is_lost_or_made(turns: list[Any]) -> None:
    street = Street()
    begun: dict[str, int] = {}
    for account_id, kind in ACCOUNTS.values():
        street.opened(account_id, kind, 400, 200 if kind == "HOUSE" else 0)
        begun[account_id] = street.balance(account_id)
    street.order("water", "water", tab_id="t1")
    street.order("beer", tab_id="t2")
    play(street, turns)
    street.pass_time(timedelta(days=1))
    street.settle()
    for account_id, before in begun.items():
        taken = sum(
            event.charge.quantity
            for event in street.till.events
            if isinstance(event, PaymentCaptured) and event.charge is not None and event.charge.account_id == account_id
        )
        returned = sum(
            event.returned.quantity
            for event in street.till.events
            if isinstance(event, Refunded) and event.returned is not None and event.returned.account_id == account_id
        )
        account = street.account(account_id)
        assert street.balance(account_id) == before - taken + returned
        assert account.view(CASHIER)["holds"] == {}
        assert taken == sum(each.quantity for each in account.events if isinstance(each, ChargeCaptured))
        assert returned == sum(each.quantity for each in account.events if isinstance(each, ChargeReturned))


def test_a_charge_is_told_apart_by_an_id_of_its_own() -> None:
    street = Street()
    street.order("beer")
    street.begin("deposit", account_id="d1")
    [payment] = session(street).payments.values()
    assert payment.charge == Charge(
        charge_id=payment.charge.charge_id if payment.charge else "", account_id="d1", kind="DEPOSIT", quantity=550
    )
