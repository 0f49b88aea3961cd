"""Stock and holds."""

from datetime import timedelta

from holdfast import StateConflict
from services.pos.contract import (
    AddLine,
    AdjustStock,
    BeginPayment,
    ExtendHold,
    HoldConsumed,
    HoldExpired,
    HoldExtended,
    HoldPlaced,
    HoldReleased,
    ItemBack,
    ItemEightySixed,
    PaymentStarted,
    PlaceHold,
    RecordPaymentResult,
    ReleaseHold,
    SendToKitchen,
    SetEightySix,
    StockAdjusted,
    VoidTab,
)
from services.pos.domain_errors import (
    ExtensionLimit,
    HoldNotFound,
    InsufficientStock,
    PaymentInProgress,
    QtyInvalid,
    ReasonRequired,
    UnknownSku,
)
from services.pos.domain_errors import HoldExpired as HoldOver
from services.pos.tests.scenes import MANAGER, MINUTE, NOON, SECOND, WAITER, closed, done, left, with_tab

TEN = 10 * MINUTE
HOLD = PlaceHold(hold_id="h1", tab_id="t1", sku="cake", qty_milli=2_000)
CAKES = AddLine(tab_id="t1", line_id="c", sku="cake", qty_milli=2_000)
PAY = BeginPayment(tab_id="t1", payment_id="p", amount_minor=800, tender="card")


def test_a_hold_keeps_goods_for_ten_minutes() -> None:
    scene = with_tab().when(HOLD, by=WAITER)
    scene.then_includes(HoldPlaced, expires_at=NOON + TEN, qty_milli=2_000)
    assert left(scene, "cake") == 8_000
    scene.when(HOLD, by=WAITER).then_nothing()
    scene.wake(at=NOON + TEN - SECOND).then_nothing()
    scene.wake(at=NOON + TEN).then_includes(HoldExpired, effective_at=NOON + TEN, cause="alarm")
    assert left(scene, "cake") == 10_000


def test_a_hold_is_refused_when_there_is_not_enough() -> None:
    scene = with_tab().when(HOLD, by=WAITER)
    scene.when(PlaceHold(hold_id="h2", tab_id="t1", sku="cake", qty_milli=9_000), by=WAITER)
    scene.then_rejected(InsufficientStock, available=8_000)
    scene.when(PlaceHold(hold_id="h1", tab_id="t1", sku="cake", qty_milli=1_000), by=WAITER)
    scene.then_rejected(StateConflict)
    scene.when(PlaceHold(hold_id="h2", tab_id="t1", sku="cake", qty_milli=500), by=WAITER).then_rejected(QtyInvalid)
    scene.when(PlaceHold(hold_id="h2", tab_id="t1", sku="caviar"), by=WAITER).then_rejected(UnknownSku)


def test_a_hold_found_over_by_a_command_ends_before_the_command_is_judged() -> None:
    scene = with_tab().when(PlaceHold(hold_id="h1", tab_id="t1", sku="cake", qty_milli=10_000), by=WAITER)
    scene.when(HOLD, by=WAITER, at=NOON + TEN - SECOND).then_rejected(StateConflict)
    scene.when(CAKES, by=WAITER, at=NOON + TEN)
    scene.then_first_expired(
        HoldExpired(hold_id="h1", tab_id="t1", sku="cake", qty_milli=10_000, effective_at=NOON + TEN, cause="lazy")
    )
    done(scene)


def test_a_hold_is_extended_once() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(ExtendHold(hold_id="h1"), by=WAITER, at=NOON + MINUTE)
    scene.then_includes(HoldExtended, expires_at=NOON + 11 * MINUTE)
    scene.when(ExtendHold(hold_id="h1"), by=WAITER).then_rejected(ExtensionLimit)
    scene.when(ExtendHold(hold_id="h9"), by=WAITER).then_rejected(HoldNotFound)


def test_who_comes_back_to_a_hold_after_its_time_is_told_so() -> None:
    scene = with_tab().when(HOLD, by=WAITER)
    for command in (ExtendHold(hold_id="h1"), ReleaseHold(hold_id="h1")):
        scene.when(command, by=WAITER, at=NOON + 11 * MINUTE).then_rejected(HoldOver)


def test_a_hold_is_released() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(ReleaseHold(hold_id="h1"), by=WAITER)
    scene.then_includes(HoldReleased, hold_id="h1")
    scene.when(ReleaseHold(hold_id="h1"), by=WAITER).then_rejected(HoldNotFound)


def test_giving_up_a_tab_frees_its_holds_at_once() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(VoidTab(tab_id="t1"), by=WAITER)
    scene.then_includes(HoldReleased, hold_id="h1")
    assert left(scene, "cake") == 10_000


def test_a_line_that_a_hold_covers_takes_nothing_more() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(CAKES, by=WAITER)
    assert left(done(scene), "cake") == 8_000
    scene.when(AddLine(tab_id="t1", line_id="d", sku="cake"), by=WAITER)
    assert left(done(scene), "cake") == 7_000


def test_a_payment_pins_the_holds_until_it_ends() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(CAKES, by=WAITER)
    scene.when(PAY, by=WAITER, at=NOON + TEN - SECOND).then_includes(PaymentStarted, holds_pinned=("h1",))
    scene.when(ReleaseHold(hold_id="h1"), by=WAITER).then_rejected(PaymentInProgress)
    scene.wake(at=NOON + TEN).then_nothing()
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=MANAGER, at=NOON + TEN + MINUTE)
    scene.then_includes(HoldConsumed, hold_id="h1", qty_milli=2_000)
    assert left(scene, "cake") == 8_000


def test_after_a_failed_payment_a_hold_that_is_over_ends_at_once() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(CAKES, by=WAITER).when(PAY, by=WAITER, at=NOON + TEN - SECOND)
    failed_at = NOON + TEN + MINUTE
    scene.when(RecordPaymentResult(payment_id="p", outcome="failed"), by=MANAGER, at=failed_at)
    scene.wake().then_includes(HoldExpired, effective_at=failed_at)


def test_a_hold_that_is_over_is_placed_anew_when_the_guest_pays() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(CAKES, by=WAITER)
    scene.when(PAY, by=WAITER, at=NOON + TEN).then_first_expired(
        HoldExpired(hold_id="h1", tab_id="t1", sku="cake", qty_milli=2_000, effective_at=NOON + TEN, cause="lazy")
    )
    scene.then_includes(HoldPlaced, sku="cake", qty_milli=2_000, tab_id="t1")
    assert left(scene, "cake") == 8_000


def test_when_the_goods_are_gone_by_then_the_payment_does_not_start() -> None:
    scene = with_tab().when(HOLD, by=WAITER).when(CAKES, by=WAITER)
    scene.wake(at=NOON + TEN)
    other = with_tab(tab_id="t2", scene=scene)
    other.when(AddLine(tab_id="t2", line_id="x", sku="cake", qty_milli=9_000), by=WAITER)
    done(other).when(PAY, by=WAITER).then_rejected(HoldOver, lines=["c"])
    other.when(SendToKitchen(tab_id="t1"), by=WAITER).then_rejected(HoldOver, lines=["c"])


def test_a_closed_tabs_goods_leave_the_stock() -> None:
    scene = closed("cake")
    assert left(scene, "cake") == 9_000
    scene.when(AdjustStock(sku="cake", delta_milli=-9_000, reason="count"), by=MANAGER)
    scene.then(StockAdjusted(sku="cake", delta_milli=-9_000, on_hand_milli=0, reason="count"))


def test_stock_is_not_counted_below_what_is_promised() -> None:
    scene = with_tab("cake").when(AdjustStock(sku="cake", delta_milli=-10_000, reason="count"), by=MANAGER)
    scene.then_rejected(InsufficientStock, available=9_000)
    scene.when(AdjustStock(sku="cake", delta_milli=1), by=MANAGER).then_rejected(ReasonRequired)
    scene.when(AdjustStock(sku="caviar", delta_milli=1, reason="x"), by=MANAGER).then_rejected(UnknownSku)
    scene.when(AdjustStock(sku="cake", delta_milli=0, reason="x"), by=MANAGER).then_nothing()


def test_sold_out_is_told_to_the_floors_once() -> None:
    scene = with_tab().when(SetEightySix(sku="beer"), by=WAITER)
    scene.then(ItemEightySixed(sku="beer", floors=("loc-1:floor-main",)))
    scene.when(SetEightySix(sku="beer"), by=WAITER).then_nothing()
    scene.when(SetEightySix(sku="beer", unavailable=False), by=WAITER)
    scene.then(ItemBack(sku="beer", floors=("loc-1:floor-main",)))
    scene.when(SetEightySix(sku="caviar"), by=WAITER).then_rejected(UnknownSku)


def test_a_hold_lives_between_one_minute_and_an_hour() -> None:
    scene = with_tab().when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", ttl_s=60), by=WAITER)
    scene.then_includes(HoldPlaced, expires_at=NOON + timedelta(seconds=60))
