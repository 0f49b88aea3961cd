"""Splitting, merging and moving: nobody gains or loses a cent, but by rounding on each receipt, which is recorded."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from holdfast import NotFound
from holdfast._judge import Judge
from holdfast.testing import Scenario, given
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    BillPrinted,
    CompLine,
    Gratuity,
    LinePortion,
    LinesMoved,
    MergeTabs,
    MoveLines,
    OpenTab,
    PlaceHold,
    PostedLine,
    PostOrder,
    PrintBill,
    RecordPaymentResult,
    ReopenTab,
    SplitPart,
    SplitTab,
    TabBalanceChanged,
    TabOpened,
    TabReopened,
    TabsMerged,
    TabSplit,
    TabVoided,
    VoidLine,
    VoidTab,
)
from services.pos.domain import PosSession
from services.pos.domain_errors import (
    LineExists,
    PaymentInProgress,
    ReasonRequired,
    SplitInvalid,
    TabExists,
    TabNotOpen,
    TabPaid,
)
from services.pos.domain_ids import share_id
from services.pos.domain_tab_events import SentPortion
from services.pos.domain_terms import LineKey
from services.pos.tests.scenes import (
    CASHIER,
    MANAGER,
    SERVICE,
    WAITER,
    balance,
    closed,
    done,
    left,
    opened,
    paid,
    with_tab,
)

EVENLY = SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t2"), SplitPart(tab_id="t3")))


def split(mode: Any, *parts: SplitPart) -> SplitTab:
    return SplitTab(tab_id="t1", mode=mode, parts=parts)


def balances(scene: Scenario) -> dict[str, int]:
    return {tab_id: tab["balance_minor"] for tab_id, tab in scene.view(MANAGER)["tabs"].items()}


def test_whole_lines_go_to_a_tab_of_their_own() -> None:
    scene = with_tab("beer", "water").when(split("lines", SplitPart(tab_id="t2", line_ids=("l2",))), by=WAITER)
    scene.then_includes(TabSplit, rounding_delta_minor=0, mode="lines")
    scene.then_includes(TabBalanceChanged, tab_id="t2", balance_minor=300)
    assert balances(scene) == {"t1": 550, "t2": 300}


def test_some_of_a_line_goes() -> None:
    scene = with_tab("beer")
    scene.when(AddLine(tab_id="t1", line_id="w", sku="water", qty_milli=3_000), by=WAITER)
    portion = LinePortion(line_id="w", qty_milli=1_000)
    scene.when(split("quantity", SplitPart(tab_id="t2", lines=(portion,))), by=WAITER)
    assert balances(scene) == {"t1": 1_150, "t2": 300}


def test_each_seat_goes() -> None:
    scene = with_tab("beer")
    for seat in (1, 2):
        scene.when(AddLine(tab_id="t1", line_id=f"s{seat}", sku="water", seat=seat), by=WAITER)
    scene.when(split("seats", SplitPart(tab_id="t2", seats=(1,)), SplitPart(tab_id="t3", seats=(2,))), by=WAITER)
    assert balances(scene) == {"t1": 550, "t2": 300, "t3": 300}


def test_even_parts_differ_by_a_cent_at_the_most() -> None:
    scene = with_tab("water", "water", "cake").when(EVENLY, by=WAITER)
    assert balances(scene) == {"t1": 334, "t2": 333, "t3": 333}


def test_each_part_is_a_receipt_with_its_own_tax_and_the_difference_is_told() -> None:
    scene = with_tab("soup").when(EVENLY, by=WAITER)
    # 7.33 and 10 % are 8.06; 2.45, 2.44 and 2.44 with their taxes are 2.70, 2.68 and 2.68.
    assert balances(scene) == {"t1": 270, "t2": 268, "t3": 268}
    scene.then_includes(TabSplit, rounding_delta_minor=0)


def test_a_part_of_an_amount_is_that_amount_to_some_cents() -> None:
    scene = with_tab("water", "water").when(split("amount", SplitPart(tab_id="t2", amount_minor=200)), by=WAITER)
    assert balances(scene) == {"t1": 400, "t2": 200}


@pytest.mark.parametrize(
    "command",
    [
        split("lines", SplitPart(tab_id="t2", line_ids=("l9",))),
        split("lines", SplitPart(tab_id="t2", line_ids=("l1", "l2"))),
        split("lines", SplitPart(tab_id="t2")),
        split("lines", SplitPart(tab_id="t2", line_ids=("l1",)), SplitPart(tab_id="t3", line_ids=("l1",))),
        split("lines", SplitPart(tab_id="t2", line_ids=("l1",)), SplitPart(tab_id="t2", line_ids=("l2",))),
        split("lines", SplitPart(tab_id="t1", line_ids=("l1",))),
        split("quantity", SplitPart(tab_id="t2", lines=(LinePortion(line_id="l1", qty_milli=1_001),))),
        split("amount", SplitPart(tab_id="t2", amount_minor=850)),
        split("amount", SplitPart(tab_id="t2")),
        split("seats", SplitPart(tab_id="t2", seats=(4,))),
    ],
)
def test_parts_that_do_not_make_up_the_tab_are_refused(command: SplitTab) -> None:
    with_tab("beer", "water").when(command, by=WAITER).then_rejected(SplitInvalid)


def test_what_is_paid_in_part_is_not_split() -> None:
    scene = with_tab("beer").when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=1, tender="card"), by=WAITER)
    scene.when(EVENLY, by=WAITER).then_rejected(PaymentInProgress)
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER)
    scene.when(EVENLY, by=WAITER).then_rejected(TabPaid)


def test_a_split_needs_new_ids_and_a_tab_that_is_open() -> None:
    scene = with_tab("beer", scene=with_tab("beer", tab_id="t2"))
    scene.when(EVENLY, by=WAITER).then_rejected(TabExists)
    closed("beer").when(EVENLY, by=WAITER).then_rejected(TabNotOpen, status="CLOSED")


def test_tabs_merge_with_their_lines_and_discounts() -> None:
    scene = with_tab("beer", tab_id="t2", scene=with_tab("water"))
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER)
    scene.then_includes(TabsMerged, from_="t1", into="t2", line_ids=("l1",), rounding_delta_minor=0)
    scene.then_includes(TabBalanceChanged, tab_id="t1", status="MERGED", balance_minor=0)
    assert balances(scene) == {"t2": 550 + 270}
    scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER).then_rejected(NotFound)


def test_tabs_do_not_merge_while_one_is_being_paid() -> None:
    scene = with_tab("beer", tab_id="t2", scene=with_tab("water"))
    scene.when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=1, tender="card"), by=WAITER)
    scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER).then_rejected(PaymentInProgress, tab_id="t1")
    scene.when(MergeTabs(from_="t2", into="t1"), by=WAITER).then_rejected(PaymentInProgress, tab_id="t1")
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER)
    scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER).then_rejected(TabPaid)


def test_a_tab_does_not_merge_into_itself_or_with_a_line_of_the_same_id() -> None:
    scene = with_tab("beer").when(MergeTabs(from_="t1", into="t1"), by=WAITER).then_rejected(SplitInvalid)
    with_tab(tab_id="t2", scene=scene).when(AddLine(tab_id="t2", line_id="l1", sku="beer"), by=WAITER)
    done(scene).when(MergeTabs(from_="t1", into="t2"), by=WAITER).then_rejected(LineExists, line_id="l1")


def test_lines_move_with_their_seat_and_what_the_kitchen_has() -> None:
    scene = with_tab("beer", tab_id="t2", scene=with_tab("water", "cake"))
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("l2",)), by=WAITER)
    scene.then_includes(LinesMoved, line_ids=("l2",), rounding_delta_minor=0)
    assert balances(scene) == {"t1": 270, "t2": 550 + 360}
    assert left(scene, "cake") == 9_000
    scene.when(MoveLines(from_tab_id="t1", to_tab_id="t2", line_ids=("l2",)), by=WAITER).then_rejected(NotFound)


def test_what_was_held_for_a_tab_goes_with_its_lines() -> None:
    scene = with_tab("beer", tab_id="t2", scene=with_tab("water"))
    scene.when(PlaceHold(hold_id="h", tab_id="t1", sku="cake", qty_milli=2_000), by=WAITER)
    scene.when(AddLine(tab_id="t1", line_id="c", sku="cake", qty_milli=2_000), by=WAITER)
    done(scene.when(MergeTabs(from_="t1", into="t2"), by=WAITER))
    assert left(scene, "cake") == 8_000
    assert scene.view(MANAGER)["holds"] == {}


def test_a_paid_tab_is_reopened_with_a_reason() -> None:
    scene = paid(with_tab("beer")).when(ReopenTab(tab_id="t1"), by=CASHIER).then_rejected(ReasonRequired)
    scene.when(ReopenTab(tab_id="t1", reason="one more beer"), by=CASHIER).then_includes(TabReopened, reverses=None)
    scene.when(ReopenTab(tab_id="t1", reason="one more beer"), by=CASHIER).then_nothing()
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER))
    assert balance(scene) == 550


def test_a_closed_tab_stays_closed() -> None:
    closed("beer").when(ReopenTab(tab_id="t1", reason="x"), by=CASHIER).then_rejected(TabNotOpen, status="CLOSED")


LINES = st.lists(
    st.tuples(st.sampled_from(["beer", "soup", "water", "book"]), st.integers(1, 9)), min_size=2, max_size=6
)


def net_prices(scene: Scenario) -> tuple[int, int]:
    """What all bills say that everything costs, and what is off, before taxes."""
    gross = discount = 0
    for tab_id in scene.view(MANAGER)["tabs"]:
        printed = scene.as_of(len(scene.log)).when(PrintBill(tab_id=tab_id), by=WAITER).events
        totals = next(event.totals for event in reversed(printed) if isinstance(event, BillPrinted))
        gross, discount = gross + totals.gross, discount + totals.discount
    return gross, discount


@settings(max_examples=80, deadline=None)
@for_all(
    lines=LINES,
    discounts=st.lists(st.sampled_from(["ten", "two-off", "secret"]), unique=True, max_size=3),
    parts=st.integers(1, 6),
    mode=st.sampled_from(["evenly", "amount", "lines"]),
    scope=st.sampled_from(["PER_LINE", "PER_RATE_BUCKET"]),
)
@example(
    lines=[("water", 1), ("book", 1), ("book", 1), ("book", 4)], discounts=[], parts=4, mode="evenly", scope="PER_LINE"
)
def test_splitting_and_merging_again_keep_totals_to_the_cent(
    lines: list[tuple[str, int]], discounts: list[str], parts: int, mode: Any, scope: Any
) -> None:
    scene = opened(tax_scope=scope, gratuity=Gratuity(guests=4, ppm=180_000))
    scene.when(OpenTab(tab_id="t1", guest_count=len(lines)), by=WAITER)
    for number, (sku, qty) in enumerate(lines):
        scene.when(AddLine(tab_id="t1", line_id=f"x{number}", sku=sku, qty_milli=qty * 1_000), by=WAITER)
    for discount in discounts:
        scene.when(ApplyDiscount(tab_id="t1", discount_id=discount, code="friend"), by=MANAGER)
    whole, prices = balance(scene), net_prices(scene)
    ids = [f"p{number}" for number in range(parts)]
    amount = max(1, whole // (parts + 2))
    wanted = {
        "evenly": [SplitPart(tab_id=each) for each in ids],
        "amount": [SplitPart(tab_id=each, amount_minor=amount) for each in ids],
        "lines": [SplitPart(tab_id="p0", line_ids=("x0",))],
    }[mode]
    scene.when(split(mode, *wanted), by=WAITER)
    if scene.refusal is not None:
        assert scene.refusal.code == "SPLIT_INVALID"
        return
    event = next(each for each in scene.events if isinstance(each, TabSplit))
    apart = balances(scene)
    assert sum(apart.values()) == whole + event.rounding_delta_minor
    assert net_prices(scene) == prices
    assert abs(event.rounding_delta_minor) <= len(apart) * max(1, len(lines))
    if mode == "evenly" and not discounts and {sku for sku, _ in lines} <= {"water", "book"}:
        of_service = int(len(lines) >= 4)
        assert max(apart.values()) - min(apart.values()) <= 1 + of_service
    delta = event.rounding_delta_minor
    for part in wanted:
        before = sum(balances(scene).values())
        done(scene.when(MergeTabs(from_=part.tab_id, into="t1"), by=WAITER))
        merged = [each for each in scene.events if isinstance(each, TabsMerged)][-1]
        assert sum(balances(scene).values()) == before + merged.rounding_delta_minor
        delta += merged.rounding_delta_minor
    assert balance(scene) == whole + delta
    assert net_prices(scene) == prices
    if scope == "PER_RATE_BUCKET":
        assert balance(scene) == whole


def test_a_share_of_less_than_a_thousandth_can_be_given_away() -> None:
    scene = with_tab("beer")
    done(scene.when(AddLine(tab_id="t1", line_id="many", sku="beer", qty_milli=9_000), by=WAITER))
    split = SplitTab(tab_id="t1", mode="amount", parts=(SplitPart(tab_id="t2", amount_minor=1),))
    done(scene.when(split, by=WAITER))
    lines = scene.view(MANAGER)["tabs"]["t2"]["lines"]
    assert lines["l1.t2"].get("qty_milli", 0) == 0
    done(scene.when(CompLine(line_id="l1.t2", reason_code="wrong"), by=WAITER))


def test_a_line_that_was_split_twice_is_voided_and_refunded_like_any_other() -> None:
    order, first, second, line = (str(UUID(int=number)) for number in range(1, 5))
    scene = opened()
    lines = (PostedLine(line_id=line, sku="soup", qty_milli=4_000),)
    done(scene.when(PostOrder(tab_id=order, floor="loc-1:floor-main", lines=lines), by=SERVICE))
    for whole, part in ((order, first), (first, second)):
        done(scene.when(SplitTab(tab_id=whole, mode="evenly", parts=(SplitPart(tab_id=part),)), by=WAITER))
    (share,) = scene.view(MANAGER)["tabs"][second]["lines"]
    assert share.startswith(f"{line}.")
    void = VoidLine(line_id=share, tab_id=second, qty_milli=1, reason_code="wrong")
    decoded = Judge(PosSession()).command("void_line", msgspec.json.encode(void))
    done(scene.when(decoded, by=MANAGER))
    scene.when(VoidTab(tab_id=second, reason_code="wrong"), by=MANAGER)
    scene.then_includes(TabVoided, sent=(SentPortion(line_id=share, qty_milli=999),))
    assert scene.replayed().state_json == scene.state_json


def test_the_share_of_a_share_of_a_share_still_tells_its_line_and_can_be_named() -> None:
    share = line_id = "l" * 100
    names = msgspec.json.Decoder(LineKey)
    shares = set[str]()
    for number in range(9):
        share = share_id(share, f"{number}{'t' * 99}")
        shares.add(names.decode(msgspec.json.encode(share)))
        assert share.startswith(f"{line_id}.")
    assert len(shares) == 9


def test_what_older_tills_recorded_of_shares_with_long_ids_is_loaded() -> None:
    voided = TabVoided(tab_id="t1", value_minor=0, sent=(SentPortion(line_id="x" * 300, qty_milli=1),))
    scene = given(PosSession(), TabOpened(tab_id="t1", opened_by="wim"), voided)
    assert scene.replayed().events[-1] == voided
