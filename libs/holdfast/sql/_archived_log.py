"""The log of a purpose from its first commit, also when the stream no longer begins there."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from holdfast._projection import Chunk, WholeLog
from holdfast.sql._archive import SqlArchive


class ArchivedWholeLog:
    """Reads what is archived from the archive, and what follows from the stream.

    There is no hole between the two: what the stream no longer has was archived first.
    """

    def __init__(self, purpose: str, archive: SqlArchive, stream: WholeLog) -> None:
        self._purpose = purpose
        self._archive = archive
        self._stream = stream

    async def end(self) -> int:
        """The position of the newest commit, 0 when there was never one."""
        return await self._stream.end()

    async def follow(self, after: int, /) -> AsyncGenerator[Chunk]:
        """Every commit after this position, in order, for ever. `Unavailable` when the database or NATS is away."""
        archived, end = await self._archive.position(self._purpose), await self.end()
        while after < archived:
            commits = await self._archive.whole(self._purpose, after=after, through=archived)
            if not commits:
                break  # what stood there belonged to entities that are deleted
            after = commits[-1].position
            yield Chunk(commits, max(0, end - after))
        async with aclosing(self._stream.follow(max(after, archived))) as chunks:
            async for chunk in chunks:
                yield chunk
