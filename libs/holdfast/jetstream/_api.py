"""The few calls of the JetStream API that the runtime makes, with its errors as exceptions."""

from typing import Any, Final

import msgspec

from holdfast._bus import Bus
from holdfast._errors import Unavailable

API_SECONDS: Final = 5.0

STREAM_NOT_FOUND: Final = 10059
MESSAGE_NOT_FOUND: Final = 10037
WRONG_LAST_SEQUENCE: Final = 10071
NOT_ENABLED: Final = frozenset({10039, 10076})
_NO_ROOM: Final = frozenset({10002, 10023, 10028, 10047})
"""Of the account, of the server, in memory, on disk."""
_STORE_FAILED: Final = 10077


class ApiError(Exception):
    """JetStream refused a call; `code` is its `err_code`."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code
        self.description = description

    @property
    def no_room(self) -> bool:
        """Whether a limit of the store was reached, which is looked at before anything is written."""
        return self.code in _NO_ROOM or (self.code == _STORE_FAILED and self.description.startswith("maximum "))


class ApiFault(msgspec.Struct, frozen=True):
    """The `error` member of a JetStream answer."""

    code: int = 0
    err_code: int = 0
    description: str = ""


async def call(bus: Bus, operation: str, body: object = None, *, timeout: float = API_SECONDS) -> dict[str, Any]:
    """Call `$JS.API.{operation}` and return its answer; `ApiError` when refused, `Unavailable` when not answered."""
    data = b"" if body is None else msgspec.json.encode(body)
    answer = await bus.request(f"$JS.API.{operation}", data, timeout=timeout)
    try:
        decoded: dict[str, Any] = msgspec.json.decode(answer.data)
    except msgspec.DecodeError as error:
        raise Unavailable(f"NATS answered {operation} with {dict(answer.headers)}: {error}") from error
    fault = decoded.get("error")
    if fault is not None:
        raise ApiError(int(fault.get("err_code", 0)), str(fault.get("description", "")))
    return decoded
