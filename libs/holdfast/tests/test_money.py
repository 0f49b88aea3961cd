"""The published figures of processors, tills and tax offices, and what holds for all amounts."""

from fractions import Fraction

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import ValidationFailed
from holdfast.money import (
    CURRENCIES,
    MAX_MINOR,
    AmountInvalid,
    CurrencyMismatch,
    Rounding,
    at_rate,
    check_currency,
    distribute,
    divide,
    extended,
    format_amount,
    included,
    minor,
    minor_digits,
    parse_amount,
    to_increment,
)

AMOUNTS = st.integers(-(10**12), 10**12)
ROUNDINGS: st.SearchStrategy[Rounding] = st.sampled_from(["HALF_UP", "HALF_EVEN", "HALF_DOWN", "DOWN", "UP"])


@pytest.mark.parametrize(
    ("thousandths", "half_up", "half_even"),
    [
        (33_654, 3365, 3365),  # Clover
        (33_455, 3346, 3346),  # Clover
        (123_425, 12_343, 12_342),  # Oracle BankRound
        (123_435, 12_344, 12_344),  # Oracle
        (505, 51, 50),  # Square
    ],
)
def test_fractions_of_a_cent_round_as_published(thousandths: int, half_up: int, half_even: int) -> None:
    assert divide(thousandths, 10, "HALF_UP") == half_up
    assert divide(thousandths, 10, "HALF_EVEN") == half_even


@pytest.mark.parametrize(
    ("amount", "ppm", "half_up", "half_even"),
    [
        (600, 117_500, 71, 70),  # Square's answer is 0.70
        (3020, 117_500, 355, 355),  # only exact halves go to even
        (2575, 88_750, 229, 229),  # no repeated rounding from the tail
        (3690, 88_750, 327, 327),  # which would give 3.28
        (150, 82_500, 12, 12),  # 3 lines of it: 0.36
        (450, 82_500, 37, 37),  # their bucket: 0.37
        (10, 50_000, 1, 0),  # 3 lines of it: 0.03 or 0.00
        (30, 50_000, 2, 2),  # their bucket: 0.02
    ],
)
def test_a_rate_gives_the_published_tax(amount: int, ppm: int, half_up: int, half_even: int) -> None:
    assert at_rate(amount, ppm, "HALF_UP") == half_up
    assert at_rate(amount, ppm, "HALF_EVEN") == half_even


@pytest.mark.parametrize(("rounding", "tax"), [("HALF_UP", 167), ("HALF_EVEN", 166)])
def test_twenty_percent_within_9_99_are_1_665_an_exact_half(rounding: Rounding, tax: int) -> None:
    assert included(999, 200_000, rounding) == tax


def test_five_over_22_50_and_16_20_is_shared_as_2_91_and_2_09() -> None:
    assert distribute(500, [2250, 1620]) == (291, 209)


@pytest.mark.parametrize(
    ("parts", "shares"), [(3, (334, 333, 333)), (7, (143, 143, 143, 143, 143, 143, 142)), (1, (1000,))]
)
def test_ties_go_to_the_earlier_part(parts: int, shares: tuple[int, ...]) -> None:
    assert distribute(1000, [1] * parts) == shares


def test_a_total_over_weights_of_zero_is_shared_alike() -> None:
    assert distribute(5, [0, 0]) == (3, 2)


def test_nothing_is_shared_among_nobody() -> None:
    with pytest.raises(ValueError, match="no part"):
        distribute(1, [])


@settings(deadline=None)
@for_all(total=AMOUNTS, weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_shares_sum_to_the_whole_and_are_off_by_less_than_one(total: int, weights: list[int]) -> None:
    shares = distribute(total, weights)
    assert sum(shares) == total
    if any(weights):
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - Fraction(total * weight, sum(weights))) < 1
            assert abs(share) <= weight or abs(total) > sum(weights)


@settings(deadline=None)
@for_all(numerator=AMOUNTS, denominator=st.integers(1, 10**7), rounding=ROUNDINGS)
def test_rounding_moves_by_less_than_one_and_mirrors_the_sign(
    numerator: int, denominator: int, rounding: Rounding
) -> None:
    rounded = divide(numerator, denominator, rounding)
    assert abs(rounded - Fraction(numerator, denominator)) < 1
    assert divide(-numerator, denominator, rounding) == -rounded
    if rounding.startswith("HALF"):
        assert abs(2 * (rounded - Fraction(numerator, denominator))) <= 1


@pytest.mark.parametrize(
    ("increment", "normal", "down", "up"),
    [(1, 98_735, 98_734, 98_735), (5, 98_735, 98_730, 98_735), (25, 98_725, 98_725, 98_750)],
)
def test_987_345_rounds_as_in_dynamics_365(increment: int, normal: int, down: int, up: int) -> None:
    assert to_increment(987_345, increment, "HALF_UP", denominator=10) == normal
    assert to_increment(987_345, increment, "DOWN", denominator=10) == down
    assert to_increment(987_345, increment, "UP", denominator=10) == up


@pytest.mark.parametrize(
    ("amount", "in_cash"),
    [(492, 490), (598, 600), (597, 595), (1003, 1005), (495, 495)],  # Canada, Québec; five items of 0.99 stay
)
def test_cash_without_pennies_rounds_as_published(amount: int, in_cash: int) -> None:
    assert to_increment(amount, 5, "HALF_UP") == in_cash


def test_canadas_figure_is_4_69_with_5_percent_on_top() -> None:
    assert 183 + 286 + at_rate(183 + 286, 50_000, "HALF_UP") == 492


@pytest.mark.parametrize("tens", [0, 10, 990])
def test_with_nickels_1_2_6_7_go_down_and_3_4_8_9_go_up(tens: int) -> None:
    rounded = [to_increment(tens + digit, 5, "HALF_UP") - tens for digit in range(10)]
    assert rounded == [0, 0, 0, 5, 5, 5, 5, 5, 10, 10]


@pytest.mark.parametrize(("change", "given"), [(2, 0), (3, 5), (7, 5), (8, 10)])
def test_swedish_rounding_to_0_05_gives_the_published_change(change: int, given: int) -> None:
    assert to_increment(change, 5, "HALF_DOWN") == given


@pytest.mark.parametrize(("change", "given"), [(4, 0), (5, 0), (6, 10), (14, 10), (15, 10), (16, 20)])
def test_swedish_rounding_to_0_10_sends_0_05_down(change: int, given: int) -> None:
    assert to_increment(change, 10, "HALF_DOWN") == given


@pytest.mark.parametrize(("oere", "kroner"), [(24, 0), (25, 50), (74, 50), (75, 100)])
def test_danish_cash_goes_in_halves(oere: int, kroner: int) -> None:
    assert to_increment(oere, 50, "HALF_UP") == kroner


@pytest.mark.parametrize(
    ("increment", "amount", "in_cash"),
    [(5, 102, 100), (5, 103, 105), (100, 149, 100), (100, 150, 200)],  # Swiss rappen; Czech, Costa Rican, Colombian
)
def test_cash_without_the_smallest_coins_rounds_to_what_there_is(increment: int, amount: int, in_cash: int) -> None:
    assert to_increment(amount, increment, "HALF_UP") == in_cash


@pytest.mark.parametrize("value", [1.0, 0.5, float("nan"), float("inf"), 2**53, -(2**53)])
def test_what_is_no_whole_number_of_minor_units_is_refused(value: float) -> None:
    with pytest.raises(AmountInvalid, match="whole number of minor units") as refusal:
        minor(value, "price")
    assert refusal.value.details["field"] == "price"


@pytest.mark.parametrize("value", [0, -1, MAX_MINOR, -MAX_MINOR])
def test_whole_numbers_within_the_bounds_are_taken(value: int) -> None:
    assert minor(value, "price") == value


def test_another_currency_is_refused() -> None:
    check_currency(None, "EUR")
    check_currency("EUR", "EUR")
    with pytest.raises(CurrencyMismatch, match="EUR"):
        check_currency("USD", "EUR")


@pytest.mark.parametrize(
    ("digits", "currencies"),
    [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
        (2, "USD EUR AFN ALL MGA HUF IDR CZK CRC COP CAD CHF DKK"),
    ],
)
def test_minor_units_are_those_of_iso_4217(digits: int, currencies: str) -> None:
    for currency in currencies.split():
        assert currency in CURRENCIES
        assert minor_digits(currency) == digits


def test_all_other_currencies_have_two_digits() -> None:
    others = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF BHD IQD JOD KWD LYD OMR TND CLF UYW"
    assert {minor_digits(currency) for currency in CURRENCIES - set(others.split())} == {2}


def test_currencies_that_are_gone_are_not_taken() -> None:
    assert CURRENCIES.isdisjoint({"HRK", "BYR", "BGN", "ANG", "XXX", "XAU"})


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [(1230, "USD", "12.30"), (-5, "EUR", "-0.05"), (1200, "JPY", "1200"), (1, "KWD", "0.001"), (5, "CLF", "0.0005")],
)
def test_amounts_are_written_with_all_decimals_of_their_currency(amount: int, currency: str, written: str) -> None:
    assert format_amount(amount, currency) == written


@settings(deadline=None)
@for_all(amount=AMOUNTS, currency=st.sampled_from(sorted(CURRENCIES)))
def test_what_is_written_reads_back(amount: int, currency: str) -> None:
    assert parse_amount(format_amount(amount, currency), currency) == amount


@pytest.mark.parametrize(("text", "amount"), [("12", 1200), ("12.3", 1230), ("-0.05", -5)])
def test_decimals_may_be_left_out(text: str, amount: int) -> None:
    assert parse_amount(text, "USD") == amount


@pytest.mark.parametrize("text", ["12.345", "1,2", "", "1e3", ".5", "12.", "٣"])
def test_what_is_no_amount_of_the_currency_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed, match=r"12\.34"):
        parse_amount(text, "USD")


@pytest.mark.parametrize(("unit", "qty", "price"), [(150, 3000, 450), (999, 500, 500), (1299, 1234, 1603)])
def test_a_weighed_quantity_is_priced_with_one_rounding(unit: int, qty: int, price: int) -> None:
    assert extended(unit, qty, "HALF_UP") == price
