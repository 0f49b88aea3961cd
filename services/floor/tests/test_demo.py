"""The restaurant's demo as its user runs it, and that each of its checks tells when something is wrong."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import structlog

from holdfast.testing.demos import CANNOT_RUN
from services.floor._demo.checks import CHECKS
from services.floor._demo.evidence import Deed, Evidence, Kill, Sighting
from services.floor._demo.paper import Bill, Drawer, Ordered, Paper, half_up, in_coins, shared
from services.floor._demo.report import report
from services.floor.demo import main

FLOOR, TILL = "floor:demo:loc:main", "pos-session:demo:loc"
Doctoring = Callable[[Evidence], None]


def event(seq: int, type_: str, command_id: str = "_alarm-1", *, by: str = "_alarm", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "type": type_, "command_id": command_id, "by": {"user": by}, "data": data}


def bill() -> Bill:
    """Two soups and a cake: 14.66 and 3.99, with 10 % on the soup."""
    return Bill("tab", {"l1": Ordered("soup", 2), "l2": Ordered("cake", 1)})


def paper() -> Paper:
    written = Paper(stock=Counter(cake=10), parties={"party": "tab"}, drawers={"till-1": Drawer(20_000)})
    written.order(Bill("tab"), bill().lines)
    written.cancelled["l1"] = 0
    written.close(bill(), [("card", 1_000), ("cash", 1_010)], rounding=-2, tip=0)
    written.drawers = {f"till-{number}": Drawer(20_000, 20_000) for number in (2, 3)}
    written.drawers["till-1"] = Drawer(21_010, 21_000)
    return written


def floor_log() -> list[dict[str, Any]]:
    deltas = [{"line_id": "l1", "sku": "soup", "delta": 2_000}, {"line_id": "l2", "sku": "cake", "delta": 1_000}]
    return [
        event(1, "party_seated", "c1", by="walt", party_id="party", tab_id="tab"),
        event(2, "table_status_changed", "c1", by="walt", table_ids=["t01"], to="SEATED"),
        event(3, "order_placed", "c2", by="walt", post=1, lines=[{"line": {"line_id": "l1"}}]),
        event(4, "kitchen_ticket_issued", "c2", by="walt", ticket_id="k1", deltas=deltas),
        event(5, "till_heard", "r-1", by="_pos", post=1),
        event(6, "table_auto_closed", party_id="party", reason="paid"),
        event(7, "table_status_changed", table_ids=["t01"], to="DIRTY"),
    ]


def till_log() -> list[dict[str, Any]]:
    tax = [{"tax_id": "vat", "ppm": 100_000, "minor": 147}]
    totals = {"gross": 1_865, "discount": 0, "comp": 0, "tax": tax, "due": 2_012, "rounding": -2, "tip": 0}
    report = {"receipts": 1, "gross_minor": 1_865, "tax": {"vat": 147}, "due_minor": 2_012, "rounding_minor": -2}
    drawer = {"expected": 20_000, "counted": 20_000, "over_short": 0}
    return [
        event(1, "line_added", "r-1", by="_floor", line_id="l1", sku="soup", qty_milli=2_000, unit_price_minor=733),
        event(2, "line_added", "r-1", by="_floor", line_id="l2", sku="cake", qty_milli=1_000, unit_price_minor=399),
        event(
            3, "tab_closed", "c3", by="cleo", tab_id="tab", number=1, receipt_no="A-000001", totals=totals,
            paid={"card": 1_000, "cash": 1_010},
        ),
        event(4, "drawer_closed", "c4", by="cleo", terminal_id="till-2", **drawer),
        event(5, "drawer_closed", "c5", by="cleo", terminal_id="till-3", **drawer),
        event(6, "drawer_closed", "c6", by="cleo", terminal_id="till-1", expected=21_010, counted=21_000, over_short=-10),
        event(7, "day_closed", "c7", by="mia", totals={**report, "paid": {"card": 1_000, "cash": 1_010}}),
    ]  # fmt: skip


def deed(name: str, command_id: str, *events: dict[str, Any], at: float) -> Deed:
    answer = {"op": "ok", "events": [{"seq": each["seq"], "type": each["type"]} for each in events]}
    known = {"user": "walt", "name": name, "command": "do", "command_id": command_id}
    return Deed(**known, sent_at=at, answered_at=at + 0.5, answer=answer, attempts=1)


def flawless() -> Evidence:
    floor, till = floor_log(), till_log()
    board = json.dumps([{"t01": "DIRTY"}, {}, {}, 1]).encode()
    floor_state = json.dumps([7, {"tables": [{"id": "t01", "status": "DIRTY"}]}])
    till_state = json.dumps([7, {"available_milli": {"cake": 9_000}, "tabs": {}}])
    view = {FLOOR: floor_state, TILL: till_state}
    return Evidence(
        floor=FLOOR,
        till=TILL,
        paper=paper(),
        deeds=[
            deed(FLOOR, "c1", floor[0], floor[1], at=1.0),
            deed(FLOOR, "c2", floor[2], floor[3], at=2.0),
            Deed(
                user="walt", name=FLOOR, command="seat_party", command_id="c-no", sent_at=2.5, answered_at=2.6,
                answer={"op": "error", "code": "TABLE_OCCUPIED"},
            ),
            deed(TILL, "c3", till[2], at=3.0),
        ],
        sightings=[Sighting("waiter-1", "plain", FLOOR, deepcopy(floor))],
        boards={"waiter-1 (plain)": board, "waiter-2 (msgpack)": board},
        views={"waiter": {"waiter-1": dict(view), "waiter-2": dict(view)}, "manager": {"manager": dict(view)}},
        logs={FLOOR: floor, TILL: till},
        replays={("waiter-1", FLOOR): deepcopy(floor)},
        kills=[Kill(part="pos", pid=1, at=2.7)],
    )  # fmt: skip


def leave_a_command_unanswered(seen: Evidence) -> None:
    seen.deeds[2].answer = {}


def lose_an_event(seen: Evidence) -> None:
    seen.logs = {**seen.logs, FLOOR: [each for each in seen.logs[FLOOR] if each["seq"] != 2]}


def log_a_command_twice(seen: Evidence) -> None:
    seen.logs[FLOOR][6]["command_id"] = "c2"


def log_a_refused_command(seen: Evidence) -> None:
    seen.deeds[0].answer = {"op": "error", "code": "TABLE_OCCUPIED"}


def forget_an_acknowledged_command(seen: Evidence) -> None:
    seen.logs[TILL][2]["command_id"] = "another"


def show_an_event_twice(seen: Evidence) -> None:
    seen.sightings[0].events.insert(3, seen.sightings[0].events[2])


def miss_the_last_event(seen: Evidence) -> None:
    del seen.sightings[0].events[-1]


def show_something_else_live(seen: Evidence) -> None:
    seen.sightings[0].events[1]["data"]["to"] = "PAID"


def show_another_state_to_a_waiter(seen: Evidence) -> None:
    seen.views["waiter"]["waiter-2"][TILL] = "[7, {}]"


def leave_a_tablet_behind(seen: Evidence) -> None:
    seen.boards = {**seen.boards, "waiter-2 (msgpack)": json.dumps([{"t01": "PAID"}, {}, {}, 1]).encode()}


def charge_a_line_twice(seen: Evidence) -> None:
    seen.logs[TILL][1]["data"] = dict(seen.logs[TILL][0]["data"])


def charge_another_price(seen: Evidence) -> None:
    seen.logs[TILL][0]["data"]["unit_price_minor"] = 700


def charge_what_nobody_ordered(seen: Evidence) -> None:
    del seen.paper.ordered["l2"]


def tell_the_kitchen_twice(seen: Evidence) -> None:
    seen.logs[FLOOR][3]["data"]["deltas"] *= 2


def forget_a_cancellation(seen: Evidence) -> None:
    seen.paper.cancelled["l1"] = 1


def let_a_party_leave_twice(seen: Evidence) -> None:
    seen.logs[FLOOR][6] = event(7, "party_left", party_id="party")


def close_a_table_that_did_not_order(seen: Evidence) -> None:
    seen.logs[FLOOR][5]["data"]["reason"] = "not_ordered"


def call_for_attention(seen: Evidence) -> None:
    seen.logs[FLOOR][6] = event(7, "table_attention", party_id="party")


def skip_a_receipt_number(seen: Evidence) -> None:
    seen.logs[TILL][2]["data"]["number"] = 2


def take_a_cent_too_much(seen: Evidence) -> None:
    seen.logs[TILL][2]["data"]["totals"]["due"] = 2_013


def give_no_receipt(seen: Evidence) -> None:
    seen.logs[TILL][2]["type"] = "tab_voided"


def take_from_the_drawer(seen: Evidence) -> None:
    seen.logs[TILL][5]["data"]["expected"] = 21_000


def leave_a_drawer_uncounted(seen: Evidence) -> None:
    seen.logs[TILL][3]["type"] = "drawer_ended"


def let_a_cake_vanish(seen: Evidence) -> None:
    state = json.dumps([7, {"available_milli": {"cake": 8_000}, "tabs": {}}])
    seen.views["manager"]["manager"][TILL] = state


def leave_a_bill_open(seen: Evidence) -> None:
    state = json.dumps([7, {"available_milli": {"cake": 9_000}, "tabs": {"tab-9": {}}}])
    seen.views["manager"]["manager"][TILL] = state


def report_too_much(seen: Evidence) -> None:
    seen.logs[TILL][6]["data"]["totals"]["gross_minor"] = 1_866


def report_another_tender(seen: Evidence) -> None:
    seen.logs[TILL][6]["data"]["totals"]["paid"] = {"card": 2_010}


def never_close_the_day(seen: Evidence) -> None:
    seen.logs[TILL][6]["type"] = "day_opened"


def find_a_conflict(seen: Evidence) -> None:
    seen.logs[TILL][3]["type"] = "tab_conflict"


def kill_after_the_evening(seen: Evidence) -> None:
    seen.kills = [Kill(part="pos", pid=1, at=9.0)]


def share_tips_out_that_nobody_gave(seen: Evidence) -> None:
    seen.logs[TILL].append(event(8, "tips_pooled", shares=[{"user": "walt", "weight": 1, "minor": 5}]))


FAULTS: list[tuple[Doctoring, str]] = [
    (leave_a_command_unanswered, "every command got a definite answer"),
    (lose_an_event, "the logs count 1..n without a gap"),
    (log_a_command_twice, "acknowledged commands are in the logs once, refused ones never"),
    (log_a_refused_command, "acknowledged commands are in the logs once, refused ones never"),
    (forget_an_acknowledged_command, "acknowledged commands are in the logs once, refused ones never"),
    (show_an_event_twice, "tablets saw every event once, in order, as it is"),
    (miss_the_last_event, "tablets saw every event once, in order, as it is"),
    (show_something_else_live, "tablets saw every event once, in order, as it is"),
    (show_another_state_to_a_waiter, "who has the same role is shown the same"),
    (leave_a_tablet_behind, "who has the same role is shown the same"),
    (charge_a_line_twice, "every ordered line is charged once"),
    (charge_another_price, "every ordered line is charged once"),
    (charge_what_nobody_ordered, "every ordered line is charged once"),
    (tell_the_kitchen_twice, "the kitchen was told every line exactly"),
    (forget_a_cancellation, "the kitchen was told every line exactly"),
    (let_a_party_leave_twice, "every party paid and left once"),
    (close_a_table_that_did_not_order, "every party paid and left once"),
    (call_for_attention, "every party paid and left once"),
    (skip_a_receipt_number, "receipts equal the paper, numbered without a gap"),
    (take_a_cent_too_much, "receipts equal the paper, numbered without a gap"),
    (give_no_receipt, "receipts equal the paper, numbered without a gap"),
    (take_from_the_drawer, "drawers equal the paper"),
    (leave_a_drawer_uncounted, "drawers equal the paper"),
    (let_a_cake_vanish, "stock equals the paper"),
    (leave_a_bill_open, "stock equals the paper"),
    (report_too_much, "the day's report equals the paper"),
    (report_another_tender, "the day's report equals the paper"),
    (never_close_the_day, "the day's report equals the paper"),
    (share_tips_out_that_nobody_gave, "tips were shared out as on paper"),
    (find_a_conflict, "floor and till agreed all evening"),
    (kill_after_the_evening, "the kills fell among the commands"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_flawless_evening_passes(check: str) -> None:
    assert list(CHECKS[check](flawless())) == []


@pytest.mark.parametrize(("doctor", "check"), FAULTS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_fault_is_found_by_its_check(doctor: Doctoring, check: str) -> None:
    seen = flawless()
    doctor(seen)

    assert list(CHECKS[check](seen)) != []


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for _, check in FAULTS} == set(CHECKS)


def test_a_report_names_the_seed_and_the_first_problem_of_a_failed_check() -> None:
    seen = flawless()
    skip_a_receipt_number(seen)

    text, good = report(seen, seed=4711)

    assert not good
    assert "FAILED   receipts equal the paper, numbered without a gap" in text
    assert "receipt 1 has the number 2" in text
    assert "--seed 4711" in text


@pytest.mark.parametrize(("value", "rounded"), [((1, 2), 1), ((3, 2), 2), ((-1, 2), 0), ((149, 100), 1), ((7, 1), 7)])
def test_the_paper_rounds_a_half_upwards(value: tuple[int, int], rounded: int) -> None:
    assert half_up(Fraction(*value)) == rounded


@pytest.mark.parametrize(("minor", "coins"), [(1003, 1005), (1002, 1000), (597, 595), (598, 600), (2, 0)])
def test_the_paper_knows_the_smallest_coin(minor: int, coins: int) -> None:
    assert in_coins(minor) == coins


def test_the_paper_shares_by_the_largest_remainder() -> None:
    assert shared(500, [2250, 1620]) == [291, 209]
    assert shared(1, [1, 1]) == [1, 0]


def test_the_paper_adds_up_discounts_comps_and_taxes() -> None:
    written = Bill("tab", {"a": Ordered("soup", 2), "b": Ordered("wine", 1), "c": Ordered("water", 1, comped=True)})
    written.discounts = ["voucher", "friends"]
    receipt = written.receipt()
    # 14.66 + 19.99 less 10 % (3.47), less 5.00; the wine holds its tax of 20 %
    assert (receipt.gross, receipt.comp, receipt.discount) == (3_766, 301, 847)
    assert receipt.tax == {"vat": 111, "within": 252}
    assert receipt.due == 2_618 + 111


def test_even_parts_on_paper_differ_by_a_cent_and_sum_up() -> None:
    one, *others = bills = [Bill(name) for name in ("a", "b", "c")]
    one.lines = {"x": Ordered("soup", 1), "y": Ordered("water", 1), "z": Ordered("cake", 1)}  # 7.33, 3.01 and 3.99
    one.share_out(others)
    assert [sum(line.gross for line in bill.lines.values()) for bill in bills] == [478, 478, 477]
    assert list(others[0].lines) == ["x.b", "y.b", "z.b"]


def test_a_card_that_is_refused_takes_its_receipt_off_the_paper() -> None:
    written, bill = paper(), Bill("tab-2", {"x": Ordered("cake", 1)})
    written.close(bill, [("card", 399)], rounding=0, tip=50)
    written.lose_card(bill)
    written.close(bill, [("cash", 400)], rounding=1, tip=0)
    assert (written.reversed["tab-2"].tip, written.receipts["tab-2"].rounding) == (50, 1)
    written.pool({"walt": 1, "wilma": 2})
    assert sum(written.pooled.values()) == sum(receipt.tip for receipt in written.receipts.values())


@pytest.fixture
def _logs_as_before() -> Generator[None]:
    """The demo is a program of its own, and silences the log of its process."""
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize("options", [["--kills", "1"], ["--kills", "2"]])
def test_nothing_is_killed_of_a_system_that_runs_already(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "--url", "http://127.0.0.1:1"]) == CANNOT_RUN
    assert "leave --kills out" in capsys.readouterr().err


@pytest.mark.slow
def test_holdfast_demo_restaurant_passes_with_kills(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast.cli", "demo", "restaurant"]
    options = ["--seconds", "6", "--kills", "2"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  killed ") == 3
    assert "All of it holds." in done.stdout
    assert list(tmp_path.iterdir()) == []
