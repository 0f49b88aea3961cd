"""Waiters' banks: whose cash is where, and what is owed when a waiter checks out."""

from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast import Actor, Forbidden, ValidationFailed
from holdfast._judge import Judge
from holdfast.testing import Scenario
from services.pos.contract import (
    BeginPayment,
    CardSale,
    CloseDay,
    CloseTab,
    Configure,
    Configured,
    CountDrawer,
    DrawerClosed,
    DrawerEnded,
    DrawerOpened,
    OpenBank,
    OpenDrawer,
    PaymentStarted,
    PayOut,
    PoolTips,
    RecordPaymentResult,
    Refund,
    Refunded,
    RegisterTerminal,
    SettleBank,
    SubmitOffline,
    TabClosed,
    TipShare,
    TipsPooled,
)
from services.pos.domain import PosSession
from services.pos.domain_errors import DayNotClear, DrawerNotOpen, DrawerState, NothingToPool
from services.pos.tests.histories import all_rows
from services.pos.tests.scenes import (
    ADMIN,
    CASHIER,
    MANAGER,
    NOON,
    SERVICE,
    SETTINGS,
    WAITER,
    done,
    location,
    opened,
    with_tab,
)

TABLET = Actor(user="wim", roles=("waiter",))
"""The waiter at a tablet that has no drawer."""
OTHER = Actor(user="willa", roles=("waiter",))
KEY = "bank:wim"
SALE = {
    "fact": "cash_sale",
    "occurred_at": "2026-06-01T12:00:00Z",
    "tab_id": "o1",
    "payment_id": "op1",
    "paid_minor": 550,
    "lines": [{"line_id": "z", "sku": "beer", "unit_price_minor": 500, "tax_ids": ["vat"]}],
}


def banked(**changes: Any) -> Scenario:
    """A till with two tabs of 5.50 and a waiter with a bank of 20.00."""
    scene = with_tab("beer", tab_id="t2", scene=with_tab("beer", **changes))
    return done(scene.when(OpenBank(minor=2_000, floor="loc-1:terrace"), by=TABLET))


def taken(scene: Scenario, tab_id: str, tender: Any, *, by: Actor = TABLET, tip: int = 0) -> Scenario:
    """A tab that somebody was paid."""
    begin = BeginPayment(tab_id=tab_id, payment_id=tab_id, amount_minor=550, tender=tender, tip_minor=tip)
    done(scene.when(begin, by=by))
    return done(scene.when(RecordPaymentResult(payment_id=tab_id, outcome="captured"), by=CASHIER))


def test_a_bank_is_opened_once_and_the_waiters_floors_are_told() -> None:
    scene = opened().when(OpenBank(minor=2_000, floor="loc-1:terrace"), by=TABLET)
    floors = ("loc-1:terrace", "loc-1:floor-main")
    scene.then(DrawerOpened(terminal_id=KEY, drawer_id="drawer-2", minor=2_000, holder="wim", floors=floors, at=NOON))
    scene.when(OpenBank(minor=2_000), by=TABLET).then_nothing()
    scene.when(OpenBank(minor=1), by=TABLET).then_rejected(DrawerState, state="OPEN")


def test_cash_that_a_waiter_with_a_bank_takes_goes_there_and_to_no_drawer() -> None:
    scene = banked()
    begin = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=600, tender="cash")
    scene.when(begin, by=WAITER).then_includes(PaymentStarted, terminal_id=KEY)
    done(scene.when(RecordPaymentResult(payment_id="p1", outcome="captured"), by=WAITER))
    expected = {key: each["expected_minor"] for key, each in scene.view(MANAGER)["drawers"].items()}
    assert expected == {"till-1": 10_000, KEY: 2_550}


def test_a_waiter_without_a_bank_still_needs_a_drawer() -> None:
    begin = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="cash", terminal_id="till-9")
    with_tab("beer").when(begin, by=OTHER).then_rejected(DrawerNotOpen)


def test_a_waiter_who_checks_out_owes_the_cash_less_his_tips() -> None:
    scene = taken(taken(banked(), "t1", "cash"), "t2", "card", tip=100)
    scene.when(SettleBank(minor=2_540), by=TABLET)
    closed = {"expected": 2_550, "counted": 2_540, "over_short": -10, "tips": 100, "owed": 2_450, "holder": "wim"}
    scene.then_includes(DrawerEnded, terminal_id=KEY).then_includes(DrawerClosed, **closed)
    scene.when(SettleBank(minor=2_540), by=TABLET).then_rejected(DrawerState, state="CLOSED")


def test_a_waiter_with_more_tips_than_cash_is_paid_out() -> None:
    scene = taken(opened_bank_of_nothing(), "t1", "card", tip=300)
    scene.when(SettleBank(minor=0), by=TABLET).then_includes(DrawerClosed, tips=300, owed=-300, over_short=0)


def opened_bank_of_nothing() -> Scenario:
    return done(with_tab("beer").when(OpenBank(minor=0), by=TABLET))


def test_a_bank_is_counted_blindly_and_its_holder_is_told_afterwards() -> None:
    scene = taken(banked(), "t1", "cash")
    assert "expected_minor" not in scene.view(TABLET)["drawers"][KEY]
    assert "drawers" not in scene.view(OTHER)
    done(scene.when(SettleBank(minor=2_550), by=TABLET))
    assert scene.seen_by(TABLET)[-1]["data"]["owed"] == 2_550
    assert scene.seen_by(OTHER)[-1]["type"] == "redacted"


def test_a_bank_is_not_settled_while_money_is_on_its_way_there() -> None:
    for tender, tip in (("cash", 0), ("card", 100)):
        begin = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender=tender, tip_minor=tip)  # pyright: ignore[reportArgumentType] - a string of the test
        scene = done(banked().when(begin, by=TABLET))
        scene.when(SettleBank(minor=2_000), by=TABLET).then_rejected(DrawerState, state="OPEN")


def test_nobody_but_a_cashier_puts_a_hand_into_somebody_elses_bank() -> None:
    scene = banked()
    theirs = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=550, tender="cash", terminal_id=KEY)
    scene.when(theirs, by=OTHER).then_rejected(Forbidden)
    scene.when(SettleBank(minor=1, waiter="wim"), by=OTHER).then_rejected(Forbidden)
    scene.when(OpenBank(minor=1, waiter="wim"), by=OTHER).then_rejected(Forbidden)
    done(scene.when(PayOut(minor=1_500, reason="to the safe", terminal_id=KEY), by=CASHIER))
    scene.when(SettleBank(minor=500, waiter="wim"), by=CASHIER).then_includes(DrawerClosed, over_short=0)


def test_a_bank_is_no_terminals() -> None:
    location().when(RegisterTerminal(terminal_id=KEY), by=MANAGER).then_rejected(ValidationFailed)
    opened().when(OpenDrawer(minor=1, terminal_id=KEY), by=CASHIER).then_rejected(ValidationFailed)
    banked().when(CountDrawer(minor=1, terminal_id=KEY), by=CASHIER).then_rejected(ValidationFailed)


def test_tips_that_a_waiter_keeps_are_nobody_elses() -> None:
    scene = taken(taken(banked(), "t1", "card", tip=100), "t2", "card", by=OTHER, tip=40)
    for tab_id in ("t1", "t2"):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))
    pool = PoolTips(pool_id="tonight", shares=(TipShare(user="cook", weight=1),))
    scene.when(pool, by=MANAGER).then_includes(TipsPooled, minor=40)
    done(scene.when(SettleBank(minor=2_000), by=TABLET))
    late = PoolTips(pool_id="late", shares=(TipShare(user="cook", weight=1),))
    scene.when(late, by=MANAGER).then_rejected(NothingToPool)
    assert scene.view(MANAGER)["office"]["day_totals"]["pooled_minor"] == 140


def test_a_tip_that_a_waiter_keeps_is_no_pools_when_a_receipt_is_reversed() -> None:
    scene = done(with_tab("water", "water").when(OpenBank(minor=0), by=TABLET))
    tipped = BeginPayment(tab_id="t1", payment_id="p1", amount_minor=300, tip_minor=100, tender="card")
    done(scene.when(tipped, by=TABLET))
    done(scene.when(RecordPaymentResult(payment_id="p1", outcome="captured"), by=CASHIER))
    stored = CardSale(tab_id="t1", payment_id="c1", lines=(), paid_minor=300, occurred_at=NOON)
    done(scene.when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(stored,)), by=CASHIER))
    scene.then_includes(TabClosed, pooled_tip_minor=0)
    done(scene.when(RecordPaymentResult(payment_id="c1", outcome="failed"), by=SERVICE))
    done(scene.when(BeginPayment(tab_id="t1", payment_id="p2", amount_minor=300, tender="card"), by=CASHIER))
    done(scene.when(RecordPaymentResult(payment_id="p2", outcome="captured"), by=CASHIER))
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER)).then_includes(TabClosed, pooled_tip_minor=0, own_tip_minor=100)
    everything = Refund(tab_id="t1", amount_minor=700, tender="card", reason_code="wrong")
    done(scene.when(everything, by=MANAGER)).then_includes(Refunded, tip_minor=0)


def test_where_tips_are_pooled_a_bank_keeps_none() -> None:
    scene = taken(banked(bank_tips=False), "t1", "card", tip=100)
    scene.when(SettleBank(minor=2_000), by=TABLET).then_includes(DrawerClosed, tips=0, owed=2_000)
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))
    pool = PoolTips(pool_id="tonight", shares=(TipShare(user="cook", weight=1),))
    scene.when(pool, by=MANAGER).then_includes(TipsPooled, minor=100)


def test_a_bank_names_no_floor_that_cannot_exist() -> None:
    scene = opened().when(OpenBank(minor=0, floor="a.b"), by=TABLET)
    scene.then_rejected(ValidationFailed)
    assert "floor: no floor is called 'a.b'" in str(scene.refusal)


def test_a_tip_is_shared_out_once_however_the_rule_for_tips_changes() -> None:
    for first in (False, True):
        scene = taken(banked(bank_tips=first), "t1", "card", tip=100)
        done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))
        for on, pool_id in ((not first, "one"), (first, "two")):
            changed = replace(SETTINGS, bank_tips=on)
            version = sum(isinstance(event, Configured) for event in scene.events)
            done(scene.when(Configure(settings=changed, expected_version=version), by=ADMIN))
            scene.when(PoolTips(pool_id=pool_id, shares=(TipShare(user="cook", weight=1),)), by=MANAGER)
        done(scene.when(SettleBank(minor=2_000), by=TABLET))
        assert scene.view(MANAGER)["office"]["day_totals"]["pooled_minor"] == 100


def test_a_day_ends_when_its_banks_are_settled() -> None:
    scene = banked().when(CloseDay(carry_over=True), by=MANAGER).then_rejected(DayNotClear, banks=[KEY])
    done(scene.when(SettleBank(minor=2_000), by=TABLET).when(CloseDay(carry_over=True), by=MANAGER))


def test_other_services_open_no_bank() -> None:
    opened().when(OpenBank(minor=1), by=SERVICE).then_rejected(Forbidden)


def test_a_bank_is_in_the_list_of_drawers_and_in_the_days_report() -> None:
    scene = taken(taken(banked(), "t1", "cash"), "t2", "card", tip=100)
    for tab_id in ("t1", "t2"):
        done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))
    done(done(scene.when(SettleBank(minor=2_540), by=TABLET)).when(CloseDay(), by=MANAGER))
    rows = all_rows(scene)
    bank = next(row for row in rows["drawers"] if row["terminal"] == KEY)
    shown = ("status", "opening_minor", "cash_sales_minor", "tips_minor", "expected_minor", "over_short_minor")
    assert [bank[column] for column in shown] == ["CLOSED", 2_000, 550, 100, 2_550, -10]
    [report] = [row for row in rows["z_reports"] if row["status"] == "closed"]
    told = ("drawers_counted", "over_short_minor", "tip_minor", "pooled_minor", "agrees")
    assert [report[column] for column in told] == [1, -10, 100, 100, True]


def test_a_waiter_may_have_any_name_that_credentials_give() -> None:
    anna, bank, judge = Actor(user="anna@example.com", roles=("waiter",)), "bank:anna@example.com", Judge(PosSession())
    told: list[tuple[str, Actor, dict[str, Any]]] = [
        ("open_bank", anna, {"minor": 2_000}),
        ("pay_in", CASHIER, {"minor": 500, "reason": "change", "terminal_id": bank}),
        ("transfer_tab", WAITER, {"tab_id": "t1", "owner": anna.user}),
        ("submit_offline", anna, {"terminal_id": bank, "terminal_seq": 1, "facts": [SALE]}),
        ("settle_bank", anna, {"minor": 3_050}),
        ("pool_tips", MANAGER, {"pool_id": "p", "shares": [{"user": anna.user, "weight": 1}]}),
    ]
    scene = with_tab("beer")
    for tag, actor, data in told[:-1]:
        done(scene.when(judge.command(tag, msgspec.json.encode(data)), by=actor))
    scene.then_includes(DrawerClosed, terminal_id=bank, expected=3_050, over_short=0)
    judge.command(told[-1][0], msgspec.json.encode(told[-1][2]))
