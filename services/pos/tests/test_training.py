"""Practice at a terminal: it looks like work, and counts nowhere."""

from datetime import timedelta

import msgspec
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor, NotFound
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    AdjustStock,
    BeginPayment,
    CashSale,
    CloseDay,
    CloseTab,
    CountDrawer,
    DayClosed,
    EndDrawer,
    MergeTabs,
    OfflineLine,
    OpenDay,
    OpenDrawer,
    OpenTab,
    PlaceHold,
    RecordPaymentResult,
    Refund,
    RegisterTerminal,
    SendToKitchen,
    SetEightySix,
    SetTraining,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TabClosed,
    TabConflict,
    TrainingSet,
    VoidLine,
    VoidTab,
)
from services.pos.domain_errors import DrawerState, SplitInvalid, TrainingTerminal
from services.pos.domain_roles import CASHIER as CASHIER_ROLE
from services.pos.domain_roles import MANAGER as MANAGER_ROLE
from services.pos.domain_tab_events import OnTab
from services.pos.domain_terms import DayTotals
from services.pos.tests.histories import all_rows
from services.pos.tests.scenes import (
    CASHIER,
    MANAGER,
    NOON,
    WAITER,
    done,
    left,
    location,
    opened,
    paid,
    with_tab,
)
from services.pos.tests.test_properties import DELAYS, ONLINE, Step

TRAINEE = Actor(user="tim", roles=(CASHIER_ROLE,), device="till-2")
TRAINER = Actor(user="tess", roles=(MANAGER_ROLE,), device="till-2")
ON, OFF = SetTraining(terminal_id="till-2", on=True), SetTraining(terminal_id="till-2", on=False)
ORDER = AddLine(tab_id="p", line_id="pl", sku="cake", qty_milli=2_000)


def school(scene: Scenario | None = None) -> Scenario:
    """A second terminal, used for practice."""
    scene = (scene or opened()).when(RegisterTerminal(terminal_id="till-2"), by=MANAGER)
    return done(scene.when(ON, by=MANAGER))


def practised() -> Scenario:
    """A tab that was ordered, sent, paid in cash and closed for practice."""
    scene = school().when(OpenTab(tab_id="p"), by=TRAINEE).when(ORDER, by=TRAINEE)
    done(scene.when(SendToKitchen(tab_id="p"), by=TRAINEE))
    pay = BeginPayment(tab_id="p", payment_id="pp", amount_minor=1_000, tender="cash")
    done(scene.when(pay, by=TRAINEE)).when(RecordPaymentResult(payment_id="pp", outcome="captured"), by=TRAINEE)
    return done(done(scene).when(CloseTab(tab_id="p"), by=TRAINEE))


def test_a_terminal_is_used_for_practice_and_in_earnest_again() -> None:
    scene = school().when(ON, by=MANAGER).then_nothing()
    assert scene.view(WAITER)["terminals"]["till-2"]["training"] is True
    scene.when(OFF, by=MANAGER).then(TrainingSet(terminal_id="till-2", on=False))
    scene.when(SetTraining(terminal_id="till-9", on=True), by=MANAGER).then_rejected(NotFound)


def test_a_practice_sale_is_tagged_counts_nowhere_and_has_a_receipt_of_its_own_series() -> None:
    scene = practised()
    receipt = next(event for event in scene.events if isinstance(event, TabClosed))
    assert (receipt.training, receipt.receipt_no, receipt.totals.due) == (True, "training-000001", 800)
    assert all(event.training for event in scene.events if isinstance(event, OnTab))
    assert left(scene, "cake") == 10_000
    view = scene.view(MANAGER)
    assert view["office"]["day_totals"] == {}
    assert view["drawers"]["till-1"]["expected_minor"] == 10_000
    done(paid(with_tab("beer", scene=scene)).when(CloseTab(tab_id="t1"), by=CASHIER))
    scene.then_includes(TabClosed, receipt_no="A-000001", training=False)
    done(scene.when(CloseDay(), by=MANAGER))
    report = next(event.totals for event in scene.events if isinstance(event, DayClosed))
    assert (report.receipts, report.due_minor) == (1, 550)


def test_a_practice_receipt_is_not_refunded_and_leaves_no_row() -> None:
    scene = practised()
    refund = Refund(tab_id="p", amount_minor=1, tender="card", reason_code="wrong")
    scene.when(refund, by=CASHIER).then_rejected(NotFound)
    assert all_rows(scene) == all_rows(school())


def test_what_is_voided_for_practice_is_in_no_report() -> None:
    scene = school().when(OpenTab(tab_id="p"), by=TRAINEE).when(ORDER, by=TRAINEE)
    scene.when(SendToKitchen(tab_id="p"), by=TRAINEE)
    done(scene.when(VoidLine(line_id="pl", qty_milli=1_000, reason_code="wrong"), by=TRAINER))
    done(scene.when(VoidTab(tab_id="p", reason_code="wrong"), by=TRAINER))
    assert scene.view(MANAGER)["office"]["day_totals"] == {}
    assert left(scene, "cake") == 10_000


def test_in_training_a_terminal_touches_nothing_that_counts() -> None:
    scene = school(with_tab("beer"))
    for command in (
        AddLine(tab_id="t1", line_id="x", sku="beer"),
        VoidTab(tab_id="t1"),
        BeginPayment(tab_id="t1", payment_id="x", amount_minor=550, tender="card"),
        SetEightySix(sku="cake"),
        AdjustStock(sku="cake", delta_milli=1_000, reason="x"),
        CloseDay(carry_over=True),
        OpenDrawer(minor=1),
    ):
        scene.when(command, by=TRAINER).then_rejected(TrainingTerminal)
    pay = BeginPayment(tab_id="t1", payment_id="y", amount_minor=550, tender="card")
    done(scene.when(pay, by=CASHIER)).when(RecordPaymentResult(payment_id="y", outcome="captured"), by=TRAINER)
    scene.then_rejected(TrainingTerminal)


def test_nothing_is_held_for_practice() -> None:
    scene = school().when(OpenTab(tab_id="p"), by=TRAINEE)
    scene.when(PlaceHold(hold_id="h", tab_id="p", sku="cake"), by=TRAINEE).then_rejected(TrainingTerminal)


def test_practice_and_earnest_do_not_mix_and_parts_stay_practice() -> None:
    scene = school(with_tab("beer")).when(OpenTab(tab_id="p"), by=TRAINEE).when(ORDER, by=TRAINEE)
    scene.when(MergeTabs(from_="p", into="t1"), by=WAITER).then_rejected(SplitInvalid)
    scene.when(MergeTabs(from_="t1", into="p"), by=WAITER).then_rejected(SplitInvalid)
    done(scene.when(SplitTab(tab_id="p", mode="evenly", parts=(SplitPart(tab_id="p2"),)), by=TRAINEE))
    assert scene.view(WAITER)["tabs"]["p2"]["training"] is True
    done(scene.when(MergeTabs(from_="p2", into="p"), by=TRAINEE))


def test_a_terminal_with_a_drawer_is_not_used_for_practice_and_opens_none_meanwhile() -> None:
    scene = opened().when(SetTraining(terminal_id="till-1", on=True), by=MANAGER).then_rejected(DrawerState)
    scene.when(EndDrawer(), by=CASHIER).when(CountDrawer(minor=10_000), by=CASHIER)
    done(scene.when(SetTraining(terminal_id="till-1", on=True), by=MANAGER))
    scene.when(OpenDrawer(minor=1, terminal_id="till-1"), by=MANAGER).then_rejected(DrawerState, state="TRAINING")


def test_practice_tabs_do_not_keep_a_day_open() -> None:
    scene = school().when(OpenTab(tab_id="p"), by=TRAINEE).when(ORDER, by=TRAINEE)
    done(scene.when(CloseDay(), by=MANAGER))


def test_what_a_terminal_did_offline_was_in_earnest() -> None:
    line = OfflineLine(line_id="o", sku="water", unit_price_minor=300)
    fact = CashSale(tab_id="p", payment_id="off", lines=(line,), paid_minor=300, occurred_at=NOON)
    scene = school().when(OpenTab(tab_id="p"), by=TRAINEE)
    scene.when(SubmitOffline(terminal_id="till-2", terminal_seq=1, facts=(fact,)), by=TRAINEE)
    scene.then_includes(TabConflict, moved_to="p-2", training=False)
    scene.then_includes(TabClosed, tab_id="p-2", training=False, receipt_no="A-000001")


@settings(max_examples=100, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, ONLINE), min_size=1, max_size=20))
def test_whatever_is_practised_no_stock_no_report_and_no_row_changes(turns: list[tuple[timedelta, Step]]) -> None:
    scene = school(location().when(OpenDay(business_date=NOON.date()), by=MANAGER))
    before = all_rows(scene)
    for delay, (command, actor) in turns:
        scene.after(delay).when(command, by=msgspec.structs.replace(actor, device="till-2"))
    assert left(scene, "cake") == 10_000
    assert scene.view(MANAGER)["office"]["day_totals"] == msgspec.to_builtins(DayTotals())
    assert all_rows(scene) == before
