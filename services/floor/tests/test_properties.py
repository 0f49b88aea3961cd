"""The floor against its slow reference, against its own replay, and with and without alarms."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor, Command
from holdfast.testing import Scenario, find_deadlines_alike
from services.floor.contract import (
    AdvanceItem,
    ApplyLayout,
    Arrive,
    Bump,
    CancelLine,
    ClearTable,
    DayPart,
    FireCourse,
    FlagParty,
    HoldCourse,
    JoinWaitlist,
    LineCancelled,
    LinkTables,
    MergeOrders,
    MoveLines,
    MoveParty,
    NotifyParty,
    OrdersMerged,
    PlaceOrder,
    Recall,
    RecordTab,
    Reserve,
    SaveLayout,
    SetStatus,
    Touch,
    Unmerge,
)
from services.floor.domain import RestaurantFloor
from services.floor.domain_order_commands import ItemState
from services.floor.tests.reference import Asked, to_make, told
from services.floor.tests.scenes import (
    COOK,
    EVENING,
    HOST,
    MANAGER,
    MINUTE,
    TABLES,
    TILL,
    WAITER,
    empty_floor,
    line,
    order,
    posts,
    run,
    seat,
    tab_of,
    till,
)

PARTIES = {"p1": "t1", "p2": "t2", "p3": "t4"}
Step = tuple[Command, Actor]


def busy(**settings: Any) -> Scenario:
    """Three parties with an order each, in two courses."""
    scene = empty_floor(**settings)
    for party, table in PARTIES.items():
        run(scene, seat(party=party, table=table))
        run(scene, order(line(f"{party}-a", qty=2000), line(f"{party}-b", course=2), table=table, order_id=party))
    return scene


PARTY = st.sampled_from(sorted(PARTIES))
LINE = st.tuples(PARTY, st.sampled_from("abcd")).map("-".join)
TABLE = st.sampled_from(["t1", "t2", "t4", "t5", "t9"])


def placed(party: str, name: str, qty: int, course: int | None) -> PlaceOrder:
    ordered = line(f"{party}-{name}", qty=qty * 1000, course=course)
    return order(ordered, table=PARTIES[party], order_id=party)


def of_the_kitchen() -> st.SearchStrategy[Command]:
    states: st.SearchStrategy[ItemState] = st.sampled_from(["IN_PROGRESS", "READY", "SERVED"])
    quantities = st.none() | st.sampled_from([500, 1000, 2000])
    return st.one_of(
        st.builds(placed, PARTY, st.sampled_from("cd"), st.integers(1, 3), st.none() | st.integers(1, 3)),
        st.builds(FireCourse, table_id=TABLE, course=st.integers(1, 3)),
        st.builds(HoldCourse, table_id=TABLE, course=st.integers(1, 3)),
        st.builds(AdvanceItem, line_id=LINE, to=states),
        st.builds(CancelLine, line_id=LINE, qty=quantities, reason=st.just("changed their mind")),
        st.builds(MoveLines, line_ids=st.tuples(LINE), to_order=PARTY),
        st.builds(MoveLines, line_ids=st.tuples(LINE), to_order=st.just("new"), to_table=TABLE),
        st.builds(MoveParty, party_id=PARTY, to_table_ids=st.tuples(TABLE)),
        st.builds(MergeOrders, from_=PARTY, into=PARTY),
        st.builds(Unmerge, order_id=PARTY),
    )


@settings(max_examples=150, deadline=None)
@for_all(steps=st.lists(of_the_kitchen(), min_size=1, max_size=25))
def test_the_tickets_of_any_evening_sum_up_to_what_there_is_to_make(steps: list[Command]) -> None:
    scene = busy()
    for command in steps:
        for _ in range(2):
            scene.when(command, by=MANAGER)
            seen = scene.seen_by(COOK)
            assert told(seen) == to_make(wish for event in seen for wish in wishes(event))


def wishes(event: dict[str, Any]) -> list[Asked]:
    """What an event of the waiters, not of the kitchen, asks for."""
    data = event["data"]
    match event["type"]:
        case "order_placed":
            ordered = [(placed["line"]["line_id"], placed) for placed in data["lines"]]
            return [
                *(Asked("order", line_id, placed["line"].get("qty", 1000)) for line_id, placed in ordered),
                *(Asked("fire", line_id) for line_id, placed in ordered if placed["fired"]),
            ]
        case "course_fired" | "course_auto_fired":
            return [Asked("fire", line_id) for line_id in data["line_ids"]]
        case "line_cancelled":
            return [Asked("cancel", data["line_id"], data["qty"])]
        case _:
            return []


@settings(max_examples=100, deadline=None)
@for_all(
    meanwhile=st.lists(
        st.one_of(
            st.builds(AdvanceItem, line_id=LINE, to=st.sampled_from(["IN_PROGRESS", "READY", "SERVED"])),
            st.builds(FireCourse, table_id=TABLE, course=st.just(2)),
            st.builds(CancelLine, line_id=LINE, qty=st.none() | st.just(500), reason=st.just("spilled")),
        ),
        max_size=12,
    ),
    into=st.sampled_from(["p2", "p3"]),
)
def test_taking_a_merge_apart_restores_who_has_which_line_whatever_happened(
    meanwhile: list[Command], into: str
) -> None:
    scene = busy()
    bills = {party: tab_of(scene, party) for party in PARTIES}
    homes = split(scene)
    run(scene, MergeOrders(from_="p1", into=into))
    for command in meanwhile:
        scene.when(command, by=MANAGER)
    totals = counters(scene)
    run(scene, Unmerge(order_id="p1"))
    assert split(scene) == homes
    assert {party: tab_of(scene, party) for party in PARTIES} == bills
    assert counters(scene) == totals


@settings(max_examples=100, deadline=None)
@for_all(before=st.lists(of_the_kitchen(), max_size=15), from_=PARTY, into=PARTY)
def test_a_merge_that_is_undone_leaves_every_order_and_bill_as_if_it_had_never_been(
    before: list[Command], from_: str, into: str
) -> None:
    scene = busy()
    for command in before:
        scene.when(command, by=MANAGER)
    seen, tickets, happened = orders_and_bills(scene), scene.view(COOK)["tickets"], len(scene.log)
    scene.when(MergeOrders(from_=from_, into=into), by=MANAGER)
    if any(isinstance(event, OrdersMerged) for event in scene.events[happened:]):
        run(scene, Unmerge(order_id=from_))
    assert orders_and_bills(scene) == seen
    assert scene.view(COOK)["tickets"] == tickets


def orders_and_bills(scene: Scenario) -> Any:
    """All that is shown of orders, and on which bill each party pays."""
    shown = scene.view(MANAGER)
    return shown["orders"], {each["party_id"]: each["tab_id"] for each in shown["parties"]}


def split(scene: Scenario) -> dict[str, set[str]]:
    return {each["order_id"]: {shown["line_id"] for shown in each["lines"]} for each in scene.view(MANAGER)["orders"]}


def counters(scene: Scenario) -> tuple[int, ...]:
    shown = [each for order_ in scene.view(MANAGER)["orders"] for each in order_["lines"]]
    return tuple(sum(each[f"{kind}"] for each in shown) for kind in ("ordered", "sent", "cancelled"))


def of_any_kind() -> st.SearchStrategy[Callable[[Scenario], Step]]:
    """Steps that may need to know the scene, such as the ids of tickets and tabs."""

    def fixed(by: Actor) -> Callable[[Command], Callable[[Scenario], Step]]:
        return lambda command: lambda _: (command, by)

    staff: list[Command] = [
        JoinWaitlist(party="w1", size=2),
        NotifyParty(party="w1"),
        Arrive(res_id="r1"),
        Touch(table_id="t1"),
        ClearTable(table="t1"),
        SetStatus(table="t1", status="AVAILABLE"),
        SetStatus(table="t2", status="SERVED"),
        LinkTables(party_id="p1", table_ids=("t5",)),
        FlagParty(party_id="p1", vip=True, add_allergies=("nuts",)),
        seat(party="p9", table="t9", size=5),
        seat(party="p1", table="t1"),
        seat(party="w1", table="t2"),
    ]
    layouts: list[Command] = [
        SaveLayout(layout_id="dinner", tables=TABLES[:4], begins=(DayPart(minute=1100),), expected_version=0),
        SaveLayout(layout_id="lunch", tables=TABLES[1:], begins=(DayPart(minute=1130),), expected_version=0),
        ApplyLayout(layout_id="dinner"),
    ]
    reservations = st.integers(0, 180).map(
        lambda minutes: fixed(HOST)(Reserve(res_id=f"r{minutes % 3}", start=EVENING + minutes * MINUTE, size=2))
    )
    return st.one_of(
        of_the_kitchen().map(fixed(MANAGER)),
        st.sampled_from(staff).map(fixed(HOST)),
        st.sampled_from(layouts).map(fixed(MANAGER)),
        reservations,
        st.tuples(st.sampled_from(["OPEN", "PAYING", "PAID", "CLOSED"]), st.sampled_from([0, 500]), PARTY).map(report),
        st.tuples(st.booleans(), st.integers(0, 5)).map(on_ticket),
    )


def report(told_: tuple[str, int, str]) -> Callable[[Scenario], Step]:
    status, balance, party = told_

    def step(scene: Scenario) -> Step:
        tabs = {each["party_id"]: each["tab_id"] for each in scene.view(MANAGER)["parties"]}
        fields: dict[str, Any] = {
            "status": status,
            "balance_minor": balance,
            "pos_seq": len(scene.log),
            "heard": posts(scene),
        }
        return RecordTab(tab_id=tabs.get(party, "gone"), **fields), TILL

    return step


def on_ticket(which: tuple[bool, int]) -> Callable[[Scenario], Step]:
    recalled, number = which

    def step(scene: Scenario) -> Step:
        tickets = scene.view(COOK)["tickets"]
        ticket_id = tickets[number % len(tickets)]["ticket_id"] if tickets else "none"
        return (Recall(ticket_id=ticket_id) if recalled else Bump(ticket_id=ticket_id)), COOK

    return step


DELAYS = st.sampled_from([timedelta(), MINUTE, 7 * MINUTE, 16 * MINUTE, 40 * MINUTE, 95 * MINUTE])
EVENINGS: list[dict[str, Any]] = [{}, {"auto_fire": 5}, {"payments": "none", "idle_ordered": 30}, {"hold_before": 0}]


@settings(max_examples=150, deadline=None)
@for_all(
    evening=st.sampled_from(EVENINGS),
    turns=st.lists(st.tuples(DELAYS, st.booleans(), of_any_kind()), min_size=1, max_size=15),
)
def test_alarms_and_commands_find_deadlines_alike(
    evening: dict[str, Any], turns: list[tuple[timedelta, bool, Callable[[Scenario], Step]]]
) -> None:
    find_deadlines_alike(lambda: busy(**evening), turns)


@settings(max_examples=150, deadline=None)
@for_all(
    evening=st.sampled_from(EVENINGS),
    turns=st.lists(st.tuples(DELAYS, of_any_kind()), min_size=1, max_size=15),
)
def test_a_tablet_that_folds_the_events_it_is_sent_has_the_state_of_the_floor(
    evening: dict[str, Any], turns: list[tuple[timedelta, Callable[[Scenario], Step]]]
) -> None:
    scene = busy(**evening)
    for delay, turn in turns:
        command, by = turn(scene.after(delay))
        scene.when(command, by=by)
    assert scene.replayed().state_json == scene.state_json
    entity = RestaurantFloor()
    floor: Any = entity.initial
    for event in scene.seen_by(WAITER):
        fact: Any = msgspec.convert(event["data"], entity.event_types[event["type"]])
        floor = entity.evolve(floor, fact)
    assert msgspec.json.encode(floor) == scene.state_json


@settings(max_examples=150, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, of_any_kind()), min_size=1, max_size=15))
def test_a_table_has_one_party_at_most_and_every_party_has_its_tables(
    turns: list[tuple[timedelta, Callable[[Scenario], Step]]],
) -> None:
    scene = busy()
    for delay, turn in turns:
        command, by = turn(scene.after(delay))
        scene.when(command, by=by)
        seen = scene.view(MANAGER)
        at_tables = {(each["id"], each["party_id"]) for each in seen["tables"] if "party_id" in each}
        of_parties = {(table, each["party_id"]) for each in seen["parties"] for table in each["table_ids"]}
        assert at_tables == of_parties
        by_party = {each["party_id"]: each["status"] for each in seen["parties"]}
        assert all(each["status"] == by_party[each["party_id"]] for each in seen["tables"] if "party_id" in each)


def test_cancelling_over_the_parts_of_a_merged_line_cancels_no_more_than_was_asked() -> None:
    scene = run(busy(), MergeOrders(from_="p1", into="p2"), CancelLine(line_id="p2-a", qty=3000, reason="x"))
    cancelled = [event.qty for event in scene.events if isinstance(event, LineCancelled)]
    assert cancelled == [2000, 1000]


def test_a_stored_state_reads_back_to_the_same_bytes() -> None:
    scene = run(busy(), MergeOrders(from_="p1", into="p2"))
    stored = msgspec.json.decode(scene.state_json, type=scene.entity.state_type)
    assert msgspec.json.encode(stored) == scene.state_json


def test_a_floor_stays_small_however_many_parties_it_has_seen() -> None:
    """Parties that left, their orders and tickets, and past reservations leave the state for the read model."""
    scene, sizes = empty_floor(), list[int]()
    for evening in range(700):
        for number, table in enumerate(PARTIES.values()):
            an_evening(scene, f"e{evening}-{number}", table, heard=2 * (3 * evening + number + 1))
        run(scene, Reserve(res_id=f"r{evening}", start=scene.now + 60 * MINUTE, size=2), by=HOST)
        scene.after(timedelta(days=1)).wake()
        sizes.append(len(scene.state_json))
    assert sizes[-1] <= sizes[0] + 100


def an_evening(scene: Scenario, party: str, table: str, *, heard: int) -> None:
    """A party waits, sits down, orders, pays and leaves; the kitchen forgets one of its tickets on the screen."""
    run(scene, JoinWaitlist(party=party, size=2), by=HOST)
    run(scene, seat(party=party, table=table), order(line(f"{party}-l"), table=table, order_id=party))
    run(scene, Bump(ticket_id=scene.view(COOK)["tickets"][-1]["ticket_id"]), by=COOK)
    run(scene, order(line(f"{party}-m"), table=table, order_id=party))
    run(scene, till(scene, party=party, balance_minor=900, heard=heard), by=TILL)
    run(scene, till(scene, "CLOSED", party=party, paid_minor=900, heard=heard), by=TILL)
    run(scene, ClearTable(table=table), SetStatus(table=table, status="AVAILABLE"))
