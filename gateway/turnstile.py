"""Turns away commands that are over a limit before the framework sees them, so that a flood costs others little."""

import asyncio
import random
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.authenticator import Authenticator
from gateway.door import Door
from gateway.errors import problem
from holdfast import HoldfastError, Name, RateLimited

PAUSE_SECONDS: Final = 0.05
"""About how long a refusal is kept back, in which nothing more is read from its connection: a flood is slowed where it begins.

Nobody loses by it: who is over a limit has to wait anyway, and what they may send adds up meanwhile.
"""
_PARTS: Final = {"POST": 5, "DELETE": 4}
"""How many slashes cut `/v1/purpose/id/command` and `/v1/purpose/id` into."""


class Turnstile:
    """An ASGI application in front of the gateway's. What it does not understand, it lets through.

    A refusal needs no more than the path and the credential: the body is not read, and may be malformed.
    """

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._next: ASGIApp = app
        self._answers_origins = app.cors_config is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a command of someone who is over a limit, or pass it on."""
        content: Any = scope
        if content["type"] == "http" and content["method"] in _PARTS:
            refused = await self._refused(content)
            if refused is not None:
                await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - so that they do not come together
                await self._answer(*refused, send)
                return
        await self._next(scope, receive, send)

    async def _refused(self, scope: dict[str, Any]) -> tuple[Name, str, RateLimited] | None:
        """Who must wait, for which entity, and for how long."""
        parts = scope["path"].split("/")
        if len(parts) != _PARTS[scope["method"]] or parts[1] != "v1" or b"%" in scope["raw_path"]:
            return None
        headers = dict(scope["headers"])
        credential = headers.get(b"authorization")
        if credential is None or (self._answers_origins and b"origin" in headers):
            return None  # the framework tells pages of other origins what they may read
        door: Door = self._app.state.door
        authenticator: Authenticator = self._app.state.authenticator
        try:
            who = await authenticator.authenticate_header(credential.decode("latin-1"))
            name = door.name_for(who, parts[2], parts[3])
        except HoldfastError:
            return None
        refusal = door.refusal(name, who.actor.user)
        return None if refusal is None else (name, who.actor.user, refusal)

    async def _answer(self, name: Name, user: str, refusal: RateLimited, send: Send) -> None:
        door: Door = self._app.state.door
        told, body = problem(refusal.body(), refusal.status)
        content = msgspec.json.encode(body)
        told |= {"Content-Length": str(len(content)), **door.rate_headers(name, user)}
        headers = [(key.lower().encode(), value.encode()) for key, value in told.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})
