"""Which entities the log of a purpose holds."""

from collections.abc import Sequence
from typing import Any

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._streams import log_stream


async def written_names(bus: Bus, purpose: str, tenant: str) -> Sequence[Name]:
    """Every entity of the tenant (`*`: of all) with events in the log, sorted; none of a purpose never served."""
    found: set[str] = set()
    query: dict[str, Any] = {"subjects_filter": f"evt.{purpose}.{tenant}.*", "offset": 0}
    while True:
        try:
            info = await _api.call(bus, f"STREAM.INFO.{log_stream(purpose)}", query)
        except _api.ApiError as error:
            if error.code == _api.STREAM_NOT_FOUND:
                return []
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        page: dict[str, int] = info["state"].get("subjects") or {}
        found.update(page)
        query["offset"] += len(page)
        if not page or query["offset"] >= int(info.get("total", 0)):
            return sorted(Name.from_subject(subject) for subject in found)
