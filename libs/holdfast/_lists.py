"""Answers `list.{purpose}.{tenant}`: any replica of the service does."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._bus import Bus, Message
from holdfast._errors import Forbidden, NotFound, Unavailable, ValidationFailed
from holdfast._names import Name
from holdfast._projection import Listing
from holdfast._serving import Serving
from holdfast.sql._listing import ListQuery, Page, read_page
from holdfast.telemetry import name_of

log = structlog.get_logger(__name__)
_queries: Final = msgspec.json.Decoder(ListQuery)


def list_server(
    bus: Bus,
    purpose: str,
    listing: Listing[Any] | None,
    database: AsyncEngine,
    *,
    named: Mapping[str, Listing[Any]] | None = None,
) -> Serving:
    """The lists of one purpose: those with a name, and `listing` when none is named."""
    lists = _Lists(purpose, listing, named or {}, database)
    return Serving(bus, f"list.{purpose}.*", lists.page, queue=purpose, what="lists")


class _Lists:
    def __init__(
        self, purpose: str, listing: Listing[Any] | None, named: Mapping[str, Listing[Any]], database: AsyncEngine
    ) -> None:
        self._purpose = purpose
        self._listing = listing
        self._named = named
        self._database = database

    async def page(self, message: Message) -> Page:
        """Answer one request."""
        _, _, tenant = message.subject.split(".")
        Name.of(self._purpose, tenant, "any")
        try:
            query = _queries.decode(message.data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"a request for a list: {error}") from None
        listing = self._chosen(query)
        try:
            return await read_page(self._database, listing, tenant, query)
        except (SQLAlchemyError, OSError) as error:
            log.warning("list.failed", purpose=self._purpose, error=name_of(error))
            raise Unavailable("the lists' database does not answer; try again") from error

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
