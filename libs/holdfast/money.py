"""Money for every service: integer minor units, rates in millionths, one rounding and one way to share (rules C11, C12)."""

import re
from collections.abc import Sequence
from typing import Final, Literal, assert_never

from holdfast._errors import Rejected, ValidationFailed

__all__ = [
    "CURRENCIES",
    "MAX_MINOR",
    "PPM",
    "USUAL_DIGITS",
    "Amount",
    "AmountInvalid",
    "CurrencyMismatch",
    "Rounding",
    "at_rate",
    "check_currency",
    "distribute",
    "divide",
    "extended",
    "format_amount",
    "included",
    "minor",
    "minor_digits",
    "parse_amount",
    "to_increment",
]

Amount = int | float
"""A JSON number as a client sent it. `minor` turns it into minor units or refuses it."""
Rounding = Literal["HALF_UP", "HALF_EVEN", "HALF_DOWN", "DOWN", "UP"]
"""What becomes of a fraction; up and down mean from and towards zero, so that a refund mirrors its sale."""

MAX_MINOR: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""
PPM: Final = 1_000_000
"""Rates are in millionths: 8.875 % is 88,750."""
MILLI: Final = 1_000
"""Quantities are in thousandths: 1,000 is one."""
USUAL_DIGITS: Final = 2

# ISO 4217 codes in use in 2026, without metals, test codes and "no currency". Pinned: locale libraries give other
# digits, because they say what is displayed.
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list of quoted codes reads worse
)
_WITHOUT_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_DIGITS: Final = {
    **dict.fromkeys(_WITHOUT_DIGITS.split(), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_WRITTEN: Final = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,4}))?")


class AmountInvalid(Rejected):
    """An amount is a whole number of minor units within ±(2^53-1)."""

    code = "AMOUNT_INVALID"
    status = 400


class CurrencyMismatch(Rejected):
    """Another currency than the entity's."""

    code = "CURRENCY_MISMATCH"
    status = 422


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has: 2 for USD, 0 for JPY."""
    return _DIGITS.get(currency, USUAL_DIGITS)


def minor(value: Amount, field: str) -> int:
    """The amount in minor units; a fraction or a number beyond ±(2^53-1) is `AMOUNT_INVALID`."""
    if not isinstance(value, int) or not -MAX_MINOR <= value <= MAX_MINOR:
        raise AmountInvalid(f"{field} is a whole number of minor units, at most {MAX_MINOR}", field=field)
    return value


def check_currency(given: str | None, expected: str) -> None:
    """Refuse another currency than the expected one; none given means that one."""
    if given not in (None, expected):
        raise CurrencyMismatch(f"amounts are in {expected} here, not in {given}", currency=expected)


def divide(numerator: int, denominator: int, rounding: Rounding) -> int:
    """The quotient, rounded once; `denominator` is positive."""
    whole, rest = divmod(abs(numerator), denominator)
    match rounding:
        case "HALF_UP":
            up = 2 * rest >= denominator
        case "HALF_DOWN":
            up = 2 * rest > denominator
        case "HALF_EVEN":
            up = 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
        case "DOWN":
            up = False
        case "UP":
            up = rest > 0
        case _:
            assert_never(rounding)
    return (whole + up) * (-1 if numerator < 0 else 1)


def extended(unit_minor: int, qty_milli: int, rounding: Rounding) -> int:
    """What so many thousandths of a unit cost."""
    return divide(unit_minor * qty_milli, MILLI, rounding)


def at_rate(amount_minor: int, ppm: int, rounding: Rounding) -> int:
    """So many millionths of an amount: a tax on top of it, or a percentage off."""
    return divide(amount_minor * ppm, PPM, rounding)


def included(gross_minor: int, ppm: int, rounding: Rounding) -> int:
    """The tax that an amount holds already: gross · r / (1 + r)."""
    return divide(gross_minor * ppm, PPM + ppm, rounding)


def to_increment(numerator: int, increment: int, rounding: Rounding, *, denominator: int = 1) -> int:
    """The multiple of `increment` that stands for an amount in cash: 492 by 5 is 490."""
    return divide(numerator, increment * denominator, rounding) * increment


def distribute(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Share a total by weights, by largest remainder, ties to the earlier part: the shares sum to the total exactly.

    Weights are not negative; when all are zero the parts are alike.
    """
    if not weights:
        raise ValueError("there is no part to share among")
    if total < 0:
        return tuple(-share for share in distribute(-total, weights))
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda part: -(total * weights[part] % whole))
    for part in by_remainder[: total - sum(shares)]:
        shares[part] += 1
    return tuple(shares)


def parse_amount(text: str, currency: str) -> int:
    """The minor units of an amount as people write it, `12.34`; more decimals than the currency has are refused."""
    digits = minor_digits(currency)
    written = _WRITTEN.fullmatch(text)
    if written is None or len(written[3] or "") > digits:
        example = f"12.{'34' * digits}"[: 3 + digits].rstrip(".")
        raise ValidationFailed(f"an amount in {currency} is written as {example}")
    value = int(written[2]) * 10**digits + int((written[3] or "").ljust(digits, "0") or "0")
    return minor(-value if written[1] else value, "amount")


def format_amount(amount_minor: int, currency: str) -> str:
    """An amount as people read it, with all decimals of its currency: `12.30`, `-0.05`, `1200` for yen."""
    digits = minor_digits(currency)
    sign = "-" if amount_minor < 0 else ""
    if digits == 0:
        return f"{sign}{abs(amount_minor)}"
    whole, rest = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}}"
