"""Errors as HTTP says them: RFC 9457 problem details with our code beside them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from holdfast import Contract, ErrorBody, HoldfastError, NotFound, RateLimited, Rejected, TooLarge, ValidationFailed
from holdfast.telemetry import Tracing
from holdfast.wire import COMMON_STATUS

PROBLEM_TYPE: Final = "application/problem+json"
DEFAULT_STATUS: Final = Rejected.status
_BY_STATUS: Final[Mapping[int, type[HoldfastError]]] = {
    error.status: error for error in (ValidationFailed, NotFound, TooLarge, RateLimited)
}
log = structlog.get_logger(__name__)


class MethodNotAllowed(HoldfastError):
    """The path exists, but not with this method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every HTTP answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    details: dict[str, Any]


def status_of(code: str, contract: Contract | None) -> int:
    """The HTTP status of an error code: the common ones, then the service's own, else 422."""
    if code in COMMON_STATUS:
        return COMMON_STATUS[code]
    return contract.codes.get(code, DEFAULT_STATUS) if contract is not None else DEFAULT_STATUS


def problem(body: ErrorBody, status: int) -> tuple[dict[str, str], Problem]:
    """The headers and the body of the answer for an error."""
    headers = {"Content-Type": PROBLEM_TYPE}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(wait := body.details.get("retry_after_ms"), int):
        headers["Retry-After"] = str(-(-wait // 1000))
    content = Problem(
        type=f"urn:holdfast:error:{body.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=body.message,
        code=body.code,
        retryable=body.retryable,
        details=body.details,
    )
    return headers, content


def problem_response(body: ErrorBody, status: int) -> Response[bytes]:
    """Build the answer for an error."""
    headers, content = problem(body, status)
    media_type = headers.pop("Content-Type")
    return Response(msgspec.json.encode(content), status_code=status, media_type=media_type, headers=headers)


def on_refusal(request: Request[Any, Any, Any], error: HoldfastError) -> Response[bytes]:
    """Answer a refusal; the status of a service's own code is in its contract."""
    contracts: Mapping[str, Contract] = request.app.state.contracts
    contract = contracts.get(str(request.path_params.get("purpose", "")))
    status = error.status if isinstance(error, MethodNotAllowed) else status_of(error.code, contract)
    _note(request, error)
    return problem_response(error.body(), status)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refused, in the same form."""
    if slash_hidden(request):
        return on_refusal(request, ValidationFailed("a name holds no slash, escaped or not"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return on_refusal(request, MethodNotAllowed(f"{request.method} is not offered here"))
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        return on_crash(request, error)
    return on_refusal(request, kind(_words(error)))


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a bug with INTERNAL and keep its text in the log."""
    scope: Mapping[str, Any] = {**request.scope}
    log.error("gateway.request_failed", route=scope.get("path_template"), exc_info=error)
    fault = HoldfastError("a bug in the gateway; it is in its log")
    _note(request, fault)
    return problem_response(fault.body(), fault.status)


def _note(request: Request[Any, Any, Any], error: HoldfastError) -> None:
    tracing: Tracing | None = request.app.state.tracing
    if tracing is not None:
        tracing.note(outcome=error.code)


def slash_hidden(request: Request[Any, Any, Any]) -> bool:
    """Whether the path holds an escaped slash, which would make one path part look like two."""
    return b"%2f" in request.scope["raw_path"].lower()


def _words(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "nothing has this path"
    extra: Any = getattr(error, "extra", None)
    if isinstance(extra, list):
        items: list[Any] = extra  # pyright: ignore[reportUnknownVariableType] - Litestar's own list of dictionaries
        return "; ".join(f"{item.get('key', 'input')}: {item.get('message', '')}" for item in items)
    return error.detail
