"""Checks that stored cards paid in part: each card is settled or lost by itself, whatever happens to the check."""

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.testing import Scenario
from services.pos.contract import (
    BeginPayment,
    CardSale,
    CashSale,
    CloseTab,
    LineAdded,
    MergeTabs,
    OfflineLine,
    OfflinePaymentDeclined,
    PaymentCaptured,
    RecordPaymentResult,
    Refund,
    Refunded,
    SubmitOffline,
    TabClosed,
    TabConflict,
    TabReopened,
    VoidTab,
)
from services.pos.domain_errors import PaymentInProgress, RefundExceedsPaid
from services.pos.tests.scenes import (
    CASHIER,
    DAY,
    MANAGER,
    MINUTE,
    NOON,
    SERVICE,
    WAITER,
    balance,
    done,
    opened,
    paid,
    with_tab,
)

BEER = OfflineLine(line_id="l1", sku="beer", unit_price_minor=500, tax_ids=("vat",))


def card(payment_id: str, paid_minor: int, *lines: OfflineLine) -> CardSale:
    return CardSale(tab_id="t1", payment_id=payment_id, paid_minor=paid_minor, lines=lines, occurred_at=NOON)


def submitted(scene: Scenario, *facts: CardSale | CashSale) -> Scenario:
    return done(scene.when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=facts), by=CASHIER))


def result(payment_id: str, outcome: Any) -> RecordPaymentResult:
    return RecordPaymentResult(payment_id=payment_id, outcome=outcome)


def two_cards() -> Scenario:
    """A check that two stored cards paid and closed."""
    scene = submitted(with_tab("beer"), card("c1", 300), card("c2", 250))
    scene.then_includes(TabClosed, tab_id="t1", awaits_card=True)
    return scene


def test_the_second_card_is_lost_after_the_first_one_is_settled() -> None:
    scene = two_cards()
    done(scene.when(result("c1", "captured"), by=SERVICE))
    done(scene.when(result("c2", "failed"), by=SERVICE))
    scene.then_includes(TabReopened, reverses="A-000001", lost_minor=250)
    assert balance(scene) == 250


def test_the_second_card_expires_after_the_first_one_is_settled() -> None:
    scene = two_cards()
    done(scene.when(result("c1", "captured"), by=SERVICE))
    scene.wake(at=NOON + 2 * DAY).then_includes(TabReopened, lost_payment_id="c2", lost_minor=250)
    assert scene.alarm_at is None


def test_both_cards_are_settled() -> None:
    scene = two_cards()
    done(scene.when(result("c1", "captured"), by=SERVICE))
    done(scene.when(result("c2", "captured"), by=SERVICE))
    done(scene.when(Refund(tab_id="t1", amount_minor=500, tender="card", reason_code="wrong"), by=MANAGER))


@pytest.mark.parametrize("first", ["c1", "c2"])
def test_both_cards_are_lost(first: str) -> None:
    scene = two_cards()
    done(scene.when(result(first, "failed"), by=SERVICE))
    done(scene.when(result("c2" if first == "c1" else "c1", "failed"), by=SERVICE))
    assert balance(scene) == 550


def paying_beside_a_card() -> Scenario:
    """A check of which a stored card paid some, while the rest is being paid."""
    scene = submitted(with_tab("beer"), card("c1", 300))
    begin = BeginPayment(tab_id="t1", payment_id="p2", amount_minor=250, tender="card")
    return done(scene.when(begin, by=CASHIER))


def test_a_card_lost_while_another_payment_is_under_way_leaves_the_check_to_that_payment() -> None:
    scene = paying_beside_a_card()
    done(scene.when(result("c1", "failed"), by=SERVICE))
    scene.when(VoidTab(tab_id="t1"), by=WAITER).then_rejected(PaymentInProgress)
    again = BeginPayment(tab_id="t1", payment_id="p3", amount_minor=550, tender="card")
    scene.when(again, by=WAITER).then_rejected(PaymentInProgress)
    done(scene.when(result("p2", "captured"), by=SERVICE))
    assert balance(scene) == 300
    assert scene.view(MANAGER)["tabs"]["t1"]["status"] == "OPEN"


def test_a_card_that_expires_while_another_payment_is_under_way_leaves_the_check_to_that_payment() -> None:
    scene = submitted(with_tab("beer"), card("c1", 300))
    begin = BeginPayment(tab_id="t1", payment_id="p2", amount_minor=250, tender="card")
    done(scene.after(DAY - MINUTE).when(begin, by=CASHIER)).wake(at=NOON + DAY)
    assert scene.view(MANAGER)["tabs"]["t1"]["status"] == "PAYING"
    scene.wake(at=NOON + 2 * DAY)
    assert (scene.view(MANAGER)["tabs"]["t1"]["status"], balance(scene)) == ("OPEN", 550)


def test_ended_payments_leave_with_a_merged_tab() -> None:
    scene = with_tab("water", tab_id="t2", scene=with_tab("beer"))
    begin = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="card")
    scene.when(begin, by=CASHIER).when(result("p1", "failed"), by=SERVICE)
    done(scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER))
    assert '"p1"' not in scene.state_json.decode()


def test_a_check_that_was_opened_and_paid_in_two_parts_offline_has_its_lines_once() -> None:
    scene = submitted(opened(), card("c1", 300, BEER), card("c2", 250, BEER))
    scene.then_includes(TabClosed, tab_id="t1", receipt_no="A-000001")
    assert len([event for event in scene.events if isinstance(event, LineAdded)]) == 1
    assert scene.view(MANAGER)["tabs"] == {}


def test_a_check_that_was_opened_offline_and_paid_too_little_is_not_paid() -> None:
    sale = CashSale(tab_id="t1", payment_id="c1", lines=(BEER,), paid_minor=300, occurred_at=NOON)
    scene = submitted(opened(), sale)
    assert scene.view(MANAGER)["tabs"]["t1"]["status"] == "OPEN"
    done(paid(scene).when(CloseTab(tab_id="t1"), by=CASHIER))


def test_what_a_stored_card_paid_is_given_back_when_the_processor_has_it_and_not_before() -> None:
    scene = submitted(opened(), card("c1", 550, BEER))
    refund = Refund(tab_id="t1", amount_minor=550, tender="card", reason_code="wrong")
    scene.when(refund, by=MANAGER).then_rejected(RefundExceedsPaid, left_minor=0)
    done(scene.when(result("c1", "captured"), by=SERVICE)).when(refund, by=MANAGER)
    scene.then_includes(Refunded, amount_minor=550)


def test_a_card_is_lost_once() -> None:
    scene = submitted(opened(), card("c1", 550, BEER))
    scene.when(result("c1", "failed"), by=SERVICE).then_includes(OfflinePaymentDeclined, payment_id="c1")
    assert balance(scene) == 550


def sale_of(tab_id: str, line_id: str) -> CardSale:
    return CardSale(
        tab_id=tab_id, payment_id="c", paid_minor=550, lines=(replace(BEER, line_id=line_id),), occurred_at=NOON
    )


def test_a_card_under_the_id_of_another_one_is_awaited_by_itself_and_flagged() -> None:
    scene = submitted(opened(), sale_of("t1", "a"), sale_of("t2", "b"))
    scene.then_includes(TabConflict, tab_id="t2", about="payment")
    assert {key: each["tab_id"] for key, each in scene.view(MANAGER)["payments"].items()} == {"c": "t1", "c-2": "t2"}
    done(scene.when(result("c", "captured"), by=SERVICE))
    done(scene.when(result("c-2", "failed"), by=SERVICE)).then_includes(TabReopened, tab_id="t2", lost_minor=550)
    assert balance(scene, "t2") == 550


@pytest.mark.parametrize("tender", ["cash", "card"])
def test_a_sale_under_the_id_of_a_payment_that_is_under_way_leaves_that_one_alone(tender: str) -> None:
    begin = BeginPayment(tab_id="t1", payment_id="c", amount_minor=100, tender="card")
    scene = done(with_tab("beer").when(begin, by=WAITER))
    of_cash = CashSale(tab_id="t2", payment_id="c", paid_minor=550, lines=(BEER,), occurred_at=NOON)
    submitted(scene, of_cash if tender == "cash" else sale_of("t2", "b"))
    scene.then_includes(TabConflict, tab_id="t2", about="payment")
    scene.when(result("c", "captured"), by=SERVICE).then_includes(PaymentCaptured, tab_id="t1", due_minor=100)
    assert balance(scene) == 450
