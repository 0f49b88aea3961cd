"""A day's report is what happened since the one before, counted by hand."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Event
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CloseDay,
    CloseTab,
    CompLine,
    DayClosed,
    LineVoided,
    OpenDay,
    OpenTab,
    PoolTips,
    RecordPaymentResult,
    Refund,
    Refunded,
    TabClosed,
    TabReopened,
    TabVoided,
    TipShare,
    TipsPooled,
    VoidTab,
)
from services.pos.domain_terms import DayTotals, Flow, Gratuity
from services.pos.tests.scenes import CASHIER, MANAGER, WAITER, with_tab
from services.pos.tests.test_properties import DELAYS, FACTS, ONLINE, Step


def a_sale(number: int, sku: str, tender: Any, more: str) -> list[Step]:
    tab_id, line_id, payment_id = f"z{number}", f"zl{number}", f"zp{number}"
    steps: list[Step] = [
        (OpenTab(tab_id=tab_id, guest_count=number % 3 + 1), WAITER),
        (AddLine(tab_id=tab_id, line_id=line_id, sku=sku), WAITER),
    ]
    if more == "discount":
        steps.append((ApplyDiscount(tab_id=tab_id, discount_id="ten"), MANAGER))
    if more == "comp":
        steps.append((CompLine(line_id=line_id, reason_code="spilled"), MANAGER))
    amount = {"beer": 550, "soup": 806, "book": 999}[sku]
    if more == "discount":
        amount -= {"beer": 55, "soup": 80, "book": 100}[sku]
    if more == "comp":
        amount = 0
    if number % 3 == 2 and more != "comp":
        amount += {"": {"beer": 90, "soup": 132, "book": 180}, "discount": {"beer": 81, "soup": 119, "book": 162}}.get(
            more, {"beer": 90, "soup": 132, "book": 180}
        )[sku]
    cash = tender == "cash"
    pay = BeginPayment(
        tab_id=tab_id, payment_id=payment_id, amount_minor=amount + 5 * cash, tender=tender, tip_minor=0 if cash else 7
    )
    steps += [
        (pay, CASHIER),
        (RecordPaymentResult(payment_id=payment_id, outcome="captured"), CASHIER),
        (CloseTab(tab_id=tab_id), CASHIER),
    ]
    if more == "refund":
        steps.append((Refund(tab_id=tab_id, amount_minor=33, tender=tender, reason_code="wrong"), CASHIER))
    return steps


SALES = st.tuples(
    st.sampled_from(["beer", "soup", "book"]),
    st.sampled_from(["cash", "card", "gift"]),
    st.sampled_from(["", "discount", "comp", "refund"]),
)
DAYS: st.SearchStrategy[Step] = st.sampled_from(
    [
        (PoolTips(pool_id="p1", shares=(TipShare(user="wim", weight=3), TipShare(user="cleo", weight=4))), MANAGER),
        (CloseDay(carry_over=True), MANAGER),
        (OpenDay(business_date=date(2026, 6, 1)), MANAGER),
    ]
)


def counted(events: Sequence[Event]) -> DayTotals:
    """A day's report, counted by hand from its events."""
    closed = [event for event in events if isinstance(event, TabClosed)]
    reversed_ = [event for event in events if isinstance(event, TabReopened) and event.reverses is not None]
    refunds = [event for event in events if isinstance(event, Refunded)]
    voids = [event.value_minor for event in events if isinstance(event, LineVoided)]
    voids += [event.value_minor for event in events if isinstance(event, TabVoided) and event.value_minor]
    tax: dict[str, int] = {}
    for event in (*closed, *reversed_):
        for each in event.totals.tax:
            tax[each.tax_id] = tax.get(each.tax_id, 0) + (each.minor if isinstance(event, TabClosed) else -each.minor)

    def net(field: str) -> int:
        return sum(getattr(each.totals, field) for each in closed) - sum(getattr(e.totals, field) for e in reversed_)

    paid, refunded = Flow(), Flow()
    for event in closed:
        paid = paid.merged(event.paid)
    for event in reversed_:
        paid = paid.merged(event.paid, -1)
    for event in refunds:
        refunded = refunded.plus(event.tender, event.amount_minor + event.rounding_minor)
    return DayTotals(
        receipts=len(closed),
        reversed=len(reversed_),
        gross_minor=net("gross"),
        discount_minor=net("discount"),
        comp_minor=net("comp"),
        tax=tax,
        gratuity_minor=net("gratuity"),
        due_minor=net("due"),
        rounding_minor=net("rounding"),
        tip_minor=net("tip"),
        pooled_minor=sum(event.minor for event in events if isinstance(event, TipsPooled)),
        paid=paid,
        refunds=len(refunds),
        refunded=refunded,
        voids=len(voids),
        void_minor=sum(voids),
        first_receipt=closed[0].receipt_no if closed else None,
        last_receipt=closed[-1].receipt_no if closed else None,
    )


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, SALES | ONLINE | FACTS | DAYS), min_size=1, max_size=20))
def test_every_z_report_is_the_sum_of_what_happened_since_the_one_before(turns: list[tuple[timedelta, Any]]) -> None:
    scene = with_tab(gratuity=Gratuity(guests=3, ppm=180_000))
    for number, (delay, turn) in enumerate(turns):
        scene.after(delay)
        for command, actor in a_sale(number, *turn) if isinstance(turn[0], str) else [turn]:
            scene.when(command, by=actor)
    scene.when(VoidTab(tab_id="t1", reason_code="wrong"), by=MANAGER)
    scene.after(timedelta(hours=1)).when(CloseDay(carry_over=True), by=MANAGER)
    since: list[Event] = []
    numbers: list[int] = []
    for event in scene.events:
        if isinstance(event, DayClosed):
            assert event.totals == counted(since)
            assert event.totals.paid.total == event.totals.due_minor + event.totals.rounding_minor + overpaid(since)
            since = []
        since.append(event)
        if isinstance(event, TabClosed):
            numbers.append(event.number)
    assert numbers == list(range(1, len(numbers) + 1))


def overpaid(events: Sequence[Event]) -> int:
    """What offline sales took beyond their price, which is flagged."""
    return sum(
        sign * (event.totals.paid - event.totals.due - event.totals.rounding)
        for event in events
        for kind, sign in ((TabClosed, 1), (TabReopened, -1))
        if isinstance(event, kind)
    )
