"""What large parties pay for service."""

from typing import Any

from holdfast import StateConflict
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    BillPrinted,
    CloseDay,
    CloseTab,
    CompLine,
    Configure,
    DayClosed,
    GrantApproval,
    Gratuity,
    GratuityWaived,
    LinePortion,
    MergeTabs,
    OpenTab,
    PostedLine,
    PostOrder,
    PrintBill,
    RecordPaymentResult,
    SplitPart,
    SplitTab,
    TabClosed,
    TabOpened,
    WaiveGratuity,
)
from services.pos.domain_errors import ApprovalRequired, ReasonRequired, ReasonUnknown, TabNotOpen, TabPaid
from services.pos.tests.scenes import (
    ADMIN,
    CASHIER,
    MANAGER,
    SERVICE,
    SETTINGS,
    WAITER,
    balance,
    done,
    opened,
    paid,
    with_tab,
)

TERMS = Gratuity(guests=6, ppm=180_000)
WAIVE = WaiveGratuity(tab_id="t1", reason_code="spilled")


def party(*skus: str, guests: int = 6, **changes: Any) -> Scenario:
    scene = opened(gratuity=TERMS, **changes).when(OpenTab(tab_id="t1", guest_count=guests), by=WAITER)
    for number, sku in enumerate(skus, start=1):
        done(scene.when(AddLine(tab_id="t1", line_id=f"l{number}", sku=sku), by=WAITER))
    return scene


def printed(scene: Scenario) -> Any:
    scene.when(PrintBill(tab_id="t1"), by=WAITER)
    return next(event.totals for event in scene.events if isinstance(event, BillPrinted))


def test_from_so_many_guests_on_service_is_charged_untaxed_on_what_is_paid_before_taxes() -> None:
    scene = party("beer")
    assert balance(scene) == 500 + 50 + 90
    totals = printed(scene)
    assert (totals.gross, totals.gratuity, totals.due, totals.tip) == (500, 90, 640, 0)
    assert [tax.minor for tax in totals.tax] == [50]


def test_one_guest_less_pays_for_no_service() -> None:
    assert balance(party("beer", guests=5)) == 550
    assert balance(with_tab("beer", gratuity=TERMS)) == 550


def test_the_rate_is_pinned_when_the_tab_is_opened() -> None:
    scene = party("beer")
    changed = Configure(settings=SETTINGS, expected_version=1)
    done(scene.when(changed, by=ADMIN)).when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER)
    assert balance(done(scene)) == 2 * 640


def test_discounts_and_what_is_given_away_lessen_it() -> None:
    scene = party("beer", "beer").when(CompLine(line_id="l2", reason_code="spilled"), by=WAITER)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER)
    assert printed(done(scene)).gratuity == 81


def test_parts_of_a_split_and_tabs_that_merge_keep_it() -> None:
    scene = party("beer", "water")
    whole = balance(scene)
    portion = LinePortion(line_id="l2", qty_milli=1_000)
    done(
        scene.when(SplitTab(tab_id="t1", mode="quantity", parts=(SplitPart(tab_id="t2", lines=(portion,)),)), by=WAITER)
    )
    assert (balance(scene), balance(scene, "t2")) == (640, 354)
    scene.when(AddLine(tab_id="t2", line_id="more", sku="water"), by=WAITER)
    assert balance(done(scene), "t2") == 708
    with_tab("water", tab_id="t3", scene=scene).when(MergeTabs(from_="t1", into="t3"), by=WAITER)
    assert balance(done(scene), "t3") == 300 + 640
    assert whole == 994


def test_a_party_on_the_floor_is_charged_alike() -> None:
    order = PostOrder(
        tab_id="f1", floor="main", guest_count=6, lines=(PostedLine(line_id="o", sku="beer", qty_milli=1_000),)
    )
    scene = opened(gratuity=TERMS).when(order, by=SERVICE).then_includes(TabOpened, gratuity_ppm=180_000)
    assert balance(scene, "f1") == 640


def test_it_is_waived_for_a_reason_and_nothing_happens_twice() -> None:
    scene = party("beer").when(WaiveGratuity(tab_id="t1"), by=WAITER).then_rejected(ReasonRequired)
    scene.when(WaiveGratuity(tab_id="t1", reason_code="mood"), by=WAITER).then_rejected(ReasonUnknown)
    scene.when(WAIVE, by=WAITER).then_includes(GratuityWaived, value_minor=90, approved_by=None)
    assert balance(scene) == 550
    scene.when(WAIVE, by=WAITER).then_nothing()
    scene.when(AddLine(tab_id="t1", line_id="x", sku="water"), by=WAITER)
    assert balance(done(scene)) == 850


def test_to_waive_much_needs_an_approval() -> None:
    scene = party("book", "book", "book").when(WAIVE, by=WAITER).then_rejected(ApprovalRequired, value_minor=539)
    scene.when(GrantApproval(approval_id="a", action="gratuity", tab_id="t1", limit_minor=600), by=MANAGER)
    approved = WaiveGratuity(tab_id="t1", reason_code="spilled", approver="a")
    scene.when(approved, by=WAITER).then_includes(GratuityWaived, approved_by="max")


def test_what_is_paid_is_not_waived() -> None:
    scene = party("beer").when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=600, tender="card"), by=CASHIER)
    scene.when(WAIVE, by=WAITER).then_rejected(TabNotOpen, status="PAYING")
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER)
    scene.when(WAIVE, by=WAITER).then_rejected(TabPaid, paid_minor=600)


def test_a_report_tells_what_was_charged_for_service() -> None:
    scene = done(paid(party("beer")).when(CloseTab(tab_id="t1"), by=CASHIER)).when(CloseDay(), by=MANAGER)
    receipt = next(event.totals for event in scene.events if isinstance(event, TabClosed))
    report = next(event.totals for event in scene.events if isinstance(event, DayClosed))
    assert (receipt.gratuity, receipt.due, receipt.paid) == (90, 640, 640)
    assert (report.gratuity_minor, report.due_minor, report.paid.card) == (90, 640, 640)


def test_it_is_not_waived_before_anything_is_ordered() -> None:
    party().when(WAIVE, by=WAITER).then_rejected(StateConflict)


def test_what_is_ordered_after_it_was_waived_counts_towards_the_limit() -> None:
    scene = done(party("beer").when(WAIVE, by=WAITER))
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer", qty_milli=50_000), by=WAITER))
    pay = BeginPayment(tab_id="t1", payment_id="p", amount_minor=600, tender="card")
    scene.when(pay, by=CASHIER).then_rejected(ApprovalRequired, action="gratuity", value_minor=4_590)
    assert scene.refusal is not None
    assert scene.refusal.message == (
        "the gratuity that was given is worth 4590 by now: "
        "let a manager take the payment (begin_payment), or close the tab (close_tab) when nothing is due"
    )
    done(scene.when(pay, by=MANAGER))
