"""Cash drawers and business days."""

from datetime import date
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import StateConflict, ValidationFailed
from holdfast.money import AmountInvalid
from holdfast.testing import Scenario
from services.pos.contract import (
    ApplyDiscount,
    BeginPayment,
    CloseDay,
    CloseTab,
    CompLine,
    CountDrawer,
    DayClosed,
    DayOpened,
    DrawerClosed,
    DrawerEnded,
    DrawerNoSale,
    DrawerOpened,
    DrawerPaidIn,
    DrawerPaidOut,
    EndDrawer,
    NoSale,
    OpenDay,
    OpenDrawer,
    PayIn,
    PayOut,
    Refund,
    RegisterTerminal,
    RevokeTerminal,
    TabClosed,
)
from services.pos.domain_errors import DayClosed as NoDay
from services.pos.domain_errors import DayNotClear, DrawerState, ReasonRequired, TerminalRevoked, TerminalUnknown
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, WAITER, closed, done, location, opened, paid, with_tab

TODAY, TOMORROW = date(2026, 6, 1), date(2026, 6, 2)


def test_a_drawer_is_opened_ended_and_counted_blindly() -> None:
    scene = location().when(OpenDrawer(minor=10_000), by=CASHIER)
    scene.then(DrawerOpened(terminal_id="till-1", drawer_id="drawer-1", minor=10_000, at=NOON))
    scene.when(OpenDrawer(minor=10_000), by=CASHIER).then_nothing()
    scene.when(PayIn(minor=500, reason="coins"), by=CASHIER).then_includes(DrawerPaidIn, minor=500)
    scene.when(PayOut(minor=200, reason="milk"), by=CASHIER).then_includes(DrawerPaidOut, minor=200)
    assert "expected_minor" not in scene.view(CASHIER)["drawers"]["till-1"]
    assert scene.view(MANAGER)["drawers"]["till-1"]["expected_minor"] == 10_300
    scene.when(CountDrawer(minor=1), by=CASHIER).then_rejected(DrawerState, state="OPEN")
    scene.when(EndDrawer(), by=CASHIER).then(DrawerEnded(terminal_id="till-1", drawer_id="drawer-1"))
    scene.when(EndDrawer(), by=CASHIER).then_nothing()
    scene.when(CountDrawer(minor=10_250), by=CASHIER)
    scene.then_includes(DrawerClosed, expected=10_300, counted=10_250, over_short=-50)
    scene.when(CountDrawer(minor=10_250), by=CASHIER).then_rejected(DrawerState, state="CLOSED")
    scene.when(OpenDrawer(minor=1), by=CASHIER).then_includes(DrawerOpened, drawer_id="drawer-2")


def test_what_is_expected_follows_sales_and_refunds_in_cash() -> None:
    scene = closed("beer", tender="cash")
    refund = Refund(tab_id="t1", amount_minor=50, tender="cash", reason_code="wrong")
    done(scene.when(refund, by=CASHIER)).when(EndDrawer(), by=CASHIER)
    scene.when(CountDrawer(minor=10_500), by=CASHIER)
    scene.then_includes(DrawerClosed, cash_sales=550, cash_refunds=50, over_short=0)


def test_a_manager_counts_the_drawer_of_a_revoked_terminal() -> None:
    scene = opened().when(RevokeTerminal(terminal_id="till-1"), by=MANAGER)
    scene.when(EndDrawer(), by=CASHIER).then_rejected(TerminalRevoked)
    done(scene.when(EndDrawer(terminal_id="till-1"), by=MANAGER))
    scene.when(CountDrawer(minor=10_000, terminal_id="till-1"), by=MANAGER).then_includes(DrawerClosed, over_short=0)


def test_an_ended_or_missing_drawer_does_nothing() -> None:
    scene = opened().when(EndDrawer(), by=CASHIER)
    for command in (PayIn(minor=1, reason="x"), PayOut(minor=1, reason="x"), NoSale(reason="x")):
        scene.when(command, by=CASHIER).then_rejected(DrawerState, state="ENDED")
    scene.when(OpenDrawer(minor=1), by=CASHIER).then_rejected(DrawerState, state="ENDED")
    scene.when(EndDrawer(terminal_id="till-9"), by=CASHIER).then_rejected(DrawerState, state="CLOSED")


def test_the_drawer_is_opened_without_a_sale_for_a_reason_only() -> None:
    scene = opened().when(NoSale(), by=WAITER).then_rejected(ReasonRequired)
    scene.when(NoSale(reason="change for the parking meter"), by=WAITER).then_includes(DrawerNoSale)
    scene.when(PayIn(minor=1), by=CASHIER).then_rejected(ReasonRequired)
    scene.when(PayOut(minor=1), by=CASHIER).then_rejected(ReasonRequired)


def test_amounts_are_never_negative_and_no_more_leaves_a_drawer_than_is_in_it() -> None:
    scene = opened().when(PayIn(minor=-1, reason="x"), by=CASHIER).then_rejected(ValidationFailed)
    scene.when(PayOut(minor=0, reason="x"), by=CASHIER).then_rejected(ValidationFailed)
    scene.when(PayOut(minor=10_001, reason="x"), by=CASHIER).then_rejected(DrawerState)
    scene.when(PayOut(minor=0.5, reason="x"), by=CASHIER).then_rejected(AmountInvalid)


def test_without_a_device_the_drawers_terminal_is_named() -> None:
    scene = location().when(RegisterTerminal(terminal_id="office"), by=MANAGER)
    scene.when(OpenDrawer(minor=1), by=MANAGER).then_includes(DrawerOpened, terminal_id="office")


def test_a_day_opens_once() -> None:
    scene = location().when(OpenDay(business_date=TODAY), by=CASHIER).then(DayOpened(day=1, business_date=TODAY))
    scene.when(OpenDay(business_date=TODAY), by=CASHIER).then_nothing()
    scene.when(OpenDay(business_date=TOMORROW), by=CASHIER).then_rejected(StateConflict)


def test_a_day_with_open_tabs_is_closed_only_when_they_go_over() -> None:
    scene = with_tab("beer").when(CloseDay(), by=MANAGER).then_rejected(DayNotClear, tabs=["t1"])
    pay = BeginPayment(tab_id="t1", payment_id="p", amount_minor=550, tender="card")
    scene.when(pay, by=WAITER).when(CloseDay(carry_over=True), by=MANAGER).then_rejected(DayNotClear, tabs=["t1"])
    scene = with_tab("beer").when(CloseDay(carry_over=True), by=MANAGER)
    scene.then_includes(DayClosed, z_no=1, carried_over=("t1",))
    scene.when(CloseDay(carry_over=True), by=MANAGER).then_rejected(NoDay)


def a_sale(scene: Scenario, number: int, sale: tuple[str, Any, str]) -> None:
    """Open, perhaps discount or give away, pay, close, perhaps refund."""
    sku, tender, more = sale
    tab_id = f"s{number}"
    with_tab(sku, "water", tab_id=tab_id, scene=scene)
    if more == "discount":
        scene.when(ApplyDiscount(tab_id=tab_id, discount_id="ten"), by=MANAGER)
    if more == "comp":
        scene.when(CompLine(line_id=f"{tab_id}-l1", reason_code="spilled"), by=MANAGER)
    paid(scene, tab_id=tab_id, payment_id=f"p{number}", tender=tender)
    done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))
    if more == "refund":
        refund = Refund(tab_id=tab_id, amount_minor=123, tender=tender, reason_code="wrong")
        done(scene.when(refund, by=MANAGER if tender == "card" else CASHIER))


@settings(max_examples=60, deadline=None)
@for_all(
    sales=st.lists(
        st.tuples(
            st.sampled_from(["beer", "soup", "book"]),
            st.sampled_from(["cash", "card"]),
            st.sampled_from(["", "discount", "comp", "refund"]),
        ),
        max_size=6,
    )
)
def test_a_z_report_is_the_sum_of_its_receipts_whose_numbers_have_no_gap(sales: list[tuple[str, str, str]]) -> None:
    scene = opened()
    for number, sale in enumerate(sales):
        a_sale(scene, number, sale)
    done(scene.when(CloseDay(), by=MANAGER))
    receipts = [event for event in scene.events if isinstance(event, TabClosed)]
    z = next(event for event in scene.events if isinstance(event, DayClosed)).totals
    assert [receipt.number for receipt in receipts] == list(range(1, len(sales) + 1))
    assert z.receipts == len(receipts)
    for field in ("gross", "discount", "comp", "due", "rounding", "tip"):
        assert getattr(z, f"{field}_minor") == sum(getattr(receipt.totals, field) for receipt in receipts)
    assert z.paid.total == sum(receipt.totals.paid for receipt in receipts)
    assert z.paid.total == z.due_minor + z.rounding_minor
    assert sum(z.tax.values()) == sum(tax.minor for receipt in receipts for tax in receipt.totals.tax)
    assert (z.first_receipt, z.last_receipt) == (
        (receipts[0].receipt_no, receipts[-1].receipt_no) if receipts else (None, None)
    )


def test_a_terminal_that_nobody_registered_has_no_drawer() -> None:
    opened().when(OpenDrawer(minor=0, terminal_id="ghost"), by=CASHIER).then_rejected(TerminalUnknown)
