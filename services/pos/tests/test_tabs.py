"""Tabs and their lines."""

import pytest
from msgspec.structs import replace

from holdfast import NotFound, StateConflict, VersionConflict
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    BillPrinted,
    CompLine,
    GrantApproval,
    Item,
    LineAdded,
    LineComped,
    LineQtyChanged,
    LineRemoved,
    LinesRung,
    LinesSent,
    LineVoided,
    Modifier,
    OfflineLine,
    OpenTab,
    PrintBill,
    RemoveLine,
    SendToKitchen,
    SetEightySix,
    SetItem,
    SetLineQty,
    SubmitOffline,
    TabBalanceChanged,
    TabOpened,
    TabTransferred,
    TabVoided,
    TransferTab,
    VoidLine,
    VoidTab,
)
from services.pos.domain_errors import (
    ApprovalRequired,
    DayClosed,
    InsufficientStock,
    LineExists,
    LineSent,
    NothingToSend,
    PriceOverrideForbidden,
    QtyInvalid,
    ReasonRequired,
    ReasonUnknown,
    TabExists,
    TabNotOpen,
    TabPaid,
    UnknownSku,
)
from services.pos.tests.scenes import (
    CASHIER,
    MANAGER,
    MINUTE,
    NOON,
    WAITER,
    balance,
    closed,
    done,
    left,
    location,
    opened,
    paid,
    with_tab,
)


def test_a_tab_opens_under_the_terminals_id_and_says_how_it_stands() -> None:
    opened().when(OpenTab(tab_id="t1", name="Ann", guest_count=2, table_ref="12"), by=WAITER).then(
        TabOpened(tab_id="t1", opened_by="wim", name="Ann", guest_count=2, table_ref="12"),
        TabBalanceChanged(
            tab_id="t1", status="OPEN", total_minor=0, balance_minor=0, paid_minor=0, currency="USD", table_ref="12"
        ),
    )


def test_a_tab_id_is_used_once() -> None:
    with_tab("beer").when(OpenTab(tab_id="t1"), by=WAITER).then_rejected(TabExists)
    closed("beer").when(OpenTab(tab_id="t1"), by=WAITER).then_rejected(TabExists)


def test_opening_the_same_empty_tab_again_changes_nothing() -> None:
    with_tab().when(OpenTab(tab_id="t1"), by=WAITER).then_nothing()


def test_without_a_business_day_no_tab_opens() -> None:
    location().when(OpenTab(tab_id="t1"), by=WAITER).then_rejected(DayClosed)


def test_a_line_carries_price_version_and_taxes_of_its_moment() -> None:
    scene = with_tab().when(AddLine(tab_id="t1", line_id="l1", sku="soup", qty_milli=2_000, seat=3), by=WAITER)
    scene.then_includes(LineAdded, unit_price_minor=733, price_version=1, tax_ids=("vat",), seat=3, qty_milli=2_000)
    assert balance(scene) == 1_466 + 147


def test_takeaway_has_its_own_taxes() -> None:
    scene = opened().when(OpenTab(tab_id="t1", order_type="takeaway"), by=WAITER)
    scene.when(AddLine(tab_id="t1", line_id="l1", sku="soup"), by=WAITER).then_includes(LineAdded, tax_ids=("low",))


def test_two_terminals_add_lines_without_losing_one() -> None:
    scene = with_tab("beer")
    scene.when(AddLine(tab_id="t1", line_id="a", sku="beer"), by=WAITER)
    scene.when(AddLine(tab_id="t1", line_id="b", sku="soup"), by=CASHIER)
    assert set(scene.view(WAITER)["tabs"]["t1"]["lines"]) == {"l1", "a", "b"}


def test_the_same_line_again_changes_nothing_and_another_under_its_id_is_refused() -> None:
    scene = with_tab("beer").when(AddLine(tab_id="t1", line_id="l1", sku="beer"), by=WAITER).then_nothing()
    scene.when(AddLine(tab_id="t1", line_id="l1", sku="soup"), by=WAITER).then_rejected(LineExists)


def test_a_closed_tab_takes_no_line() -> None:
    closed("beer").when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER).then_rejected(
        TabNotOpen, status="CLOSED"
    )
    paid(with_tab("beer")).when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER).then_rejected(
        TabNotOpen, status="PAID"
    )


def test_an_unknown_tab_is_not_found() -> None:
    opened().when(AddLine(tab_id="t9", line_id="x", sku="beer"), by=WAITER).then_rejected(NotFound)


def test_an_unknown_item_is_refused() -> None:
    with_tab().when(AddLine(tab_id="t1", line_id="x", sku="caviar"), by=WAITER).then_rejected(UnknownSku)


@pytest.mark.parametrize("qty", [0, -1_000, 1_500])
def test_pieces_are_sold_whole(qty: int) -> None:
    with_tab().when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=qty), by=WAITER).then_rejected(QtyInvalid)


def test_weighed_goods_are_sold_in_fractions() -> None:
    scene = with_tab().when(AddLine(tab_id="t1", line_id="x", sku="cheese", qty_milli=250), by=WAITER)
    scene.then_rejected(InsufficientStock, available=0)


def test_another_price_is_a_managers_to_give() -> None:
    cheap = AddLine(tab_id="t1", line_id="x", sku="beer", unit_price_minor=1)
    with_tab().when(cheap, by=WAITER).then_rejected(PriceOverrideForbidden)
    with_tab().when(cheap, by=MANAGER).then_includes(LineAdded, unit_price_minor=1)


def test_a_wish_that_makes_an_item_cheaper_is_a_managers_to_give() -> None:
    cheap = AddLine(tab_id="t1", line_id="x", sku="beer", modifiers=(Modifier(id="small", price_minor=-100),))
    with_tab().when(cheap, by=WAITER).then_rejected(PriceOverrideForbidden)
    assert balance(done(with_tab().when(cheap, by=MANAGER))) == 440


def test_a_price_is_a_whole_number_in_the_locations_currency() -> None:
    scene = with_tab()
    scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", unit_price_minor=4.5), by=MANAGER)
    scene.then_rejected(AmountInvalid, field="unit_price_minor")
    scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", currency="EUR"), by=WAITER)
    scene.then_rejected(CurrencyMismatch, currency="USD")


def test_what_is_sold_out_by_word_of_mouth_is_not_sold() -> None:
    scene = with_tab().when(SetEightySix(sku="beer"), by=WAITER)
    scene.when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER).then_rejected(InsufficientStock, available=0)


def test_a_quantity_changes_with_the_version_that_was_seen() -> None:
    scene = with_tab("cake").when(SetLineQty(line_id="l1", qty_milli=3_000, expected_version=1), by=WAITER)
    scene.then_includes(LineQtyChanged, from_=1_000, to=3_000, version=2)
    assert (balance(scene), left(scene, "cake")) == (1_200, 7_000)
    scene.when(SetLineQty(line_id="l1", qty_milli=1_000, expected_version=1), by=CASHIER)
    scene.then_rejected(VersionConflict, version=2)
    scene.when(SetLineQty(line_id="l1", qty_milli=3_000, expected_version=2), by=CASHIER).then_nothing()
    scene.when(SetLineQty(line_id="l1", qty_milli=1_000, expected_version=2), by=CASHIER)
    assert left(done(scene), "cake") == 9_000
    scene.when(SetLineQty(line_id="l1", qty_milli=11_000, expected_version=3), by=CASHIER)
    scene.then_rejected(InsufficientStock, available=9_000)


def test_below_what_the_kitchen_has_a_quantity_is_voided_not_set() -> None:
    scene = with_tab("beer").when(SendToKitchen(tab_id="t1"), by=WAITER)
    scene.when(SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1), by=WAITER)
    scene.when(SetLineQty(line_id="l1", qty_milli=500, expected_version=2), by=WAITER).then_rejected(QtyInvalid)
    scene = with_tab("beer").when(SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1), by=WAITER)
    scene.when(SendToKitchen(tab_id="t1"), by=WAITER)
    scene.when(SetLineQty(line_id="l1", qty_milli=1_000, expected_version=2), by=WAITER).then_rejected(LineSent)


def test_an_unsent_line_is_removed_and_a_sent_one_is_not() -> None:
    scene = with_tab("cake", "beer").when(RemoveLine(line_id="l1"), by=WAITER)
    scene.then_includes(LineRemoved, line_id="l1", tab_id="t1")
    assert left(scene, "cake") == 10_000
    scene.when(RemoveLine(line_id="l1"), by=WAITER).then_rejected(NotFound)
    scene.when(SendToKitchen(tab_id="t1"), by=WAITER).when(RemoveLine(line_id="l2"), by=WAITER).then_rejected(LineSent)


def sent(*skus: str) -> Scenario:
    return done(with_tab(*skus).when(SendToKitchen(tab_id="t1"), by=WAITER))


def test_a_sent_line_is_voided_with_a_reason_from_the_list() -> None:
    scene = sent("beer", "soup").when(VoidLine(line_id="l1"), by=WAITER).then_rejected(ReasonRequired)
    scene.when(VoidLine(line_id="l1", reason_code="bored"), by=WAITER).then_rejected(
        ReasonUnknown, reasons=["spilled", "wrong", "guest_left"]
    )
    scene.when(VoidLine(line_id="l1", reason_code="spilled"), by=WAITER)
    scene.then_includes(LineVoided, value_minor=500, qty_milli=1_000, reason_code="spilled")
    assert scene.view(MANAGER)["office"]["day_totals"]["void_minor"] == 500
    scene.when(VoidLine(line_id="l1", reason_code="spilled"), by=WAITER).then_rejected(NotFound)


def test_a_void_takes_no_more_than_there_is() -> None:
    sent("beer").when(VoidLine(line_id="l1", qty_milli=2_000, reason_code="wrong"), by=WAITER).then_rejected(QtyInvalid)


def test_a_void_above_the_limit_needs_a_second_actor() -> None:
    scene = sent("soup").when(VoidLine(line_id="l1", reason_code="wrong"), by=WAITER)
    scene.then_rejected(ApprovalRequired, value_minor=733, action="void")
    scene.when(GrantApproval(approval_id="a1", action="void", tab_id="t1", limit_minor=800), by=MANAGER)
    scene.when(VoidLine(line_id="l1", reason_code="wrong", approver="a1"), by=WAITER)
    scene.then_includes(LineVoided, approved_by="max", value_minor=733)


def test_a_manager_needs_nobody() -> None:
    sent("soup").when(VoidLine(line_id="l1", reason_code="wrong"), by=MANAGER).then_includes(
        LineVoided, approved_by=None
    )


def test_what_was_cooked_and_voided_is_gone_unless_it_goes_back_on_the_shelf() -> None:
    assert left(done(sent("cake").when(VoidLine(line_id="l1", reason_code="wrong"), by=WAITER)), "cake") == 9_000
    again = sent("cake").when(VoidLine(line_id="l1", reason_code="wrong", restock=True), by=WAITER)
    assert left(done(again), "cake") == 10_000


def test_a_line_is_given_away_and_stays_on_the_tab() -> None:
    scene = with_tab("beer", "water").when(CompLine(line_id="l1"), by=WAITER).then_rejected(ReasonRequired)
    scene.when(CompLine(line_id="l1", reason_code="spilled"), by=WAITER).then_includes(LineComped, value_minor=500)
    assert balance(scene) == 300
    scene.when(CompLine(line_id="l1", reason_code="spilled"), by=WAITER).then_nothing()


def test_the_kitchen_gets_what_it_does_not_have() -> None:
    scene = with_tab("beer").when(SendToKitchen(tab_id="t1"), by=WAITER)
    assert [event.deltas[0].qty_milli for event in scene.events if isinstance(event, LinesSent)] == [1_000]
    scene.when(SetLineQty(line_id="l1", qty_milli=3_000, expected_version=1), by=WAITER)
    scene.when(SendToKitchen(tab_id="t1"), by=WAITER)
    assert [event.deltas[0].qty_milli for event in scene.events if isinstance(event, LinesSent)] == [1_000, 2_000]
    scene.when(SendToKitchen(tab_id="t1"), by=WAITER).then_rejected(NothingToSend)
    scene.when(SendToKitchen(tab_id="t1", line_ids=("nine",)), by=WAITER).then_rejected(NotFound)


def test_a_bill_tells_what_the_guest_will_pay() -> None:
    scene = with_tab("beer").when(PrintBill(tab_id="t1"), by=WAITER)
    printed = next(event for event in scene.events if isinstance(event, BillPrinted))
    assert (printed.totals.gross, printed.totals.due) == (500, 550)
    scene.then_includes(TabBalanceChanged, bill_printed=True)


def test_an_open_tab_is_given_up_and_frees_what_it_had() -> None:
    scene = with_tab("cake").when(VoidTab(tab_id="t1"), by=WAITER)
    scene.then_types(TabVoided, TabBalanceChanged)
    scene.then_includes(TabBalanceChanged, status="VOIDED", balance_minor=0)
    assert left(scene, "cake") == 10_000
    scene.when(VoidTab(tab_id="t1"), by=WAITER).then_rejected(NotFound)


def test_giving_up_what_was_sent_needs_what_voiding_it_does() -> None:
    scene = sent("soup").when(VoidTab(tab_id="t1"), by=WAITER).then_rejected(ReasonRequired)
    scene.when(VoidTab(tab_id="t1", reason_code="guest_left"), by=WAITER).then_rejected(ApprovalRequired)
    scene.when(VoidTab(tab_id="t1", reason_code="guest_left"), by=MANAGER).then_includes(TabVoided, value_minor=733)


def test_a_paid_tab_is_not_given_up() -> None:
    paid(with_tab("beer")).when(VoidTab(tab_id="t1"), by=MANAGER).then_rejected(TabPaid)


def test_a_tab_goes_to_another_waiter_or_table() -> None:
    scene = with_tab("beer").when(TransferTab(tab_id="t1", owner="wanda", table_ref="7"), by=WAITER)
    scene.then_includes(TabTransferred, owner="wanda", table_ref="7")
    scene.then_includes(TabBalanceChanged, table_ref="7")
    scene.when(TransferTab(tab_id="t1", owner="wanda"), by=WAITER).then_nothing()


def test_an_approval_is_for_one_act_of_someone_else_within_its_time() -> None:
    grant = GrantApproval(approval_id="a1", action="void", tab_id="t1", limit_minor=800)
    void = VoidLine(line_id="l1", reason_code="wrong", approver="a1")
    scene = sent("soup").when(grant, by=MANAGER).when(grant, by=MANAGER).then_nothing()
    scene.when(void, by=WAITER, at=NOON + 5 * MINUTE).then_rejected(ApprovalRequired)
    scene = sent("soup", "soup").when(grant, by=MANAGER)
    done(scene.when(void, by=WAITER)).when(VoidLine(line_id="l2", reason_code="wrong", approver="a1"), by=WAITER)
    scene.then_rejected(ApprovalRequired)
    small = GrantApproval(approval_id="a2", action="void", tab_id="t1", limit_minor=700)
    scene.when(small, by=MANAGER).when(VoidLine(line_id="l2", reason_code="wrong", approver="a2"), by=WAITER)
    scene.then_rejected(ApprovalRequired)


def test_of_a_line_that_is_given_away_there_will_be_no_more() -> None:
    scene = done(with_tab("beer").when(CompLine(line_id="l1", reason_code="spilled"), by=WAITER))
    more = SetLineQty(line_id="l1", qty_milli=20_000, expected_version=2)
    scene.when(more, by=WAITER).then_rejected(StateConflict)


def test_only_whole_pieces_are_voided() -> None:
    scene = done(with_tab("beer").when(SendToKitchen(tab_id="t1"), by=WAITER))
    part = VoidLine(line_id="l1", qty_milli=200, reason_code="wrong")
    scene.when(part, by=WAITER).then_rejected(QtyInvalid, qty_milli=200)


def test_what_was_voided_of_a_line_before_counts_towards_the_limit() -> None:
    scene = with_tab()
    done(scene.when(AddLine(tab_id="t1", line_id="l1", sku="beer", qty_milli=3_000), by=WAITER))
    done(scene.when(SendToKitchen(tab_id="t1"), by=WAITER))
    one = VoidLine(line_id="l1", qty_milli=1_000, reason_code="wrong")
    done(scene.when(one, by=WAITER))
    scene.when(one, by=WAITER).then_rejected(ApprovalRequired, value_minor=1_000)


STRANGE = OfflineLine(line_id="x", sku="caviar", qty_milli=3_000, unit_price_minor=900)


def rung(line: OfflineLine) -> Scenario:
    """A tab with a line of a terminal that was without a connection."""
    rung = LinesRung(tab_id="t1", lines=(line,), occurred_at=NOON)
    return done(with_tab().when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(rung,)), by=WAITER))


def test_some_of_what_the_catalogue_does_not_know_is_voided_as_the_line_says() -> None:
    scene = rung(STRANGE)
    scene.when(VoidLine(line_id="x", qty_milli=500, reason_code="wrong"), by=WAITER).then_rejected(QtyInvalid)
    done(scene.when(VoidLine(line_id="x", qty_milli=1_000, reason_code="wrong"), by=WAITER))
    scene.then_includes(LineVoided, qty_milli=1_000, value_minor=900)
    done(scene.when(SetLineQty(line_id="x", qty_milli=1_000, expected_version=2), by=WAITER))
    assert balance(scene) == 900


def test_of_a_weighed_line_that_the_catalogue_does_not_know_a_fraction_is_voided() -> None:
    scene = rung(replace(STRANGE, qty_milli=1_500))
    done(scene.when(VoidLine(line_id="x", qty_milli=250, reason_code="wrong"), by=WAITER))
    assert balance(scene) == 1_125


def test_there_is_no_more_of_what_is_sold_out_on_a_line_that_is_there() -> None:
    scene = with_tab("water").when(SetEightySix(sku="water"), by=WAITER)
    more = SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1)
    scene.when(more, by=WAITER).then_rejected(InsufficientStock, available=0)


def test_more_of_a_line_at_a_price_of_before_is_a_managers_to_give() -> None:
    scene = with_tab("water").when(SetItem(sku="water", item=Item(price_minor=350, price_version=2)), by=MANAGER)
    more = SetLineQty(line_id="l1", qty_milli=2_000, expected_version=1)
    done(scene).when(more, by=WAITER).then_rejected(PriceOverrideForbidden)
    done(scene.when(more, by=MANAGER))
    done(scene.when(SetLineQty(line_id="l1", qty_milli=1_000, expected_version=2), by=WAITER))
