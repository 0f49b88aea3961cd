"""Answers requests of one kind: replicas share them, few at once are answered, and a tenant takes a quarter of the places."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from holdfast._bus import Bus, Message, Subscription
from holdfast._errors import HoldfastError, TooLarge, Unavailable
from holdfast._places import Places

AT_ONCE: Final = 2
WAITING: Final = 256
SECONDS: Final = 5.0
"""For one request, with its wait for a turn."""
COME_AGAIN_MS: Final = 500

log = structlog.get_logger(__name__)


class Serving:
    """The requests on a subject whose third part is the tenant; `page` makes an answer, or raises a refusal."""

    def __init__(
        self, bus: Bus, subject: str, page: Callable[[Message], Awaitable[object]], *, queue: str, what: str
    ) -> None:
        self._bus = bus
        self._subject = subject
        self._page = page
        self._queue = queue
        self._what = what
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._places = Places(WAITING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to answer, sharing the requests with the other replicas."""
        self._subscription = await self._bus.subscribe(self._subject, self._on_request, queue=self._queue)

    async def stop(self) -> None:
        """Take no more requests, and finish those that are under way."""
        if self._subscription is not None:
            await self._subscription.stop()
            self._subscription = None
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_request(self, message: Message) -> None:
        if not message.reply.startswith("_INBOX."):
            return
        tenant = message.subject.split(".")[2]
        if not self._places.take(tenant):
            busy = Unavailable(f"too many {self._what} are asked for; try again", retry_after_ms=COME_AGAIN_MS)
            await self._refuse(message, busy)
            return
        task = asyncio.create_task(self._answer(message), name=f"answer {self._subject}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._places.give_back(tenant))

    async def _answer(self, message: Message) -> None:
        try:
            async with asyncio.timeout(SECONDS), self._turns:
                page = await self._page(message)
            await self._bus.publish(message.reply, msgspec.json.encode({"ok": page}))
        except TooLarge:
            await self._refuse(message, TooLarge("this page is too large for one message: lower the limit"))
        except HoldfastError as error:
            await self._refuse(message, error)
        except TimeoutError:
            log.warning("request.late", subject=self._subject)
            await self._refuse(message, Unavailable(f"{self._what} take too long just now; try again"))
        except Exception:
            log.exception("request.broken", subject=self._subject)
            await self._refuse(message, HoldfastError("a bug in the service; it is in its log"))

    async def _refuse(self, message: Message, error: HoldfastError) -> None:
        try:
            await self._bus.publish(message.reply, msgspec.json.encode({"error": error.body()}))
        except HoldfastError:
            log.info("request.not_answered", subject=self._subject, code=error.code)
