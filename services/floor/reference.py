"""The slow, independent account of a kitchen: what there is to make is worked out anew from all that was asked for.

It shares no code with the domain on purpose, so that tests can hold the sum of all tickets against it.
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
