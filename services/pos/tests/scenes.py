"""Who works at the till in the tests, and what it sells."""

from datetime import date, datetime, timedelta
from typing import Any

from holdfast import Actor
from holdfast.testing import Scenario, given
from services.pos.domain import PosSession
from services.pos.domain_money_commands import BeginPayment, CloseTab, OpenDay, OpenDrawer, RecordPaymentResult
from services.pos.domain_stock_commands import AdjustStock
from services.pos.domain_tab_commands import AddLine, OpenTab
from services.pos.domain_terms import CashRounding, ComboSlot, Discount, Item, ModifierGroup, Settings, Tax
from services.pos.domain_till_commands import Configure, RegisterTerminal, SetDiscount, SetItem

NOON = datetime.fromisoformat("2026-06-01T12:00:00+00:00")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

ADMIN = Actor(user="ada", roles=("admin",), device="office")
MANAGER = Actor(user="max", roles=("manager",), device="office")
WAITER = Actor(user="wim", roles=("waiter",), device="till-1")
CASHIER = Actor(user="cleo", roles=("cashier",), device="till-1")
SERVICE = Actor(user="_floor", roles=("service",))
DISPLAY = Actor(user="screen", roles=("display",))
STRANGER = Actor(user="guest", roles=("guest",))

SETTINGS = Settings(
    currency="USD",
    taxes={"vat": Tax(ppm=100_000), "low": Tax(ppm=50_000), "within": Tax(ppm=200_000, inclusive=True)},
    reason_codes=("spilled", "wrong", "guest_left"),
    void_limit_minor=500,
    discount_limit_minor=500,
    refund_limit_minor=2_000,
    cash_rounding=CashRounding(increment_minor=5),
    floors=("loc-1:floor-main",),
)
ITEMS = {
    "beer": Item(name="Beer", price_minor=500, tax_ids=("vat",), station="bar"),
    "soup": Item(name="Soup", price_minor=733, tax_ids=("vat",), takeaway_tax_ids=("low",), station="kitchen"),
    "cheese": Item(name="Cheese", price_minor=1_999, weighed=True, tracked=True),
    "cake": Item(name="Cake", price_minor=400, tracked=True, station="kitchen"),
    "book": Item(name="Book", price_minor=999, tax_ids=("within",)),
    "steak": Item(
        name="Steak",
        price_minor=2_000,
        modifier_groups=(
            ModifierGroup(id="done", min=1, options={"rare": 0, "medium": 0}),
            ModifierGroup(id="side", max=2, options={"chips": 300, "salad": 250, "none": -100}),
        ),
    ),
    "water": Item(name="Water", price_minor=300),
    "menu": Item(
        name="Menu",
        price_minor=1_000,
        combo=(
            ComboSlot(id="dish", skus=("soup", "steak")),
            ComboSlot(id="drink", skus=("beer", "water")),
            ComboSlot(id="sweet", skus=("cake",)),
        ),
    ),
}
DISCOUNTS = {
    "ten": Discount(ppm=100_000),
    "happy": Discount(scope="item", ppm=500_000),
    "two-off": Discount(amount_minor=200),
    "one-off": Discount(scope="item", amount_minor=100),
    "alone": Discount(ppm=50_000, combinable=False),
    "secret": Discount(ppm=50_000, code="friend"),
    "everything": Discount(ppm=1_000_000),
}


def location(**changes: Any) -> Scenario:
    """A location with a catalogue and no business day."""
    settings = Settings(**{**{key: getattr(SETTINGS, key) for key in SETTINGS.__struct_fields__}, **changes})
    scene = given(PosSession(), at=NOON, id_="loc-1").when(Configure(settings=settings, expected_version=0), by=ADMIN)
    for sku, item in ITEMS.items():
        scene.when(SetItem(sku=sku, item=item), by=MANAGER)
    for discount_id, discount in DISCOUNTS.items():
        scene.when(SetDiscount(discount_id=discount_id, discount=discount), by=MANAGER)
    scene.when(AdjustStock(sku="cake", delta_milli=10_000, reason="baked"), by=MANAGER)
    return scene.when(RegisterTerminal(terminal_id="till-1", name="Bar"), by=MANAGER)


def opened(**changes: Any) -> Scenario:
    """A location on a business day, with a drawer of 100.00 at the till."""
    scene = location(**changes).when(OpenDay(business_date=date(2026, 6, 1)), by=CASHIER)
    return scene.when(OpenDrawer(minor=10_000), by=CASHIER)


def with_tab(*skus: str, tab_id: str = "t1", scene: Scenario | None = None, **changes: Any) -> Scenario:
    """A tab with one of each of these, as the lines l1, l2 …"""
    scene = (scene or opened(**changes)).when(OpenTab(tab_id=tab_id), by=WAITER)
    for number, sku in enumerate(skus, start=1):
        line_id = f"l{number}" if tab_id == "t1" else f"{tab_id}-l{number}"
        done(scene.when(AddLine(tab_id=tab_id, line_id=line_id, sku=sku), by=WAITER))
    return scene


def two_tills() -> Scenario:
    """An open tab, where a second terminal is registered."""
    return done(with_tab().when(RegisterTerminal(terminal_id="till-2"), by=MANAGER))


def done(scene: Scenario) -> Scenario:
    """The last command was not refused."""
    assert scene.refusal is None, scene.refusal
    return scene


def paid(scene: Scenario, *, tab_id: str = "t1", payment_id: str = "p1", tender: Any = "card") -> Scenario:
    """The whole tab paid at once."""
    due = scene.view(MANAGER)["tabs"][tab_id]["balance_minor"]
    if tender == "cash":
        due = due + 100
    begin = BeginPayment(tab_id=tab_id, payment_id=payment_id, amount_minor=due, tender=tender)
    done(scene.when(begin, by=CASHIER))
    return done(scene.when(RecordPaymentResult(payment_id=payment_id, outcome="captured"), by=CASHIER))


def closed(*skus: str, tender: Any = "card", **changes: Any) -> Scenario:
    """A tab with one of each of these, paid and closed."""
    return done(paid(with_tab(*skus, **changes), tender=tender).when(CloseTab(tab_id="t1"), by=CASHIER))


def balance(scene: Scenario, tab_id: str = "t1") -> int:
    """What is due on a tab."""
    return scene.view(MANAGER)["tabs"][tab_id]["balance_minor"]


def left(scene: Scenario, sku: str) -> int:
    """What can be promised of an item."""
    return scene.view(MANAGER)["available_milli"][sku]
