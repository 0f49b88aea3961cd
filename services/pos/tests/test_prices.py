"""Prices by the hour, and wishes that have to be chosen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast import ValidationFailed, VersionConflict
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    CashSale,
    Configure,
    Hours,
    Item,
    LineAdded,
    Modifier,
    ModifierGroup,
    OfflineLine,
    OpenTab,
    PostedLine,
    PostOrder,
    PriceBook,
    PriceBookSet,
    PriceStale,
    SetItem,
    SetLineQty,
    SetPriceBook,
    Settings,
    SubmitOffline,
    Window,
)
from services.pos.domain_errors import ModifiersRequired, ModifierUnknown, PriceOverrideForbidden, UnknownSku
from services.pos.tests.scenes import ADMIN, CASHIER, MANAGER, NOON, SERVICE, WAITER, balance, done, location, with_tab

MONDAY_FIVE = datetime(2026, 6, 1, 15, tzinfo=UTC)
"""17:00 in Paris; 2026-06-01 is a Monday."""
HAPPY = PriceBook(prices={"beer": 300}, hours=(Hours(weekdays=(0,), opens=17 * 60, closes=19 * 60),))
BEER = AddLine(tab_id="t1", line_id="x", sku="beer")


def happy(book: PriceBook = HAPPY, *, timezone: str = "Europe/Paris", book_id: str = "happy") -> Scenario:
    return done(with_tab(timezone=timezone).when(SetPriceBook(book_id=book_id, book=book), by=MANAGER))


def price(scene: Scenario, at: datetime, **fields: Any) -> int:
    """What a beer costs at that moment."""
    scene.when(AddLine(tab_id="t1", line_id=f"at-{at.timestamp():.6f}", sku="beer", **fields), by=WAITER, at=at)
    return next(event.unit_price_minor for event in reversed(done(scene).events) if isinstance(event, LineAdded))


def test_a_book_holds_from_its_first_minute_to_just_before_its_last_by_the_clock_of_the_location() -> None:
    scene, tick = happy(), timedelta(microseconds=1)
    two_hours = timedelta(hours=2)
    assert price(scene, MONDAY_FIVE - tick) == 500
    assert price(scene, MONDAY_FIVE) == 300
    assert price(scene, MONDAY_FIVE + two_hours - tick) == 300
    assert price(scene, MONDAY_FIVE + two_hours) == 500
    assert price(scene, MONDAY_FIVE + timedelta(days=1)) == 500


def test_the_clock_of_the_location_goes_back_in_winter() -> None:
    winter = datetime(2026, 12, 7, 16, tzinfo=UTC)
    assert price(happy(), winter - timedelta(hours=1)) == 500
    assert price(happy(), winter) == 300


def test_hours_past_midnight_belong_to_the_day_on_which_they_began() -> None:
    late = PriceBook(prices={"beer": 300}, hours=(Hours(weekdays=(0,), opens=23 * 60, closes=25 * 60),))
    scene = happy(late, timezone="UTC")
    midnight = datetime(2026, 6, 2, tzinfo=UTC)
    assert price(scene, midnight - timedelta(hours=1)) == 300
    assert price(scene, midnight + timedelta(minutes=59)) == 300
    assert price(scene, midnight + timedelta(hours=1)) == 500
    assert price(scene, midnight + timedelta(hours=23)) == 500


def test_a_book_has_a_window_of_days() -> None:
    june = PriceBook(prices={"beer": 300}, window=Window(starts_at=NOON, ends_at=NOON + timedelta(days=1)))
    scene = happy(june)
    assert price(scene, NOON) == 300
    assert price(scene, NOON + timedelta(days=1)) == 500


def test_a_line_pins_the_book_and_its_version() -> None:
    scene = happy().when(BEER, by=WAITER, at=MONDAY_FIVE)
    scene.then_includes(LineAdded, unit_price_minor=300, price_book="happy", price_version=1)
    dearer = PriceBook(version=2, prices={"beer": 400}, hours=HAPPY.hours)
    scene.when(SetPriceBook(book_id="happy", book=dearer), by=MANAGER)
    scene.when(SetLineQty(line_id="x", qty_milli=2_000, expected_version=1), by=MANAGER)
    assert balance(done(scene)) == 660
    scene.when(AddLine(tab_id="t1", line_id="y", sku="beer"), by=WAITER)
    scene.then_includes(LineAdded, unit_price_minor=400, price_version=2)


def test_the_same_line_again_after_the_hour_changes_nothing() -> None:
    scene = happy().when(BEER, by=WAITER, at=MONDAY_FIVE)
    scene.when(BEER, by=WAITER, at=MONDAY_FIVE + timedelta(hours=3)).then_nothing()


def test_only_the_price_of_now_is_a_waiters_to_name() -> None:
    named = AddLine(tab_id="t1", line_id="x", sku="beer", unit_price_minor=300)
    happy().when(named, by=WAITER, at=NOON).then_rejected(PriceOverrideForbidden)
    happy().when(named, by=WAITER, at=MONDAY_FIVE).then_includes(LineAdded, unit_price_minor=300)


def test_of_two_books_the_higher_rank_counts_and_of_equal_ones_the_first() -> None:
    scene = happy(PriceBook(prices={"beer": 300}), book_id="b")
    scene.when(SetPriceBook(book_id="a", book=PriceBook(prices={"beer": 350})), by=MANAGER)
    assert price(scene, NOON) == 350
    done(scene.when(SetPriceBook(book_id="c", book=PriceBook(rank=1, prices={"beer": 450})), by=MANAGER))
    assert price(scene, MONDAY_FIVE) == 450


def test_a_book_may_be_for_orders_to_take_away_only() -> None:
    scene = happy(PriceBook(prices={"beer": 300}, order_types=("takeaway",)))
    assert price(scene, NOON) == 500
    scene.when(OpenTab(tab_id="t2", order_type="takeaway"), by=WAITER)
    scene.when(AddLine(tab_id="t2", line_id="y", sku="beer"), by=WAITER).then_includes(LineAdded, unit_price_minor=300)


def test_a_book_grows_by_versions_and_has_known_items_and_sound_hours() -> None:
    scene = location().when(SetPriceBook(book_id="happy", book=HAPPY), by=MANAGER)
    scene.then(PriceBookSet(book_id="happy", book=HAPPY))
    scene.when(SetPriceBook(book_id="happy", book=HAPPY), by=MANAGER).then_nothing()
    scene.when(SetPriceBook(book_id="happy", book=PriceBook(prices={})), by=MANAGER)
    scene.then_rejected(VersionConflict, version=1)
    scene.when(SetPriceBook(book_id="x", book=PriceBook(prices={"caviar": 1})), by=MANAGER)
    scene.then_rejected(UnknownSku, sku="caviar")
    never = PriceBook(prices={}, hours=(Hours(weekdays=(0,), opens=60, closes=60),))
    scene.when(SetPriceBook(book_id="x", book=never), by=MANAGER).then_rejected(ValidationFailed)


def test_the_time_zone_is_one_that_is_known() -> None:
    odd = Settings(currency="USD", timezone="Mars/Olympus")
    location().when(Configure(settings=odd, expected_version=1), by=ADMIN).then_rejected(ValidationFailed)


def test_what_the_floor_orders_costs_what_it_costs_now() -> None:
    order = PostOrder(tab_id="f1", floor="main", lines=(PostedLine(line_id="o", sku="beer", qty_milli=1_000),))
    scene = happy().when(order, by=SERVICE, at=MONDAY_FIVE)
    scene.then_includes(LineAdded, unit_price_minor=300, price_book="happy")


@pytest.mark.parametrize(("sold", "stale"), [(300, False), (500, False), (200, True)])
def test_a_sale_of_the_happy_hour_that_is_told_later_is_not_stale(sold: int, stale: bool) -> None:  # noqa: FBT001
    line = OfflineLine(line_id="o", sku="beer", unit_price_minor=sold)
    fact = CashSale(tab_id="off", payment_id="p", lines=(line,), paid_minor=sold, occurred_at=MONDAY_FIVE)
    scene = happy().at(MONDAY_FIVE + timedelta(hours=4))
    scene.when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(fact,)), by=CASHIER)
    assert any(isinstance(event, PriceStale) for event in done(scene).events) is stale


RARE = Modifier(id="rare")


def steak(*modifiers: Modifier) -> AddLine:
    return AddLine(tab_id="t1", line_id="x", sku="steak", modifiers=modifiers)


def test_a_choice_that_has_to_be_made_is_made_once() -> None:
    with_tab().when(steak(), by=WAITER).then_rejected(ModifiersRequired, group="done", chosen=0)
    both = steak(RARE, Modifier(id="medium"))
    with_tab().when(both, by=WAITER).then_rejected(ModifiersRequired, group="done", max=1, chosen=2)
    with_tab().when(steak(RARE), by=WAITER).then_includes(LineAdded, modifiers=(RARE,))


def test_wishes_cost_what_the_item_says() -> None:
    scene = with_tab().when(steak(RARE, Modifier(id="chips", price_minor=300)), by=WAITER)
    assert balance(done(scene)) == 2_300
    with_tab().when(steak(RARE, Modifier(id="chips")), by=WAITER).then_rejected(PriceOverrideForbidden)
    done(with_tab().when(steak(RARE, Modifier(id="chips")), by=MANAGER))
    cheaper = with_tab().when(steak(RARE, Modifier(id="none", price_minor=-100)), by=WAITER)
    assert balance(done(cheaper)) == 1_900


def test_no_more_is_chosen_than_a_group_allows() -> None:
    chips = Modifier(id="chips", price_minor=300)
    done(with_tab().when(steak(RARE, chips, chips), by=WAITER))
    with_tab().when(steak(RARE, chips, chips, chips), by=WAITER).then_rejected(ModifiersRequired, group="side", max=2)


def test_what_an_item_does_not_offer_is_refused() -> None:
    with_tab().when(steak(RARE, Modifier(id="ketchup")), by=WAITER).then_rejected(ModifierUnknown, id="ketchup")


@pytest.mark.parametrize(
    "groups",
    [
        (ModifierGroup(id="a", min=2, max=1, options={"x": 0}),),
        (ModifierGroup(id="a", options={}),),
        (ModifierGroup(id="a", options={"x": 0}), ModifierGroup(id="a", options={"y": 0})),
        (ModifierGroup(id="a", options={"x": 0}), ModifierGroup(id="b", options={"x": 0})),
    ],
)
def test_groups_that_nobody_could_choose_from_are_refused(groups: tuple[ModifierGroup, ...]) -> None:
    item = Item(price_minor=1, price_version=2, modifier_groups=groups)
    location().when(SetItem(sku="steak", item=item), by=MANAGER).then_rejected(ValidationFailed)
