"""Combos: several items at one price."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast import Command, StateConflict, ValidationFailed
from services.pos.contract import (
    AddCombo,
    ApplyDiscount,
    BeginPayment,
    CloseDay,
    CloseTab,
    ComboPart,
    ComboSlot,
    DayClosed,
    Item,
    LineAdded,
    LineRemoved,
    MergeTabs,
    Modifier,
    MoveLines,
    PriceBook,
    RecordPaymentResult,
    RemoveLine,
    SendToKitchen,
    SetEightySix,
    SetItem,
    SetLineQty,
    SetPriceBook,
    SplitPart,
    SplitTab,
    TabClosed,
    VoidLine,
    VoidTab,
)
from services.pos.domain_errors import (
    ApprovalRequired,
    ComboInvalid,
    InsufficientStock,
    LineExists,
    LineSent,
    ModifiersRequired,
    ReasonRequired,
    UnknownSku,
)
from services.pos.tests.scenes import CASHIER, MANAGER, WAITER, balance, done, left, location, paid, with_tab

SOUP, BEER, CAKE = (
    ComboPart(slot="dish", line_id="a", sku="soup"),
    ComboPart(slot="drink", line_id="b", sku="beer"),
    ComboPart(slot="sweet", line_id="c", sku="cake"),
)


CHANGES = [MoveLines, MoveLines, MergeTabs, SplitTab, RemoveLine, RemoveLine, VoidTab]


def menu(*parts: ComboPart, **more: Any) -> AddCombo:
    return AddCombo(tab_id="t1", combo_id="m1", sku="menu", parts=parts or (SOUP, BEER, CAKE), **more)


def test_the_parts_share_the_price_exactly_and_keep_their_taxes_stock_and_kitchen() -> None:
    scene = with_tab().when(menu(), by=WAITER)
    lines = [event for event in done(scene).events if isinstance(event, LineAdded)]
    # 10.00 over 7.33, 5.00 and 4.00 is 4.49, 3.06 and 2.45
    assert [(line.sku, line.unit_price_minor) for line in lines] == [("soup", 449), ("beer", 306), ("cake", 245)]
    assert [(line.tax_ids, line.station, line.combo) for line in lines] == [
        (("vat",), "kitchen", "m1"),
        (("vat",), "bar", "m1"),
        ((), "kitchen", "m1"),
    ]
    assert left(scene, "cake") == 9_000
    # a tenth of 4.49 and 3.06 together is 0.755
    assert balance(scene) == 1_000 + 76


def test_the_same_combo_again_changes_nothing_and_another_under_its_lines_is_refused() -> None:
    scene = with_tab().when(menu(), by=WAITER).when(menu(), by=WAITER).then_nothing()
    scene.when(menu(qty_milli=2_000), by=WAITER).then_rejected(LineExists)


def test_several_of_a_combo_cost_as_many_times_its_price() -> None:
    scene = with_tab().when(
        menu(ComboPart(slot="dish", line_id="a", sku="soup"), BEER, CAKE, qty_milli=3_000), by=WAITER
    )
    assert left(done(scene), "cake") == 7_000
    assert balance(scene) == 3_000 + 227


def test_wishes_come_on_top() -> None:
    rare = ComboPart(slot="dish", line_id="a", sku="steak", modifiers=(Modifier(id="rare"),))
    chips = ComboPart(
        slot="dish", line_id="a", sku="steak", modifiers=(Modifier(id="rare"), Modifier(id="chips", price_minor=300))
    )
    water = ComboPart(slot="drink", line_id="b", sku="water")
    assert balance(done(with_tab().when(menu(rare, water, CAKE), by=WAITER))) == 1_000
    assert balance(done(with_tab().when(menu(chips, water, CAKE), by=WAITER))) == 1_300
    plain = ComboPart(slot="dish", line_id="a", sku="steak")
    with_tab().when(menu(plain, water, CAKE), by=WAITER).then_rejected(ModifiersRequired)


def test_a_combo_has_its_own_price_at_happy_hour() -> None:
    scene = with_tab().when(SetPriceBook(book_id="happy", book=PriceBook(prices={"menu": 800})), by=MANAGER)
    water = ComboPart(slot="drink", line_id="b", sku="water")
    scene.when(menu(SOUP, water, CAKE), by=WAITER).then_includes(LineAdded, price_book="happy")
    lines = [event.unit_price_minor for event in scene.events if isinstance(event, LineAdded)]
    assert sum(lines) == 800


@pytest.mark.parametrize(
    ("parts", "slot"),
    [
        ((SOUP, BEER), None),
        ((SOUP, BEER, CAKE, ComboPart(slot="drink", line_id="d", sku="beer")), None),
        ((SOUP, ComboPart(slot="drink", line_id="b", sku="soup"), CAKE), "drink"),
        ((SOUP, BEER, ComboPart(slot="sweet", line_id="b", sku="cake")), None),
    ],
)
def test_what_is_not_one_offered_choice_for_each_slot_is_refused(
    parts: tuple[ComboPart, ...], slot: str | None
) -> None:
    with_tab().when(menu(*parts), by=WAITER).then_rejected(ComboInvalid, slot=slot)


def test_a_combo_is_refused_as_a_whole_when_one_part_is_lacking() -> None:
    scene = with_tab().when(menu(qty_milli=11_000), by=WAITER).then_rejected(InsufficientStock, available=10_000)
    assert scene.view(MANAGER)["tabs"]["t1"]["lines"] == {}
    scene.when(SetEightySix(sku="menu"), by=WAITER).when(menu(), by=WAITER).then_rejected(InsufficientStock)
    scene.when(AddCombo(tab_id="t1", combo_id="m", sku="beer", parts=(BEER,)), by=WAITER).then_rejected(ComboInvalid)


def test_more_of_one_part_is_another_line_and_a_part_that_is_voided_takes_its_share() -> None:
    scene = with_tab().when(menu(), by=WAITER)
    scene.when(SetLineQty(line_id="c", qty_milli=2_000, expected_version=1), by=WAITER).then_rejected(StateConflict)
    scene.when(VoidLine(line_id="c", reason_code="wrong"), by=WAITER)
    assert (balance(done(scene)), left(scene, "cake")) == (755 + 76, 10_000)


def test_a_combo_is_taken_off_as_a_whole() -> None:
    scene = with_tab("water").when(menu(), by=WAITER).when(RemoveLine(line_id="c"), by=WAITER)
    assert (balance(done(scene)), left(scene, "cake")) == (300, 10_000)
    assert set(scene.view(MANAGER)["tabs"]["t1"]["lines"]) == {"l1"}


def test_nothing_of_a_combo_is_taken_off_when_the_kitchen_has_a_part() -> None:
    scene = done(with_tab().when(menu(), by=WAITER))
    done(scene.when(SendToKitchen(tab_id="t1", line_ids=("a",)), by=WAITER))
    scene.when(RemoveLine(line_id="c"), by=WAITER).then_rejected(LineSent)


def test_each_combo_of_a_tab_has_an_id_of_its_own() -> None:
    parts = tuple(replace(part, line_id=f"{part.line_id}2") for part in (SOUP, BEER, CAKE))
    scene = done(with_tab().when(menu(), by=WAITER)).when(menu(*parts), by=WAITER).then_rejected(ComboInvalid)
    done(scene.when(AddCombo(tab_id="t1", combo_id="m2", sku="menu", parts=parts), by=WAITER))
    assert set(done(scene.when(RemoveLine(line_id="a"), by=WAITER)).view(MANAGER)["tabs"]["t1"]["lines"]) == {
        "a2",
        "b2",
        "c2",
    }


def test_of_two_combos_that_were_put_together_one_is_taken_off() -> None:
    parts = tuple(replace(part, line_id=f"{part.line_id}2") for part in (SOUP, BEER, CAKE))
    scene = done(with_tab(tab_id="t2", scene=with_tab()).when(menu(), by=WAITER))
    done(scene.when(AddCombo(tab_id="t2", combo_id="m1", sku="menu", parts=parts), by=WAITER))
    done(scene.when(MergeTabs(from_="t2", into="t1"), by=WAITER))
    scene.when(RemoveLine(line_id="a2"), by=WAITER)
    assert [event.line_id for event in done(scene).events if isinstance(event, LineRemoved)] == ["a2", "b2", "c2"]
    assert balance(scene) == 1_000 + 76


def test_a_combo_of_which_a_part_is_elsewhere_is_not_taken_off() -> None:
    scene = done(with_tab(tab_id="t2", scene=with_tab()).when(menu(), by=WAITER))
    done(scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("a",)), by=WAITER))
    for line_id in ("a", "b"):
        scene.when(RemoveLine(line_id=line_id), by=WAITER).then_rejected(StateConflict, combo="m1")
    done(scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("b", "c")), by=WAITER))
    done(scene.when(RemoveLine(line_id="b"), by=WAITER))
    assert (balance(scene, "t1"), balance(scene, "t2")) == (0, 0)


def test_a_combo_of_which_a_part_is_paid_or_has_less_than_the_others_is_not_taken_off() -> None:
    scene = done(with_tab(tab_id="t2", scene=with_tab()).when(menu(qty_milli=2_000), by=WAITER))
    done(scene.when(VoidLine(line_id="c", qty_milli=1_000, reason_code="wrong"), by=WAITER))
    scene.when(RemoveLine(line_id="b"), by=WAITER).then_rejected(StateConflict, combo="m1")
    done(scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("a",)), by=WAITER))
    paid(scene, tab_id="t2").when(CloseTab(tab_id="t2"), by=CASHIER)
    done(scene).when(RemoveLine(line_id="b"), by=WAITER).then_rejected(StateConflict, combo="m1")


def test_giving_a_tab_up_needs_a_reason_when_a_part_of_its_combo_is_elsewhere() -> None:
    scene = done(with_tab(tab_id="t2", scene=with_tab()).when(menu(qty_milli=2_000), by=WAITER))
    done(scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("a",)), by=WAITER))
    scene.when(VoidTab(tab_id="t1"), by=WAITER).then_rejected(ReasonRequired)
    void = VoidTab(tab_id="t1", reason_code="wrong")
    scene.when(void, by=WAITER).then_rejected(ApprovalRequired, value_minor=1_102)
    done(scene.when(void, by=MANAGER))
    whole = done(with_tab().when(menu(), by=WAITER))
    done(whole.when(VoidTab(tab_id="t1"), by=WAITER))


@settings(max_examples=40, deadline=None)
@for_all(st.lists(st.tuples(st.sampled_from(CHANGES), st.randoms(use_true_random=False)), max_size=20))
def test_however_combos_are_moved_and_split_nothing_of_one_goes_alone_without_a_void(
    steps: list[tuple[type[Command], Random]],
) -> None:
    scene = with_tab(tab_id="t2", scene=with_tab())
    for tab_id, number in (("t1", 1), ("t1", 2), ("t2", 1), ("t2", 3)):
        parts = tuple(replace(part, line_id=f"{tab_id}-{number}-{part.line_id}") for part in (SOUP, BEER, CAKE))
        done(scene.when(AddCombo(tab_id=tab_id, combo_id=f"m{number}", sku="menu", parts=parts), by=WAITER))
    for number, (kind, random) in enumerate(steps):
        change = changing(scene.view(MANAGER)["tabs"], kind, random, number)
        if change is not None:
            scene.when(change, by=WAITER)
    quantities: dict[str, Counter[str]] = {}
    for tab in scene.view(MANAGER)["tabs"].values():
        for line_id, line in tab["lines"].items():
            combo, _, part = line_id.split(".")[0].rpartition("-")
            quantities.setdefault(combo, Counter())[part] += line["qty_milli"]
    assert all(parts["a"] == parts["b"] == parts["c"] for parts in quantities.values())


def changing(tabs: Mapping[str, Any], kind: type[Command], random: Random, number: int) -> Command | None:
    """A change of this kind to some of the tabs; None when they do not allow it."""
    one = random.choice(sorted(tabs)) if tabs else ""
    others = sorted(set(tabs) - {one})
    lines = sorted(tabs[one]["lines"]) if one else []
    if kind is MoveLines and others and lines:
        some = tuple(random.sample(lines, random.randint(1, min(3, len(lines)))))
        return MoveLines(from_tab_id=one, to_tab_id=random.choice(others), line_ids=some)
    if kind is MergeTabs and others:
        return MergeTabs(from_=one, into=random.choice(others))
    if kind is SplitTab and lines:
        return SplitTab(tab_id=one, mode="evenly", parts=(SplitPart(tab_id=f"s{number}"),))
    if kind is RemoveLine and lines:
        return RemoveLine(tab_id=one, line_id=random.choice(lines))
    return VoidTab(tab_id=one) if kind is VoidTab and one else None


def test_a_combo_is_taken_off_as_a_whole_also_after_it_was_split_and_put_together_again() -> None:
    scene = done(with_tab("water").when(menu(qty_milli=2_000), by=WAITER))
    done(scene.when(SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t2"),)), by=WAITER))
    done(scene.when(MoveLines(from_tab_id="t2", to_tab_id="t1", line_ids=("a.t2",)), by=WAITER))
    scene.when(RemoveLine(line_id="b"), by=WAITER).then_rejected(StateConflict, combo="m1")
    done(scene.when(MergeTabs(from_="t2", into="t1"), by=WAITER))
    done(scene.when(RemoveLine(line_id="b"), by=WAITER))
    assert balance(scene) == 300


def test_a_part_of_a_combo_is_voided_within_the_limit_also_before_the_kitchen_has_it() -> None:
    scene = with_tab(void_limit_minor=100).when(menu(), by=WAITER)
    scene.when(VoidLine(line_id="c", reason_code="wrong"), by=WAITER).then_rejected(ApprovalRequired, action="void")


def test_voids_of_a_part_of_a_combo_count_together_also_before_the_kitchen_has_it() -> None:
    scene = done(with_tab().when(menu(qty_milli=4_000), by=WAITER))
    part = VoidLine(line_id="a", qty_milli=1_000, reason_code="wrong")
    done(scene.when(part, by=WAITER))
    scene.when(part, by=WAITER).then_rejected(ApprovalRequired, value_minor=898)
    done(scene.when(part, by=MANAGER))


def test_combos_are_counted_in_the_report_as_what_they_cost() -> None:
    scene = with_tab().when(menu(), by=WAITER).when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    pay = BeginPayment(tab_id="t1", payment_id="p", amount_minor=balance(scene), tender="card")
    scene.when(pay, by=CASHIER).when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER)
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER)).when(CloseDay(), by=MANAGER)
    totals = next(event.totals for event in scene.events if isinstance(event, TabClosed))
    report = next(event.totals for event in scene.events if isinstance(event, DayClosed))
    assert (totals.gross, totals.discount) == (1_000, 100)
    assert (report.gross_minor, report.discount_minor) == (1_000, 100)


@pytest.mark.parametrize(
    "changes",
    [
        {"combo": (ComboSlot(id="a", skus=()),)},
        {"combo": (ComboSlot(id="a", skus=("beer",)), ComboSlot(id="a", skus=("beer",)))},
        {"combo": (ComboSlot(id="a", skus=("cheese",)),)},
        {"combo": (ComboSlot(id="a", skus=("menu",)),)},
        {"combo": (ComboSlot(id="a", skus=("beer",)),), "tracked": True},
    ],
)
def test_a_combo_of_what_cannot_be_part_of_one_is_refused(changes: dict[str, Any]) -> None:
    item = Item(price_minor=1, price_version=2, **changes)
    location().when(SetItem(sku="menu", item=item), by=MANAGER).then_rejected(ValidationFailed)


def test_a_combo_of_unknown_items_is_refused() -> None:
    item = Item(price_minor=1, combo=(ComboSlot(id="a", skus=("caviar",)),))
    location().when(SetItem(sku="feast", item=item), by=MANAGER).then_rejected(UnknownSku, sku="caviar")
