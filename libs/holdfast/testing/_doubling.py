"""Takes the place of what delivers commands, so that each comes twice; see `_twice`."""
# pyright: reportPrivateUsage=false

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

import msgspec

from holdfast._actor import Answer
from holdfast._bus import Message
from holdfast._errors import HoldfastError
from holdfast._host import Host, _is_inbox
from holdfast._log import Judged
from holdfast._messages import CommandEnvelope
from holdfast._share import Share
from holdfast._turn import VIEW_COMMAND
from holdfast.jetstream import H_REPLY, NatsBus

SECOND_WORD_SECONDS: Final = 2.0
"""How long an answer waits for the other one, which a killed owner may keep for itself."""
OPEN_PAIRS: Final = 50_000
_envelopes: Final = msgspec.json.Decoder(CommandEnvelope)
_tasks: Final[set[asyncio.Task[None]]] = set()
_numbers: Final = count(1)

Forward = Callable[[bytes], Awaitable[None]]


class _Mode:
    """How this process doubles. There is one for each process."""

    way = ""
    paused = False
    report = Path()

    def wants(self, body: bytes) -> CommandEnvelope | None:
        """The command in this body, unless it is to be sent once."""
        if self.paused or not self.way:
            return None
        try:
            envelope = _envelopes.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return None if envelope.command == VIEW_COMMAND else envelope

    def count(self, kind: str) -> None:
        """Note what became of a pair; lines of all processes go into files of one folder."""
        with (self.report / f"tally-{os.getpid()}").open("a") as out:
            out.write(kind + "\n")

    def fault(self, what: str) -> None:
        """Note what must not be; the test that runs fails."""
        with (self.report / "faults").open("a") as out:
            out.write(what + "\n")


mode: Final = _Mode()


def begin(way: str, report: Path) -> None:
    """Double from now on, in this process."""
    if not mode.way:
        NatsBus.publish = _publishing(NatsBus.publish)
        NatsBus.request = _requesting(NatsBus.request)
        Share.__init__ = _sharing(Share.__init__)
        Host.__init__ = _hosting(Host.__init__)
        Host.deliver = _delivering(Host.deliver)
    mode.way, mode.report = way, report


def pause(*, paused: bool) -> None:
    """Send once for a while."""
    mode.paused = paused


class Pair:
    """The two answers to one command, from which the sender gets the last word."""

    def __init__(self, envelope: CommandEnvelope, forward: Forward, copy: Callable[[], Awaitable[None]] | None) -> None:
        self._envelope = envelope
        self._forward = forward
        self._copy = copy
        self._answers: dict[str, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def hear(self, which: str, body: bytes) -> None:
        """Take the answer to the `first` or to its `copy`."""
        self._answers.setdefault(which, body)
        if len(self._answers) == len(("first", "copy")):
            await self._end()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECOND_WORD_SECONDS, lambda: _spawn(self._end()))
            if self._copy is not None:
                try:
                    await self._copy()
                except HoldfastError:
                    await self._end()

    async def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        kind, word = judged(self._envelope, self._answers.get("first"), self._answers.get("copy"))
        mode.count(kind)
        try:
            await self._forward(word)
        except HoldfastError:
            return  # the sender is gone, or asks again


def judged(envelope: CommandEnvelope, first: bytes | None, copy: bytes | None) -> tuple[str, bytes]:
    """What became of a pair, and the last word on the command."""
    if first is None or copy is None:
        return "unanswered", first or copy or b""
    kind = _compared(msgspec.json.decode(first), msgspec.json.decode(copy))
    if kind == "wrong":
        mode.fault(f"{envelope}\n  first  {first!r}\n  copy   {copy!r}")
    return kind, copy if kind == "copy-accepted" else first


def _compared(first: Any, copy: Any) -> str:
    kind = "judged-anew"
    match first, copy:
        case {"ok": {"events": [_, *_]} as accepted}, {"ok": again}:
            kind = "first-result" if again == {**accepted, "deduplicated": True} else "wrong"
        case {"ok": {"events": [_, *_]}}, {"error": {"retryable": False}}:
            kind = "wrong"
        case {"error": {"retryable": True}}, {"ok": _}:
            kind = "copy-accepted"
        case ({"error": {"retryable": True}}, _) | (_, {"error": {"retryable": True}}):
            kind = "unanswered"
        case {"error": {"code": code}}, {"error": {"code": same}} if code == same:
            kind = "refused-alike"
        case {"ok": one}, {"ok": two} if one == two == {}:  # deleted
            kind = "first-result"
        case {"ok": {"events": []}}, {"ok": {"events": []}}:
            kind = "no-events"
        case (_, {"ok": {"events": [_, *_]}}) | ({"error": _}, {"ok": _}):
            kind = "copy-accepted"
        case _:
            pass
    return kind


class _Inbox:
    """Where one connection hears the answers to both copies."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self._prefix = bus.new_inbox() + "."
        self._pairs: OrderedDict[str, Pair] = OrderedDict()
        self._open = asyncio.Lock()
        self._listens = False

    async def reply(self, number: str, which: str, pair: Pair) -> Mapping[str, str]:
        """The headers that bring an answer here."""
        async with self._open:
            if not self._listens:
                await self._bus.subscribe(self._prefix + "*.*", self._hear)
                self._listens = True
        self._pairs[number] = pair
        if len(self._pairs) > OPEN_PAIRS:
            self._pairs.popitem(last=False)
        return {H_REPLY: f"{self._prefix}{number}.{which}"}

    async def _hear(self, message: Message) -> None:
        number, _, which = message.subject.removeprefix(self._prefix).partition(".")
        pair = self._pairs.get(number)
        if pair is not None:
            await pair.hear(which, message.data)


_inboxes: Final[WeakKeyDictionary[NatsBus, _Inbox]] = WeakKeyDictionary()


def _publishing(original: Any) -> Any:
    """Publish a command twice, and its answer once."""

    async def publish(
        bus: NatsBus, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        envelope = mode.wants(data) if subject.startswith("cmd.") else None
        if envelope is None:
            return await original(bus, subject, data, headers=headers, reply=reply)
        answer_to = (headers or {}).get(H_REPLY)
        if answer_to is None:
            mode.count("no-answer-asked")
            await original(bus, subject, data, headers=headers, reply=reply)
            return await original(bus, subject, data, headers=headers, reply=reply)
        inbox = _inboxes.setdefault(bus, _Inbox(bus))
        number = str(next(_numbers))

        async def send(which: str) -> None:
            await original(bus, subject, data, headers={**(headers or {}), **await inbox.reply(number, which, pair)})

        later = partial(send, "copy") if mode.way == "answered" else None
        pair = Pair(envelope, lambda word: original(bus, answer_to, word), later)
        await send("first")
        if later is None:
            await send("copy")
        return None

    return publish


def _requesting(original: Any) -> Any:
    """Let a copy follow a command whose storage is waited for."""

    async def request(bus: NatsBus, subject: str, data: bytes, **options: Any) -> Message:
        stored = await original(bus, subject, data, **options)
        if subject.startswith("cmd.") and mode.wants(data) is not None:
            mode.count("no-answer-asked")
            await original(bus, subject, data, **options)
        return stored

    return request


_shared: Final[WeakSet[Host]] = WeakSet()
"""Hosts whose commands come from NATS, where they were doubled already."""
_senders: Final[WeakKeyDictionary[Host, Answer]] = WeakKeyDictionary()
"""Where the answers of a host would have gone."""
_paired: Final[WeakKeyDictionary[Host, dict[str, Pair]]] = WeakKeyDictionary()


def _sharing(original: Any) -> Any:
    def init(share: Any, *args: Any, **options: Any) -> None:
        original(share, *args, **options)
        _shared.add(share.host)

    return init


def _hosting(original: Any) -> Any:
    """Hear the answers of a host that has no NATS."""

    def init(host: Host, *args: Any, answer: Answer, **options: Any) -> None:
        async def hear(reply: str, body: bytes) -> None:
            number, _, which = reply.removeprefix("_INBOX.twice.").partition(".")
            pair = _paired.get(host, {}).get(number) if reply.startswith("_INBOX.twice.") else None
            await (answer(reply, body) if pair is None else pair.hear(which, body))

        original(host, *args, answer=hear, **options)
        _senders[host] = answer

    return init


def _delivering(original: Any) -> Any:
    """Deliver a command twice to a host that has no NATS: its place becomes an even one, the copy's the odd one behind."""

    async def deliver(host: Host, subject: str, data: bytes, *, place: Judged, reply: str, **trace: Any) -> bool:
        envelope = mode.wants(data)
        if host in _shared:
            return await original(host, subject, data, place=place, reply=reply, **trace)
        place = place._replace(sequence=2 * place.sequence)
        after = place._replace(sequence=place.sequence + 1)
        if envelope is None:
            return await original(host, subject, data, place=place, reply=reply, **trace)
        if not _is_inbox(reply):
            mode.count("no-answer-asked")
            taken = await original(host, subject, data, place=place, reply=reply, **trace)
            await original(host, subject, data, place=after, reply=reply, **trace)
            return taken
        number = str(next(_numbers))

        async def copy() -> None:
            await original(host, subject, data, place=after, reply=f"_INBOX.twice.{number}.copy", **trace)

        pair = Pair(envelope, partial(_senders[host], reply), copy if mode.way == "answered" else None)
        _paired.setdefault(host, {})[number] = pair
        taken = await original(host, subject, data, place=place, reply=f"_INBOX.twice.{number}.first", **trace)
        if mode.way == "behind":
            await copy()
        return taken

    return deliver


def _spawn(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
