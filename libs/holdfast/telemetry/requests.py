"""Spans of HTTP requests to a Litestar application."""

from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind

from holdfast.telemetry._tracing import TRACEPARENT, Step, Tracing

_TRACEPARENT: Final = TRACEPARENT.encode()


class TraceRequests(ASGIMiddleware):
    """A span from a request to the beginning of its answer, in the caller's trace where it is in one.

    It tells the route, never the path or the query: those are the caller's words.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, tracing: Tracing, *, under: str) -> None:
        self._tracing = tracing
        self._under = under

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Trace one request, if its path is one of those that are traced."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith(self._under):
            await next_app(scope, receive, send)
            return
        what = f"{scope['method']} {scope['path_template']}"
        with self._tracing.within(what, kind=SpanKind.SERVER, parent=_parent(scope)) as step:
            await next_app(scope, receive, _telling(step, send))


def _telling(step: Step, send: Send) -> Send:
    async def tell(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            step.answered(message["status"])
            step.end()

    return tell


def _parent(scope: Scope) -> str:
    """What the one `traceparent` says; of several, nobody knows which to believe."""
    found = [value for name, value in scope["headers"] if name.lower() == _TRACEPARENT]
    return found[0].decode("latin-1") if len(found) == 1 else ""
