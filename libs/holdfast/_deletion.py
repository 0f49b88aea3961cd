"""Deleting an entity everywhere, at its place in the order of the entity's commands."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from holdfast._alarms import Alarms, Armed
from holdfast._clock import utc_now
from holdfast._errors import Forbidden, HoldfastError, NotFound, Unavailable
from holdfast._loading import Loader
from holdfast._log import Conflict, EventLog
from holdfast._mailbox import Received
from holdfast._names import Name
from holdfast._turn import Reply

DELETE_COMMAND: Final = "_delete"
ADMIN: Final = "admin"
REMEMBERED: Final = 1000

Announce = Callable[[Name], Awaitable[None]]
"""Tells those who watch an entity that it is gone."""

log = structlog.get_logger(__name__)


class Rows(Protocol):
    """What SQL has of entities. A database that fails is `Unavailable`."""

    async def begin(self, name: Name) -> None:
        """Note that the entity's log is about to go, so that what is interrupted is found again."""
        ...

    async def forget(self, name: Name) -> int:
        """Remove all of an entity whose log is gone, that note last, and say how many rows there were."""
        ...


class Deletion:
    """Removes the log first: from then on the entity is unwritten, and the fence refuses every older image of it.

    Before that the database notes it. What a crash leaves behind is removed by the next attempt, which the caller or
    the successor makes, or by the service itself; rows that are left by then go before the first of a next life.
    """

    def __init__(
        self, *, events: EventLog, alarms: Alarms, loader: Loader, rows: Rows | None, announce: Announce | None
    ) -> None:
        self._events = events
        self._alarms = alarms
        self._loader = loader
        self._rows = rows
        self._announce = announce
        self._done: OrderedDict[tuple[Name, str], None] = OrderedDict()

    async def carry_out(self, name: Name, received: Received) -> Reply:
        """Delete the entity and say how that went; to be done again after `UNAVAILABLE`."""
        try:
            await self._delete(name, received)
        except HoldfastError as error:
            return {"error": error.body()}
        except Exception:
            log.exception("entity.not_deleted", name=str(name))
            return {"error": Unavailable("a fault in this service; it is in its log").body()}
        return {"ok": {}}

    async def _delete(self, name: Name, received: Received) -> None:
        """`NotFound` when nothing of the entity is anywhere, unless this very command removed it."""
        envelope = received.envelope
        if ADMIN not in envelope.by.roles:
            raise Forbidden(f"deleting an entity needs the role {ADMIN}")
        key = (name, envelope.command_id)
        if key in self._done:
            return
        if not await self._remove(name, received):
            raise NotFound("no such entity")
        self._done[key] = None
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        log.info("entity.deleted", name=str(name), by=envelope.by.user)

    async def _remove(self, name: Name, received: Received) -> bool:
        """Touch nothing of a later life of the entity: another owner may have done all this, and gone on."""
        armed = await self._alarms.armed(name)
        last = await self._events.last(name)
        if last is not None:
            if last.judged.covers(received.place):
                raise Unavailable("this deletion was carried out before a restart; send it again to delete anew")
            if self._rows is not None:
                await self._rows.begin(name)
            await self._events.bury(name, received.place)
            await self._events.purge(name, through=last.position)
            if armed is not None:
                await self._alarms.remove(armed.sequence)
        elif armed is not None:
            await self._ring_now(name, armed)
        await self._loader.forget(name)
        rows = await self._rows.forget(name) if self._rows is not None else 0
        if self._announce is not None and (last is not None or rows):
            await self._announce(name)
        return last is not None or rows > 0

    async def _ring_now(self, name: Name, armed: Armed) -> None:
        """Let the alarm of an interrupted deletion ring, after which it is gone.

        It may as well be that of a life that begins just now: that one is woken early, and arms it again.
        """
        with suppress(Conflict):
            await self._alarms.arm(name, utc_now(), expected=armed.sequence)
