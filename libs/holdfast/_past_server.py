"""Answers `past.{purpose}.{tenant}.{id}`: commits that the log no longer keeps, for gateways, which have no database."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import structlog

from holdfast._bus import Bus, Message, Subscription
from holdfast._errors import HoldfastError, Unavailable, ValidationFailed
from holdfast._history import Archived
from holdfast._messages import Commit
from holdfast._names import Name
from holdfast._places import Places

READS_AT_ONCE: Final = 2
READS_WAITING: Final = 256
READ_SECONDS: Final = 5.0
PAGE_EVENTS: Final = 1000
PAGE_BYTES: Final = 1024 * 1024

log = structlog.get_logger(__name__)


class PastQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request. Whoever may publish it may read everything of the entity, as on `evt.`."""

    after: Annotated[int, msgspec.Meta(ge=0)]
    limit: Annotated[int, msgspec.Meta(ge=1)] = PAGE_EVENTS


class PastPage(msgspec.Struct, frozen=True, kw_only=True):
    """Whole commits with events beyond `after`, oldest first; none when the archive has none."""

    commits: Sequence[Commit]


_queries: Final = msgspec.json.Decoder(PastQuery)


class PastServer:
    """The archived commits of one purpose; replicas share the requests."""

    def __init__(self, bus: Bus, purpose: str, archive: Archived) -> None:
        self._bus = bus
        self._purpose = purpose
        self._archive = archive
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._places = Places(READS_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to answer."""
        subject = f"past.{self._purpose}.*.*"
        self._subscription = await self._bus.subscribe(subject, self._on_request, queue=self._purpose)

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
            await self._send(message.reply, {"error": Unavailable("too many reads of the past; try again").body()})
            return
        task = asyncio.create_task(self._answer(message), name=f"past {self._purpose}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._places.give_back(tenant))

    async def _answer(self, message: Message) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS), self._turns:
                await self._send(message.reply, {"ok": await self._page(message)})
        except HoldfastError as error:
            await self._send(message.reply, {"error": error.body()})
        except TimeoutError:
            await self._send(message.reply, {"error": Unavailable("the archive is slow just now; try again").body()})
        except Exception:
            log.exception("past.broken", purpose=self._purpose)
            await self._send(message.reply, {"error": HoldfastError("a bug in the service; it is in its log").body()})

    async def _page(self, message: Message) -> PastPage:
        try:
            query = _queries.decode(message.data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"a request for the past: {error}") from None
        name, limit = Name.from_subject(message.subject), min(query.limit, PAGE_EVENTS)
        page: list[Commit] = []
        size = 0
        for stored in await self._archive.commits(name, after=query.after, limit=limit):
            size += len(msgspec.json.encode(stored.commit))
            if page and size > PAGE_BYTES:
                break
            page.append(stored.commit)
        return PastPage(commits=page)

    async def _send(self, reply: str, body: object) -> None:
        try:
            await self._bus.publish(reply, msgspec.json.encode(body))
        except HoldfastError as error:
            log.info("past.not_answered", purpose=self._purpose, code=error.code)
