"""Looks at past states: they replay a log, so that they are answered beside the entities' turns and a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from holdfast._clock import utc_now
from holdfast._errors import ErrorBody, HoldfastError, Unavailable
from holdfast._judge import Judge, view_of
from holdfast._loading import Loader
from holdfast._mailbox import Received
from holdfast._messages import View
from holdfast._names import Name
from holdfast._places import Places
from holdfast._turn import ViewQuery
from holdfast.telemetry import Step

AT_ONCE: Final = 4
WAITING: Final = 256

log = structlog.get_logger(__name__)
Send = Callable[[str, Mapping[str, ErrorBody | View], Step | None], Awaitable[None]]


class PastReads:
    """Those of one host. A tenant that has its share of the places waiting is told to come again."""

    def __init__(self, judge: Judge, loader: Loader, *, send: Send) -> None:
        self._judge = judge
        self._loader = loader
        self._send = send
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._places = Places(WAITING)

    async def answer(self, name: Name, received: Received, query: ViewQuery) -> None:
        """Answer one look; this never raises."""
        if not self._places.take(name.tenant):
            busy = Unavailable("too many reads of the past; try again")
            await self._send(received.reply, {"error": busy.body()}, received.step)
            return
        try:
            await self._send(received.reply, await self._read(name, received, query), received.step)
        finally:
            self._places.give_back(name.tenant)

    async def _read(self, name: Name, received: Received, query: ViewQuery) -> Mapping[str, ErrorBody | View]:
        try:
            async with self._turns:
                state, seq = await self._loader.past(name, seq=query.seq, at=query.at)
            shown = view_of(self._judge.entity, state, received.envelope.by)
            return {"ok": View(name=str(name), seq=seq, state=shown, server_now=utc_now())}
        except HoldfastError as error:
            return {"error": error.body()}
        except Exception:
            log.exception("past.fault", name=str(name))
            return {"error": HoldfastError("a fault in this service; it is in its log").body()}
