"""Who owns what: names fall into partitions, partitions to live members, and members notice each other's end."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import structlog

from holdfast._bus import Bus, Message
from holdfast._errors import NoResponders, Unavailable
from holdfast._names import Name

PARTITIONS: Final = 64
ANNOUNCE_SECONDS: Final = 0.25
PROBE_SECONDS: Final = 0.1
PROBE_ANSWER_SECONDS: Final = 0.5
LEASE_SECONDS: Final = 1.0
LISTEN_SECONDS: Final = 0.4
"""How long a new member listens for others before it takes anything."""
_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_EVERY_PARTITION: Final = frozenset(range(PARTITIONS))

Members = Mapping[str, frozenset[int]]
"""The live members, each with the partitions that it declines."""

log = structlog.get_logger(__name__)


def partition(name: Name) -> int:
    """The partition of a name: what `{{partition(64,1,2,3)}}` gives in the server's subject mapping (FNV-1a)."""
    digest = _FNV_OFFSET
    for byte in f"{name.purpose}{name.tenant}{name.id}".encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return digest % PARTITIONS


def owner_of(number: int, members: Collection[str]) -> str | None:
    """The member that owns a partition: rendezvous hashing, so that a change moves only what it must."""
    return max(members, key=lambda member: _weight(number, member), default=None)


def owned(member: str, members: Members) -> frozenset[int]:
    """The partitions of one member among these. What a member declines falls to it only when all others do as well."""
    everyone = {member, *members}
    found: set[int] = set()
    for number in range(PARTITIONS):
        willing = [each for each in everyone if number not in members.get(each, ())]
        if owner_of(number, willing or everyone) == member:
            found.add(number)
    return frozenset(found)


def _weight(number: int, member: str) -> bytes:
    return hashlib.blake2b(f"{number}\0{member}".encode(), digest_size=8).digest()


class _Word(msgspec.Struct, frozen=True):
    """What a member says of itself."""

    member: str
    leaving: bool = False
    declines: frozenset[int] = frozenset()
    at: float = 0.0
    """On the sender's own clock."""


class _Heard(NamedTuple):
    """When a member was heard last, and what it said then."""

    at: float
    declines: frozenset[int]


_decoder: Final = msgspec.json.Decoder(_Word)
_encoder: Final = msgspec.json.Encoder()


class Membership:
    """The live members that share one purpose, as this one sees them.

    A member is gone when it says so, when nobody answers on its subject (its connection ended: noticed within a
    tenth of a second), or when it was silent for a second (it hangs, or is cut off). Two members may disagree for
    a moment; the log refuses one of them. A member declines a partition with an entity that newer code wrote, so that
    it falls to a member that may run that code. `changed` is told the members at first and after every change, `lapsed`
    when this process stood still for longer than a lease.
    """

    def __init__(
        self,
        bus: Bus,
        purpose: str,
        member: str,
        *,
        changed: Callable[[Members], None],
        lapsed: Callable[[], None] | None = None,
    ) -> None:
        self.member = member
        self._bus = bus
        self._subject = f"own.{purpose}"
        self._changed = changed
        self._lapsed = lapsed
        self._heard: dict[str, _Heard] = {}
        self._told: Members | None = None
        self._too_new: frozenset[int] = frozenset()
        self._aside = False
        self._declined = asyncio.Event()
        self._leased_until = 0.0
        self._leaving = False

    def stand_aside(self, *, aside: bool) -> None:
        """Leave every partition to others, for as long as there are some that take it; or come back."""
        if aside != self._aside:
            self._aside = aside
            self._declined.set()

    @property
    def _declines(self) -> frozenset[int]:
        return _EVERY_PARTITION if self._aside else self._too_new

    async def run(self) -> None:
        """Announce, listen and probe until cancelled."""
        self._leaving, self._told = False, None
        words = await self._bus.subscribe(self._subject, self._on_word)
        own = await self._bus.subscribe(f"{self._subject}.{self.member}", self._on_probe)
        try:
            await self._announce()
            await asyncio.sleep(LISTEN_SECONDS)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_announcing())
                group.create_task(self._keep_probing())
        finally:
            self._leaving = True
            await own.stop()
            await words.stop()

    @property
    def leased(self) -> bool:
        """Whether the others have heard this member within a lease, so that none of them took over from it.

        It knows by its own words, which come back to it: counted from when they were sent, so that it stops to
        believe this before the others do.
        """
        return asyncio.get_running_loop().time() < self._leased_until

    async def leave(self) -> None:
        """Tell the others, so that they take over at once."""
        self._leaving = True
        await self._announce()

    def decline(self, number: int) -> None:
        """Leave a partition to others, for as long as one of them does not decline it."""
        if number not in self._too_new:
            self._too_new |= {number}
            self._declined.set()
            log.info("membership.declined", member=self.member, partition=number)

    async def _keep_announcing(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._declined.clear()
            await self._announce()
            self._tell()
            before = loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(ANNOUNCE_SECONDS):
                    await self._declined.wait()
            if loop.time() - before > LEASE_SECONDS and self._lapsed is not None:
                self._lapsed()

    async def _announce(self) -> None:
        try:
            word = _Word(self.member, self._leaving, self._declines, asyncio.get_running_loop().time())
            await self._bus.publish(self._subject, _encoder.encode(word))
        except Unavailable:
            log.debug("membership.not_announced", member=self.member)

    async def _on_word(self, message: Message) -> None:
        try:
            word = _decoder.decode(message.data)
        except msgspec.MsgspecError:
            return
        if word.member == self.member:
            self._leased_until = max(self._leased_until, word.at + LEASE_SECONDS)
            return
        known = self._heard.get(word.member)
        if word.leaving:
            self._heard.pop(word.member, None)
        else:
            self._heard[word.member] = _Heard(asyncio.get_running_loop().time(), word.declines)
            if known is None:
                await self._announce()
        if word.leaving or known is None or known.declines != word.declines:
            self._tell()

    async def _on_probe(self, message: Message) -> None:
        await self._bus.publish(message.reply, b"")

    async def _keep_probing(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await asyncio.gather(*(self._probe(member) for member in tuple(self._heard)))

    async def _probe(self, member: str) -> None:
        """Forget a member whose subject has no subscriber left: its process is gone."""
        try:
            await self._bus.request(f"{self._subject}.{member}", b"", timeout=PROBE_ANSWER_SECONDS)
        except NoResponders:
            if self._heard.pop(member, None) is not None:
                log.info("membership.gone", member=member)
                self._tell()
        except Unavailable:
            return

    def _tell(self) -> None:
        """Pass the members on if they changed."""
        oldest = asyncio.get_running_loop().time() - LEASE_SECONDS
        for member in [member for member, heard in self._heard.items() if heard.at < oldest]:
            log.info("membership.lease_ended", member=member)
            del self._heard[member]
        members = {self.member: self._declines, **{each: heard.declines for each, heard in self._heard.items()}}
        if members != self._told and not self._leaving:
            self._told = members
            self._changed(members)
