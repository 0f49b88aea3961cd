"""How much one tab can hold, so that every event of it can be stored, and what names it is known by."""

from uuid import UUID

import msgspec

from holdfast import TooLarge
from holdfast._judge import Judge
from holdfast.testing import Scenario
from services.pos.contract import (
    AddCombo,
    AddLine,
    AdjustStock,
    CashSale,
    CloseTab,
    ComboPart,
    LinesRung,
    MergeTabs,
    MoveLines,
    OfflineLine,
    OpenTab,
    PlaceHold,
    PostedLine,
    PostOrder,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TabConflict,
    TabSplit,
)
from services.pos.domain import PosSession
from services.pos.domain_bounds import MOST_HOLDS, MOST_LINES, MOST_SHARES
from services.pos.domain_errors import SplitInvalid
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, done, opened, paid, with_tab

FLOOR = "loc-1:floor-main"


def posted(scene: Scenario, count: int, *, tab_id: str = "t1") -> Scenario:
    """With so many lines more, which the kitchen has."""
    lines = [PostedLine(line_id=f"{tab_id}-{number}", sku="water", qty_milli=1_000) for number in range(count)]
    for first in range(0, count, 500):
        order = PostOrder(tab_id=tab_id, floor=FLOOR, lines=tuple(lines[first : first + 500]))
        done(scene.when(order, by=SERVICE))
    return scene


def test_a_tab_has_a_thousand_lines_at_most() -> None:
    scene = posted(with_tab("beer"), MOST_LINES - 2)
    done(scene.when(AddLine(tab_id="t1", line_id="last", sku="beer"), by=WAITER))
    scene.when(AddLine(tab_id="t1", line_id="more", sku="beer"), by=WAITER).then_rejected(TooLarge, maximum=MOST_LINES)
    slots = zip(("dish", "drink", "sweet"), ("soup", "beer", "cake"), strict=True)
    parts = tuple(ComboPart(slot=slot, line_id=f"m-{sku}", sku=sku) for slot, sku in slots)
    scene.when(AddCombo(tab_id="t1", combo_id="m", sku="menu", parts=parts), by=WAITER).then_rejected(TooLarge)
    done(scene.when(OpenTab(tab_id="t2"), by=WAITER).when(AddLine(tab_id="t2", line_id="x", sku="beer"), by=WAITER))
    scene.when(MoveLines(from_tab_id="t2", to_tab_id="t1", line_ids=("x",)), by=WAITER).then_rejected(TooLarge)
    scene.when(MergeTabs(from_="t2", into="t1"), by=WAITER).then_rejected(TooLarge)
    done(scene.when(AddLine(tab_id="t1", line_id="last", sku="beer"), by=WAITER)).then_nothing()


def test_facts_beyond_them_go_on_a_tab_beside() -> None:
    scene = posted(with_tab("beer"), MOST_LINES - 1)
    fact = LinesRung(
        tab_id="t1", lines=(OfflineLine(line_id="z", sku="water", unit_price_minor=300),), occurred_at=NOON
    )
    scene.when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(fact,)), by=CASHIER)
    scene.then_includes(TabConflict, tab_id="t1", moved_to="t1-2")
    assert list(scene.view(MANAGER)["tabs"]["t1-2"]["lines"]) == ["z"]
    scene.when(
        PostOrder(tab_id="t1", floor=FLOOR, lines=(PostedLine(line_id="z", sku="water", qty_milli=1),)), by=SERVICE
    )
    scene.then_nothing()


def test_a_sale_on_a_full_tab_still_settles_it() -> None:
    scene = posted(opened(), MOST_LINES)
    line = OfflineLine(line_id="z", sku="water", unit_price_minor=300)
    due = (MOST_LINES + 1) * 300
    sale = CashSale(tab_id="t1", payment_id="p", paid_minor=due, lines=(line,), occurred_at=NOON)
    scene.when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(sale,)), by=CASHIER)
    assert done(scene).view(MANAGER)["tabs"] == {}


def test_a_split_makes_no_more_shares_than_one_event_holds() -> None:
    scene = posted(opened(), 400)
    parts = tuple(SplitPart(tab_id=str(UUID(int=number))) for number in range(5))
    scene.when(SplitTab(tab_id="t1", mode="evenly", parts=parts), by=WAITER).then_rejected(SplitInvalid)
    done(scene.when(SplitTab(tab_id="t1", mode="evenly", parts=parts[:4]), by=WAITER)).then_includes(TabSplit)
    [split] = [each for each in scene.log if each.type == "tab_split"]
    assert MOST_SHARES == 2_000
    assert len(bytes(split.data)) < 900_000


def test_a_tab_has_a_thousand_holds_at_most() -> None:
    scene = done(with_tab("beer").when(AdjustStock(sku="cheese", delta_milli=10_000, reason="bought"), by=MANAGER))
    for number in range(MOST_HOLDS):
        scene.when(PlaceHold(hold_id=f"h{number}", tab_id="t1", sku="cheese", qty_milli=1), by=WAITER)
    done(scene).when(PlaceHold(hold_id="more", tab_id="t1", sku="cheese", qty_milli=1), by=WAITER)
    scene.then_rejected(TooLarge, maximum=MOST_HOLDS)


def test_a_tab_beside_one_with_a_long_id_can_be_paid_like_any_other() -> None:
    long, judge = "t" * 100, Judge(PosSession())
    scene = done(paid(with_tab("beer", tab_id=long), tab_id=long).when(CloseTab(tab_id=long), by=CASHIER))
    for number in range(2):
        line = PostedLine(line_id=f"n{number}", sku="water", qty_milli=1_000)
        done(scene.when(PostOrder(tab_id=long, floor=FLOOR, lines=(line,)), by=SERVICE))
    [beside] = scene.view(MANAGER)["tabs"]
    assert len(scene.view(MANAGER)["tabs"][beside]["lines"]) == 2
    close = judge.command("close_tab", msgspec.json.encode(CloseTab(tab_id=beside)))
    done(paid(scene, tab_id=beside, payment_id="p2").when(close, by=CASHIER))
