"""Answers `past.{purpose}.{tenant}.{id}`: commits that the log no longer keeps, for gateways, which have no database."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from holdfast._bus import Bus, Message
from holdfast._errors import ValidationFailed
from holdfast._history import Archived
from holdfast._messages import Commit
from holdfast._names import Name
from holdfast._serving import Serving

PAGE_EVENTS: Final = 1000
PAGE_BYTES: Final = 1024 * 1024


class PastQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request. Whoever may publish it may read everything of the entity, as on `evt.`."""

    after: Annotated[int, msgspec.Meta(ge=0)]
    limit: Annotated[int, msgspec.Meta(ge=1)] = PAGE_EVENTS


class PastPage(msgspec.Struct, frozen=True, kw_only=True):
    """Whole commits with events beyond `after`, oldest first; none when the archive has none."""

    commits: Sequence[Commit]


_queries: Final = msgspec.json.Decoder(PastQuery)


def past_server(bus: Bus, purpose: str, archive: Archived) -> Serving:
    """The archived commits of one purpose."""
    return Serving(bus, f"past.{purpose}.*.*", _Past(archive).page, queue=purpose, what="reads of the past")


class _Past:
    def __init__(self, archive: Archived) -> None:
        self._archive = archive

    async def page(self, message: Message) -> PastPage:
        """Answer one request."""
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
