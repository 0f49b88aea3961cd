"""Money of an auction: integer minor units of a currency from the pinned ISO 4217 list (rule C11)."""

from typing import Final

from services.auction.domain_errors import AmountInvalid

Amount = int | float
"""A JSON number as a client sent it. `minor` turns it into minor units or refuses it."""

MAX_MINOR: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""

# ISO 4217 codes in use in 2026, without metals, test codes and "no currency".
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

_DIGITS: Final = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
USUAL_DIGITS: Final = 2


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has: 2 for USD, 0 for JPY."""
    return _DIGITS.get(currency, USUAL_DIGITS)


def minor(value: Amount, field: str) -> int:
    """The amount in minor units; a fraction or a number beyond ±(2^53-1) is `AMOUNT_INVALID`."""
    if not isinstance(value, int) or not -MAX_MINOR <= value <= MAX_MINOR:
        raise AmountInvalid(f"{field} is a whole number of minor units, at most {MAX_MINOR}", field=field)
    return value
