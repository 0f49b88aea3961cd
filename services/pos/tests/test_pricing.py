"""What a tab comes to: discounts in their order, taxes by their scope."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import NotFound, StateConflict, ValidationFailed
from holdfast.money import divide
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseTab,
    Discount,
    DiscountApplied,
    DiscountRemoved,
    GrantApproval,
    Modifier,
    MoveLines,
    OpenTab,
    RecordPaymentResult,
    RemoveDiscount,
    SetDiscount,
    Settings,
    Tax,
    Window,
)
from services.pos.domain_errors import ApprovalRequired, DiscountInactive, NotCombinable, TabPaid
from services.pos.domain_pricing import bill_of
from services.pos.domain_session import Tab
from services.pos.domain_terms import AppliedDiscount, Line, TaxScope
from services.pos.tests.scenes import CASHIER, MANAGER, MINUTE, NOON, WAITER, balance, done, with_tab


def tab(*lines: Line, discounts: tuple[AppliedDiscount, ...] = ()) -> Tab:
    return Tab(owner="wim", lines={f"l{number}": line for number, line in enumerate(lines, 1)}, discounts=discounts)


def line(price: int, *tax_ids: str, qty: int = 1_000, **more: Any) -> Line:
    return Line(sku="x", qty_milli=qty, unit_price_minor=price, tax_ids=tax_ids, **more)


def priced(found: Tab, **changes: Any) -> Any:
    taxes = {"t": Tax(ppm=82_500), "five": Tax(ppm=50_000), "in": Tax(ppm=200_000, inclusive=True)}
    taxes |= {"too": Tax(ppm=50_000), "fifth": Tax(ppm=200_000)}
    return bill_of(found, Settings(currency="USD", taxes=taxes, **changes))


def off(discount_id: str, line_id: str | None = None, **terms: Any) -> AppliedDiscount:
    return AppliedDiscount(discount_id=discount_id, version=1, line_id=line_id, **terms)


@pytest.mark.parametrize(
    ("price", "tax_id", "scope", "rounding", "tax"),
    [
        (150, "t", "PER_LINE", "HALF_UP", 36),
        (150, "t", "PER_RATE_BUCKET", "HALF_UP", 37),
        (150, "t", "PER_LINE", "HALF_EVEN", 36),
        (150, "t", "PER_RATE_BUCKET", "HALF_EVEN", 37),
        (10, "five", "PER_LINE", "HALF_UP", 3),
        (10, "five", "PER_RATE_BUCKET", "HALF_UP", 2),
        (10, "five", "PER_LINE", "HALF_EVEN", 0),
        (10, "five", "PER_RATE_BUCKET", "HALF_EVEN", 2),
    ],
)
def test_three_lines_are_taxed_one_by_one_or_together(
    price: int, tax_id: str, scope: TaxScope, rounding: Any, tax: int
) -> None:
    bill = priced(tab(*[line(price, tax_id)] * 3), tax_scope=scope, rounding=rounding)
    assert [each.minor for each in bill.tax] == [tax]
    assert bill.due_minor == 3 * price + tax


def test_a_tax_within_the_price_changes_nothing_of_what_is_due() -> None:
    bill = priced(tab(line(999, "in")))
    assert (bill.tax[0].minor, bill.due_minor) == (167, 999)


def test_a_tax_on_top_is_of_the_price_without_the_tax_within() -> None:
    bill = priced(tab(line(1_200, "in", "five")))
    assert {each.tax_id: each.minor for each in bill.tax} == {"in": 200, "five": 50}


def test_discounts_are_taken_in_the_order_that_square_documents() -> None:
    given_last_first = (
        off("order fixed", amount_minor=100),
        off("item fixed", "l1", amount_minor=50),
        off("order percent", ppm=100_000),
        off("item percent", "l1", ppm=500_000),
    )
    bill = priced(tab(line(1_000), line(1_000), discounts=given_last_first))
    # 1000 and 1000; half off the first: 500 and 1000; a tenth: 450 and 900; 50 off: 400 and 900; 100 over 4 : 9.
    assert [each.remaining_minor for each in bill.lines.values()] == [400 - 31, 900 - 69]


def test_what_is_off_the_order_is_shared_by_largest_remainder() -> None:
    bill = priced(tab(line(2_250), line(1_620), discounts=(off("five", amount_minor=500),)))
    assert [each.off_minor[0] for each in bill.lines.values()] == [291, 209]


def test_no_discount_takes_more_than_there_is() -> None:
    bill = priced(tab(line(300), discounts=(off("much", "l1", amount_minor=900), off("more", amount_minor=900))))
    assert bill.due_minor == 0


def test_what_is_given_away_is_no_discount() -> None:
    totals = priced(found := tab(line(300, comped=True), line(200), discounts=(off("half", ppm=500_000),))).totals(
        found
    )
    assert (totals.gross, totals.comp, totals.discount, totals.due) == (500, 300, 100, 100)


@pytest.mark.parametrize(("rounding", "expected"), [("HALF_UP", {"five": 1, "too": 0}), ("HALF_EVEN", {"five": 1})])
def test_taxes_of_one_rate_are_rounded_together_and_share_what_that_gives(rounding: Any, expected: Any) -> None:
    bill = priced(tab(line(10, "five"), line(10, "too")), rounding=rounding)
    assert {each.tax_id: each.minor for each in bill.tax} == {"five": 1, "too": 0} | expected
    assert bill.due_minor == 21
    assert priced(tab(line(10, "five"), line(10, "too")), tax_scope="PER_LINE").due_minor == 22


def test_a_tax_within_and_one_on_top_are_not_of_one_rate_though_both_are_of_a_fifth() -> None:
    bill = priced(tab(line(12, "in"), line(12, "fifth")))
    assert {each.tax_id: each.minor for each in bill.tax} == {"in": 2, "fifth": 2}


DISCOUNTS = st.builds(
    off,
    st.just("d"),
    st.none() | st.sampled_from(["l1", "l2", "gone"]),
    ppm=st.integers(0, 1_000_000),
) | st.builds(off, st.just("d"), st.none() | st.sampled_from(["l1", "l2"]), amount_minor=st.integers(0, 10_000))
LINES = st.builds(
    line,
    st.integers(0, 20_000),
    *[st.sampled_from(["t", "five", "too", "in"])] * 2,
    qty=st.integers(1, 5_000),
    comped=st.booleans(),
    modifiers=st.lists(st.builds(Modifier, id=st.just("m"), price_minor=st.integers(-300, 300)), max_size=2).map(tuple),
)


def exact_tax(sold: Line, remaining: int, tax_ids: set[str]) -> Fraction:
    ppm = {"t": 82_500, "five": 50_000, "too": 50_000, "in": 200_000}
    net = Fraction(remaining * 1_000_000, 1_200_000 if "in" in sold.tax_ids else 1_000_000)
    return sum((net * ppm[tax_id] / 1_000_000 for tax_id in set(sold.tax_ids) & tax_ids), Fraction())


@settings(max_examples=200, deadline=None)
@for_all(
    lines=st.lists(LINES, min_size=1, max_size=6),
    discounts=st.lists(DISCOUNTS, max_size=5).map(tuple),
    scope=st.sampled_from(["PER_LINE", "PER_RATE_BUCKET"]),
    rounding=st.sampled_from(["HALF_UP", "HALF_EVEN"]),
)
def test_discounts_and_taxes_never_make_anything_negative_and_the_parts_sum_to_the_whole(
    lines: list[Line], discounts: tuple[AppliedDiscount, ...], scope: TaxScope, rounding: Any
) -> None:
    found = tab(*lines, discounts=discounts)
    bill = priced(found, tax_scope=scope, rounding=rounding)
    totals = bill.totals(found)
    assert all(each.remaining_minor >= 0 for each in bill.lines.values())
    assert all(each.minor >= 0 for each in bill.tax)
    on_top = sum(each.minor for each in bill.tax if not each.inclusive)
    assert totals.due == totals.gross - totals.discount - totals.comp + on_top
    within = sum(each.minor for each in bill.tax if each.inclusive)
    assert within <= totals.due
    for of_rate in ({"five", "too"}, {"t"}, {"in"}) if scope == "PER_RATE_BUCKET" else ():
        exact = sum(exact_tax(found.lines[key], each.remaining_minor, of_rate) for key, each in bill.lines.items())
        told = sum(each.minor for each in bill.tax if each.tax_id in of_rate)
        assert told == divide(exact.numerator, exact.denominator, rounding)
    for each in bill.lines.values():
        assert each.gross_minor == each.comp_minor + sum(each.off_minor.values()) + each.remaining_minor


def test_a_discount_pins_its_version() -> None:
    scene = with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    scene.then_includes(DiscountApplied, version=1, ppm=100_000, value_minor=30)
    scene.when(SetDiscount(discount_id="ten", discount=Discount(version=2, ppm=900_000)), by=MANAGER)
    assert balance(scene) == 270
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER).then_nothing()


def test_a_discount_is_taken_back() -> None:
    scene = with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    scene.when(RemoveDiscount(tab_id="t1", discount_id="ten"), by=WAITER).then_includes(
        DiscountRemoved, discount_id="ten"
    )
    assert balance(scene) == 300
    scene.when(RemoveDiscount(tab_id="t1", discount_id="ten"), by=WAITER).then_nothing()


def test_a_discount_is_valid_from_its_start_to_just_before_its_end() -> None:
    window = Window(starts_at=NOON + MINUTE, ends_at=NOON + 2 * MINUTE)
    scene = with_tab("water").when(
        SetDiscount(discount_id="lunch", discount=Discount(ppm=1, window=window)), by=MANAGER
    )
    apply = ApplyDiscount(tab_id="t1", discount_id="lunch")
    microsecond = timedelta(microseconds=1)
    scene.when(apply, by=WAITER, at=NOON + MINUTE - microsecond).then_rejected(DiscountInactive)
    done(scene.when(apply, by=WAITER, at=NOON + MINUTE))
    scene.when(RemoveDiscount(tab_id="t1", discount_id="lunch"), by=WAITER)
    scene.when(apply, by=WAITER, at=NOON + 2 * MINUTE).then_rejected(DiscountInactive)


def test_a_discount_with_a_code_needs_it() -> None:
    scene = with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="secret", code="foe"), by=WAITER)
    scene.then_rejected(DiscountInactive)
    done(scene.when(ApplyDiscount(tab_id="t1", discount_id="secret", code="friend"), by=WAITER))


def test_discounts_may_exclude_each_other() -> None:
    scene = with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="alone"), by=WAITER).then_rejected(NotCombinable)


def test_a_discount_of_an_item_names_its_line() -> None:
    scene = with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="happy", scope="item"), by=WAITER)
    scene.then_rejected(ValidationFailed)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="happy", scope="item", line_id="l9"), by=WAITER)
    scene.then_rejected(NotFound)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="happy", scope="item", line_id="l1"), by=WAITER)
    assert balance(done(scene)) == 150


def test_a_discount_above_the_limit_needs_an_approval() -> None:
    everything = ApplyDiscount(tab_id="t1", discount_id="everything", approver="a1")
    scene = with_tab("water", "water").when(everything, by=WAITER).then_rejected(ApprovalRequired, value_minor=600)
    scene.when(GrantApproval(approval_id="a1", action="discount", tab_id="t1", limit_minor=600), by=MANAGER)
    scene.when(everything, by=WAITER).then_includes(DiscountApplied, value_minor=600, approved_by="max")


def test_a_paid_tab_takes_no_discount_that_makes_it_cheaper_than_what_was_paid() -> None:
    scene = with_tab("water")
    scene.when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=290, tender="card"), by=WAITER)
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=MANAGER)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER).then_rejected(TabPaid, paid_minor=290)


def test_a_discount_is_not_given_before_anything_is_ordered() -> None:
    with_tab().when(ApplyDiscount(tab_id="t1", discount_id="everything"), by=WAITER).then_rejected(StateConflict)


def test_lines_that_are_added_later_count_towards_the_limit_of_a_discount() -> None:
    everything = ApplyDiscount(tab_id="t1", discount_id="everything", approver="a1")
    pay = BeginPayment(tab_id="t1", payment_id="p", amount_minor=1, tender="card")
    scene = done(with_tab("water").when(everything, by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=4_000), by=WAITER))
    scene.when(pay, by=CASHIER).then_rejected(ApprovalRequired, action="discount", value_minor=2_300)
    scene.when(CloseTab(tab_id="t1"), by=CASHIER).then_rejected(ApprovalRequired, action="discount", value_minor=2_300)
    done(scene.when(RemoveDiscount(tab_id="t1", discount_id="everything"), by=WAITER))
    done(scene.when(GrantApproval(approval_id="a1", action="discount", tab_id="t1", limit_minor=2_300), by=MANAGER))
    done(scene.when(everything, by=WAITER))
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))


def test_a_discount_that_a_manager_gave_has_no_limit() -> None:
    scene = done(with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="everything"), by=MANAGER))
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=4_000), by=WAITER))
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))


def test_a_discount_is_given_once_also_when_lines_went_away_and_came_back() -> None:
    ten = ApplyDiscount(tab_id="t1", discount_id="ten")
    scene = done(with_tab("beer", "beer").when(ten, by=WAITER))
    scene.when(OpenTab(tab_id="t2"), by=WAITER)
    for source, into in (("t1", "t2"), ("t2", "t1")):
        done(scene.when(MoveLines(from_tab_id=source, to_tab_id=into, line_ids=("l2",)), by=WAITER))
    scene.when(ten, by=WAITER).then_rejected(NotCombinable)
    assert balance(scene) == 990
