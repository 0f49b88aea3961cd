"""What the floor posts: facts, recorded and flagged, never refused."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Forbidden
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CloseTab,
    LineAdded,
    LineVoided,
    Modifier,
    OversellRecorded,
    PlaceHold,
    PostCancel,
    PostedLine,
    PostMerge,
    PostMove,
    PostOrder,
    PostTable,
    PostUnmerge,
    PriceMissing,
    RecordPaymentResult,
    SetEightySix,
    SplitPart,
    SplitTab,
    TabBalanceChanged,
    TabConflict,
    TabOpened,
    TabsMerged,
    TabTransferred,
)
from services.pos.tests.scenes import (
    CASHIER,
    MANAGER,
    MINUTE,
    NOON,
    SERVICE,
    WAITER,
    balance,
    done,
    left,
    location,
    opened,
    paid,
    with_tab,
)

FLOOR = "loc-1:floor-main"


def line(line_id: str, sku: str = "beer", **more: Any) -> PostedLine:
    terms: dict[str, Any] = {"qty_milli": 1_000, **more}
    return PostedLine(line_id=line_id, sku=sku, **terms)


def order(*lines: PostedLine, tab_id: str = "f1") -> PostOrder:
    return PostOrder(tab_id=tab_id, floor=FLOOR, table_ref="12", guest_count=2, order_id="o1", lines=lines)


def ordered(*skus: str) -> Scenario:
    return done(opened().when(order(*(line(f"o{n}", sku) for n, sku in enumerate(skus, 1))), by=SERVICE))


def test_an_order_opens_its_tab_and_tells_the_floor_how_it_stands() -> None:
    scene = opened().when(order(line("o1", seat=1, course=2)), by=SERVICE)
    scene.then_types(TabOpened, LineAdded, TabBalanceChanged)
    scene.then_includes(TabOpened, floor=FLOOR, table_ref="12", guest_count=2)
    scene.then_includes(LineAdded, sent_milli=1_000, seat=1, course=2, unit_price_minor=500)
    scene.then_includes(TabBalanceChanged, floor=FLOOR, balance_minor=550, status="OPEN", table_ref="12")


def test_only_services_post() -> None:
    opened().when(order(line("o1")), by=WAITER).then_rejected(Forbidden)


def test_an_order_posted_again_changes_nothing_and_a_longer_one_adds_the_rest() -> None:
    scene = ordered("beer").when(order(line("o1")), by=SERVICE).then_nothing()
    scene.when(order(line("o1"), line("o2", "water")), by=SERVICE)
    assert balance(done(scene), "f1") == 850


def test_the_kitchen_cooks_what_the_stock_does_not_have_and_what_is_sold_out() -> None:
    scene = opened().when(SetEightySix(sku="cake"), by=WAITER)
    scene.when(order(line("o1", "cake", qty_milli=11_000)), by=SERVICE)
    scene.then_includes(OversellRecorded, sku="cake", short_milli=1_000)


@pytest.mark.parametrize(
    "command",
    [
        PostMerge(from_tab_id="t1", into_tab_id="t2"),
        PostMove(from_tab_id="t1", to_tab_id="t2", line_ids=("c",)),
    ],
)
def test_what_was_held_for_lines_goes_with_them(command: PostMerge | PostMove) -> None:
    scene = with_tab(tab_id="t2", scene=with_tab())
    scene.when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", qty_milli=3_000), by=WAITER)
    scene.when(AddLine(tab_id="t1", line_id="c", sku="cake", qty_milli=2_000), by=WAITER)
    done(scene.when(command, by=SERVICE))
    assert left(scene, "cake") == 8_000
    assert scene.view(MANAGER)["holds"] == {}
    assert left(scene.wake(at=NOON + 11 * MINUTE), "cake") == 8_000


def test_what_has_no_price_is_on_the_tab_for_nothing_and_flagged() -> None:
    scene = opened().when(order(line("o1", "caviar")), by=SERVICE)
    scene.then_includes(PriceMissing, sku="caviar", line_id="o1")
    assert balance(scene, "f1") == 0


def paid_order() -> Scenario:
    return paid(ordered("beer"), tab_id="f1")


def closed_order() -> Scenario:
    return done(paid(ordered("beer"), tab_id="f1").when(CloseTab(tab_id="f1"), by=CASHIER))


@pytest.mark.parametrize("before", [paid_order, closed_order])
def test_an_order_for_a_paid_or_closed_tab_goes_on_a_fresh_one_that_the_floor_learns_of(
    before: Callable[[], Scenario],
) -> None:
    scene = before().when(order(line("o9", "water")), by=SERVICE)
    scene.then_includes(TabConflict, tab_id="f1", moved_to="f1-2")
    scene.then_includes(TabOpened, tab_id="f1-2", floor=FLOOR, table_ref="12", instead_of="f1")
    scene.when(order(line("o9", "water")), by=SERVICE).then_nothing()


def test_a_cancelled_line_is_voided_with_the_kitchens_reason() -> None:
    scene = ordered("cake", "beer").when(
        PostCancel(tab_id="f1", line_id="o1", qty_milli=1_000, reason_code="sold_out"), by=SERVICE
    )
    scene.then_includes(LineVoided, line_id="o1", reason_code="sold_out", value_minor=400)
    assert left(scene, "cake") == 9_000
    scene.when(PostCancel(tab_id="f1", line_id="o1"), by=SERVICE).then_nothing()


def test_what_is_cancelled_after_it_was_paid_is_flagged() -> None:
    cancel = PostCancel(tab_id="f1", line_id="o1")
    conflict = TabConflict(tab_id="f1", about="cancel")
    paid(ordered("beer"), tab_id="f1").when(cancel, by=SERVICE).then(conflict)
    closed_order().when(cancel, by=SERVICE).then(conflict)


def test_lines_follow_to_another_table() -> None:
    move = PostMove(from_tab_id="f1", to_tab_id="f2", table_ref="14", line_ids=("o2",))
    scene = ordered("beer", "water").when(move, by=SERVICE)
    scene.then_includes(TabOpened, tab_id="f2", floor=FLOOR, table_ref="14")
    assert (balance(scene, "f1"), balance(scene, "f2")) == (550, 300)
    scene.when(move, by=SERVICE).then_nothing()


def test_a_tab_follows_its_party() -> None:
    move = PostTable(tab_id="f1", table_ref="14")
    ordered("beer").when(move, by=SERVICE).then_includes(TabTransferred, table_ref="14")
    ordered("beer").when(move, by=SERVICE).when(move, by=SERVICE).then_nothing()
    opened().when(PostTable(tab_id="f9", table_ref="1"), by=SERVICE).then_nothing()


def test_tabs_are_put_together_and_apart_again() -> None:
    scene = ordered("beer").when(order(line("p1", "water"), tab_id="f2"), by=SERVICE)
    merge = PostMerge(from_tab_id="f1", into_tab_id="f2")
    scene.when(merge, by=SERVICE).then_includes(TabsMerged, from_="f1", into="f2")
    assert balance(scene, "f2") == 850
    scene.when(merge, by=SERVICE).then_nothing()
    scene.when(PostUnmerge(from_tab_id="f1", into_tab_id="f2", line_ids=("o1",)), by=SERVICE)
    assert (balance(done(scene), "f1"), balance(scene, "f2")) == (550, 300)


def test_tabs_with_money_in_them_stay_apart_and_are_flagged() -> None:
    scene = ordered("beer").when(order(line("p1", "water"), tab_id="f2"), by=SERVICE)
    scene.when(BeginPayment(tab_id="f1", payment_id="p", amount_minor=1, tender="card"), by=WAITER)
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=SERVICE)
    scene.when(PostMerge(from_tab_id="f1", into_tab_id="f2"), by=SERVICE)
    scene.then(TabConflict(tab_id="f1", about="merge"))
    scene.when(PostMove(from_tab_id="f1", to_tab_id="f2", line_ids=("o1",)), by=SERVICE)
    scene.then(TabConflict(tab_id="f1", about="move"))


def test_orders_come_in_also_while_no_day_is_open() -> None:
    done(location().when(order(line("o1")), by=SERVICE))


def wished(*modifiers: Modifier, sku: str = "steak") -> Scenario:
    return done(opened().when(order(line("w", sku, modifiers=modifiers)), by=SERVICE))


def test_wishes_cost_what_the_item_asks_for_them() -> None:
    scene = wished(Modifier(id="chips"), Modifier(id="salad", price_minor=1), Modifier(id="none"))
    assert balance(scene, "f1") == 2_000 + 300 + 250 - 100
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


def test_a_wish_with_which_a_manager_took_something_off_stays() -> None:
    assert balance(wished(Modifier(id="chips", price_minor=-500)), "f1") == 1_500


def test_a_wish_that_the_item_does_not_offer_is_recorded_and_flagged() -> None:
    scene = wished(Modifier(id="gold", price_minor=7)).then_includes(TabConflict, tab_id="f1", about="lines")
    assert balance(scene, "f1") == 2_007


def test_wishes_of_an_item_that_takes_any_cost_what_is_told() -> None:
    scene = wished(Modifier(id="lime", price_minor=20), sku="water")
    assert balance(scene, "f1") == 320
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


@pytest.mark.parametrize(("sku", "qty"), [("menu", 1_000), ("steak", 1), ("beer", 1_500)])
def test_a_combo_without_its_parts_and_a_fraction_of_what_is_not_weighed_are_flagged(sku: str, qty: int) -> None:
    scene = opened().when(order(line("w", sku, qty_milli=qty)), by=SERVICE)
    done(scene).then_includes(TabConflict, tab_id="f1", about="lines")


def cancel(**more: Any) -> PostCancel:
    terms: dict[str, Any] = {"tab_id": "f1", "floor": FLOOR, "line_id": "o1", "by": "wim", "unapproved": True, **more}
    return PostCancel(**terms)


def test_a_cancel_that_would_have_needed_an_approval_at_the_till_is_flagged_and_names_who_did_it() -> None:
    scene = ordered("steak").when(cancel(), by=SERVICE)
    scene.then_includes(LineVoided, line_id="o1", value_minor=2_000, cancelled_by="wim")
    scene.then_includes(TabConflict, tab_id="f1", about="cancel")


def test_cancels_of_a_line_are_flagged_when_together_they_are_above_the_limit() -> None:
    scene = opened().when(order(line("o1", qty_milli=3_000)), by=SERVICE)
    scene.when(cancel(qty_milli=1_000), by=SERVICE)
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0
    scene.when(cancel(qty_milli=1_000), by=SERVICE).then_includes(TabConflict, about="cancel")


def test_what_a_manager_cancelled_does_not_count_with_what_others_cancel() -> None:
    scene = opened().when(order(line("o1", qty_milli=3_000)), by=SERVICE)
    done(scene.when(cancel(qty_milli=2_000, unapproved=False), by=SERVICE))
    done(scene.when(cancel(qty_milli=1_000), by=SERVICE))
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


def split_order(*parts: SplitPart, mode: Any, minor: int, qty: int = 1_000) -> Scenario:
    """A line of a floor that is shared out among tabs."""
    scene = done(opened().when(order(line("o1", qty_milli=qty, unit_price_minor=minor)), by=SERVICE))
    return done(scene.when(SplitTab(tab_id="f1", mode=mode, parts=parts), by=WAITER))


def test_a_cancel_of_a_line_that_was_split_is_flagged_once() -> None:
    scene = split_order(*(SplitPart(tab_id=f"s{n}") for n in range(5)), mode="evenly", minor=500, qty=6_000)
    scene.when(cancel(qty_milli=6_000), by=SERVICE)
    assert [type(event) for event in done(scene).events].count(TabConflict) == 1


@pytest.mark.parametrize("qty", [None, 1_000])
def test_a_cancel_takes_off_shares_of_less_than_a_thousandth_too(qty: int | None) -> None:
    scene = split_order(SplitPart(tab_id="s1", amount_minor=30), mode="amount", minor=100_000)
    done(scene.when(cancel(qty_milli=qty), by=SERVICE)).then_includes(LineVoided, tab_id="s1", value_minor=27)
    assert (balance(scene, "f1"), balance(scene, "s1")) == (0, 0)


def test_a_cancel_of_some_leaves_shares_of_less_than_a_thousandth() -> None:
    scene = split_order(SplitPart(tab_id="s1", amount_minor=30), mode="amount", minor=100_000)
    done(scene.when(cancel(qty_milli=500), by=SERVICE))
    assert balance(scene, "s1") == 30


def test_what_a_manager_cancels_or_the_kitchen_never_had_is_not_flagged() -> None:
    scene = ordered("steak").when(cancel(unapproved=False), by=SERVICE)
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0
