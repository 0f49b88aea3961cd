"""The restaurant: what it sells and for how much, its tables, and who works there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TENANT: Final = "demo"
TABLES: Final = 20
VAT, WITHIN = "vat", "within"
TAXES: Final[Mapping[str, tuple[int, bool]]] = {VAT: (100_000, False), WITHIN: (200_000, True)}
"""By their ids: the rate in millionths, and whether prices hold it already."""
CASH_STEP: Final = 5
"""The smallest coin, in minor units."""
DISCOUNTS: Final[Mapping[str, tuple[int, int]]] = {"friends": (100_000, 0), "voucher": (0, 500)}
"""By their ids: a rate in millionths, or an amount."""
STOCK: Final = 5_000
REASON: Final = "spilled"


@dataclass(frozen=True, slots=True)
class Dish:
    """Something on the menu."""

    price: int
    tax: str = ""
    station: str = "kitchen"
    tracked: bool = False


MENU: Final[Mapping[str, Dish]] = {
    "soup": Dish(733, VAT),
    "steak": Dish(2_450, VAT, tracked=True),
    "pasta": Dish(1_195, VAT),
    "cake": Dish(399, tracked=True),
    "beer": Dish(520, VAT, "bar"),
    "wine": Dish(1_999, WITHIN, "bar"),
    "water": Dish(301, "", "bar"),
}


def till_settings(floor: str) -> dict[str, Any]:
    """How the location does business."""
    return {
        "currency": "EUR",
        "taxes": {tax: {"ppm": ppm, "inclusive": inclusive} for tax, (ppm, inclusive) in TAXES.items()},
        "cash_rounding": {"increment_minor": CASH_STEP},
        "reason_codes": [REASON],
        "floors": [floor],
    }


def floor_settings() -> dict[str, Any]:
    """How the floor is run: a table is dirty as soon as it is paid, and no guest of so short an evening is idle."""
    stations = {sku: dish.station for sku, dish in MENU.items()}
    return {"idle_paid": 0, "idle_seated": 600, "idle_ordered": 600, "hold_before": 30, "stations": stations}


def layout() -> list[dict[str, Any]]:
    """The tables, all of one size, so that any party fits anywhere."""
    return [
        {"id": table, "name": table.upper(), "max": 6, "x": 100 * (number % 5), "y": 100 * (number // 5)}
        for number, table in enumerate(tables())
    ]


def tables() -> list[str]:
    """Their ids."""
    return [f"t{number:02}" for number in range(1, TABLES + 1)]


def item(sku: str) -> dict[str, Any]:
    """A dish as the till's catalogue has it."""
    dish = MENU[sku]
    return {
        "name": sku.title(),
        "price_minor": dish.price,
        "tax_ids": [dish.tax] if dish.tax else [],
        "tracked": dish.tracked,
        "station": dish.station,
    }


def discount(discount_id: str) -> dict[str, Any]:
    """A discount as the till offers it."""
    ppm, amount = DISCOUNTS[discount_id]
    return {"ppm": ppm} if ppm else {"amount_minor": amount}


WAITERS: Final = tuple(f"waiter-{number}" for number in range(1, 7))
STAFF: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(WAITERS, ("waiter",)),
    "cashier-1": ("cashier", "waiter"),
    "cashier-2": ("cashier", "waiter"),
    "cashier-3": ("cashier", "waiter"),
    "host": ("host",),
    "manager": ("manager", "admin"),
    "kitchen": ("kitchen", "display"),
    "bar": ("kitchen", "display"),
}
TILLS: Final[Mapping[str, str]] = {"till-1": "cashier-1", "till-2": "cashier-2", "till-3": "cashier-3"}
"""Each with who stands there; the last one is off the network for a part of the evening."""
OPENING: Final = 20_000
"""What each drawer begins with."""
BANK: Final = 3_000
"""What each waiter's bank begins with."""
