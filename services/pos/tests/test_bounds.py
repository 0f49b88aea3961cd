"""Amounts that nobody can count: refused where they are asked for, counted as far as possible where they are facts."""

from typing import Any

import msgspec
import pytest

from holdfast.money import MAX_MINOR, AmountInvalid
from services.floor import contract as floor
from services.pos.contract import (
    AddCombo,
    AddLine,
    BeginPayment,
    CashSale,
    ComboPart,
    LineAdded,
    MergeTabs,
    Modifier,
    MoveLines,
    OfflineLine,
    PostedLine,
    PostOrder,
    RecordPaymentResult,
    SetLineQty,
    SubmitOffline,
    TabConflict,
)
from services.pos.domain_bounds import MOST_MINOR
from services.pos.domain_errors import QtyInvalid
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, balance, done, opened, with_tab

MOST = 10**12
PRICEY = (Modifier(id="gold", price_minor=MOST),)


def gold(line_id: str, *, tab_id: str = "t1", qty_milli: int = 60_000) -> AddLine:
    return AddLine(tab_id=tab_id, line_id=line_id, sku="beer", qty_milli=qty_milli, modifiers=PRICEY)


def test_a_line_takes_a_million_pieces_at_most() -> None:
    scene = with_tab("water").when(gold("x", qty_milli=10**12), by=WAITER).then_rejected(QtyInvalid)
    more = SetLineQty(line_id="l1", qty_milli=2 * 10**9, expected_version=1)
    scene.when(more, by=WAITER).then_rejected(QtyInvalid, qty_milli=2 * 10**9)


def test_a_tabs_tips_are_no_more_than_can_be_counted() -> None:
    scene = with_tab("water")
    for payment_id, tip in (("p1", MOST_MINOR), ("p2", 1)):
        pay = BeginPayment(tab_id="t1", payment_id=payment_id, amount_minor=100, tender="card", tip_minor=tip)
        scene.when(pay, by=WAITER)
        if tip == 1:
            scene.then_rejected(AmountInvalid, most=MOST_MINOR)
        else:
            done(done(scene).when(RecordPaymentResult(payment_id=payment_id, outcome="captured"), by=CASHIER))


def test_a_line_is_worth_no_more_than_can_be_counted() -> None:
    scene = with_tab().when(gold("x", qty_milli=10**9), by=WAITER).then_rejected(AmountInvalid, most=MOST_MINOR)
    scene = done(scene.when(gold("x"), by=WAITER))
    scene.when(SetLineQty(line_id="x", qty_milli=200_000, expected_version=1), by=WAITER).then_rejected(AmountInvalid)
    scene.when(gold("y"), by=WAITER).then_rejected(AmountInvalid)


def test_a_combo_is_worth_no_more_than_can_be_counted() -> None:
    parts = (
        ComboPart(slot="dish", line_id="a", sku="soup", modifiers=PRICEY * 11),
        ComboPart(slot="drink", line_id="b", sku="beer"),
        ComboPart(slot="sweet", line_id="c", sku="cake"),
    )
    combo = AddCombo(tab_id="t1", combo_id="m", sku="menu", qty_milli=10_000, parts=parts)
    with_tab().when(combo, by=WAITER).then_rejected(AmountInvalid)


@pytest.mark.parametrize(
    "together",
    [MergeTabs(from_="t1", into="t2"), MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("x",))],
    ids=["merge", "move"],
)
def test_tabs_put_together_are_worth_no_more_than_can_be_counted(together: Any) -> None:
    scene = with_tab("beer", tab_id="t2", scene=with_tab("water"))
    scene.when(gold("x"), by=WAITER).when(gold("y", tab_id="t2"), by=WAITER)
    done(scene).when(together, by=WAITER).then_rejected(AmountInvalid)


def test_a_wish_costs_no_more_than_an_item_at_the_till_and_on_the_floor() -> None:
    for kind in (Modifier, floor.Modifier):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"id":"gold","price_minor":%d}' % MAX_MINOR, type=kind)


def test_an_order_of_the_floor_beyond_counting_is_recorded_and_flagged() -> None:
    line = PostedLine(line_id="k", sku="beer", qty_milli=10**9, unit_price_minor=MOST, modifiers=PRICEY)
    order = PostOrder(tab_id="t1", floor="main", lines=(line, msgspec.structs.replace(line, line_id="l")))
    scene = done(opened().when(order, by=SERVICE))
    scene.then_includes(LineAdded, line_id="k", unit_price_minor=10**8, modifiers=())
    scene.then_includes(LineAdded, line_id="l", unit_price_minor=0)
    scene.then_includes(TabConflict, tab_id="t1", about="lines")
    assert balance(scene) <= MAX_MINOR


def test_a_sale_without_a_connection_beyond_counting_is_recorded_and_flagged() -> None:
    line = OfflineLine(line_id="k", sku="beer", qty_milli=10**12, unit_price_minor=MOST, tax_ids=("vat",))
    sale = CashSale(tab_id="t1", payment_id="c", lines=(line,), paid_minor=MOST, occurred_at=NOON)
    scene = done(opened().when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(sale,)), by=CASHIER))
    scene.then_includes(TabConflict, tab_id="t1", about="lines")
    assert 0 < balance(scene) <= MAX_MINOR
    assert scene.view(MANAGER)["office"]["flags"] == 3
