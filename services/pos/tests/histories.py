"""Histories of a till for tests of its read model: anything that may be asked of it, and whole sales in between."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select

from holdfast import Name
from holdfast._judge import Judge
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    ApplyDiscount,
    BeginPayment,
    CardSale,
    CashSale,
    CloseDay,
    CloseTab,
    CompLine,
    CountDrawer,
    DrawerMoved,
    EndDrawer,
    Fact,
    LinesRung,
    MoveLines,
    NoSale,
    OfflineLine,
    OpenDay,
    OpenDrawer,
    OpenTab,
    PayIn,
    PayOut,
    PlaceHold,
    RecordPaymentResult,
    Refund,
    RefundLine,
    RegisterTerminal,
    RemoveDiscount,
    ReopenTab,
    SendToKitchen,
    SetEightySix,
    SplitPart,
    SplitTab,
    SubmitOffline,
    TransferTab,
    VoidLine,
    VoidTab,
)
from services.pos.readmodel import Tills
from services.pos.readmodel_tables import metadata
from services.pos.tests.scenes import CASHIER, DAY, MANAGER, MINUTE, NOON, SERVICE, WAITER, two_tills, with_tab
from services.pos.tests.test_properties import FACTS, ONLINE, OUTCOMES, TABS, Step, by

Act = Callable[[Scenario], object]
Rows = list[dict[str, Any]]
SOUP = OfflineLine(line_id="c", sku="soup", unit_price_minor=733, tax_ids=("vat",))
OLD_SOUP = OfflineLine(line_id="o", sku="soup", unit_price_minor=700, tax_ids=("vat",))
GONE = OfflineLine(line_id="g", sku="gone", unit_price_minor=100)
GOLD = OfflineLine(line_id="gold", sku="soup", qty_milli=10**12, unit_price_minor=10**12, tax_ids=("vat",))
OFFLINE: Sequence[Fact] = (
    LinesRung(tab_id="t1", lines=(OLD_SOUP, GONE), occurred_at=NOON),
    CashSale(tab_id="t7", payment_id="cash", lines=(SOUP,), paid_minor=805, occurred_at=NOON),
    CardSale(tab_id="t8", payment_id="stored", lines=(SOUP,), paid_minor=806, tip_minor=50, occurred_at=NOON),
    CardSale(tab_id="t9", payment_id="stored", lines=(SOUP,), paid_minor=20_000, occurred_at=NOON),
    LinesRung(tab_id="t2", lines=(GOLD,), occurred_at=NOON),
    DrawerMoved(kind="paid_out", amount_minor=300, reason="ice", occurred_at=NOON),
)
MORE: st.SearchStrategy[Step] = st.one_of(
    by(MANAGER, CloseDay, carry_over=st.booleans()),
    by(CASHIER, OpenDay, business_date=st.dates(date(2026, 6, 1), date(2026, 6, 9))),
    by(
        WAITER, AddLine, tab_id=TABS, line_id=st.sampled_from(["d", "e"]), sku=st.sampled_from(["beer", "soup", "book"])
    ),
    by(MANAGER, ApplyDiscount, scope=st.just("order"), tab_id=TABS, discount_id=st.sampled_from(["ten", "two-off"])),
    by(WAITER, RemoveDiscount, tab_id=TABS, discount_id=st.just("ten")),
    by(MANAGER, CompLine, line_id=st.sampled_from(["a", "d"]), reason_code=st.just("wrong")),
    by(WAITER, ReopenTab, tab_id=TABS, reason=st.just("one more")),
    by(WAITER, TransferTab, tab_id=TABS, owner=st.just("wanda"), table_ref=st.just("T9")),
    by(WAITER, MoveLines, from_tab_id=TABS, to_tab_id=TABS, line_ids=st.just(("a",))),
    by(
        MANAGER,
        Refund,
        tab_id=TABS,
        amount_minor=st.sampled_from([7, 300, 400]),
        tender=st.sampled_from(["cash", "card"]),
        terminal_id=st.just("till-1"),
        reason_code=st.just("wrong"),
        lines=st.sampled_from([(), (RefundLine(line_id="a", qty_milli=1_000, restock=True),)]),
    ),
    by(CASHIER, OpenDrawer, minor=st.just(5_000)),
    by(CASHIER, PayIn, minor=st.just(1_000), reason=st.just("change")),
    by(CASHIER, PayOut, minor=st.just(700), reason=st.just("ice")),
    by(CASHIER, NoSale, reason=st.just("change")),
    by(CASHIER, EndDrawer),
    by(CASHIER, CountDrawer, minor=st.sampled_from([5_000, 10_000])),
    by(MANAGER, SetEightySix, sku=st.just("cake"), unavailable=st.booleans()),
)
DELAYS = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=10), timedelta(hours=25)])
"""The longest is beyond the time that a stored card may wait."""


def sale(scene: Scenario, tab_id: str, tender: Any, sku: str) -> None:
    """Order, pay all of it and close, as far as the till lets that happen."""
    scene.when(OpenTab(tab_id=tab_id), by=WAITER)
    scene.when(AddLine(tab_id=tab_id, line_id=f"{tab_id}-{sku}", sku=sku), by=WAITER)
    tab = scene.view(MANAGER)["tabs"].get(tab_id)
    if tab is None:
        return
    amount = max(0, tab["balance_minor"]) + (100 if tender == "cash" else 0)
    begin = BeginPayment(
        tab_id=tab_id,
        payment_id=f"pay-{tab_id}",
        amount_minor=amount,
        tender=tender,
        tip_minor=0 if tender == "cash" else 11,
        terminal_id="till-1",
    )
    scene.when(begin, by=CASHIER).when(RecordPaymentResult(payment_id=begin.payment_id, outcome="captured"), by=CASHIER)
    scene.when(CloseTab(tab_id=tab_id), by=CASHIER)


def two_checks(scene: Scenario, qty_milli: int) -> None:
    """Share a table's order out over two tabs, discount and all."""
    scene.when(AddLine(tab_id="t1", line_id="whole", sku="cake", qty_milli=qty_milli), by=WAITER)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten", scope="order"), by=MANAGER)
    scene.when(SplitTab(tab_id="t1", mode="evenly", parts=(SplitPart(tab_id="t2"),)), by=WAITER)


def next_day(scene: Scenario, tab_id: str) -> None:
    """Close the day, do something in between, and open the next one."""
    scene.when(CloseDay(carry_over=True), by=MANAGER)
    scene.when(VoidTab(tab_id=tab_id, reason_code="wrong"), by=MANAGER)
    without_network(
        scene, CashSale(tab_id="night", payment_id="night", lines=(SOUP,), paid_minor=805, occurred_at=NOON)
    )
    scene.when(OpenDay(business_date=scene.now.date()), by=CASHIER)


def next_drawer(scene: Scenario, counted: int) -> None:
    """Count the drawer and open another one."""
    scene.when(EndDrawer(), by=CASHIER).when(CountDrawer(minor=counted), by=CASHIER)
    scene.when(OpenDrawer(minor=5_000), by=CASHIER)


def without_network(scene: Scenario, fact: Fact) -> None:
    """Submit one more fact of a terminal that had no connection."""
    scene.when(RegisterTerminal(terminal_id="till-2"), by=MANAGER)
    seq = scene.view(MANAGER)["terminals"]["till-2"].get("offline_seq", 0) + 1
    scene.when(SubmitOffline(terminal_id="till-2", terminal_seq=seq, facts=(fact,)), by=CASHIER)


def _one(step: Step) -> Act:
    command, actor = step
    return lambda scene: scene.when(command, by=actor)


def _with(act: Callable[..., None], *chosen: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.tuples(*chosen).map(lambda values: lambda scene: act(scene, *values))


SALES = _with(
    sale,
    st.sampled_from(["t1", "t2", "s1", "s2", "s3"]),
    st.sampled_from(["cash", "card", "account"]),
    st.sampled_from(["soup", "cake", "book"]),
)
EVENTFUL: st.SearchStrategy[Act] = st.one_of(
    _with(two_checks, st.sampled_from([1_000, 3_000])),
    _with(next_day, TABS),
    _with(next_drawer, st.sampled_from([9_000, 10_000])),
    _with(without_network, st.sampled_from(OFFLINE)),
    by(SERVICE, RecordPaymentResult, payment_id=st.just("stored"), outcome=OUTCOMES).map(_one),
)
ACTS: st.SearchStrategy[Act] = st.one_of((ONLINE | FACTS).map(_one), MORE.map(_one), SALES, SALES, EVENTFUL)
HISTORIES = st.lists(st.tuples(DELAYS, st.booleans(), ACTS), min_size=12, max_size=30)


def played(history: Sequence[tuple[timedelta, bool, Act]]) -> Scenario:
    """A location on a business day with an open tab, and what came after."""
    scene = two_tills()
    for delay, wakes, act in history:
        scene.after(delay)
        if wakes:
            scene.wake()
        act(scene)
    return scene


def project(
    connection: Connection, scene: Scenario, *, tenant: str = "acme", id_: str = "loc-1", after: int = 0
) -> None:
    """Apply the log of a till, or what came after an event, as a projector does."""
    judge = Judge(scene.entity)
    name = Name.of("pos-session", tenant, id_)
    events = [StoredEvent[Any](name=name, position=each.seq, recorded=each, judge=judge) for each in scene.log[after:]]
    Tills().apply_all(connection, events)


def all_rows(scene: Scenario) -> dict[str, Rows]:
    """The rows of every table after the whole log of a till, as JSON shows them."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        project(connection, scene)
        found = rows_of(connection)
    engine.dispose()
    return found


def rows_of(connection: Connection) -> dict[str, Rows]:
    """What the tables hold, as JSON shows it."""
    found = {
        table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
        for table in Tills.tables
    }
    return msgspec.json.decode(msgspec.json.encode(found))


def a_day() -> Scenario:
    """A business day with something of everything, closed, and the next one begun."""
    scene = with_tab("beer", "soup", "cake")
    scene.when(SendToKitchen(tab_id="t1"), by=WAITER)
    scene.when(VoidLine(line_id="l1", reason_code="spilled"), by=MANAGER)
    scene.when(CompLine(line_id="l3", reason_code="wrong"), by=MANAGER).after(MINUTE)
    scene.when(ApplyDiscount(tab_id="t1", discount_id="ten", scope="order"), by=MANAGER)
    sale(scene, "t1", "cash", "soup")
    for number, tender in enumerate(("card", "account", "cash"), start=1):
        sale(scene.after(MINUTE), f"s{number}", tender, "book")
    for fact in (*OFFLINE[1:3], OFFLINE[0]):
        without_network(scene.after(MINUTE), fact)
    scene.when(Refund(tab_id="s1", amount_minor=500, tender="cash", reason_code="wrong"), by=CASHIER)
    scene.when(PlaceHold(hold_id="h1", tab_id="t1-2", sku="cake", qty_milli=2_000), by=WAITER)
    scene.when(PayOut(minor=700, reason="ice"), by=CASHIER).when(NoSale(reason="=change"), by=CASHIER)
    scene.when(EndDrawer(), by=CASHIER).when(CountDrawer(minor=11_000), by=CASHIER)
    scene.when(SetEightySix(sku="cake"), by=MANAGER)
    scene.when(CloseDay(carry_over=True), by=MANAGER).after(DAY)
    scene.when(OpenDay(business_date=scene.now.date()), by=CASHIER)
    sale(scene.when(OpenDrawer(minor=5_000), by=CASHIER), "s4", "cash", "water")
    return scene
