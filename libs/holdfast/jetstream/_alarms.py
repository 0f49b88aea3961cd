"""Alarms as JetStream's scheduled messages: one schedule per entity, fenced by its subject's sequence."""

import base64
from datetime import datetime
from typing import Any, Final

from holdfast._alarms import Armed
from holdfast._bus import Bus
from holdfast._clock import rfc3339
from holdfast._errors import NoRoom, Unavailable
from holdfast._log import Conflict
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._committer import acknowledged
from holdfast.jetstream._log import H_FENCE, parse_headers
from holdfast.jetstream._streams import alarm_stream

H_SCHEDULE: Final = "Nats-Schedule"
H_TARGET: Final = "Nats-Schedule-Target"
_AT: Final = "@at "


class JetStreamAlarms:
    """The armed alarms of one purpose. What has rung waits on `due.…` until it is removed."""

    def __init__(self, bus: Bus, purpose: str) -> None:
        self._bus = bus
        self._stream = alarm_stream(purpose)

    async def arm(self, name: Name, at: datetime, /, *, expected: int) -> int:
        """Arm or replace the entity's schedule if nobody else changed it since `expected`."""
        headers = {H_SCHEDULE: _AT + rfc3339(at), H_TARGET: name.subject("due"), H_FENCE: str(expected)}
        try:
            return acknowledged(
                await self._bus.request(name.subject("alarm"), b"{}", headers=headers, timeout=_api.API_SECONDS)
            )
        except _api.ApiError as error:
            if error.code == _api.WRONG_LAST_SEQUENCE:
                raise Conflict(str(name)) from error
            words = f"the alarm cannot be armed: {error.description}"
            raise (NoRoom(words) if error.no_room else Unavailable(words)) from error

    async def armed(self, name: Name, /) -> Armed | None:
        """What stands armed now, asked of the stream's leader."""
        try:
            answer = await _api.call(
                self._bus, f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": name.subject("alarm")}
            )
        except _api.ApiError as error:
            if error.code == _api.MESSAGE_NOT_FOUND:
                return None
            raise Unavailable(f"the alarms cannot be read: {error.description}") from error
        message: dict[str, Any] = answer["message"]
        schedule = parse_headers(base64.b64decode(message.get("hdrs", "")))[H_SCHEDULE]
        return Armed(int(message["seq"]), datetime.fromisoformat(schedule.removeprefix(_AT)))

    async def remove(self, sequence: int, /) -> None:
        """Take away the schedule or ring with this sequence; harmless when it is gone."""
        try:
            await _api.call(self._bus, f"STREAM.MSG.DELETE.{self._stream}", {"seq": sequence, "no_erase": True})
        except _api.ApiError as error:
            if error.code not in _GONE:
                raise Unavailable(f"the alarm cannot be removed: {error.description}") from error


_GONE: Final = frozenset({_api.MESSAGE_NOT_FOUND, 10057, 10043})
"""Not found, and what the server says of a sequence that is already deleted."""
