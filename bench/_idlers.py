"""Clients of `bench.idle`: each opens a socket, watches an entity of its own, and waits."""

import asyncio
import sys
import time
from collections import Counter
from typing import Any, Final

import msgspec
import uvloop

from bench._crowd import ANSWER_SECONDS, OPENED_AT_ONCE, Member
from bench._parts import say, words
from bench._processes import raise_file_limit

CLOSE_RESTART: Final = 1012


class Idler(Member):
    """Notes events that it did not ask for, and how it was sent away."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self.event_at = 0.0
        self.answers: Counter[str] = Counter()
        self.retry_after_ms: int | None = None
        self.told_at = self.closed_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """Note when."""
        self.closed_at = time.perf_counter()
        super().connection_lost(exc)

    def take(self, payload: bytes) -> None:
        """Look at a frame by its first field."""
        if payload.startswith(b'{"op":"event"'):
            self.events += 1
            self.event_at = time.perf_counter()
        elif payload.startswith(b'{"op":"draining"'):
            self.retry_after_ms = msgspec.json.decode(payload)["retry_after_ms"]
            self.told_at = time.perf_counter()
        elif payload.startswith((b'{"op":"ok"', b'{"op":"error"')):
            self.answers["ok" if payload.startswith(b'{"op":"ok"') else "error"] += 1


class Idlers:
    """The clients of one process."""

    def __init__(self, port: int, names: list[str], token: str) -> None:
        self._port, self._names, self._token = port, names, token
        self._all: list[Idler] = []

    async def open(self) -> dict[str, Any]:
        """Open all sockets, and watch."""
        room = asyncio.Semaphore(OPENED_AT_ONCE)
        begin = time.perf_counter()

        async def join(name: str) -> Idler:
            async with room:
                idler = await Idler.join(self._port, "/v1/ws", token=self._token)
                answer = await idler.ask(op="watch", name=name)
                if answer["op"] != "state":
                    raise RuntimeError(str(answer))
                return idler

        self._all = await asyncio.gather(*(join(name) for name in self._names))
        return {"open": len(self._all), "seconds": time.perf_counter() - begin}

    async def hear(self) -> dict[str, Any]:
        """Wait for an event on any socket."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while not any(idler.events for idler in self._all):  # noqa: ASYNC110 - a count sets no event
                await asyncio.sleep(0.001)
        heard = [idler for idler in self._all if idler.events]
        return {"sockets": len(heard), "events": sum(idler.events for idler in heard), "at": heard[0].event_at}

    def send(self, count: int) -> dict[str, Any]:
        """Send a command on each of the first sockets, and do not wait for its answer."""
        for name, idler in zip(self._names[:count], self._all[:count], strict=True):
            idler.answers.clear()
            idler.send(op="send", id=1, name=name, command="place_bid", data={"max_minor": 2000})
        return {"sent": min(count, len(self._all))}

    async def closed(self) -> dict[str, Any]:
        """Wait until every socket is closed, and say how."""
        async with asyncio.timeout(ANSWER_SECONDS):
            for idler in self._all:
                await idler.closed.wait()
        told = [idler for idler in self._all if idler.retry_after_ms is not None]
        return {
            "told": len(told),
            "restart": sum(idler.close_code == CLOSE_RESTART for idler in self._all),
            "both": sum(idler.close_code == CLOSE_RESTART for idler in told),
            "answers": {word: sum(idler.answers[word] for idler in self._all) for word in ("ok", "error")},
            "first_told": min((idler.told_at for idler in told), default=0.0),
            "last_told": max((idler.told_at for idler in told), default=0.0),
            "last_closed": max(idler.closed_at for idler in self._all),
            "returns": [min(waits), max(waits)] if (waits := [each.retry_after_ms or 0 for each in told]) else [],
        }


async def _work(port: int, count: int, token: str, number: int) -> None:
    idlers = Idlers(port, [f"auction:bench:n{number * count + each}" for each in range(count)], token)
    told = await words()
    while line := (await told.readline()).decode().split():
        match line:
            case ["open"]:
                say(await idlers.open())
            case ["hear"]:
                say(await idlers.hear())
            case ["send", wanted]:
                say(idlers.send(int(wanted)))
            case ["closed"]:
                say(await idlers.closed())
            case _:
                raise ValueError(line)


if __name__ == "__main__":
    raise_file_limit()
    uvloop.run(_work(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
