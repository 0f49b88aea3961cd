"""The lists of a tenant: `GET /v1/{purpose}`, answered by the service from its read model."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.auth import Identity
from gateway.door import Door
from gateway.settings import Settings
from holdfast import Name, NotFound, Unavailable, ValidationFailed
from holdfast.wire import opened

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50
"""What services give when no limit is asked for."""
LIMIT_DIGITS: Final = 3
BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 6.0
_encoder: Final = msgspec.json.Encoder()


@get("/v1/{purpose:str}", include_in_schema=False)
async def items(  # noqa: D103 - the wire contract describes it
    *, request: Request[Any, Any, Any], state: State, who: NamedDependency[Identity], purpose: FromPath[str]
) -> Response[bytes]:
    door: Door = state.door
    settings: Settings = state.settings
    Name.of(purpose, who.tenant, "any")
    if purpose not in door.contracts:
        known = ", ".join(sorted(door.contracts))
        raise NotFound(f"there is no list of this purpose; there are {known}")
    query = {"by": who.actor, **_query(request.query_params.multi_items())}
    content = await _ask(door, f"list.{purpose}.{who.tenant}", _encoder.encode(query), settings.command_timeout)
    return Response(bytes(content), media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})


def _query(given: Iterable[tuple[str, Any]]) -> Mapping[str, object]:
    """The limit, the cursor, and everything else as filters."""
    filters = {key: str(value) for key, value in given}
    query: dict[str, object] = {}
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
