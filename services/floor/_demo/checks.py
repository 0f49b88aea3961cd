"""What must hold of an evening, each check over the evidence alone. A check tells its problems, the first one first."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from services.floor._demo import menu
from services.floor._demo.evidence import Deed, Evidence
from services.floor._demo.sums import cash_drawers, day_report, pools, receipts, stock

Problems = Iterator[str]


def answered(seen: Evidence) -> Problems:
    """Every command has a definite answer."""
    for deed in seen.deeds:
        if not deed.answer:
            yield f"{_of(deed)} was never answered"


def gapless(seen: Evidence) -> Problems:
    """Each log counts from 1 without a gap."""
    for name, log in seen.logs.items():
        for expected, event in enumerate(log, start=1):
            if event["seq"] != expected:
                yield f"event {expected} of {name} has the seq {event['seq']}"
                break


def acknowledged(seen: Evidence) -> Problems:
    """Every acknowledged command is in the log once, with the events of its answer; no refused one is."""
    logged: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for name, log in seen.logs.items():
        for event in log:
            logged[name, event.get("command_id", "")].append((event["seq"], event["type"]))
    for deed in seen.deeds:
        found = logged.get((deed.name, deed.command_id), [])
        told = [(event["seq"], event["type"]) for event in deed.answer.get("events", [])]
        shown = [pair for pair in told if pair[1] != "redacted"]
        if deed.accepted and ([seq for seq, _ in found] != [seq for seq, _ in told] or not set(shown) <= set(found)):
            yield f"{_of(deed)} was answered with {told} but the log has {found}"
        elif not deed.accepted and found:
            yield f"{_of(deed)} was refused with {deed.answer.get('code')} but the log has {found}"


def watched(seen: Evidence) -> Problems:
    """Every tablet saw every event once and in order, as the log shows it to its user."""
    for sighting in seen.sightings:
        kept = seen.replays[sighting.user, sighting.name]
        seqs = [event["seq"] for event in sighting.events]
        if seqs != [event["seq"] for event in kept]:
            odd = next((pair for pair in enumerate(seqs, start=1) if pair[0] != pair[1]), (len(seqs) + 1, None))
            yield f"the tablet of {sighting.user} saw {odd[1]} of {sighting.name} where {odd[0]} was due"
            continue
        for live, later in zip(sighting.events, kept, strict=True):
            if live != later:
                yield f"the tablet of {sighting.user} saw {live}, the log of {sighting.name} shows {later}"
                break


def alike(seen: Evidence) -> Problems:
    """Everybody of one role is shown the same, byte for byte, and every tablet has the tables as they are shown."""
    for role, views in seen.views.items():
        for name in seen.logs:
            shown = {view[name]: user for user, view in views.items()}
            if len(shown) != 1:
                yield f"{' and '.join(shown.values())}, all {role}, are shown different states of {name}"
    _, state = json.loads(next(iter(seen.views["waiter"].values()))[seen.floor])
    tables = {table["id"]: table["status"] for table in state["tables"]}
    for label, board in seen.boards.items():
        known = json.loads(board)[0]
        if {table: known.get(table, "AVAILABLE") for table in tables} != tables:
            yield f"the tablet of {label} has {known}, the floor shows {tables}"
    waiters = {board for label, board in seen.boards.items() if label.startswith("waiter")}
    if len(waiters) != 1:
        yield "the tablets of the waiters hold different evenings"


def charged(seen: Evidence) -> Problems:
    """Every ordered line came on one bill, once, in the quantity and at the price that were ordered."""
    added: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in seen.of(seen.till, "line_added"):
        if not event["data"].get("offline"):
            added[event["data"]["line_id"]].append(event["data"])
    for line_id, line in seen.paper.ordered.items():
        found = [(each["sku"], each["qty_milli"], each["unit_price_minor"]) for each in added.pop(line_id, [])]
        if found != [(line.sku, 1000 * line.pieces, menu.MENU[line.sku].price)]:
            yield f"line {line_id}, {line.pieces} {line.sku}, is on bills as {found}"
    for line_id in added:
        yield f"line {line_id} is on a bill, and nobody ordered it"


def cooked(seen: Evidence) -> Problems:
    """The kitchen was told of every line exactly what was ordered, less what was taken off before it was served."""
    told: Counter[str] = Counter()
    off: Counter[str] = Counter()
    for event in seen.of(seen.floor, "kitchen_ticket_issued"):
        for delta in event["data"]["deltas"]:
            told[delta["line_id"]] += delta["delta"]
    for event in seen.of(seen.floor, "line_cancelled"):
        off[event["data"]["line_id"]] += event["data"]["qty"]
    for line_id, line in seen.paper.ordered.items():
        due = 1000 * line.pieces - off[line_id]
        if told[line_id] != due:
            yield f"the kitchen was told to make {told[line_id]} of line {line_id}, {due} were wanted"
        if off[line_id] < 1000 * seen.paper.cancelled[line_id]:
            yield f"of line {line_id} {1000 * seen.paper.cancelled[line_id]} were cancelled, the floor has {off[line_id]}"


def turned(seen: Evidence) -> Problems:
    """Every party that paid left once, by the alarm, and no table is left as it should not be."""
    left = Counter(event["data"]["party_id"] for event in seen.of(seen.floor, "table_auto_closed", "party_left"))
    for party in seen.paper.parties:
        if left[party] != 1:
            yield f"party {party} left {left[party]} times"
    for event in seen.of(seen.floor, "table_auto_closed"):
        if event["data"]["reason"] != "paid":
            yield f"event {event['seq']} closes a table that was {event['data']['reason']}"
    for event in seen.of(seen.floor, "table_attention"):
        yield f"event {event['seq']} calls for attention to a table of so short an evening"


def quiet(seen: Evidence) -> Problems:
    """Floor and till never found that the other one's word did not fit, and told each other nothing twice."""
    cancels = 0
    for event in seen.of(seen.till, "tab_conflict", "price_missing", "price_stale", "oversell_recorded"):
        if event["data"].get("about") == "cancel":
            cancels += 1
        else:
            yield f"event {event['seq']} of the till flags {event['type']}: {event['data']}"
    made = sum(event["data"].get("made", False) for event in seen.of(seen.floor, "line_cancelled"))
    if cancels != made:
        yield f"the till flags {cancels} cancels without an approval, waiters cancelled {made} lines in the kitchen"
    for name in seen.logs:
        told = [event for event in seen.logs[name] if event.get("by", {}).get("user") in ("_floor", "_pos")]
        commands = Counter((event["command_id"], event["seq"]) for event in told)
        for (command_id, seq), times in commands.items():
            if times > 1:
                yield f"event {seq} of {name}, of command {command_id}, stands there {times} times"


def disturbed(seen: Evidence) -> Problems:
    """Commands were acknowledged before each kill and after it, so that the kills meant something."""
    times = sorted(deed.answered_at for deed in seen.accepted())
    for kill in seen.kills:
        if not times or not times[0] < kill.at < times[-1]:
            yield f"nothing was acknowledged on both sides of the kill of {kill.part}, pid {kill.pid}"


CHECKS: Final[Mapping[str, Callable[[Evidence], Problems]]] = {
    "every command got a definite answer": answered,
    "the logs count 1..n without a gap": gapless,
    "acknowledged commands are in the logs once, refused ones never": acknowledged,
    "tablets saw every event once, in order, as it is": watched,
    "who has the same role is shown the same": alike,
    "every ordered line is charged once": charged,
    "the kitchen was told every line exactly": cooked,
    "every party paid and left once": turned,
    "receipts equal the paper, numbered without a gap": receipts,
    "drawers equal the paper": cash_drawers,
    "stock equals the paper": stock,
    "tips were shared out as on paper": pools,
    "the day's report equals the paper": day_report,
    "floor and till agreed all evening": quiet,
    "the kills fell among the commands": disturbed,
}


def _of(deed: Deed) -> str:
    return f"{deed.command} of {deed.user} ({deed.command_id})"
