"""What must hold of a run, each check over the evidence alone. A check tells its problems, the first one first."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from holdfast.testing.doors import Frame
from services.auction._demo.evidence import Bid, Evidence, Sighting, numbers_in
from services.auction.reference import ReferenceBid, reference_leader, reference_minimum, reference_price

REFERENCE_POINTS: Final = 4
"""The reference is quadratic in the number of bids, so it is asked at the end and at a few points before."""
PUBLIC_AMOUNTS: Final = ("price_minor", "shown_minor", "minimum_minor")
UNMISTAKABLE: Final = 100_000
"""Smaller amounts could be taken for the number of an event or a count."""

Problems = Iterator[str]


def answered(seen: Evidence) -> Problems:
    """Every bid has a definite answer."""
    for bid in seen.bids:
        if not bid.answer:
            yield f"{_of(bid)} was never answered"


def gapless(seen: Evidence) -> Problems:
    """The log counts from 1 without a gap."""
    for expected, event in enumerate(seen.log, start=1):
        if event["seq"] != expected:
            yield f"event {expected} of the log has the seq {event['seq']}"
            return


def acknowledged(seen: Evidence) -> Problems:
    """Every acknowledged bid is in the log once, with the seq, the bidder and the events of its answer."""
    logged = _by_command(seen.log)
    for bid in seen.accepted():
        events = logged.get(bid.command_id, [])
        found = [(event["seq"], event["type"]) for event in events]
        told = [(event["seq"], event["type"]) for event in bid.answer["events"]]
        bids = [event for event in events if event["type"] == "bid_accepted"]
        if found != told or not told or bid.answer["seq"] != told[-1][0]:
            yield f"{_of(bid)} was answered with {told} but the log has {found}"
        elif [event["data"].get("bidder_id") for event in bids] != [bid.bidder]:
            yield f"{_of(bid)} stands {len(bids)} times in the log, or for someone else"


def refused(seen: Evidence) -> Problems:
    """No refused bid is in the log, nor one that nobody sent, nor one that stays hidden from everyone."""
    ours = {bid.command_id: bid for bid in seen.bids}
    for event in seen.log:
        bid = ours.get(event.get("command_id", ""))
        if bid is not None and not bid.accepted:
            yield f"{_of(bid)} was refused with {bid.answer.get('code')} but is event {event['seq']}"
        elif event["type"] == "redacted" or (event["type"] == "bid_accepted" and bid is None):
            yield f"event {event['seq']} ({event['type']}) belongs to no bidder's acknowledged bid"


def ordered(seen: Evidence) -> Problems:
    """A bid that was sent after the answer to another one stands behind it; so do each bidder's own bids."""
    earliest: Bid | None = None
    for bid in sorted(seen.accepted(), key=_seq, reverse=True):
        if earliest is not None and earliest.answered_at < bid.sent_at:
            yield f"{_of(earliest)} was answered before {_of(bid)} was sent, but stands behind it"
        if earliest is None or bid.answered_at < earliest.answered_at:
            earliest = bid


def watched(seen: Evidence) -> Problems:
    """Every watcher saw every event once and in order, to the last one."""
    for sighting in seen.sightings:
        expected = sighting.first
        for event in sighting.events:
            if event["seq"] != expected:
                yield f"{_who(sighting)} saw event {event['seq']} where {expected} was due"
                break
            expected += 1
        else:
            if expected != len(seen.log) + 1:
                yield f"{_who(sighting)} saw events up to {expected - 1} of {len(seen.log)}"


def replayed(seen: Evidence) -> Problems:
    """What a viewer saw live is what the log shows that viewer afterwards."""
    for sighting in seen.sightings:
        kept = {event["seq"]: event for event in seen.replays[sighting.viewer]}
        for event in sighting.events:
            if event != kept.get(event["seq"]):
                yield f"{_who(sighting)} saw event {event['seq']} as {event}, the log shows {kept.get(event['seq'])}"
                break


def priced(seen: Evidence) -> Problems:
    """Price and leader equal the reference, which knows the bids as the bidders sent them, in the order of the log."""
    sent = {bid.command_id: bid for bid in seen.bids}
    accepted = [event for event in seen.log if event["type"] == "bid_accepted"]
    known = [sent[event["command_id"]] for event in accepted if event["command_id"] in sent]
    if len(known) < len(accepted):
        yield "the log holds bids that nobody sent"
        return
    bids = [ReferenceBid(bidder=bid.bidder, max_minor=bid.max_minor) for bid in known]
    for point in range(1, REFERENCE_POINTS + 1):
        count = len(bids) * point // REFERENCE_POINTS
        if not count:
            continue
        data = accepted[count - 1]["data"]
        found = (data["leader_id"], data["price_minor"])
        due = _reference(seen.lot, bids[:count])
        if found != due:
            yield f"after bid {count} (event {accepted[count - 1]['seq']}) leader and price are {found}, not {due}"
            return


def closed(seen: Evidence) -> Problems:
    """The lot closed once, last of all, as of the end announced last, for the winner of the reference.

    The alarm closes it, unless a bid that came too late found the end passed first.
    """
    closings = [event for event in seen.log if event["type"] == "auction_closed"]
    if len(closings) != 1 or seen.log[-1] is not closings[0]:
        yield f"the log holds {len(closings)} closings, and ends with {seen.log[-1]['type'] if seen.log else 'nothing'}"
        return
    data: Mapping[str, Any] = closings[0]["data"]
    ends_at = _moment(seen.lot["ends_at"])
    for event in seen.log:
        if event["type"] == "end_extended":
            if _moment(event["data"]["from"]) != ends_at:
                yield f"event {event['seq']} extends from {event['data']['from']}, not from {ends_at}"
            ends_at = _moment(event["data"]["to"])
    too_late = counted(seen)["AUCTION_ENDED"]
    if _moment(data["effective_at"]) != ends_at or (data["cause"] != "alarm" and not too_late):
        yield f"the lot closed as of {data['effective_at']} by {data['cause']}; its end was {ends_at}"
    bids = [ReferenceBid(bidder=bid.bidder, max_minor=bid.max_minor) for bid in sorted(seen.accepted(), key=_seq)]
    found = (data["result"], data.get("winner_id"), data["price_minor"])
    due = ("SOLD", *_reference(seen.lot, bids)) if bids else ("NO_BIDS", None, None)
    if found != due:
        yield f"the lot closed with {found}, the reference says {due}"


def in_time(seen: Evidence) -> Problems:
    """Each bid counts as of a moment before the end, and these moments never go back."""
    bids = [event for event in seen.log if event["type"] == "bid_accepted"]
    for earlier, later in pairwise(bids):
        if _moment(later["data"]["at"]) < _moment(earlier["data"]["at"]):
            yield f"event {later['seq']} is of an earlier moment than event {earlier['seq']}"
            return
    if bids and seen.log[-1]["type"] == "auction_closed":
        end = _moment(seen.log[-1]["data"]["effective_at"])
        if _moment(bids[-1]["data"]["at"]) >= end:
            yield f"event {bids[-1]['seq']} was accepted at or after the end {end}"


def secret(seen: Evidence) -> Problems:
    """No maximum reached anyone but those who bid it, unless the rules made it a public amount."""
    owners: defaultdict[int, set[str]] = defaultdict(set)
    for bid in seen.bids:
        if bid.max_minor >= UNMISTAKABLE:
            owners[bid.max_minor].add(bid.bidder)
    for event in seen.log:
        if event["type"] in ("bid_accepted", "outbid", "auction_closed"):
            for field in PUBLIC_AMOUNTS:
                owners.pop(event["data"].get(field), None)
            owners.pop(reference_minimum(event["data"].get("price_minor"), start_minor=seen.lot["start_minor"]), None)
    viewers = [(_who(sighting), sighting.viewer, sighting.amounts) for sighting in (*seen.sightings, *seen.answers)]
    viewers += [
        (f"the replay of {viewer}", viewer, set[int]().union(*map(numbers_in, events)))
        for viewer, events in seen.replays.items()
    ]
    for who, viewer, amounts in viewers:
        for amount in sorted(owners.keys() & amounts):
            if viewer not in owners[amount]:
                yield f"{who} was shown {amount}, a maximum of {', '.join(sorted(owners[amount]))}"


def disturbed(seen: Evidence) -> Problems:
    """Bids were answered before the first kill and after the last, so that the kills meant something."""
    times = sorted(bid.answered_at for bid in seen.accepted())
    for kill in seen.kills:
        if not times or not times[0] < kill.at < times[-1]:
            yield f"no bid was acknowledged on both sides of the kill of pid {kill.pid}"


CHECKS: Final[Mapping[str, Callable[[Evidence], Problems]]] = {
    "every bid got a definite answer": answered,
    "the log counts 1..n without a gap": gapless,
    "acknowledged bids are in the log once, as answered": acknowledged,
    "no refused bid is in the log": refused,
    "the log keeps the order in which bids were answered": ordered,
    "bids count from a moment before the end": in_time,
    "watchers saw every event once, in order": watched,
    "live and replay show the same": replayed,
    "price and leader equal the reference": priced,
    "closed at its end, for the winner": closed,
    "hidden maxima stayed hidden": secret,
    "the kills fell among the bids": disturbed,
}


def _reference(lot: Mapping[str, Any], bids: Sequence[ReferenceBid]) -> tuple[str | None, int | None]:
    price = reference_price(bids, start_minor=lot["start_minor"], reserve_minor=lot.get("reserve_minor"))
    return reference_leader(bids), price


def _by_command(log: Sequence[Frame]) -> Mapping[str, list[Frame]]:
    found: defaultdict[str, list[Frame]] = defaultdict(list)
    for event in log:
        found[event.get("command_id", "")].append(event)
    return found


def _seq(bid: Bid) -> int:
    return bid.seq


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _of(bid: Bid) -> str:
    return f"the bid {bid.command_id} of {bid.bidder} ({bid.max_minor})"


def _who(sighting: Sighting) -> str:
    return f"the {sighting.kind} watcher {sighting.viewer}"


def counted(seen: Evidence) -> Counter[str]:
    """How the bids were answered: `accepted`, or the code of the refusal."""
    return Counter("accepted" if bid.accepted else bid.answer.get("code", "unanswered") for bid in seen.bids)
