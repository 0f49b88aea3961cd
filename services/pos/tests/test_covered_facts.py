"""What is held for a tab is sold by the lines that the kitchen has, however they came to the till."""

from typing import Any

import pytest

from services.pos.contract import (
    HoldConsumed,
    LinesRung,
    OfflineLine,
    PlaceHold,
    PostedLine,
    PostOrder,
    SubmitOffline,
)
from services.pos.tests.scenes import CASHIER, DAY, NOON, SERVICE, WAITER, done, left, with_tab

RUNG = LinesRung(
    tab_id="t1", lines=(OfflineLine(line_id="k", sku="cake", unit_price_minor=400, qty_milli=4_000),), occurred_at=NOON
)


@pytest.mark.parametrize(
    ("fact", "by"),
    [
        (PostOrder(tab_id="t1", floor="main", lines=(PostedLine(line_id="k", sku="cake", qty_milli=4_000),)), SERVICE),
        (SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(RUNG,)), CASHIER),
    ],
    ids=["floor", "offline"],
)
def test_a_hold_that_covers_what_was_made_does_not_expire(fact: Any, by: Any) -> None:
    scene = with_tab().when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", qty_milli=4_000), by=WAITER)
    done(done(scene).when(fact, by=by)).then_includes(HoldConsumed, hold_id="h", qty_milli=4_000)
    assert left(scene.wake(at=NOON + DAY), "cake") == 6_000
