"""Which entities the log of a purpose holds."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._streams import log_stream


class NamesPage(NamedTuple):
    """Some names, sorted, and how many there are in all."""

    names: Sequence[Name]
    total: int


async def written_names(bus: Bus, purpose: str, tenant: str) -> Sequence[Name]:
    """Every entity of the tenant (`*`: of all) with events in the log, sorted; none of a purpose never served."""
    async with aclosing(name_pages(bus, purpose, tenant)) as pages:
        return sorted({name for page in [page async for page in pages] for name in page.names})


async def name_pages(bus: Bus, purpose: str, tenant: str) -> AsyncGenerator[NamesPage]:
    """The same page by page, as the server sorts and cuts them, so that any number of entities fits into memory."""
    query: dict[str, Any] = {"subjects_filter": f"evt.{purpose}.{tenant}.*", "offset": 0}
    while True:
        try:
            info = await _api.call(bus, f"STREAM.INFO.{log_stream(purpose)}", query)
        except _api.ApiError as error:
            if error.code == _api.STREAM_NOT_FOUND:
                return
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        page: dict[str, int] = info["state"].get("subjects") or {}
        total = int(info.get("total", len(page)))
        yield NamesPage([Name.from_subject(subject) for subject in sorted(page)], total)
        query["offset"] += len(page)
        if not page or query["offset"] >= total:
            return
