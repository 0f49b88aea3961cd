"""Slow, independent accounts of a kitchen and of a waitlist, worked out anew from all that happened.

They share no code with the domain on purpose, so that tests can hold what it does against them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple


class Asked(NamedTuple):
    """One thing that was asked of the kitchen, by line: `order` so much of it, `fire` it, or `cancel` so much of it."""

    what: Literal["order", "fire", "cancel"]
    line_id: str
    qty: int = 0


def to_make(asked: Iterable[Asked]) -> dict[str, int]:
    """How much of each line there is to make, served or not; what was never fired is not to be made."""
    wishes = list(asked)
    fired = {wish.line_id for wish in wishes if wish.what == "fire"}
    wanted: dict[str, int] = {}
    for wish in wishes:
        if wish.line_id in fired and wish.what != "fire":
            sign = 1 if wish.what == "order" else -1
            wanted[wish.line_id] = wanted.get(wish.line_id, 0) + sign * wish.qty
    return {line_id: qty for line_id, qty in wanted.items() if qty}


def told(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How much of each line the tickets of a log ask for, summed over all of them; events as the wire shows them."""
    sums: dict[str, int] = {}
    for event in events:
        if event["type"] == "kitchen_ticket_issued":
            for delta in event["data"]["deltas"]:
                sums[delta["line_id"]] = sums.get(delta["line_id"], 0) + delta["delta"]
    return {line_id: qty for line_id, qty in sums.items() if qty}


class Waits(NamedTuple):
    """A party that waits and is not called to a table."""

    party_id: str
    size: int


def waits(events: Iterable[Mapping[str, Any]]) -> list[Waits]:
    """Who waits after this log, in the order of joining; who was called and did not come has kept the place."""
    joined: list[Waits] = []
    called: set[str] = set()
    for event in events:
        party_id = event["data"].get("party_id")
        match event["type"]:
            case "waitlisted":
                joined.append(Waits(party_id, event["data"]["size"]))
            case "party_notified":
                called.add(party_id)
            case "party_skipped":
                called.discard(party_id)
                joined = [each for each in joined if each.party_id != party_id or not event["data"]["removed"]]
            case "waitlist_left" | "party_seated":
                called.discard(party_id)
                joined = [each for each in joined if each.party_id != party_id]
            case _:
                pass
    return [each for each in joined if each.party_id not in called]


def first_for(waiting: Iterable[Waits], least: int, most: int) -> str | None:
    """Who gets a table for `least` to `most` guests: whoever waits longest of those whom it fits."""
    for party_id, size in waiting:
        if least <= size <= most:
            return party_id
    return None
