"""Guests who pay at their table by a code: they see and pay one tab, and do nothing else."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast import Actor, Forbidden, NotFound, ValidationFailed
from holdfast.money import MAX_MINOR, AmountInvalid
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseTab,
    Configure,
    IssueTableCode,
    LinesClaimed,
    OpenBank,
    PayAtTable,
    PaymentFailed,
    PaymentStarted,
    RecordPaymentResult,
    RevokeTableCodes,
    TableCodeExpired,
    TableCodeIssued,
    TableCodesRevoked,
    VoidTab,
)
from services.pos.domain_bounds import MOST_MINOR
from services.pos.domain_errors import CodeInUse, LineTaken, PaymentInProgress
from services.pos.domain_session import Session
from services.pos.domain_terms import Tax
from services.pos.tests.scenes import (
    ADMIN,
    CASHIER,
    MANAGER,
    NOON,
    SECOND,
    SERVICE,
    SETTINGS,
    WAITER,
    balance,
    done,
    with_tab,
)

CODE = "0f6d3c1e-code-of-a-guest"
GUEST = Actor(user=f"guest-{CODE}", roles=("guest",))
OTHER = Actor(user="guest-another-code-altogether", roles=("guest",))
TWO_HOURS = timedelta(hours=2)


def coded(*skus: str, **more: Any) -> Scenario:
    """Two tabs, of which a guest may pay the first one."""
    scene = with_tab("water", tab_id="t2", scene=with_tab(*(skus or ("beer", "soup"))))
    return done(scene.when(IssueTableCode(code_id=CODE, tab_id="t1", **more), by=WAITER))


def outcome(scene: Scenario, payment_id: str = "p1", outcome: Any = "captured") -> Scenario:
    return done(scene.when(RecordPaymentResult(payment_id=payment_id, outcome=outcome, processor_ref="x"), by=SERVICE))


def may_read(scene: Scenario, viewer: Actor = GUEST) -> bool:
    return scene.entity.may_read(msgspec.json.decode(scene.state_json, type=Session), viewer)


def test_a_code_is_issued_once_for_one_tab_and_ends_at_its_time() -> None:
    scene = with_tab("beer").when(IssueTableCode(code_id=CODE, tab_id="t1"), by=WAITER)
    scene.then(TableCodeIssued(code_id=CODE, tab_id="t1", issued_by="wim", expires_at=NOON + TWO_HOURS))
    scene.when(IssueTableCode(code_id=CODE, tab_id="t1"), by=WAITER).then_nothing()
    with_tab("soup", tab_id="t2", scene=scene).when(IssueTableCode(code_id=CODE, tab_id="t2"), by=WAITER)
    scene.then_rejected(CodeInUse)
    ended = TableCodeExpired(code_id=CODE, tab_id="t1", effective_at=NOON + TWO_HOURS, cause="alarm")
    scene.wake(at=NOON + TWO_HOURS).then(ended)
    assert not may_read(scene)


def test_a_code_that_has_ended_opens_no_other_tab() -> None:
    for end in (RevokeTableCodes(tab_id="t1"), VoidTab(tab_id="t1", reason_code="wrong")):
        scene = done(coded().when(end, by=MANAGER))
        scene.when(IssueTableCode(code_id=CODE, tab_id="t2"), by=WAITER).then_rejected(CodeInUse)
        assert not may_read(scene)


def test_what_a_guest_began_any_of_the_staff_gives_up_for_him() -> None:
    scene = done(coded().when(PayAtTable(payment_id="p1"), by=GUEST))
    give_up = RecordPaymentResult(payment_id="p1", outcome="cancelled")
    done(scene.when(RevokeTableCodes(tab_id="t1"), by=WAITER).when(give_up, by=WAITER))
    scene.then_includes(PaymentFailed, payment_id="p1", cancelled=True)
    done(scene.when(AddLine(tab_id="t1", line_id="more", sku="beer"), by=WAITER))
    begin = BeginPayment(tab_id="t1", payment_id="p2", amount_minor=100, tender="card")
    done(scene.when(begin, by=WAITER))
    scene.when(replace(give_up, payment_id="p2"), by=WAITER).then_rejected(Forbidden)


def test_a_guests_tip_is_no_more_than_can_be_counted() -> None:
    scene = coded().when(PayAtTable(payment_id="p1", tip_minor=MAX_MINOR), by=GUEST)
    scene.then_rejected(AmountInvalid, most=MOST_MINOR)


def test_what_a_line_comes_to_for_its_guest_keeps_its_taxes() -> None:
    scene = coded("beer", "book")
    before = scene.view(GUEST)["portions"]
    other = replace(SETTINGS, taxes={**SETTINGS.taxes, "vat": Tax(ppm=0)})
    done(scene.when(Configure(settings=other, expected_version=1), by=ADMIN))
    assert scene.view(GUEST)["portions"] == before


def test_a_guest_sees_the_tab_of_the_code_and_what_each_line_comes_to() -> None:
    scene = coded()
    view = scene.view(GUEST)
    assert set(view) == {"currency", "tabs", "items", "portions", "code_expires_at"}
    assert set(view["tabs"]) == {"t1"}
    assert {line: each["due_minor"] for line, each in view["portions"].items()} == {"l1": 550, "l2": 806}
    assert view["tabs"]["t1"]["balance_minor"] == 1_356
    assert {event["type"] for event in scene.seen_by(GUEST)} == {"redacted"}


def test_without_a_code_that_counts_a_guest_reads_nothing() -> None:
    scene = coded()
    assert (may_read(scene), may_read(scene, OTHER)) == (True, False)
    assert not may_read(done(scene.when(RevokeTableCodes(tab_id="t1"), by=WAITER)))


def test_a_guest_pays_all_with_a_tip_and_the_processor_tells_the_outcome() -> None:
    scene = coded().when(PayAtTable(payment_id="p1", tip_minor=100), by=GUEST)
    scene.then_includes(PaymentStarted, tab_id="t1", tender="card", amount_minor=1_356, tip_minor=100)
    scene.when(PayAtTable(payment_id="p1", tip_minor=100), by=GUEST).then_nothing()
    scene.when(RecordPaymentResult(payment_id="p1", outcome="captured"), by=GUEST).then_rejected(Forbidden)
    assert outcome(scene).view(GUEST)["tabs"]["t1"]["status"] == "PAID"


def test_even_parts_sum_to_the_whole_by_largest_remainder() -> None:
    scene, amounts = coded("beer", "beer", "soup"), list[int]()
    for number in range(3):
        done(scene.when(PayAtTable(payment_id=f"p{number}", parts=3), by=GUEST))
        amounts += [event.amount_minor for event in scene.events if isinstance(event, PaymentStarted)][-1:]
        outcome(scene, f"p{number}")
    assert amounts == [636, 635, 635]
    assert balance(scene) == 0


def test_a_guest_pays_for_what_he_had_and_nobody_pays_for_it_again() -> None:
    scene = coded().when(PayAtTable(payment_id="p1", line_ids=("l2",)), by=GUEST)
    scene.then_includes(PaymentStarted, amount_minor=806)
    scene.then_includes(LinesClaimed, tab_id="t1", payment_id="p1", line_ids=("l2",))
    scene.when(PayAtTable(payment_id="p2", line_ids=("l1",)), by=GUEST).then_rejected(PaymentInProgress)
    outcome(scene)
    assert scene.view(GUEST)["portions"]["l2"]["taken"] is True
    scene.when(PayAtTable(payment_id="p2", line_ids=("l2",)), by=GUEST).then_rejected(LineTaken, line_ids=["l2"])
    scene.when(PayAtTable(payment_id="p2", line_ids=("l1",)), by=GUEST).then_includes(PaymentStarted, amount_minor=550)


def test_a_line_whose_payment_failed_can_be_paid_for_again() -> None:
    scene = outcome(coded().when(PayAtTable(payment_id="p1", line_ids=("l2",)), by=GUEST), outcome="failed")
    scene.when(PayAtTable(payment_id="p2", line_ids=("l2",)), by=GUEST).then_includes(PaymentStarted, amount_minor=806)


@settings(max_examples=40, deadline=None)
@for_all(
    skus=st.lists(st.sampled_from(["beer", "soup", "book", "water"]), min_size=1, max_size=6),
    discount=st.sampled_from([None, "ten", "two-off"]),
    data=st.data(),
)
def test_whoever_pays_for_which_lines_the_parts_sum_to_the_whole(
    skus: list[str], discount: str | None, data: st.DataObject
) -> None:
    scene = coded(*skus)
    if discount is not None:
        done(scene.when(ApplyDiscount(scope="order", tab_id="t1", discount_id=discount), by=MANAGER))
    left: list[str] = [f"l{number}" for number in range(1, len(skus) + 1)]
    number = 0
    while left:
        mine: list[str] = data.draw(st.lists(st.sampled_from(left), min_size=1, unique=True))
        number += 1
        done(scene.when(PayAtTable(payment_id=f"p{number}", line_ids=tuple(mine)), by=GUEST))
        outcome(scene, f"p{number}")
        left = [line for line in left if line not in mine]
    assert balance(scene) == 0
    assert scene.view(GUEST)["tabs"]["t1"]["status"] == "PAID"


def test_a_guest_does_nothing_but_pay_the_tab_of_the_code() -> None:
    scene = coded()
    begin = BeginPayment(tab_id="t2", payment_id="p1", amount_minor=300, tender="card")
    for command in (begin, CloseTab(tab_id="t1"), VoidTab(tab_id="t1", reason_code="wrong")):
        scene.when(command, by=GUEST).then_rejected(Forbidden)
    scene.when(IssueTableCode(code_id="a-code-of-my-own-making", tab_id="t2"), by=GUEST).then_rejected(Forbidden)
    scene.when(PayAtTable(payment_id="p1"), by=OTHER).then_rejected(NotFound)
    scene.when(PayAtTable(payment_id="p1"), by=WAITER).then_rejected(Forbidden)


def test_a_payment_names_parts_or_lines_that_are_there() -> None:
    scene = coded()
    scene.when(PayAtTable(payment_id="p1", parts=2, line_ids=("l1",)), by=GUEST).then_rejected(ValidationFailed)
    scene.when(PayAtTable(payment_id="p1", line_ids=("t2-l1",)), by=GUEST).then_rejected(NotFound)


def test_a_code_ends_with_its_tab() -> None:
    scene = outcome(coded().when(PayAtTable(payment_id="p1"), by=GUEST))
    assert may_read(scene)
    assert not may_read(done(scene.when(CloseTab(tab_id="t1"), by=CASHIER)))


def test_codes_end_when_the_guests_have_gone() -> None:
    scene = coded().when(RevokeTableCodes(tab_id="t1"), by=SERVICE)
    scene.then(TableCodesRevoked(tab_id="t1", code_ids=(CODE,)))
    scene.when(RevokeTableCodes(tab_id="t1"), by=SERVICE).then_nothing()


def test_a_code_that_is_over_is_over_before_anything_is_judged() -> None:
    scene = coded(seconds=60)
    late = scene.when(PayAtTable(payment_id="p1"), by=GUEST, at=NOON + 60 * SECOND)
    late.then_rejected(NotFound)


def test_a_guests_tip_is_owed_to_the_waiter_who_gave_the_code() -> None:
    scene = done(coded().when(OpenBank(minor=0), by=WAITER))
    scene.when(PayAtTable(payment_id="p1", tip_minor=100), by=GUEST).then_includes(PaymentStarted, tips_to="bank:wim")


def test_a_tab_has_so_many_codes_and_no_more() -> None:
    scene = with_tab("beer")
    for number in range(20):
        done(scene.when(IssueTableCode(code_id=f"code-of-a-guest-{number}", tab_id="t1"), by=WAITER))
    scene.when(IssueTableCode(code_id="one-code-too-many", tab_id="t1"), by=WAITER).then_rejected(CodeInUse)


@pytest.mark.parametrize("code", ["short", "", "has a blank in it at least", "x" * 101])
def test_a_code_is_long_and_plain(code: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"code_id": code, "tab_id": "t1"}, IssueTableCode)
