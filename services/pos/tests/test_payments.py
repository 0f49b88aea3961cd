"""Payments, cash rounding, closing, refunds."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast import Forbidden, NotFound, ValidationFailed
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import given
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CloseDay,
    CloseTab,
    CountDrawer,
    DrawerClosed,
    EndDrawer,
    GrantApproval,
    OpenDay,
    PaymentCaptured,
    PaymentFailed,
    PaymentStarted,
    PaymentTimedOut,
    RecordPaymentResult,
    Refund,
    Refunded,
    RefundLine,
    RemoveLine,
    SetLineQty,
    TabBalanceChanged,
    TabClosed,
)
from services.pos.domain import PosSession
from services.pos.domain_errors import (
    AmountExceedsDue,
    ApprovalRequired,
    BalanceDue,
    DayClosed,
    DrawerNotOpen,
    DrawerState,
    LinePaid,
    PaymentAlreadyFinal,
    PaymentInProgress,
    PaymentUnknown,
    ReasonRequired,
    ReasonUnknown,
    RefundExceedsPaid,
    TabNotOpen,
)
from services.pos.tests.scenes import (
    CASHIER,
    DAY,
    MANAGER,
    MINUTE,
    NOON,
    SERVICE,
    WAITER,
    balance,
    closed,
    done,
    left,
    paid,
    with_tab,
)

CAPTURED = RecordPaymentResult(payment_id="p1", outcome="captured", processor_ref="ch_1")
FAILED = RecordPaymentResult(payment_id="p1", outcome="failed")


def card(amount: float, **changes: Any) -> BeginPayment:
    terms: dict[str, Any] = {"tab_id": "t1", "payment_id": "p1", "amount_minor": amount, "tender": "card", **changes}
    return BeginPayment(**terms)


def cash(amount: float, **changes: Any) -> BeginPayment:
    return card(amount, tender="cash", **changes)


def test_a_card_is_authorised_then_captured() -> None:
    scene = with_tab("beer").when(card(550, tip_minor=100), by=WAITER)
    scene.then_includes(PaymentStarted, due_minor=550, tip_minor=100, timeout_at=NOON + 2 * MINUTE, currency="USD")
    scene.then_includes(TabBalanceChanged, status="PAYING", balance_minor=550)
    scene.when(card(550, tip_minor=100), by=WAITER).then_nothing()
    scene.when(CAPTURED, by=SERVICE).then_includes(PaymentCaptured, due_minor=550, tip_minor=100, change_minor=0)
    scene.then_includes(TabBalanceChanged, status="PAID", balance_minor=0, paid_minor=550)
    scene.when(CAPTURED, by=SERVICE).then_nothing()
    scene.when(FAILED, by=SERVICE).then_rejected(PaymentAlreadyFinal, status="captured")


def test_a_payment_is_started_on_an_open_tab_and_one_at_a_time() -> None:
    scene = with_tab("beer").when(card(100), by=WAITER)
    scene.when(card(100, payment_id="p2"), by=WAITER).then_rejected(PaymentInProgress)
    scene.when(CAPTURED, by=SERVICE).when(card(100), by=WAITER).then_rejected(PaymentInProgress)
    paid(with_tab("beer")).when(card(1, payment_id="p2"), by=WAITER).then_rejected(TabNotOpen, status="PAID")


def test_only_cash_may_be_more_than_what_is_due() -> None:
    scene = with_tab("beer").when(card(551), by=WAITER).then_rejected(AmountExceedsDue, due_minor=550)
    scene.when(card(551, tender="gift"), by=WAITER).then_rejected(AmountExceedsDue)
    scene.when(cash(1_000), by=CASHIER).when(CAPTURED, by=WAITER).then_includes(PaymentCaptured, change_minor=450)


@pytest.mark.parametrize("amount", [0.5, 2.0**53, -0.0])
def test_an_amount_is_a_whole_number_of_minor_units(amount: float) -> None:
    with_tab("beer").when(card(amount), by=WAITER).then_rejected(AmountInvalid, field="amount_minor")


def test_amounts_are_positive_and_in_the_locations_currency() -> None:
    scene = with_tab("beer").when(card(0), by=WAITER).then_rejected(ValidationFailed)
    scene.when(card(-1), by=WAITER).then_rejected(ValidationFailed)
    scene.when(card(550, currency="EUR"), by=WAITER).then_rejected(CurrencyMismatch, currency="USD")


def test_only_a_cashier_or_the_processor_says_that_a_card_was_taken() -> None:
    scene = with_tab("beer").when(card(550), by=WAITER).when(CAPTURED, by=WAITER).then_rejected(Forbidden)
    done(scene.when(CAPTURED, by=CASHIER))


def test_cash_needs_the_open_drawer_of_its_terminal() -> None:
    scene = with_tab("beer").when(EndDrawer(), by=CASHIER).when(cash(550), by=CASHIER).then_rejected(DrawerNotOpen)
    scene.when(cash(550, terminal_id="till-9"), by=CASHIER).then_rejected(DrawerNotOpen, terminal_id="till-9")


@pytest.mark.parametrize(
    ("price", "rounding"),
    [(601, -1), (602, -2), (603, 2), (604, 1), (605, 0), (606, -1), (607, -2), (608, 2), (609, 1)],
)
def test_the_last_tender_in_cash_is_rounded_to_nickels(price: int, rounding: int) -> None:
    scene = with_tab()
    scene.when(AddLine(tab_id="t1", line_id="l", sku="water", unit_price_minor=price), by=MANAGER)
    scene.when(cash(1_000), by=CASHIER).then_includes(PaymentStarted, due_minor=price, rounding_minor=rounding)
    scene.when(CAPTURED, by=CASHIER).then_includes(PaymentCaptured, change_minor=1_000 - price - rounding)
    scene.when(CloseTab(tab_id="t1"), by=CASHIER)
    totals = next(event.totals for event in scene.events if isinstance(event, TabClosed))
    assert (totals.due, totals.rounding, totals.paid) == (price, rounding, price + rounding)


def test_cards_and_cash_that_is_not_the_last_tender_are_not_rounded() -> None:
    scene = with_tab()
    scene.when(AddLine(tab_id="t1", line_id="l", sku="water", unit_price_minor=492), by=MANAGER)
    scene.when(cash(101), by=CASHIER).then_includes(PaymentStarted, due_minor=101, rounding_minor=0)
    scene.when(CAPTURED, by=CASHIER)
    assert balance(scene) == 391
    scene.when(card(391, payment_id="p2"), by=WAITER).then_includes(PaymentStarted, due_minor=391, rounding_minor=0)


def test_too_little_for_the_rounded_price_is_told_what_to_give() -> None:
    scene = with_tab()
    scene.when(AddLine(tab_id="t1", line_id="l", sku="water", unit_price_minor=498), by=MANAGER)
    scene.when(cash(498), by=CASHIER).then_rejected(ValidationFailed, due_minor=500)


def test_several_tenders_keep_the_total() -> None:
    scene = with_tab("beer").when(card(200), by=WAITER).when(CAPTURED, by=SERVICE)
    scene.then_includes(TabBalanceChanged, status="OPEN", balance_minor=350, paid_minor=200)
    scene = paid(scene, payment_id="p2", tender="cash").when(CloseTab(tab_id="t1"), by=CASHIER)
    closing = next(event for event in scene.events if isinstance(event, TabClosed))
    assert (closing.paid.card, closing.paid.cash, closing.totals.due) == (200, 350, 550)


def test_lines_that_are_paid_for_stay() -> None:
    scene = with_tab("beer", "water").when(card(800), by=WAITER).when(CAPTURED, by=SERVICE)
    scene.when(RemoveLine(line_id="l2"), by=WAITER).then_rejected(LinePaid, paid_minor=800)
    scene = with_tab("beer").when(SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1), by=WAITER)
    scene.when(card(800), by=WAITER).when(CAPTURED, by=SERVICE)
    scene.when(SetLineQty(line_id="l1", qty_milli=1_000, expected_version=2), by=WAITER).then_rejected(LinePaid)


def test_a_declined_or_cancelled_payment_leaves_the_tab_open() -> None:
    scene = with_tab("beer").when(card(550), by=WAITER).when(FAILED, by=SERVICE)
    scene.then_includes(PaymentFailed, cancelled=False)
    scene.then_includes(TabBalanceChanged, status="OPEN", balance_minor=550)
    scene.when(FAILED, by=SERVICE).then_nothing()
    again = card(550, payment_id="p2")
    scene.when(again, by=WAITER).when(RecordPaymentResult(payment_id="p2", outcome="cancelled"), by=CASHIER)
    scene.then_includes(PaymentFailed, cancelled=True)


def test_a_payment_without_an_outcome_times_out_at_its_deadline() -> None:
    scene = with_tab("beer").when(card(550), by=WAITER).wake(at=NOON + 3 * MINUTE)
    scene.then_includes(PaymentTimedOut, effective_at=NOON + 2 * MINUTE, cause="alarm")
    scene.then_includes(TabBalanceChanged, status="OPEN")
    scene.when(CAPTURED, by=SERVICE).then_rejected(PaymentAlreadyFinal, status="timed_out")


def test_an_outcome_of_an_unknown_payment_is_refused() -> None:
    with_tab("beer").when(CAPTURED, by=SERVICE).then_rejected(PaymentUnknown)


def test_closing_gives_a_receipt_and_lets_the_tab_go() -> None:
    scene = closed("beer", "book")
    scene.then_types(TabClosed, TabBalanceChanged)
    scene.then_includes(TabClosed, receipt_no="A-000001", number=1, series="A", day=1, currency="USD")
    scene.then_includes(TabBalanceChanged, status="CLOSED", balance_minor=0, paid_minor=1_549)
    assert scene.view(MANAGER)["tabs"] == {}
    scene.when(CloseTab(tab_id="t1"), by=CASHIER).then_nothing()


def test_a_tab_is_closed_when_it_is_paid() -> None:
    scene = with_tab("beer").when(CloseTab(tab_id="t1"), by=CASHIER).then_rejected(BalanceDue, minor=550)
    scene.when(card(550), by=WAITER).when(CloseTab(tab_id="t1"), by=CASHIER).then_rejected(PaymentInProgress)
    with_tab().when(CloseTab(tab_id="t1"), by=CASHIER).then_rejected(BalanceDue, minor=0)


def test_without_a_business_day_no_tab_is_closed() -> None:
    scene = paid(with_tab("beer")).when(CloseDay(carry_over=True), by=MANAGER)
    done(scene).when(CloseTab(tab_id="t1"), by=CASHIER).then_rejected(DayClosed)
    scene.when(OpenDay(business_date=date(2026, 6, 2)), by=CASHIER).when(CloseTab(tab_id="t1"), by=CASHIER)
    scene.then_includes(TabClosed, day=2, number=1)


def back(amount: float, **changes: Any) -> Refund:
    terms: dict[str, Any] = {"tab_id": "t1", "amount_minor": amount, "tender": "card", "reason_code": "wrong"}
    return Refund(**{**terms, **changes})


def test_a_closed_tab_is_refunded_up_to_what_was_paid() -> None:
    scene = closed("beer").when(back(500), by=CASHIER)
    scene.then_includes(Refunded, refund_no="R-000001", number=1, receipt_no="A-000001", amount_minor=500)
    scene.when(back(51), by=CASHIER).then_rejected(RefundExceedsPaid, left_minor=50)
    done(scene.when(back(50), by=CASHIER)).then_includes(Refunded, refund_no="R-000002")
    assert scene.view(MANAGER)["office"]["day_totals"]["refunded"]["card"] == 550


def test_of_a_line_no_more_is_taken_back_than_was_sold() -> None:
    half = RefundLine(line_id="l1", qty_milli=1_000, restock=True)
    scene = closed("cake").when(back(200, lines=(half,)), by=CASHIER)
    assert left(done(scene), "cake") == 10_000
    scene.when(back(200, lines=(half,)), by=CASHIER).then_rejected(RefundExceedsPaid, line_id="l1", left_milli=0)
    scene.when(back(1, lines=(half, half)), by=CASHIER).then_rejected(ValidationFailed)


def test_a_refund_in_cash_is_rounded_like_the_sale_and_comes_from_the_drawer() -> None:
    scene = closed("beer", tender="cash").when(back(498, tender="cash"), by=CASHIER)
    scene.then_includes(Refunded, amount_minor=498, rounding_minor=2, terminal_id="till-1")
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_000 + 550 - 500
    scene.when(EndDrawer(), by=CASHIER).when(back(1, tender="cash"), by=CASHIER).then_rejected(DrawerNotOpen)


def test_a_refund_has_a_reason_from_the_list_and_above_the_limit_an_approval() -> None:
    scene = closed("book", "book", "book").when(back(100, reason_code=""), by=CASHIER).then_rejected(ReasonRequired)
    scene.when(back(100, reason_code="x"), by=CASHIER).then_rejected(ReasonUnknown)
    scene.when(back(2_997, approver="a1"), by=CASHIER).then_rejected(ApprovalRequired, value_minor=2_997)
    scene.when(GrantApproval(approval_id="a1", action="refund", tab_id="t1", limit_minor=3_000), by=MANAGER)
    scene.when(back(2_997, approver="a1"), by=CASHIER).then_includes(Refunded, approved_by="max")


def test_a_tab_that_is_not_closed_or_too_old_is_not_refunded() -> None:
    with_tab("beer").when(back(1), by=CASHIER).then_rejected(RefundExceedsPaid)
    closed("beer").when(back(1), by=CASHIER, at=NOON + 14 * DAY).then_rejected(NotFound)
    closed("beer").when(CloseDay(), by=MANAGER).when(back(1), by=CASHIER).then_rejected(DayClosed)
    with_tab().when(back(1, tab_id="t9"), by=CASHIER).then_rejected(NotFound)


def test_cash_has_no_tip_for_it_would_be_in_no_drawer() -> None:
    with_tab("beer").when(cash(550, tip_minor=1), by=CASHIER).then_rejected(ValidationFailed)


def test_refunds_in_cash_are_rounded_together() -> None:
    scene = closed("beer")
    three = Refund(tab_id="t1", amount_minor=3, tender="cash", reason_code="wrong")
    for rounding in (2, -3, 2, -3, 2):
        done(scene.when(three, by=CASHIER)).then_includes(Refunded, rounding_minor=rounding)
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_000 - 15


def test_a_drawer_is_not_counted_while_cash_is_being_taken() -> None:
    scene = done(with_tab("beer").when(cash(550), by=CASHIER))
    done(scene.when(EndDrawer(), by=CASHIER))
    scene.when(CountDrawer(minor=10_000), by=CASHIER).then_rejected(DrawerState, state="ENDED")
    done(scene.when(CAPTURED, by=CASHIER))
    done(scene.when(CountDrawer(minor=10_550), by=CASHIER)).then_includes(DrawerClosed, over_short=0)


@pytest.mark.parametrize(("settles", "status"), [(True, "PAID"), (False, "OPEN"), (None, "PAID")])
def test_whether_all_is_paid_is_in_the_log_and_not_computed_anew(settles: Any, status: str) -> None:
    scene = with_tab("beer").when(card(550), by=WAITER).when(CAPTURED, by=SERVICE)
    scene.then_includes(PaymentCaptured, settles=True)
    place, captured = next((at, each) for at, each in enumerate(scene.events) if isinstance(each, PaymentCaptured))
    history = (*scene.events[:place], replace(captured, settles=settles))
    told = given(PosSession(), *history, at=NOON, id_="loc-1")
    assert told.view(MANAGER)["tabs"]["t1"]["status"] == status
