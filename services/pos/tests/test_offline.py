"""What terminals did without a connection: recorded once, in their order, and flagged where it does not fit."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast import Actor, Forbidden, StateConflict
from holdfast.testing import Scenario, given
from services.pos.contract import (
    AddLine,
    AdjustStock,
    ApplyDiscount,
    CardSale,
    CashSale,
    CloseDay,
    CloseTab,
    Configure,
    Configured,
    CountDrawer,
    DayClosed,
    DrawerMissing,
    DrawerMoved,
    DrawerNoSale,
    DrawerPaidIn,
    DrawerPaidOut,
    DrawerQuestioned,
    EndDrawer,
    Gratuity,
    Hours,
    LineAdded,
    LinesRung,
    OfflineLine,
    OfflinePaymentDeclined,
    OfflinePaymentExpired,
    OfflinePaymentSettled,
    OfflinePaymentStored,
    OfflineQuarantined,
    OfflineRecorded,
    OpenBank,
    OpenTab,
    OversellRecorded,
    PaymentCaptured,
    PlaceHold,
    PriceBook,
    PriceMissing,
    PriceStale,
    QuarantineOffline,
    RecordPaymentResult,
    RegisterTerminal,
    RevokeTerminal,
    SetPriceBook,
    Settings,
    SubmitOffline,
    TabClosed,
    TabConflict,
    TabOpened,
    TabReopened,
    TerminalRegistered,
    WaiveGratuity,
)
from services.pos.domain import PosSession
from services.pos.domain_errors import ApprovalRequired, TabExists, TerminalRevoked, TerminalSeqGap, TerminalUnknown
from services.pos.domain_offline import EARLIEST, LATEST
from services.pos.tests.scenes import (
    ADMIN,
    CASHIER,
    DAY,
    MANAGER,
    MINUTE,
    NOON,
    SECOND,
    SERVICE,
    SETTINGS,
    WAITER,
    balance,
    closed,
    done,
    left,
    opened,
    paid,
    with_tab,
)

THEN = NOON - 30 * MINUTE
LATER = NOON + MINUTE
"""By the clock of a terminal whose drawer was opened at noon."""
BEER = OfflineLine(line_id="x1", sku="beer", unit_price_minor=500, tax_ids=("vat",))


def submit(*facts: Any, seq: int = 1) -> SubmitOffline:
    return SubmitOffline(terminal_id="till-1", terminal_seq=seq, facts=facts)


def cash_sale(*lines: OfflineLine, paid_minor: int = 550, tab_id: str = "off-1") -> CashSale:
    return CashSale(
        tab_id=tab_id, payment_id=f"pay-{tab_id}", lines=lines or (BEER,), paid_minor=paid_minor, occurred_at=LATER
    )


def card_sale(paid_minor: int = 550, **changes: Any) -> CardSale:
    terms: dict[str, Any] = {"tab_id": "off-1", "payment_id": "card-1", "lines": (BEER,), "occurred_at": THEN}
    return CardSale(paid_minor=paid_minor, **{**terms, **changes})


def rung(*lines: OfflineLine, tab_id: str = "t1") -> LinesRung:
    return LinesRung(tab_id=tab_id, lines=lines or (BEER,), occurred_at=THEN)


def test_the_id_of_a_tab_whose_card_is_awaited_is_taken_however_short_the_refund_window() -> None:
    scene = opened(refundable_tabs=1).when(submit(card_sale()), by=CASHIER)
    done(scene.when(submit(cash_sale(tab_id="off-2"), seq=2), by=CASHIER))
    scene.when(OpenTab(tab_id="off-1"), by=CASHIER).then_rejected(TabExists)


def test_a_cash_sale_is_recorded_with_its_receipt_and_its_own_time() -> None:
    scene = opened().when(submit(cash_sale()), by=CASHIER)
    scene.then_types(TabOpened, LineAdded, PaymentCaptured, TabClosed, OfflineRecorded)
    scene.then_includes(TabClosed, receipt_no="A-000001", offline=True, occurred_at=LATER)
    scene.then_includes(LineAdded, offline=True, occurred_at=LATER)
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_550


def test_facts_are_recorded_once_whatever_is_submitted_again() -> None:
    scene = opened().when(submit(cash_sale()), by=CASHIER).when(submit(cash_sale()), by=CASHIER).then_nothing()
    scene.when(submit(cash_sale(), cash_sale(tab_id="off-2")), by=CASHIER)
    scene.then_types(TabOpened, LineAdded, PaymentCaptured, TabClosed, OfflineRecorded)
    scene.then_includes(OfflineRecorded, terminal_seq=2, facts=1)


def test_a_gap_asks_for_what_is_missing() -> None:
    opened().when(submit(cash_sale(), seq=3), by=CASHIER).then_rejected(TerminalSeqGap, expected=1)


def test_lines_rung_offline_join_those_that_others_added() -> None:
    scene = with_tab("water").when(submit(rung()), by=WAITER).then_includes(LineAdded, line_id="x1", tab_id="t1")
    assert balance(scene) == 850
    scene.when(submit(rung(), rung(), seq=1), by=WAITER)
    assert balance(done(scene)) == 850


def test_lines_for_a_tab_that_was_never_there_open_it() -> None:
    opened().when(submit(rung(tab_id="t7")), by=WAITER).then_includes(TabOpened, tab_id="t7", instead_of=None)


@pytest.mark.parametrize("before", [lambda: closed("water"), lambda: paid(with_tab("water"))])
def test_lines_for_a_tab_that_takes_none_go_on_a_fresh_one_and_are_flagged(before: Callable[[], Scenario]) -> None:
    scene = before().when(submit(rung()), by=WAITER)
    scene.then_includes(TabConflict, tab_id="t1", about="lines", moved_to="t1-2")
    scene.then_includes(TabOpened, tab_id="t1-2", instead_of="t1")
    assert balance(scene, "t1-2") == 550


def test_what_was_sold_but_not_there_is_flagged() -> None:
    cakes = OfflineLine(line_id="x", sku="cake", qty_milli=12_000, unit_price_minor=400)
    scene = opened().when(submit(cash_sale(cakes, paid_minor=4_800)), by=CASHIER)
    scene.then_includes(OversellRecorded, sku="cake", short_milli=2_000, line_id="x")
    assert left(scene, "cake") == -2_000
    assert scene.view(MANAGER)["office"]["flags"] == 1


def test_an_old_price_stays_and_is_flagged() -> None:
    old = OfflineLine(line_id="x", sku="water", unit_price_minor=250)
    scene = opened().when(submit(cash_sale(old, paid_minor=250)), by=CASHIER)
    scene.then_includes(PriceStale, sold_minor=250, current_minor=300)
    scene.then_includes(TabClosed, receipt_no="A-000001")


def test_an_item_that_nobody_knows_is_sold_and_flagged() -> None:
    strange = OfflineLine(line_id="x", sku="caviar", unit_price_minor=900)
    opened().when(submit(cash_sale(strange, paid_minor=900)), by=CASHIER).then_includes(PriceMissing, sku="caviar")


def test_too_little_money_leaves_the_check_open_and_flagged() -> None:
    scene = opened().when(submit(cash_sale(paid_minor=400)), by=CASHIER)
    scene.then_includes(TabConflict, tab_id="off-1", about="payment")
    assert balance(scene, "off-1") == 150


def test_too_much_money_is_kept_and_flagged() -> None:
    scene = opened().when(submit(cash_sale(paid_minor=700)), by=CASHIER)
    scene.then_includes(TabConflict, tab_id="off-1", about="payment")
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_700


def test_cash_rounding_is_no_conflict() -> None:
    odd = OfflineLine(line_id="x", sku="water", unit_price_minor=302)
    scene = opened().when(submit(cash_sale(odd, paid_minor=300)), by=CASHIER)
    scene.then_includes(PaymentCaptured, due_minor=302, rounding_minor=-2)


@pytest.mark.parametrize("kind", ["no_sale", "paid_in", "paid_out"])
def test_what_was_done_at_a_drawer_that_is_not_there_is_recorded_and_flagged(kind: Any) -> None:
    moved = DrawerMoved(kind=kind, amount_minor=100, reason="milk", occurred_at=LATER)
    scene = opened().when(submit(moved), by=CASHIER)
    assert "flags" not in scene.view(MANAGER)["office"] or scene.view(MANAGER)["office"]["flags"] == 0
    scene.when(RegisterTerminal(terminal_id="till-9"), by=MANAGER)
    done(scene.when(SubmitOffline(terminal_id="till-9", terminal_seq=1, facts=(moved,)), by=CASHIER))
    scene.then_includes(DrawerMissing, terminal_id="till-9")
    assert scene.view(MANAGER)["office"]["flags"] == 1


def test_a_tax_that_a_terminal_names_twice_counts_once() -> None:
    scene = opened().when(submit(rung(replace(BEER, tax_ids=("vat", "vat")))), by=CASHIER)
    assert balance(done(scene)) == 550


@pytest.mark.parametrize(
    ("kind", "event"), [("no_sale", DrawerNoSale), ("paid_in", DrawerPaidIn), ("paid_out", DrawerPaidOut)]
)
def test_what_was_done_at_the_drawer_is_recorded(kind: Any, event: Any) -> None:
    moved = DrawerMoved(kind=kind, amount_minor=100, reason="milk", occurred_at=THEN)
    opened().when(submit(moved), by=CASHIER).then_includes(event, offline=True, reason="milk")
    scene = opened().when(CloseDay(), by=MANAGER).when(RegisterTerminal(terminal_id="till-9"), by=MANAGER)
    done(scene.when(SubmitOffline(terminal_id="till-9", terminal_seq=1, facts=(moved,)), by=CASHIER))


def test_a_sale_made_between_two_days_counts_in_the_next_one() -> None:
    scene = opened().when(CloseDay(), by=MANAGER).when(submit(cash_sale()), by=CASHIER)
    scene.then_includes(TabClosed, day=2)
    assert scene.view(MANAGER)["office"]["day_totals"]["receipts"] == 1


def test_a_stored_card_waits_for_the_processor_until_its_window_ends() -> None:
    scene = opened().when(submit(card_sale(tip_minor=50)), by=CASHIER)
    scene.then_includes(OfflinePaymentStored, upload_by=THEN + DAY, due_minor=550, tip_minor=50, over_limit=False)
    scene.then_includes(TabClosed, awaits_card=True)
    scene.when(RecordPaymentResult(payment_id="card-1", outcome="captured", processor_ref="ch"), by=SERVICE)
    scene.then(OfflinePaymentSettled(payment_id="card-1", tab_id="off-1", processor_ref="ch"))
    assert scene.alarm_at is None


def test_a_terminals_clock_that_runs_ahead_does_not_lengthen_the_window() -> None:
    scene = opened().when(submit(card_sale(occurred_at=NOON + DAY)), by=CASHIER)
    scene.then_includes(OfflinePaymentStored, upload_by=NOON + DAY)


def test_a_card_above_the_limit_is_flagged() -> None:
    many = OfflineLine(line_id="x", sku="beer", qty_milli=30_000, unit_price_minor=500, tax_ids=("vat",))
    scene = opened().when(submit(card_sale(16_500, lines=(many,))), by=CASHIER)
    scene.then_includes(OfflinePaymentStored, over_limit=True)


def test_a_card_declined_later_reopens_the_check_and_reverses_its_receipt() -> None:
    scene = opened().when(submit(card_sale()), by=CASHIER)
    scene.when(RecordPaymentResult(payment_id="card-1", outcome="failed"), by=SERVICE)
    scene.then_includes(OfflinePaymentDeclined, payment_id="card-1")
    scene.then_includes(TabReopened, reverses="A-000001", lost_minor=550)
    assert balance(scene, "off-1") == 550
    totals = scene.view(MANAGER)["office"]["day_totals"]
    assert (totals["receipts"], totals["reversed"], totals.get("due_minor", 0)) == (1, 1, 0)
    done(paid(scene, tab_id="off-1", payment_id="p9").when(CloseTab(tab_id="off-1"), by=CASHIER))
    scene.then_includes(TabClosed, receipt_no="A-000002")
    done(scene.when(CloseDay(), by=MANAGER))
    z = next(event for event in scene.events if isinstance(event, DayClosed)).totals
    assert (z.due_minor, z.paid.total) == (550, 550)


def test_a_card_that_is_not_uploaded_in_time_reopens_the_check() -> None:
    scene = opened().when(submit(card_sale()), by=CASHIER).wake(at=NOON + 2 * DAY)
    scene.then_includes(OfflinePaymentExpired, effective_at=THEN + DAY, cause="alarm")
    assert balance(scene, "off-1") == 550


def test_a_card_that_is_submitted_after_its_window_expires_with_the_next_look() -> None:
    scene = opened().when(submit(card_sale(occurred_at=NOON - 2 * DAY)), by=CASHIER)
    scene.wake().then_includes(OfflinePaymentExpired, effective_at=NOON - DAY)


def test_a_stored_card_on_a_check_that_is_still_open_is_taken_off_it() -> None:
    scene = opened().when(submit(card_sale(400)), by=CASHIER)
    assert balance(scene, "off-1") == 150
    scene.when(RecordPaymentResult(payment_id="card-1", outcome="failed"), by=SERVICE)
    assert balance(done(scene), "off-1") == 550


def test_a_sale_that_finishes_a_tab_of_before_the_cut_closes_it() -> None:
    scene = with_tab("beer")
    known = OfflineLine(line_id="l1", sku="beer", unit_price_minor=500, tax_ids=("vat",))
    scene.when(submit(cash_sale(known, tab_id="t1")), by=CASHIER).then_includes(TabClosed, tab_id="t1")


def test_a_revoked_terminal_is_refused_and_what_it_queued_is_kept_for_review() -> None:
    scene = opened().when(RevokeTerminal(terminal_id="till-1"), by=MANAGER)
    scene.when(submit(cash_sale()), by=CASHIER).then_rejected(TerminalRevoked)
    scene.when(OpenTab(tab_id="t1"), by=WAITER).then_rejected(TerminalRevoked)
    scene.when(AddLine(tab_id="t1", line_id="l", sku="beer"), by=WAITER).then_rejected(TerminalRevoked)
    keep = QuarantineOffline(terminal_id="till-1", terminal_seq=1, facts=(cash_sale(),))
    scene.when(keep, by=WAITER).then(OfflineQuarantined(terminal_id="till-1", terminal_seq=1, facts=(cash_sale(),)))
    scene.when(keep, by=WAITER).then_nothing()
    assert scene.view(MANAGER)["terminals"]["till-1"]["quarantined"] == 1
    assert scene.view(MANAGER)["tabs"] == {}


def test_a_terminal_that_is_not_revoked_has_nothing_to_quarantine() -> None:
    keep = QuarantineOffline(terminal_id="till-1", terminal_seq=1, facts=(cash_sale(),))
    opened().when(keep, by=WAITER).then_rejected(TerminalSeqGap, expected=1)


def test_a_far_deadline_is_counted_from_when_the_card_was_taken() -> None:
    scene = opened(offline_upload_s=3_600).when(submit(card_sale()), by=CASHIER)
    assert scene.alarm_at == THEN + timedelta(hours=1)


def test_cash_that_is_in_no_drawer_is_flagged() -> None:
    scene = done(opened().when(EndDrawer(), by=CASHIER))
    done(scene.when(CountDrawer(minor=10_000), by=CASHIER))
    scene.when(submit(cash_sale()), by=CASHIER).then_includes(TabConflict, tab_id="off-1", about="drawer")


NO_SALE = DrawerMoved(kind="no_sale", reason="x", occurred_at=THEN)
ANN = Actor(user="ann", roles=("waiter",), device="till-8")


def test_nobody_tells_what_was_done_with_somebody_elses_bank() -> None:
    scene = opened().when(OpenBank(minor=10_000), by=Actor(user="bob", roles=("waiter",)))
    out = replace(NO_SALE, kind="paid_out", amount_minor=5_000)
    for sender in (ANN, CASHIER):
        scene.when(SubmitOffline(terminal_id="bank:bob", terminal_seq=1, facts=(out,)), by=sender)
        scene.then_rejected(Forbidden)
    own = SubmitOffline(terminal_id="bank:ann", terminal_seq=1, facts=(out,))
    scene.when(own, by=ANN).then_includes(DrawerPaidOut, terminal_id="bank:ann")


def test_nobody_uses_up_the_numbers_of_another_terminal() -> None:
    scene = opened().when(submit(NO_SALE), by=ANN).then_rejected(Forbidden)
    scene.when(submit(NO_SALE), by=Actor(user="ann", roles=("waiter",))).then_rejected(Forbidden)
    keep = QuarantineOffline(terminal_id="till-1", terminal_seq=1, facts=(NO_SALE,))
    scene.when(RevokeTerminal(terminal_id="till-1"), by=MANAGER).when(keep, by=ANN).then_rejected(Forbidden)
    done(scene.when(keep, by=WAITER))


def test_a_terminal_that_nobody_registered_keeps_its_facts_until_somebody_does() -> None:
    scene = opened().when(SubmitOffline(terminal_id="till-8", terminal_seq=1, facts=(NO_SALE,)), by=ANN)
    scene.then_rejected(TerminalUnknown)
    scene.when(RegisterTerminal(terminal_id="till-8"), by=MANAGER)
    scene.when(SubmitOffline(terminal_id="till-8", terminal_seq=1, facts=(NO_SALE,)), by=ANN)
    scene.then_includes(OfflineRecorded, terminal_id="till-8", terminal_seq=1)


def test_a_location_has_a_thousand_terminals_at_most() -> None:
    many = tuple(TerminalRegistered(terminal_id=f"t{number}", name="", at=NOON) for number in range(1_000))
    scene = given(PosSession(), Configured(settings=Settings(currency="EUR"), version=1), *many, at=NOON)
    scene.when(RegisterTerminal(terminal_id="t7", name="Door"), by=MANAGER)
    done(scene).when(RegisterTerminal(terminal_id="one-more"), by=MANAGER).then_rejected(StateConflict)


@pytest.mark.parametrize("clock", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_clock_that_is_nowhere_near_is_brought_into_reach(clock: str) -> None:
    scene = opened(timezone="America/New_York")
    happy = PriceBook(prices={"beer": 400}, hours=(Hours(weekdays=(0,), opens=0, closes=60),))
    done(scene.when(SetPriceBook(book_id="happy", book=happy), by=MANAGER))
    when = datetime.fromisoformat(clock)
    done(scene.when(submit(card_sale(occurred_at=when)), by=CASHIER))
    scene.then_includes(TabOpened, occurred_at=EARLIEST if when.year == 1 else LATEST)
    done(scene.when(submit(replace(cash_sale(tab_id="off-2"), occurred_at=when), seq=2), by=CASHIER))


def on_tab(line_id: str, sku: str, unit_price_minor: int, **more: Any) -> OfflineLine:
    return OfflineLine(line_id=line_id, sku=sku, unit_price_minor=unit_price_minor, **more)


def test_a_sale_of_a_tab_with_a_discount_beyond_its_limit_leaves_the_check_to_a_manager() -> None:
    scene = done(with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="everything"), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=10_000), by=WAITER))
    scene.when(submit(cash_sale(on_tab("l1", "water", 300), tab_id="t1", paid_minor=0)), by=WAITER)
    done(scene).then_includes(TabConflict, tab_id="t1", about="discount")
    assert scene.view(MANAGER)["tabs"]["t1"]["status"] == "PAID"
    scene.when(CloseTab(tab_id="t1"), by=WAITER).then_rejected(ApprovalRequired)
    done(scene.when(CloseTab(tab_id="t1"), by=MANAGER))


def test_a_sale_of_a_tab_with_a_discount_within_its_limit_closes_it() -> None:
    scene = done(with_tab("water").when(ApplyDiscount(tab_id="t1", discount_id="everything"), by=WAITER))
    scene.when(submit(cash_sale(on_tab("l1", "water", 300), tab_id="t1", paid_minor=0)), by=WAITER)
    done(scene).then_includes(TabClosed, tab_id="t1")


def test_a_sale_of_a_tab_whose_service_was_waived_beyond_its_limit_is_flagged_so() -> None:
    scene = opened(gratuity=Gratuity(guests=6, ppm=200_000), discount_limit_minor=60)
    done(scene.when(OpenTab(tab_id="t1", guest_count=8), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="l1", sku="water"), by=WAITER))
    done(scene.when(WaiveGratuity(tab_id="t1", reason_code="wrong"), by=WAITER))
    sale = cash_sale(on_tab("l1", "water", 300), on_tab("l2", "water", 300), tab_id="t1", paid_minor=600)
    done(scene.when(submit(sale), by=WAITER)).then_includes(TabConflict, tab_id="t1", about="gratuity")


def test_what_was_sold_when_nothing_was_held_for_it_any_more_is_flagged() -> None:
    scene = opened().when(AdjustStock(sku="cake", delta_milli=-9_000, reason="gone"), by=MANAGER)
    done(scene.when(OpenTab(tab_id="t1"), by=WAITER))
    done(scene.when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", ttl_s=60), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="c", sku="cake"), by=WAITER))
    done(with_tab("cake", tab_id="t2", scene=scene.after(5 * MINUTE)))
    sale = cash_sale(on_tab("c", "cake", 400), tab_id="t1", paid_minor=400)
    scene.when(submit(sale), by=CASHIER).then_includes(OversellRecorded, line_id="c", sku="cake", short_milli=1_000)
    assert left(scene, "cake") == -1_000


def test_a_check_that_waits_for_a_manager_is_ended_though_nothing_was_held_for_it_any_more() -> None:
    scene = opened().when(AdjustStock(sku="cake", delta_milli=-9_000, reason="gone"), by=MANAGER)
    done(scene.when(OpenTab(tab_id="t1"), by=WAITER))
    done(scene.when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", ttl_s=60), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="c", sku="cake"), by=WAITER))
    done(scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=20_000), by=WAITER))
    done(with_tab("cake", tab_id="t2", scene=scene.after(5 * MINUTE)))
    sale = cash_sale(on_tab("c", "cake", 400), tab_id="t1", paid_minor=balance(scene))
    done(scene.when(submit(sale), by=CASHIER)).then_includes(TabConflict, tab_id="t1", about="discount")
    scene.then_includes(OversellRecorded, line_id="c", sku="cake", short_milli=1_000)
    assert left(scene, "cake") == -1_000
    done(scene.when(CloseTab(tab_id="t1"), by=MANAGER)).then_includes(TabClosed, tab_id="t1")
    assert left(scene, "cake") == -1_000
    assert sum(isinstance(event, OversellRecorded) for event in scene.events) == 1


@pytest.mark.parametrize("taxes", [(), ("low",), ("vat", "low"), ("vat", "nonsense")])
def test_taxes_that_are_not_those_of_the_item_are_flagged(taxes: tuple[str, ...]) -> None:
    scene = opened().when(submit(rung(replace(BEER, tax_ids=taxes))), by=WAITER)
    done(scene).then_includes(TabConflict, tab_id="t1", about="tax")


def test_a_tax_that_nobody_knows_is_left_out_and_keeps_no_settings_as_they_are() -> None:
    scene = opened().when(submit(rung(replace(BEER, tax_ids=("vat", "nonsense")))), by=WAITER)
    done(scene).then_includes(LineAdded, tax_ids=("vat",))
    after = replace(SETTINGS, void_limit_minor=7)
    done(scene.when(Configure(settings=after, expected_version=1), by=ADMIN))


def test_taxes_of_an_order_to_take_away_are_those_of_the_item() -> None:
    soup = OfflineLine(line_id="x", sku="soup", unit_price_minor=733, tax_ids=("low",))
    scene = opened().when(submit(replace(cash_sale(soup, paid_minor=770), order_type="takeaway")), by=CASHIER)
    done(scene).then_includes(TabClosed, tab_id="off-1")
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


def moved(kind: Any, amount: int = 0, *, reason: str = "milk", occurred_at: datetime = NOON) -> DrawerMoved:
    return DrawerMoved(kind=kind, amount_minor=amount, reason=reason, occurred_at=occurred_at)


@pytest.mark.parametrize(
    ("fact", "by", "about"),
    [
        (moved("paid_out", 100), WAITER, "role"),
        (moved("paid_in", 100), WAITER, "role"),
        (moved("paid_out", 100, reason=""), CASHIER, "reason"),
        (moved("no_sale", reason=""), WAITER, "reason"),
        (moved("paid_out", 10_001), CASHIER, "amount"),
        (moved("paid_out", 100, occurred_at=NOON - 6 * MINUTE), CASHIER, "time"),
    ],
)
def test_what_would_not_have_been_allowed_at_a_drawer_counts_and_is_flagged(fact: Any, by: Actor, about: str) -> None:
    scene = done(opened().when(submit(fact), by=by)).then_includes(DrawerQuestioned, terminal_id="till-1", about=about)
    assert scene.view(MANAGER)["office"]["flags"] == 1
    paid = {"paid_in": fact.amount_minor, "paid_out": -fact.amount_minor}.get(fact.kind, 0)
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_000 + paid


@pytest.mark.parametrize(("fact", "by"), [(moved("paid_out", 10_000), CASHIER), (moved("no_sale"), WAITER)])
def test_what_is_allowed_at_a_drawer_is_not_flagged(fact: Any, by: Actor) -> None:
    scene = done(opened().when(submit(fact), by=by))
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


def test_what_a_waiter_says_he_paid_himself_out_of_his_bank_is_flagged() -> None:
    scene = opened().when(OpenBank(minor=5_000), by=WAITER)
    out = SubmitOffline(terminal_id="bank:wim", terminal_seq=1, facts=(moved("paid_out", 3_000),))
    done(scene.when(out, by=WAITER)).then_includes(DrawerQuestioned, terminal_id="bank:wim", about="role")


def test_cash_of_before_the_drawer_was_opened_is_flagged() -> None:
    late = replace(cash_sale(), occurred_at=NOON - 6 * MINUTE)
    done(opened().when(submit(late), by=CASHIER)).then_includes(TabConflict, tab_id="off-1", about="drawer")


@pytest.mark.parametrize(
    "clock", [NOON - 5 * SECOND, NOON - 4 * MINUTE, EARLIEST, EARLIEST + DAY, NOON.replace(year=1)]
)
def test_a_clock_that_is_behind_a_little_or_was_reset_is_no_reason_for_a_flag(clock: datetime) -> None:
    facts = (replace(cash_sale(), occurred_at=clock), moved("paid_out", 100, occurred_at=clock))
    scene = done(opened().when(submit(*facts), by=CASHIER)).then_includes(TabClosed, tab_id="off-1")
    assert scene.view(MANAGER)["office"].get("flags", 0) == 0


def test_what_a_revoked_terminal_had_queued_is_kept_without_a_gap() -> None:
    scene = done(opened().when(RevokeTerminal(terminal_id="till-1"), by=MANAGER))
    keep = QuarantineOffline(terminal_id="till-1", terminal_seq=2, facts=(NO_SALE,))
    scene.when(keep, by=CASHIER).then_rejected(TerminalSeqGap, expected=1)
    done(
        scene.when(QuarantineOffline(terminal_id="till-1", terminal_seq=1, facts=(NO_SALE,)), by=CASHIER).when(
            keep, by=CASHIER
        )
    )
    assert scene.view(MANAGER)["terminals"]["till-1"]["quarantined"] == 2
