"""Amounts that nobody can count: refused where they are asked for, counted as far as possible where they are facts."""

from typing import Any

import msgspec
import pytest
from sqlalchemy.dialects import postgresql

from holdfast import ValidationFailed
from holdfast._judge import Judge
from holdfast.money import MAX_MINOR, AmountInvalid
from holdfast.testing import Scenario
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
from services.pos.domain import PosSession
from services.pos.domain_bounds import MOST_MINOR
from services.pos.domain_errors import QtyInvalid
from services.pos.readmodel_tables import lines
from services.pos.tests.histories import all_rows
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, balance, done, opened, with_tab

MOST = 10**12
PART = {"slot": "dish", "line_id": "y", "sku": "soup"}
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


@pytest.mark.parametrize("place", [{"seat": 0}, {"seat": 1_001}, {"seat": 3 * 10**9}, {"course": 51}, {"course": 0}])
def test_seats_and_courses_are_as_many_as_a_floor_has(place: dict[str, int]) -> None:
    judge = Judge(PosSession())
    for tag, data in (
        ("add_line", {"tab_id": "t1", "line_id": "x", "sku": "beer", **place}),
        ("add_combo", {"tab_id": "t1", "combo_id": "x", "sku": "menu", "parts": [PART], **place}),
        (
            "post_order",
            {"tab_id": "t1", "floor": "f", "lines": [{"line_id": "x", "sku": "beer", "qty_milli": 1, **place}]},
        ),
    ):
        with pytest.raises(ValidationFailed, match=f"Expected `int`.*{next(iter(place))}"):
            judge.command(tag, msgspec.json.encode(data))


def test_seats_beyond_them_that_older_tills_let_through_are_rows() -> None:
    wide = LineAdded(tab_id="t1", line_id="x", sku="beer", qty_milli=1_000, unit_price_minor=500, seat=3 * 10**9)
    scene = with_tab("beer")
    scene = Scenario(PosSession(), (*scene.events, wide), at=NOON, name=scene.name)
    assert [row["seat"] for row in all_rows(scene)["lines"]] == [None, 3 * 10**9]
    kinds = {lines.c[column].type.compile(postgresql.dialect()) for column in ("seat", "course")}
    assert kinds == {"BIGINT"}
