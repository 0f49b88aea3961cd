"""Each refusal of the specification, by a command that meets it, with what it tells."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Rejected
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import Scenario
from services.pos import domain_errors as refusals
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseDay,
    CloseTab,
    CountDrawer,
    EndDrawer,
    ExtendHold,
    MergeTabs,
    Modifier,
    NoSale,
    OpenDrawer,
    OpenTab,
    PlaceHold,
    PoolTips,
    QuarantineOffline,
    RecordPaymentResult,
    Refund,
    RemoveLine,
    RevokeTerminal,
    SendToKitchen,
    SetLineQty,
    SetTraining,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TipShare,
    VoidLine,
    VoidTab,
)
from services.pos.domain_till_commands import DrawerMoved
from services.pos.tests.scenes import (
    CASHIER,
    MANAGER,
    MINUTE,
    NOON,
    WAITER,
    closed,
    done,
    location,
    opened,
    paid,
    with_tab,
)

PAY = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="card")
HOLD = PlaceHold(hold_id="h", tab_id="t1", sku="cake", qty_milli=10_000)
FACTS = (DrawerMoved(kind="no_sale", reason="meter", occurred_at=NOON),)


def line(**fields: Any) -> AddLine:
    terms: dict[str, Any] = {"tab_id": "t1", "line_id": "x", "sku": "beer", **fields}
    return AddLine(**terms)


def sent(*skus: str) -> Scenario:
    return done(with_tab(*skus).when(SendToKitchen(tab_id="t1"), by=WAITER))


def paying() -> Scenario:
    return done(with_tab("beer").when(PAY, by=CASHIER))


def partly_paid() -> Scenario:
    pay = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="card")
    scene = with_tab("beer", "water").when(pay, by=CASHIER)
    return done(scene.when(RecordPaymentResult(payment_id="p1", outcome="captured"), by=CASHIER))


def expired_cover() -> Scenario:
    """A line that relies on a hold which is over, while another tab has the goods."""
    scene = with_tab().when(HOLD, by=WAITER).when(line(sku="cake", qty_milli=10_000), by=WAITER)
    scene = with_tab(tab_id="t2", scene=scene.after(11 * MINUTE))
    return done(scene.when(line(tab_id="t2", line_id="y", sku="cake"), by=WAITER))


def captured() -> Scenario:
    return paid(with_tab("beer"))


def discounted() -> Scenario:
    return done(with_tab("beer").when(ApplyDiscount(tab_id="t1", discount_id="alone"), by=WAITER))


def practising() -> Scenario:
    scene = with_tab("beer").when(EndDrawer(), by=CASHIER).when(CountDrawer(minor=10_000), by=CASHIER)
    return done(scene.when(SetTraining(terminal_id="till-1", on=True), by=MANAGER))


def revoked() -> Scenario:
    return done(opened().when(RevokeTerminal(terminal_id="till-1"), by=MANAGER))


Case = tuple[type[Rejected], Callable[[], Scenario], Any, dict[str, Any]]
SPLIT = SplitTab(tab_id="t1", mode="lines", parts=(SplitPart(tab_id="t2", line_ids=("nine",)),))
VOID = VoidLine(line_id="l1", reason_code="wrong")
CASES: list[Case] = [
    (refusals.TabExists, captured, OpenTab(tab_id="t1"), {}),
    (refusals.DayClosed, location, OpenTab(tab_id="t1"), {}),
    (refusals.TabNotOpen, captured, line(), {"status": "PAID"}),
    (refusals.UnknownSku, with_tab, line(sku="caviar"), {"sku": "caviar"}),
    (refusals.QtyInvalid, with_tab, line(qty_milli=1_500), {"qty_milli": 1_500}),
    (refusals.PriceOverrideForbidden, with_tab, line(unit_price_minor=1), {}),
    (refusals.LineExists, lambda: with_tab("soup"), line(line_id="l1"), {}),
    (refusals.InsufficientStock, with_tab, line(sku="cake", qty_milli=11_000), {"available": 10_000}),
    (refusals.InsufficientStock, with_tab, PlaceHold(hold_id="h", tab_id="t1", sku="cheese"), {"available": 0}),
    (refusals.LineSent, lambda: sent("beer"), RemoveLine(line_id="l1"), {"sent_milli": 1_000}),
    (refusals.ReasonRequired, lambda: sent("beer"), VoidLine(line_id="l1"), {}),
    (refusals.ReasonRequired, opened, NoSale(), {}),
    (refusals.ReasonUnknown, lambda: sent("beer"), VoidLine(line_id="l1", reason_code="bored"), {}),
    (refusals.ApprovalRequired, lambda: sent("soup"), VOID, {"action": "void", "value_minor": 733}),
    (refusals.LinePaid, partly_paid, RemoveLine(line_id="l1"), {"paid_minor": 550}),
    (refusals.DiscountInactive, with_tab, ApplyDiscount(tab_id="t1", discount_id="none"), {}),
    (refusals.NotCombinable, discounted, ApplyDiscount(tab_id="t1", discount_id="ten"), {}),
    (refusals.HoldNotFound, with_tab, ExtendHold(hold_id="nine"), {}),
    (refusals.HoldExpired, expired_cover, PAY, {"lines": ["x"]}),
    (
        refusals.ExtensionLimit,
        lambda: with_tab().when(HOLD, by=WAITER).when(ExtendHold(hold_id="h"), by=WAITER),
        ExtendHold(hold_id="h"),
        {},
    ),
    (refusals.NothingToSend, lambda: sent("beer"), SendToKitchen(tab_id="t1"), {}),
    (
        refusals.PaymentInProgress,
        paying,
        BeginPayment(tab_id="t1", payment_id="p2", amount_minor=1, tender="card"),
        {},
    ),
    (
        refusals.AmountExceedsDue,
        lambda: with_tab("water"),
        BeginPayment(tab_id="t1", payment_id="p1", amount_minor=301, tender="card"),
        {"due_minor": 300},
    ),
    (
        refusals.DrawerNotOpen,
        lambda: with_tab("beer").when(EndDrawer(), by=CASHIER),
        BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="cash"),
        {},
    ),
    (refusals.PaymentUnknown, with_tab, RecordPaymentResult(payment_id="nine", outcome="captured"), {}),
    (
        refusals.PaymentAlreadyFinal,
        captured,
        RecordPaymentResult(payment_id="p1", outcome="failed"),
        {"status": "captured"},
    ),
    (refusals.BalanceDue, lambda: with_tab("beer"), CloseTab(tab_id="t1"), {"minor": 550}),
    (refusals.TabPaid, captured, VoidTab(tab_id="t1", reason_code="wrong"), {}),
    (refusals.TabPaid, captured, MergeTabs(from_="t1", into="t2"), {}),
    (refusals.SplitInvalid, lambda: with_tab("beer"), SPLIT, {"line_id": "nine"}),
    (
        refusals.RefundExceedsPaid,
        lambda: closed("beer"),
        Refund(tab_id="t1", amount_minor=551, tender="card", reason_code="wrong"),
        {"left_minor": 550},
    ),
    (refusals.DrawerState, opened, OpenDrawer(minor=1), {"state": "OPEN"}),
    (refusals.DrawerState, opened, CountDrawer(minor=10_000), {"state": "OPEN"}),
    (
        refusals.TerminalSeqGap,
        opened,
        SubmitOffline(terminal_id="till-1", terminal_seq=3, facts=FACTS),
        {"expected": 1},
    ),
    (
        refusals.TerminalSeqGap,
        opened,
        QuarantineOffline(terminal_id="till-1", terminal_seq=1, facts=FACTS),
        {"expected": 1},
    ),
    (refusals.TerminalUnknown, opened, SubmitOffline(terminal_id="till-9", terminal_seq=1, facts=FACTS), {}),
    (refusals.TerminalRevoked, revoked, SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=FACTS), {}),
    (refusals.DayNotClear, lambda: with_tab("beer"), CloseDay(), {"tabs": ["t1"]}),
    (refusals.ModifierUnknown, with_tab, line(sku="steak", modifiers=(Modifier(id="x"),)), {"id": "x"}),
    (refusals.ModifiersRequired, with_tab, line(sku="steak"), {"group": "done", "min": 1, "max": 1, "chosen": 0}),
    (refusals.ComboInvalid, with_tab, line(sku="menu"), {}),
    (refusals.NothingToPool, opened, PoolTips(pool_id="p", shares=(TipShare(user="wim", weight=1),)), {}),
    (refusals.TrainingTerminal, practising, line(), {}),
    (AmountInvalid, lambda: with_tab("beer"), line(unit_price_minor=0.5), {"field": "unit_price_minor"}),
    (CurrencyMismatch, lambda: with_tab("beer"), line(currency="EUR"), {"currency": "USD"}),
]
STATUSES = {
    "TAB_EXISTS": 409,
    "DAY_CLOSED": 409,
    "TAB_NOT_OPEN": 409,
    "UNKNOWN_SKU": 422,
    "QTY_INVALID": 422,
    "PRICE_OVERRIDE_FORBIDDEN": 403,
    "LINE_EXISTS": 409,
    "INSUFFICIENT_STOCK": 422,
    "LINE_SENT": 409,
    "REASON_REQUIRED": 422,
    "REASON_UNKNOWN": 422,
    "APPROVAL_REQUIRED": 403,
    "LINE_PAID": 409,
    "DISCOUNT_INACTIVE": 422,
    "NOT_COMBINABLE": 409,
    "HOLD_NOT_FOUND": 404,
    "HOLD_EXPIRED": 410,
    "EXTENSION_LIMIT": 409,
    "NOTHING_TO_SEND": 409,
    "PAYMENT_IN_PROGRESS": 409,
    "AMOUNT_EXCEEDS_DUE": 422,
    "DRAWER_NOT_OPEN": 409,
    "PAYMENT_UNKNOWN": 404,
    "PAYMENT_ALREADY_FINAL": 409,
    "BALANCE_DUE": 409,
    "TAB_PAID": 409,
    "SPLIT_INVALID": 422,
    "REFUND_EXCEEDS_PAID": 422,
    "DRAWER_STATE": 409,
    "TERMINAL_SEQ_GAP": 409,
    "TERMINAL_REVOKED": 403,
}
"""The refusals of the specification's tables, and how HTTP says them."""
COMMON = {"AMOUNT_INVALID": 400, "CURRENCY_MISMATCH": 422}
OWN = {
    "DAY_NOT_CLEAR": 409,
    "MODIFIER_UNKNOWN": 422,
    "MODIFIERS_REQUIRED": 422,
    "COMBO_INVALID": 422,
    "NOTHING_TO_POOL": 409,
    "TRAINING_TERMINAL": 409,
    "TERMINAL_UNKNOWN": 404,
}
"""Where the specification says that something is refused, and leaves the name open."""
AT_TABLES = {"CODE_IN_USE": 409, "LINE_TAKEN": 409}
"""What guests meet, each by a test of `test_pay_at_table`."""


@pytest.mark.parametrize(
    ("refusal", "scene", "command", "details"), CASES, ids=[f"{case[0].code}-{n}" for n, case in enumerate(CASES)]
)
def test_a_command_is_refused_as_specified(
    refusal: type[Rejected], scene: Callable[[], Scenario], command: Any, details: dict[str, Any]
) -> None:
    found = scene()
    by = MANAGER if isinstance(command, (CloseDay, PoolTips)) or refusal is AmountInvalid else CASHIER
    before = found.state_json
    found.when(command, by=by).then_rejected(refusal, **details)
    assert found.state_json == before


def test_the_table_has_all_refusals_that_are_specified_or_declared() -> None:
    declared = {each.code: each.status for each in vars(refusals).values() if hasattr(each, "code")}
    del declared[Rejected.code]
    assert declared == {**STATUSES, **OWN, **AT_TABLES}
    assert {case[0].code: case[0].status for case in CASES} == {**STATUSES, **OWN, **COMMON}


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0].code}-{n}" for n, case in enumerate(CASES)])
def test_each_refusal_is_declared_by_the_command_that_meets_it(case: Case) -> None:
    assert case[0] in case[2].raises


def test_a_quantity_set_on_an_old_version_is_refused_with_the_version_that_is() -> None:
    scene = with_tab("beer").when(SetLineQty(line_id="l1", qty_milli=2_000, expected_version=9), by=WAITER)
    assert scene.refusal is not None
    assert (scene.refusal.code, scene.refusal.status, scene.refusal.details["version"]) == ("VERSION_CONFLICT", 412, 1)
