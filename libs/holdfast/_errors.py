"""What can go wrong, each with the stable code and HTTP status of the wire contract."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it goes over the wire: HTTP, WebSocket and NATS carry the same four fields."""

    code: str
    message: str
    retryable: bool = False
    details: dict[str, Any] = {}


NO_ROOM: Final = "no_room"
"""What `details.reason` of `UNAVAILABLE` says when waiting for an owner would not help."""
UNKNOWN: Final = "unknown"
"""What it says when the command may have been carried out."""


class HoldfastError(Exception):
    """Any refusal that a caller sees; `details` are JSON values."""

    code: str = "INTERNAL"
    status: int = 500
    retryable: bool = False

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    def body(self) -> ErrorBody:
        """The four fields that go over the wire."""
        return ErrorBody(code=self.code, message=self.message, retryable=self.retryable, details=dict(self.details))


class Rejected(HoldfastError):
    """The rules of a trade said no: final, never retried. Services subclass it, one class per code."""

    code = "RULE_VIOLATION"
    status = 422


class ValidationFailed(Rejected):
    """The input is not of the documented form."""

    code = "VALIDATION"
    status = 400


class Unauthenticated(HoldfastError):
    """No credential, or one that is not valid now."""

    code = "UNAUTHENTICATED"
    status = 401


class Forbidden(Rejected):
    """The caller may read this entity but not send this command."""

    code = "FORBIDDEN"
    status = 403


class NotFound(Rejected):
    """Never written, another tenant's, or not the caller's to read: all three look the same."""

    code = "NOT_FOUND"
    status = 404


class StateConflict(Rejected):
    """The command does not fit the state the entity is in."""

    code = "STATE_CONFLICT"
    status = 409


class IdempotencyKeyReused(Rejected):
    """The command id was accepted before with another payload."""

    code = "IDEMPOTENCY_KEY_REUSED"
    status = 409


class ResumeGap(HoldfastError):
    """The events asked for are no longer kept."""

    code = "RESUME_GAP"
    status = 410


class Expired(Rejected):
    """The deadline for this has passed."""

    code = "EXPIRED"
    status = 410


class VersionConflict(Rejected):
    """The entity has moved on since the `expected_seq` that the caller saw."""

    code = "VERSION_CONFLICT"
    status = 412


class TooLarge(Rejected):
    """Over a size limit; nothing was applied."""

    code = "TOO_LARGE"
    status = 413


class RateLimited(HoldfastError):
    """Too many requests; `details.retry_after_ms` says when to come again."""

    code = "RATE_LIMITED"
    status = 429
    retryable = True


class Unavailable(HoldfastError):
    """Not now: nothing was judged, or it is not known; send the same command id again."""

    code = "UNAVAILABLE"
    status = 503
    retryable = True


class NoRoom(Unavailable):
    """The log takes nothing more until somebody makes room, and nothing was written."""

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message, **{"reason": NO_ROOM, **details})


class OutcomeUnknown(Unavailable):
    """Whether the log stored what it was given is not known."""

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(f"{message}; the outcome is not known yet", **{"reason": UNKNOWN, **details})


class NoResponders(Unavailable):
    """Nobody listens on the subject that was asked: whoever should is gone, not slow."""


class TimedOut(HoldfastError):
    """No answer in time; the outcome is unknown until the same command id is sent again."""

    code = "TIMEOUT"
    status = 504
    retryable = True


COMMON_ERRORS: tuple[type[HoldfastError], ...] = (
    Rejected,
    ValidationFailed,
    Unauthenticated,
    Forbidden,
    NotFound,
    StateConflict,
    IdempotencyKeyReused,
    ResumeGap,
    Expired,
    VersionConflict,
    TooLarge,
    RateLimited,
    Unavailable,
    TimedOut,
    HoldfastError,
)
_BY_CODE: Mapping[str, type[HoldfastError]] = {error.code: error for error in COMMON_ERRORS}
COMMON_STATUS: Mapping[str, int] = {error.code: error.status for error in COMMON_ERRORS}


def error_from(body: ErrorBody) -> HoldfastError:
    """The exception for an error that came over the wire; a service's own code stays a `Rejected` with that code."""
    error = _BY_CODE.get(body.code, Rejected)(body.message, **body.details)
    error.code = body.code
    error.retryable = body.retryable
    return error
