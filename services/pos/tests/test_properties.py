"""What holds for every history: stock, deadlines, replay, size."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor, Command, Event
from holdfast.testing import Scenario, find_deadlines_alike
from services.pos.contract import (
    AddLine,
    AdjustStock,
    BeginPayment,
    CardSale,
    CashSale,
    CloseTab,
    ExtendHold,
    GrantApproval,
    MergeTabs,
    OfflineLine,
    OpenDay,
    OpenTab,
    OversellRecorded,
    PlaceHold,
    PostCancel,
    PostedLine,
    PostMerge,
    PostMove,
    PostOrder,
    RecordPaymentResult,
    ReleaseHold,
    RemoveLine,
    SendToKitchen,
    SetLineQty,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TabClosed,
    VoidLine,
    VoidTab,
)
from services.pos.domain_session import Session
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, done, left, opened, two_tills, with_tab

TABS = st.sampled_from(["t1", "t2"])
LINES = st.sampled_from(["a", "b", "c"])
HOLDS = st.sampled_from(["h1", "h2"])
PAYMENTS = st.sampled_from(["p1", "p2", "p3"])
QTY = st.sampled_from([1_000, 2_000, 5_000])
DELAYS = st.sampled_from(
    [timedelta(0), timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=10), timedelta(days=1)]
)
OUTCOMES = st.sampled_from(["captured", "failed", "cancelled"])
Step = tuple[Command, Actor]


def by(actor: Actor, kind: type[Command], **fields: Any) -> st.SearchStrategy[Step]:
    return st.tuples(st.builds(kind, **fields), st.just(actor))


ONLINE: st.SearchStrategy[Step] = st.one_of(
    by(WAITER, OpenTab, tab_id=TABS),
    by(WAITER, AddLine, tab_id=TABS, line_id=LINES, sku=st.sampled_from(["cake", "water"]), qty_milli=QTY),
    by(WAITER, SetLineQty, line_id=LINES, qty_milli=QTY, expected_version=st.integers(1, 3)),
    by(WAITER, RemoveLine, line_id=LINES),
    by(MANAGER, VoidLine, line_id=LINES, qty_milli=QTY, reason_code=st.just("wrong"), restock=st.booleans()),
    by(WAITER, PlaceHold, hold_id=HOLDS, tab_id=TABS, sku=st.just("cake"), qty_milli=QTY, ttl_s=st.just(60)),
    by(WAITER, ExtendHold, hold_id=HOLDS),
    by(WAITER, ReleaseHold, hold_id=HOLDS),
    by(WAITER, SendToKitchen, tab_id=TABS),
    by(WAITER, BeginPayment, tab_id=TABS, payment_id=PAYMENTS, amount_minor=QTY, tender=st.just("cash")),
    by(WAITER, BeginPayment, tab_id=TABS, payment_id=PAYMENTS, amount_minor=st.just(400), tender=st.just("card")),
    by(SERVICE, RecordPaymentResult, payment_id=PAYMENTS, outcome=OUTCOMES),
    by(CASHIER, CloseTab, tab_id=TABS),
    by(MANAGER, VoidTab, tab_id=TABS, reason_code=st.just("wrong")),
    by(WAITER, MergeTabs, from_=TABS, into=TABS),
    by(WAITER, SplitTab, tab_id=TABS, mode=st.just("evenly"), parts=st.just((SplitPart(tab_id="t2"),))),
    by(
        MANAGER, AdjustStock, sku=st.just("cake"), delta_milli=st.sampled_from([-3_000, 1_000]), reason=st.just("count")
    ),
    by(
        MANAGER,
        GrantApproval,
        approval_id=HOLDS,
        action=st.just("void"),
        tab_id=TABS,
        limit_minor=st.just(500),
    ),
)
CAKE = OfflineLine(line_id="o", sku="cake", qty_milli=2_000, unit_price_minor=400)
IN_PARTS = tuple(
    CardSale(tab_id="t1", payment_id=payment_id, lines=(CAKE,), paid_minor=paid, occurred_at=NOON)
    for payment_id, paid in (("c1", 300), ("c2", 500))
)
"""A check that two cards paid, and perhaps had more on it than they paid."""
FACTS: st.SearchStrategy[Step] = st.one_of(
    by(
        CASHIER,
        SubmitOffline,
        terminal_id=st.just("till-1"),
        terminal_seq=st.integers(1, 4),
        facts=st.sampled_from(
            [
                (CashSale(tab_id="t1", payment_id="off", lines=(CAKE,), paid_minor=800, occurred_at=NOON),),
                (CardSale(tab_id="t9", payment_id="card", lines=(CAKE,), paid_minor=800, occurred_at=NOON),),
            ]
        ),
    ),
    by(
        CASHIER,
        SubmitOffline,
        terminal_id=st.just("till-2"),
        terminal_seq=st.just(1),
        facts=st.permutations(IN_PARTS).map(tuple),
    ),
    by(SERVICE, RecordPaymentResult, payment_id=st.sampled_from(["card", "c1", "c2"]), outcome=OUTCOMES),
    by(
        SERVICE,
        PostOrder,
        tab_id=TABS,
        floor=st.just("loc-1:floor-main"),
        lines=st.just((PostedLine(line_id="k", sku="cake", qty_milli=3_000),)),
    ),
    by(SERVICE, PostMerge, from_tab_id=TABS, into_tab_id=TABS),
    by(SERVICE, PostMove, from_tab_id=TABS, to_tab_id=TABS, line_ids=st.tuples(LINES)),
    by(SERVICE, PostCancel, tab_id=TABS, line_id=LINES),
)


FACT_KINDS = (SubmitOffline, PostOrder, PostMerge, PostMove, PostCancel)
TERMINAL_IDS = st.sampled_from(["till-1", "till-2", "phone"])


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, TERMINAL_IDS, ONLINE), min_size=1, max_size=20))
def test_no_interleaving_of_terminals_promises_more_than_there_is(turns: list[tuple[timedelta, str, Step]]) -> None:
    scene = two_tills()
    begun = len(scene.log)
    for delay, terminal, (command, actor) in turns:
        scene.after(delay).when(command, by=msgspec.structs.replace(actor, device=terminal))
    for seq in range(begun, len(scene.log) + 1):
        assert left(scene.as_of(seq), "cake") >= 0


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, ONLINE | FACTS), min_size=1, max_size=20))
def test_only_a_recorded_fact_promises_more_than_there_is_and_it_is_flagged(
    turns: list[tuple[timedelta, Step]],
) -> None:
    scene = two_tills()
    for delay, (command, actor) in turns:
        scene.after(delay).wake()
        before, begun = left(scene, "cake"), len(scene.log)
        scene.when(command, by=actor)
        after = left(scene, "cake")
        if after < min(0, before):
            assert isinstance(command, FACT_KINDS)
            flags = [event for event in scene.events[begun:] if isinstance(event, OversellRecorded)]
            assert any(flag.sku == "cake" and flag.short_milli >= -after for flag in flags)


def earliest(scene: Scenario) -> datetime | None:
    """The earliest deadline, by a search of everything."""
    session = msgspec.json.decode(scene.state_json, type=Session)
    ends = [hold.expires_at for hold in session.holds.values() if not hold.pinned]
    ends += [each.deadline for each in session.payments.values() if each.status in {"started", "stored"}]
    return min([*ends, *(approval.expires_at for approval in session.approvals.values())], default=None)


COMMON_CODES = {"VALIDATION", "NOT_FOUND", "FORBIDDEN", "STATE_CONFLICT", "VERSION_CONFLICT"}


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, ONLINE | FACTS), min_size=1, max_size=20))
def test_a_command_is_refused_only_by_what_it_declares_and_facts_never(turns: list[tuple[timedelta, Step]]) -> None:
    scene = two_tills()
    for delay, (command, actor) in turns:
        scene.after(delay).when(command, by=actor)
        assert scene.alarm_at == earliest(scene)
        if scene.refusal is not None:
            assert scene.refusal.code in {error.code for error in command.raises} | COMMON_CODES
            assert not isinstance(command, FACT_KINDS) or scene.refusal.code == "TERMINAL_SEQ_GAP"


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, st.booleans(), ONLINE | FACTS), min_size=1, max_size=15))
def test_alarms_and_commands_find_deadlines_alike(turns: list[tuple[timedelta, bool, Step]]) -> None:
    find_deadlines_alike(two_tills, turns)


@settings(max_examples=60, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, ONLINE | FACTS), min_size=1, max_size=20))
def test_replay_and_a_stored_state_give_the_same_bytes(turns: list[tuple[timedelta, Step]]) -> None:
    scene = two_tills()
    for delay, (command, actor) in turns:
        scene.after(delay).when(command, by=actor)
    assert scene.replayed().state_json == scene.state_json
    stored = msgspec.json.decode(scene.state_json, type=scene.entity.state_type)
    assert msgspec.json.encode(stored) == scene.state_json


def a_closed_sale(scene: Scenario, number: int) -> None:
    tab_id = f"sale-{number}"
    scene.when(OpenTab(tab_id=tab_id), by=WAITER)
    scene.when(AddLine(tab_id=tab_id, line_id=f"line-{number}", sku="water"), by=WAITER)
    pay = BeginPayment(tab_id=tab_id, payment_id=f"pay-{number}", amount_minor=300, tender="card")
    scene.when(pay, by=WAITER).when(RecordPaymentResult(payment_id=f"pay-{number}", outcome="captured"), by=CASHIER)
    done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))


def test_a_till_does_not_grow_with_the_tabs_it_has_closed() -> None:
    scene = opened(refundable_tabs=20)
    sizes: list[int] = []
    for number in range(100):
        a_closed_sale(scene, number)
        sizes.append(len(scene.state_json))
    assert max(sizes[40:]) - min(sizes[40:]) < 200


def test_a_till_with_500_open_tabs_does_not_grow_with_thousands_of_closed_ones() -> None:
    scene = opened(refundable_tabs=100)
    begun = len(scene.log)
    a_closed_sale(scene, 0)
    sale = scene.events[begun:]
    session, entity = msgspec.json.decode(opened(refundable_tabs=100).state_json, type=Session), scene.entity
    for number in range(500):
        for event in sale[:4]:
            session = entity.evolve(session, renamed(event, f"open-{number}"))
    sizes: list[int] = []
    for number in range(1, 4_001):
        for event in sale:
            session = entity.evolve(session, renamed(event, f"closed-{number:04}"))
        if number % 500 == 0:
            sizes.append(len(msgspec.json.encode(session)))
    assert (len(session.tabs), len(session.closed)) == (500, 100)
    assert max(sizes) - min(sizes) < 200


def renamed(event: Event, tab_id: str) -> Event:
    """The same event of another tab, with a line, a payment and a receipt of its own."""
    names = {"tab_id": tab_id, "line_id": f"{tab_id}-l", "payment_id": f"{tab_id}-p", "receipt_no": "A-000001"}
    changes: dict[str, Any] = {key: name for key, name in names.items() if hasattr(event, key)}
    if isinstance(event, TabClosed):
        changes["lines"] = {f"{tab_id}-l": line for line in event.lines.values()}
    return msgspec.structs.replace(event, **changes)


def test_tabs_that_are_given_up_or_merged_leave_at_once() -> None:
    scene = with_tab("beer", tab_id="t3", scene=with_tab("beer", tab_id="t2", scene=with_tab("water")))
    before = len(scene.state_json)
    done(scene.when(VoidTab(tab_id="t2"), by=WAITER)).when(MergeTabs(from_="t1", into="t3"), by=WAITER)
    assert set(scene.view(MANAGER)["tabs"]) == {"t3"}
    assert len(done(scene).state_json) < before


def test_closed_tabs_leave_when_they_can_be_refunded_no_longer() -> None:
    scene = opened(refund_window_s=86_400)
    a_closed_sale(scene, 1)
    a_closed_sale(scene.after(timedelta(days=2)), 2)
    assert scene.view(MANAGER)["office"]["refundable_tabs"] == 1


@pytest.mark.parametrize("lines", [10])
def test_a_refundable_tab_takes_less_than_a_kilobyte(lines: int) -> None:
    scene = two_tills()
    for number in range(lines):
        line_id = f"0b5c2d0e-0000-4000-8000-0000000000{number:02}"
        scene.when(AddLine(tab_id="t1", line_id=line_id, sku="water"), by=WAITER)
    before = len(opened().state_json)
    scene.when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=300 * lines, tender="card"), by=WAITER)
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER)
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))
    assert len(scene.state_json) - before < 1_024


def test_a_second_day_begins_where_the_numbers_of_the_first_ended() -> None:
    scene = opened()
    a_closed_sale(scene, 1)
    scene.when(OpenDay(business_date=date(2026, 6, 1)), by=CASHIER)
    a_closed_sale(scene, 2)
    assert scene.view(MANAGER)["office"]["receipts"] == {"A": 2}
