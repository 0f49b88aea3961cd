"""Facts that name one line twice: nothing of them is lost, and no list stops at them."""

from typing import Any

import pytest

from holdfast.testing import Scenario
from services.pos.contract import (
    CardSale,
    CashSale,
    LineAdded,
    LinesRung,
    OfflineLine,
    PostedLine,
    PostOrder,
    SubmitOffline,
    TabConflict,
    TabOpened,
    VoidTab,
)
from services.pos.domain import PosSession
from services.pos.tests.histories import all_rows
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, balance, done, left, opened

CAKE = OfflineLine(line_id="z", sku="cake", unit_price_minor=400)
WATER = OfflineLine(line_id="z", sku="water", unit_price_minor=300)
TWICE = (CAKE, WATER, CAKE)
SALE: dict[str, Any] = {"payment_id": "p", "paid_minor": 1_100, "tab_id": "o", "lines": TWICE, "occurred_at": NOON}


def lines_of(scene: Scenario, tab_id: str = "o") -> dict[str, str]:
    return {line_id: line["sku"] for line_id, line in scene.view(MANAGER)["tabs"][tab_id]["lines"].items()}


def submitted(fact: Any) -> Scenario:
    return done(opened().when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(fact,)), by=CASHIER))


def test_a_line_that_a_fact_names_twice_is_two_lines_and_flagged() -> None:
    scene = submitted(LinesRung(tab_id="o", lines=TWICE, occurred_at=NOON))
    scene.then_includes(TabConflict, tab_id="o", about="lines")
    assert lines_of(scene) == {"z": "cake", "z-2": "water", "z-3": "cake"}
    assert (balance(scene, "o"), left(scene, "cake")) == (1_100, 8_000)
    assert left(done(scene.when(VoidTab(tab_id="o"), by=MANAGER)), "cake") == 10_000


@pytest.mark.parametrize("fact", [CashSale(**SALE), CardSale(**SALE)], ids=["cash", "card"])
def test_a_sale_that_names_a_line_twice_is_paid_for_both(fact: Any) -> None:
    assert all_rows(submitted(fact))["receipts"][0]["due_minor"] == 1_100


def test_an_order_that_names_a_line_twice_is_two_lines_too() -> None:
    lines = (
        PostedLine(line_id="z", sku="cake", qty_milli=1_000),
        PostedLine(line_id="z", sku="water", qty_milli=1_000),
    )
    scene = opened().when(PostOrder(tab_id="o", floor="loc-1:floor-main", lines=lines), by=SERVICE)
    assert lines_of(done(scene)) == {"z": "cake", "z-2": "water"}


def test_lists_show_what_older_tills_kept_of_a_line_that_was_named_twice() -> None:
    added: dict[str, Any] = {"tab_id": "o", "line_id": "z", "qty_milli": 1_000, "offline": True, "occurred_at": NOON}
    scene = opened().replayed()
    history = [
        *scene.events,
        TabOpened(tab_id="o", opened_by="wim", offline=True),
        LineAdded(sku="cake", unit_price_minor=400, **added),
        LineAdded(sku="water", unit_price_minor=300, **added),
    ]
    scene = Scenario(PosSession(), tuple(history), at=NOON, name=scene.name)
    assert lines_of(scene) == {"z": "water"}
    assert [(row["line_id"], row["sku"]) for row in all_rows(scene)["lines"]] == [("z", "water")]
