"""How far the durable consumers of a stream are."""

from typing import Any

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast.jetstream import _api
from holdfast.jetstream._streams import log_stream


async def acknowledged_by_all(bus: Bus, purpose: str, *, called: str = "") -> int | None:
    """The position up to which every durable consumer of the log has acknowledged, None when none has anything left.

    `called` is what the names of those begin with that count.
    """
    floors: list[int] = []
    offset = 0
    while True:
        try:
            answer = await _api.call(bus, f"CONSUMER.LIST.{log_stream(purpose)}", {"offset": offset})
        except _api.ApiError as error:
            raise Unavailable(f"the readers of the log cannot be listed: {error.description}") from error
        missing: list[str] = answer.get("missing") or []  # on a cluster, those whose leaders did not answer
        if unknown := [name for name in missing if name.startswith(called)]:
            raise Unavailable(f"how far {', '.join(unknown)} read the log is not known while NATS servers are away")
        page: list[dict[str, Any]] = answer.get("consumers") or []
        floors += [
            int(each["ack_floor"]["stream_seq"]) for each in page if each["name"].startswith(called) and _holds(each)
        ]
        offset += len(page) + len(missing)
        if not (page or missing) or offset >= int(answer["total"]):
            return min(floors, default=None)


def _holds(consumer: dict[str, Any]) -> bool:
    """Whether it waits for acknowledgements, and not only for what is yet to come."""
    durable = "durable_name" in consumer["config"] and consumer["config"].get("ack_policy") != "none"
    return durable and bool(consumer["num_pending"] or consumer["num_ack_pending"])
