"""The lists of a tenant: `GET /v1/{purpose}`, answered by the service from its read model."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.auth import Identity
from gateway.door import Door
from gateway.settings import Settings
from gateway.tables import columns_of, csv_of
from holdfast import Forbidden, Name, NotFound, Unavailable, ValidationFailed
from holdfast.wire import opened

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50
"""What services give when no limit is asked for."""
LIMIT_DIGITS: Final = 3
BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 6.0
MAX_ROWS: Final = 10_000
"""Of one table; a longer list goes on with the cursor of the header."""
CSV: Final = "text/csv"
UNCACHED: Final[dict[str, str]] = {"Cache-Control": "no-store"}


class _Page(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]
    cursor: str | None


_encoder: Final = msgspec.json.Encoder()
_pages: Final = msgspec.json.Decoder(_Page)


@get("/v1/{purpose:str}", include_in_schema=False)
async def items(  # noqa: D103 - the wire contract describes it
    *, request: Request[Any, Any, Any], state: State, who: NamedDependency[Identity], purpose: FromPath[str]
) -> Response[bytes]:
    door: Door = state.door
    settings: Settings = state.settings
    if who.entity is not None:
        raise Forbidden("a pass opens one entity, and no list")
    name = Name.of(purpose, who.tenant, "any")
    if purpose not in door.contracts:
        known = ", ".join(sorted(door.contracts))
        raise NotFound(f"there is no list of this purpose; there are {known}")
    given = dict(request.query_params.multi_items())
    as_table = _wants_table(given.pop("format", None), request.headers.get("accept", ""))
    query = {"by": who.actor, **_query(given.items())}
    subject = f"list.{purpose}.{who.tenant}"
    with door.waiting(name, who.actor):
        if as_table:
            columns = columns_of(door.contracts[purpose], given.get("list"))
            return await _table(door, subject, query, columns, timeout=settings.command_timeout)
        content = await _ask(door, subject, _encoder.encode(query), settings.command_timeout)
    return Response(bytes(content), media_type=MediaType.JSON, headers=UNCACHED)


def _wants_table(format_: str | None, accept: str) -> bool:
    """Whether CSV is asked for: by `format`, or by an Accept header that names it and no JSON."""
    if format_ not in (None, "csv", "json"):
        raise ValidationFailed("format is json or csv", allowed=["json", "csv"])
    if format_ is not None:
        return format_ == "csv"
    return CSV in accept and MediaType.JSON not in accept


async def _table(
    door: Door, subject: str, query: Mapping[str, object], columns: Sequence[str], *, timeout: float
) -> Response[bytes]:
    """The whole list, up to a bound, or the page that was asked for; what is left follows by the cursor in the header."""
    whole = "limit" not in query
    rows: list[Mapping[str, Any]] = []
    asked: dict[str, object] = {"limit": MAX_LIMIT, **query}
    while True:
        page = _pages.decode(await _ask(door, subject, _encoder.encode(asked), timeout))
        rows += page.items
        asked["cursor"] = page.cursor
        if page.cursor is None or not whole or len(rows) >= MAX_ROWS:
            break
    headers = UNCACHED if page.cursor is None else {**UNCACHED, "Holdfast-Cursor": page.cursor}
    return Response(csv_of(columns, rows).encode(), media_type=CSV, headers=headers)


def _query(given: Iterable[tuple[str, Any]]) -> Mapping[str, object]:
    """Which list, the limit, the cursor, and everything else as filters."""
    filters = {key: str(value) for key, value in given}
    query: dict[str, object] = {}
    if (name := filters.pop("list", None)) is not None:
        query["list"] = name
    if (limit := filters.pop("limit", None)) is not None:
        if not (limit.isascii() and limit.isdigit() and len(limit) <= LIMIT_DIGITS):
            raise ValidationFailed(
                f"limit is a number from 1 to {MAX_LIMIT}", allowed={"minimum": 1, "maximum": MAX_LIMIT}
            )
        query["limit"] = int(limit)
    if (cursor := filters.pop("cursor", None)) is not None:
        query["cursor"] = cursor
    return {**query, "filters": filters}


async def _ask(door: Door, subject: str, body: bytes, timeout: float) -> msgspec.Raw:
    """Ask whoever serves the list, again and again until the timeout while nobody can: reading twice is harmless."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    backoff = BACKOFF_SECONDS
    while True:
        try:
            left = max(BACKOFF_SECONDS, deadline - loop.time())
            answer = await door.client.bus.request(subject, body, timeout=min(left, ANSWER_SECONDS))
            return opened(answer.data)
        except Unavailable:
            pause = backoff * (0.5 + random.random())  # noqa: S311 - jitter
            if loop.time() + pause >= deadline:
                raise
        await asyncio.sleep(pause)
        backoff = min(backoff * 2, BACKOFF_MAX_SECONDS)
