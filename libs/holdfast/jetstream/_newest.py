"""What is new in a purpose's log since somebody looked last, asked for many entities at once."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast._messages import Commit
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._streams import log_stream

NEWEST_AT_ONCE: Final = 500
"""Entities of one request: the server finds at most 1,024, and their names have to fit into a message."""
NEWEST_BYTES: Final = 8 * 1024 * 1024
"""Of one answer; what is left is asked for by another request."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Commit)


class Reach(NamedTuple):
    """How far a log goes. While nothing of it changes, nothing was stored and nothing left the log."""

    created: str
    end: int
    removed: int
    """How many commits have left it."""


class Newest(NamedTuple):
    """The last seq of each entity that has a commit in the range that was asked for."""

    seqs: Mapping[Name, int]
    known_to: int
    """The position up to which whoever answered knows the log; a replica may lag."""


async def reach(bus: Bus, purpose: str) -> Reach:
    """How far the log of a purpose goes, as its leader knows it."""
    try:
        info = await _api.call(bus, f"STREAM.INFO.{log_stream(purpose)}")
    except _api.ApiError as error:
        raise Unavailable(f"the log cannot be read: {error.description}") from error
    end = int(info["state"]["last_seq"])
    return Reach(info["created"], end, end - int(info["state"]["messages"]))


async def newest(bus: Bus, names: Sequence[Name], *, after: int) -> Newest:
    """What these entities of one purpose, at most `NEWEST_AT_ONCE`, have behind position `after`, by direct get."""
    subjects = {name.subject("evt"): name for name in names}
    found: dict[Name, int] = {}
    query: dict[str, object] = {"multi_last": list(subjects), "batch": len(subjects), "max_bytes": NEWEST_BYTES}
    operation = f"$JS.API.DIRECT.GET.{log_stream(names[0].purpose)}"
    following, known_to = after + 1, after
    while True:
        left = False
        body = _encoder.encode(query | {"seq": following})
        async for message in bus.request_many(operation, body, timeout=_api.API_SECONDS):
            headers = message.headers
            match headers.get("Status"):
                case None:
                    found[subjects[headers["Nats-Subject"]]] = _decoder.decode(message.data).events[-1].seq
                    following = int(headers["Nats-Sequence"]) + 1
                    left = headers.get("Nats-Num-Pending", "0") != "0"
                case "204":
                    known_to = query["up_to_seq"] = int(headers["Nats-UpTo-Sequence"])
                case "404":
                    left = False
                case status:
                    raise Unavailable(f"the log cannot be read: {status} {headers.get('Description', '')}")
        if not left:
            return Newest(found, known_to)
