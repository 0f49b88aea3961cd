"""Answers `list.{purpose}.{tenant}`: any replica of the service does."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._bus import Bus, Message, Subscription
from holdfast._errors import Forbidden, HoldfastError, NotFound, TooLarge, Unavailable, ValidationFailed
from holdfast._names import Name
from holdfast._places import Places
from holdfast._projection import Listing
from holdfast.sql._listing import ListQuery, Page, read_page
from holdfast.telemetry import name_of

LIST_SECONDS: Final = 5.0
LISTS_AT_ONCE: Final = 2
LISTS_WAITING: Final = 256

log = structlog.get_logger(__name__)
_queries: Final = msgspec.json.Decoder(ListQuery)


class ListServer:
    """The lists of one purpose: those with a name, and `listing` when none is named."""

    def __init__(
        self,
        bus: Bus,
        purpose: str,
        listing: Listing[Any] | None,
        database: AsyncEngine,
        *,
        named: Mapping[str, Listing[Any]] | None = None,
    ) -> None:
        self._bus = bus
        self._purpose = purpose
        self._listing = listing
        self._named = named or {}
        self._database = database
        self._turns = asyncio.Semaphore(LISTS_AT_ONCE)
        self._places = Places(LISTS_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to answer, sharing the requests with the other replicas."""
        self._subscription = await self._bus.subscribe(f"list.{self._purpose}.*", self._on_request, queue=self._purpose)

    async def stop(self) -> None:
        """Take no more requests, and finish those that are under way."""
        if self._subscription is not None:
            await self._subscription.stop()
            self._subscription = None
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_request(self, message: Message) -> None:
        if not message.reply.startswith("_INBOX."):
            return
        tenant = message.subject.rpartition(".")[2]
        if not self._places.take(tenant):
            await self._refuse(
                message.reply, Unavailable("too many lists are asked for; try again", retry_after_ms=500)
            )
            return
        task = asyncio.create_task(self._answer(message), name=f"list {self._purpose}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._places.give_back(tenant))

    async def _answer(self, message: Message) -> None:
        try:
            async with asyncio.timeout(LIST_SECONDS), self._turns:
                page = await self._page(message)
            await self._bus.publish(message.reply, msgspec.json.encode({"ok": page}))
        except TooLarge:
            await self._refuse(message.reply, TooLarge("this page is too large for one message: lower the limit"))
        except HoldfastError as error:
            await self._refuse(message.reply, error)
        except (SQLAlchemyError, OSError) as error:
            log.warning("list.failed", purpose=self._purpose, error=name_of(error))
            await self._refuse(message.reply, Unavailable("the lists' database does not answer; try again"))
        except Exception:
            log.exception("list.broken", purpose=self._purpose)
            await self._refuse(message.reply, HoldfastError("a bug in the service; it is in its log"))

    async def _page(self, message: Message) -> Page:
        _, _, tenant = message.subject.split(".")
        Name.of(self._purpose, tenant, "any")
        try:
            query = _queries.decode(message.data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"a request for a list: {error}") from None
        return await read_page(self._database, self._chosen(query), tenant, query)

    def _chosen(self, query: ListQuery) -> Listing[Any]:
        names = sorted(self._named)
        if query.list is not None and query.list not in self._named:
            known = f"its lists are {', '.join(names)}" if names else "it has no named lists: leave it out"
            raise ValidationFailed(f"list: {self._purpose} has none of this name; {known}", allowed=names)
        listing = self._listing if query.list is None else self._named[query.list]
        if listing is None:
            hint = f"; name one with list: {', '.join(names)}" if names else ""
            raise NotFound(f"{self._purpose} has no list{hint}")
        if listing.roles is not None and listing.roles.isdisjoint(query.by.roles):
            raise Forbidden(f"this list needs one of these roles: {', '.join(sorted(listing.roles))}")
        return listing

    async def _refuse(self, reply: str, error: HoldfastError) -> None:
        try:
            await self._bus.publish(reply, msgspec.json.encode({"error": error.body()}))
        except Unavailable:
            log.info("list.not_answered", purpose=self._purpose, code=error.code)
