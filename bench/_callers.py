"""The load of `bench.fairness`: one tenant's commands at a steady rate, over connections that cost little.

What is sent is built beforehand and written without waiting for answers, so that the load takes as little as it can of
the processors that it shares with what it measures.
"""

import asyncio
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Any, Final, cast

import uvloop

from bench._crowd import Member
from bench._parts import say, words

CONNECTIONS: Final = 20
TICK_SECONDS: Final = 0.005
LAST_ANSWERS_SECONDS: Final = 1.0
_BODY: Final = b'{"amount":1}'


class Counts:
    """What became of one run's commands."""

    def __init__(self) -> None:
        self.offered = 0
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float] = []
        """From the moment a command was written to its answer; refusals do not count."""

    def note(self, outcome: str, sent_at: float) -> None:
        """One answer came."""
        self.outcomes[outcome] += 1
        if outcome == "accepted":
            self.seconds.append(time.perf_counter() - sent_at)

    @property
    def open(self) -> int:
        """How many answers are to come."""
        return self.offered - self.outcomes.total()


class HttpLine(asyncio.Protocol):
    """A connection of HTTP/1.1 that is kept alive."""

    def __init__(self, request: bytes) -> None:
        self.counts = Counts()
        self._request = request
        self._sent: deque[float] = deque()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int, token: str, id_: str) -> "HttpLine":
        """Connect."""
        request = (
            f"POST /v1/counter/{id_}/add HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
        ).encode() + _BODY
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(lambda: cls(request), "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered is lost."""
        while self._sent:
            self.counts.note("lost", self._sent.popleft())

    def leave(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def call(self) -> None:
        """Send a command."""
        assert self._transport is not None  # noqa: S101 - it is connected
        self._sent.append(time.perf_counter())
        self.counts.offered += 1
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read whole answers."""
        data = self._buffer + data if self._buffer else data
        at = 0
        while (end := data.find(b"\r\n\r\n", at)) >= 0:
            field = data.find(b"content-length: ", at, end) + 16
            size = int(data[field : data.find(b"\r", field)])
            if len(data) < end + 4 + size:
                break
            status = data[at + 9 : at + 12]
            outcome = {b"200": "accepted", b"429": "refused"}.get(status, "other")
            self.counts.note(outcome, self._sent.popleft())
            at = end + 4 + size
        self._buffer = data[at:]


class SocketLine(Member):
    """A WebSocket that sends commands."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counts()
        self._sent: dict[int, float] = {}
        self._number = 0
        self.name = ""

    @classmethod
    async def open(cls, port: int, token: str, id_: str) -> "SocketLine":
        """Connect."""
        line = await cls.join(port, "/v1/ws", token=token)
        line.name = f"counter:{id_}"
        return line

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered is lost."""
        for sent_at in self._sent.values():
            self.counts.note("lost", sent_at)
        self._sent.clear()
        super().connection_lost(exc)

    def call(self) -> None:
        """Send a command."""
        self._number += 1
        self.counts.offered += 1
        self._sent[self._number] = time.perf_counter()
        self.write_text(b'{"op":"send","id":%d,"name":"%s","command":"add","data":%s}' % (
            self._number, self.name.encode(), _BODY))  # fmt: skip

    def take(self, payload: bytes) -> None:
        """Read an answer: its id is its second field."""
        accepted = payload.startswith(b'{"op":"ok","id":')
        if not accepted and not payload.startswith(b'{"op":"error","id":'):
            return
        start = payload.index(b'"id":') + 5
        sent_at = self._sent.pop(int(payload[start : payload.index(b",", start)]))
        refused = b'"code":"RATE_LIMITED"' in payload[:200]
        self.counts.note("accepted" if accepted else "refused" if refused else "other", sent_at)


async def _run(lines: list[Any], *, rate: float, seconds: float) -> dict[str, Any]:
    """Send so many a second for so long, each on the next line, and wait a little for the last answers."""
    counts = Counts()
    for line in lines:
        line.counts = counts
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        for _ in range(int(passed * rate) - counts.offered):
            lines[counts.offered % len(lines)].call()
        await asyncio.sleep(max(TICK_SECONDS, 1 / rate) if rate < 1 / TICK_SECONDS else TICK_SECONDS)
    took = time.perf_counter() - begin
    with suppress(TimeoutError):  # what is left unread then is counted as such
        async with asyncio.timeout(LAST_ANSWERS_SECONDS):
            while counts.open:  # noqa: ASYNC110 - a count sets no event
                await asyncio.sleep(TICK_SECONDS)
    found = {"offered": counts.offered, "took": took, **counts.outcomes, "unread": counts.open}
    return found | {"seconds": list(counts.seconds)}


async def _work(kind: str, port: int, tenant: str, token: str) -> None:
    opener = HttpLine.open if kind == "http" else SocketLine.open
    prefix = "" if kind == "http" else f"{tenant}:"
    told = await words()
    while line := (await told.readline()).decode().split():
        rate, seconds = map(float, line)
        # Anew for each run: the gateway closes connections on which no request comes for five seconds.
        lines = [await opener(port, token, f"{prefix}{tenant}-{number}") for number in range(CONNECTIONS)]
        say(await _run(lines, rate=rate, seconds=seconds))
        for each in lines:
            each.leave()


if __name__ == "__main__":
    uvloop.run(_work(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
