"""The demo as its user runs it, and that each of its checks tells when something is wrong."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.system import started
from services.auction._demo.checks import CHECKS
from services.auction._demo.evidence import Bid, Evidence, Kill, Sighting, numbers_in
from services.auction._demo.report import report

END = "2026-06-01T12:00:00Z"
LATER = "2026-06-01T12:00:03Z"
Doctoring = Callable[[Evidence], None]


def event(seq: int, type_: str, command_id: str = "_alarm-1", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "type": type_, "command_id": command_id, "at": f"2026-06-01T11:00:0{seq}Z", "data": data}


def bid_event(seq: int, bidder: str, *, price: int, leader: str) -> dict[str, Any]:
    at = f"2026-06-01T11:00:0{seq}Z"
    return event(
        seq, "bid_accepted", f"c{seq}", bidder_id=bidder, price_minor=price, shown_minor=price, leader_id=leader, at=at
    )


def bid(bidder: str, max_minor: int, *events: dict[str, Any], at: float) -> Bid:
    answer = {"op": "ok", "seq": events[-1]["seq"], "events": list(events)}
    return Bid(bidder, f"c{events[0]['seq']}", max_minor, sent_at=at, answered_at=at + 0.5, answer=answer, attempts=1)


def flawless() -> Evidence:
    """Ann leads with 5000.07, Bob stays below and then goes above her, Cy bids too little."""
    log = [
        event(1, "lot_created", "c0"),
        event(2, "lot_opened", "c0"),
        bid_event(3, "ann", price=1000, leader="ann"),
        bid_event(4, "bob", price=305_007, leader="ann"),
        event(5, "outbid", "c4", bidder_id="bob", price_minor=305_007, minimum_minor=310_007),
        bid_event(6, "bob", price=510_007, leader="bob"),
        event(7, "outbid", "c6", bidder_id="ann", price_minor=510_007, minimum_minor=520_007),
        event(8, "end_extended", "c6", **{"from": END, "to": LATER}),
        event(
            9,
            "auction_closed",
            result="SOLD",
            winner_id="bob",
            price_minor=510_007,
            effective_at=LATER,
            cause="alarm",
        ),
    ]
    return Evidence(
        lot={"start_minor": 1000, "ends_at": END, "currency": "EUR"},
        bids=[
            bid("ann", 500_007, log[2], at=1.0),
            bid("bob", 300_007, log[3], log[4], at=2.0),
            bid("bob", 900_007, log[5], log[6], log[7], at=3.0),
            Bid("cy", "c-low", 700_007, sent_at=3.1, answered_at=3.2, answer={"op": "error", "code": "BID_TOO_LOW"}),
        ],
        sightings=[Sighting("olga", events=deepcopy(log), amounts={305_007, 510_007})],
        replays={"olga": deepcopy(log)},
        log=log,
        kills=[Kill(pid=1, at=2.7)],
    )


def lose_an_event(seen: Evidence) -> None:
    seen.log = [event for event in seen.log if event["seq"] != 4]


def log_a_bid_twice(seen: Evidence) -> None:
    seen.log = [*seen.log[:-1], {**seen.log[2], "seq": 9}, {**seen.log[-1], "seq": 10}]


def answer_with_another_seq(seen: Evidence) -> None:
    seen.bids[0].answer["seq"] = 4


def log_a_bid_for_someone_else(seen: Evidence) -> None:
    seen.log[2]["data"]["bidder_id"] = "cy"


def log_a_refused_bid(seen: Evidence) -> None:
    seen.bids[0].answer = {"op": "error", "code": "BID_TOO_LOW"}


def log_a_bid_that_nobody_sent(seen: Evidence) -> None:
    del seen.bids[0]


def leave_an_event_hidden(seen: Evidence) -> None:
    seen.log[4]["type"] = "redacted"


def leave_a_bid_unanswered(seen: Evidence) -> None:
    seen.bids[3].answer = {}


def answer_the_later_bid_first(seen: Evidence) -> None:
    seen.bids[2].sent_at, seen.bids[2].answered_at = 0.1, 0.2


def let_a_moment_go_back(seen: Evidence) -> None:
    seen.log[5]["data"]["at"] = "2026-06-01T10:00:00Z"


def accept_a_bid_at_the_end(seen: Evidence) -> None:
    seen.log[5]["data"]["at"] = LATER


def show_an_event_twice(seen: Evidence) -> None:
    seen.sightings[0].events.insert(3, seen.sightings[0].events[2])


def miss_an_event(seen: Evidence) -> None:
    del seen.sightings[0].events[3]


def miss_the_last_event(seen: Evidence) -> None:
    del seen.sightings[0].events[-1]


def show_something_else_live(seen: Evidence) -> None:
    seen.sightings[0].events[2]["data"]["price_minor"] = 1


def price_too_high(seen: Evidence) -> None:
    seen.log[5]["data"]["price_minor"] = 900_007


def let_the_loser_lead(seen: Evidence) -> None:
    seen.log[5]["data"]["leader_id"] = "ann"


def let_the_loser_win(seen: Evidence) -> None:
    seen.log[8]["data"]["winner_id"] = "ann"


def close_before_the_extended_end(seen: Evidence) -> None:
    seen.log[8]["data"]["effective_at"] = END


def close_without_an_alarm(seen: Evidence) -> None:
    seen.log[8]["data"]["cause"] = "lazy"


def never_close(seen: Evidence) -> None:
    seen.log = seen.log[:-1]


def show_a_maximum_to_another_viewer(seen: Evidence) -> None:
    seen.sightings[0].amounts.add(900_007)


def replay_a_maximum_to_another_viewer(seen: Evidence) -> None:
    seen.replays["olga"][2]["data"]["max_minor"] = 500_007


def kill_after_the_bidding(seen: Evidence) -> None:
    seen.kills = [Kill(pid=1, at=9.0)]


FAULTS: list[tuple[Doctoring, str]] = [
    (leave_a_bid_unanswered, "every bid got a definite answer"),
    (lose_an_event, "the log counts 1..n without a gap"),
    (log_a_bid_twice, "acknowledged bids are in the log once, as answered"),
    (answer_with_another_seq, "acknowledged bids are in the log once, as answered"),
    (log_a_bid_for_someone_else, "acknowledged bids are in the log once, as answered"),
    (log_a_refused_bid, "no refused bid is in the log"),
    (log_a_bid_that_nobody_sent, "no refused bid is in the log"),
    (leave_an_event_hidden, "no refused bid is in the log"),
    (answer_the_later_bid_first, "the log keeps the order in which bids were answered"),
    (let_a_moment_go_back, "bids count from a moment before the end"),
    (accept_a_bid_at_the_end, "bids count from a moment before the end"),
    (show_an_event_twice, "watchers saw every event once, in order"),
    (miss_an_event, "watchers saw every event once, in order"),
    (miss_the_last_event, "watchers saw every event once, in order"),
    (show_something_else_live, "live and replay show the same"),
    (price_too_high, "price and leader equal the reference"),
    (let_the_loser_lead, "price and leader equal the reference"),
    (let_the_loser_win, "closed at its end, for the winner"),
    (close_before_the_extended_end, "closed at its end, for the winner"),
    (close_without_an_alarm, "closed at its end, for the winner"),
    (never_close, "closed at its end, for the winner"),
    (show_a_maximum_to_another_viewer, "hidden maxima stayed hidden"),
    (replay_a_maximum_to_another_viewer, "hidden maxima stayed hidden"),
    (kill_after_the_bidding, "the kills fell among the bids"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_flawless_run_passes(check: str) -> None:
    assert list(CHECKS[check](flawless())) == []


def test_a_bid_that_comes_too_late_may_close_the_lot_before_its_alarm() -> None:
    seen = flawless()
    close_without_an_alarm(seen)
    too_late = Bid(
        "cy", "c-late", 700_007, sent_at=9.0, answered_at=9.1, answer={"op": "error", "code": "AUCTION_ENDED"}
    )
    seen.bids.append(too_late)
    assert list(CHECKS["closed at its end, for the winner"](seen)) == []


@pytest.mark.parametrize(("doctor", "check"), FAULTS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_fault_is_found_by_its_check(doctor: Doctoring, check: str) -> None:
    seen = flawless()
    doctor(seen)

    assert list(CHECKS[check](seen)) != []


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for _, check in FAULTS} == set(CHECKS)


def test_a_report_names_the_seed_and_the_first_problem_of_a_failed_check() -> None:
    seen = flawless()
    miss_an_event(seen)

    text, good = report(seen, seed=4711)

    assert not good
    assert "FAILED   watchers saw every event once, in order" in text
    assert "the plain watcher olga saw event 5 where 4 was due" in text
    assert "--seed 4711" in text


def test_amounts_are_found_wherever_they_stand_but_not_in_times_and_ids() -> None:
    frame = {
        "seq": 7,
        "at": "2026-06-01T12:00:00.900007Z",
        "command_id": "0b5c900008",
        "message": "bid at least 310007",
        "events": [{"data": {"price_minor": 305_007, "reserve_met": True}}],
    }

    assert numbers_in(frame) == {7, 310_007, 305_007}


@pytest.mark.slow
def test_holdfast_demo_auction_passes_with_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast.cli", "demo", "auction"]
    options = ["--seconds", "5", "--bidders", "10", "--kills", "1"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed the auction's process, pid" in done.stdout
    assert "All of it holds." in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_demo_takes_a_system_that_runs_already(tmp_path: Path) -> None:
    async with started(tmp_path / "data", "auction") as system:
        pid = await system.processes.pid("auction")
        options = [*("--url", system.url, "--data", tmp_path / "data", "--owner-pid", pid, "--kills", 1)]
        plan = [*("--seconds", 5, "--bidders", 10)]
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli", "demo", "auction", *map(str, [*options, *plan])),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            said, _ = await demo.communicate()

        assert demo.returncode == 0, said.decode()
        assert f"killed the auction's process, pid {pid}" in said.decode()


def test_a_running_system_is_not_killed_without_its_pid(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast.cli", "demo", "auction", "--url", "http://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "--owner-pid" in done.stderr
    assert "Traceback" not in done.stderr
