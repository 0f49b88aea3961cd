"""Callers and watchers at the public doors, who come back after every loss, and keep a command's id until it is answered."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

import httpx

from holdfast.testing.doors import Frame, Lost, Refused, Socket, open_socket
from tests.faults.fleet import COMMAND_SECONDS
from tests.faults.history import History, Look, Sighting

ANSWER_SECONDS = COMMAND_SECONDS + 5
"""Longer than a gateway waits for an owner, so that silence means that the gateway itself is gone."""
AGAIN_SECONDS, AGAIN_MAX_SECONDS = 0.2, 2.0
"""Between attempts: at first, and after many that failed."""
AT_ONCE = 8
"""Calls that one caller has under way; with so many unanswered it sends no more, so that a slow machine is not flooded."""
IDLE_SECONDS = 2.0
"""A gateway closes connections that are idle for five seconds; a request must not meet that."""


@dataclass
class Tally:
    """What went wrong for callers: errors that they were told, and connections that ended."""

    errors: list[str] = field(default_factory=list[str])
    closed: list[str] = field(default_factory=list[str])
    """The doors whose connections ended, one entry for each."""
    causes: list[str] = field(default_factory=list[str])
    """Why they ended, in the same order."""

    def lost(self, door: str, cause: Exception) -> None:
        """Count a connection that ended."""
        self.closed.append(door)
        self.causes.append(f"{door}: {cause!r}")


class Follower:
    """One WebSocket client: it sends to its entities and watches them, resuming behind the last seq that it saw."""

    def __init__(self, doors: Sequence[str], token: str, histories: Sequence[History], tally: Tally) -> None:
        self.histories = histories
        self._doors = doors
        self._token = token
        self._tally = tally
        self._sightings = {str(history.name): Sighting() for history in histories}
        for history in histories:
            history.sightings.append(self._sightings[str(history.name)])
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._socket: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Stay connected to one door after the other until cancelled."""
        for door in cycle(random.sample(self._doors, len(self._doors))):
            try:
                socket = await open_socket(door, self._token)
            except (Lost, Refused, TimeoutError):
                await asyncio.sleep(AGAIN_SECONDS * random.random())  # noqa: S311 - jitter
                continue
            try:
                await self._converse(socket)
            except Lost as cause:
                self._tally.lost(door, cause)
            finally:
                socket.abort()
                if self._socket.done():
                    self._socket = asyncio.get_running_loop().create_future()
                for answer in self._answers.values():
                    answer.cancel()
            await asyncio.sleep(AGAIN_SECONDS * random.random())  # noqa: S311 - jitter

    async def call(self, history: History, due: float = -math.inf) -> None:
        """Add one over the socket, on as many connections as it takes."""
        command_id = history.begin()
        while True:
            socket = await asyncio.shield(self._socket)
            answer = await self._ask(socket, history, command_id)
            if answer is not None and answer["op"] == "ok":
                history.answered(command_id, answer["seq"], due=due)
                return
            if answer is not None:
                self._tally.errors.append(f"{answer['code']} {history.name}: {answer['message']}")
                assert answer["retryable"], answer
            await asyncio.sleep(AGAIN_SECONDS * random.random())  # noqa: S311 - jitter

    async def _ask(self, socket: Socket, history: History, command_id: str) -> Frame | None:
        """The answer to one attempt, None when there will be none."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        send: Frame = {"op": "send", "id": number, "name": str(history.name), "command": "add", "data": {}}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await socket.put({**send, "command_id": command_id})
                await asyncio.wait([self._answers[number]])
        except (Lost, TimeoutError):
            return None
        finally:
            answer = self._answers.pop(number)
        return None if answer.cancelled() else answer.result()

    async def _converse(self, socket: Socket) -> None:
        for name, sighting in self._sightings.items():
            await socket.put({"op": "watch", "id": f"watch {name}", "name": name, "after": sighting.seq})
        self._socket.set_result(socket)
        while True:
            await self._obey(await socket.take())

    async def _obey(self, frame: Frame) -> None:
        match frame:
            case {"op": "event", "name": name, "seq": seq, "command_id": command_id}:
                self._sightings[name].see(seq, command_id)
            case {"op": "ok" | "error", "id": int(number)}:
                answer = self._answers.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(frame)
            case {"op": "watching"}:
                pass
            case _:  # lagging, draining, or a watch that cannot be served just now: come back
                raise Lost(str(frame))


class Poster:
    """One HTTP client, with a connection to each door that it keeps open; where one fails it takes the next."""

    def __init__(self, doors: Sequence[str], token: str, tally: Tally) -> None:
        self._doors = doors
        self._tally = tally
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(self, history: History, due: float = -math.inf) -> None:
        """Add one, at any door that answers."""
        command_id = history.begin()
        path = f"{_path(history)}/add"
        answer = await self._until_answered("POST", path, history, {"Idempotency-Key": command_id})
        history.answered(command_id, answer["seq"], due=due)

    async def look(self, history: History, _due: float = -math.inf) -> None:
        """Ask for the state, at any door that answers."""
        sent = time.monotonic()
        answer = await self._until_answered("GET", _path(history), history, {})
        history.looks.append(Look(sent, time.monotonic(), answer["seq"], answer["state"]["total"]))

    async def _until_answered(self, method: str, path: str, history: History, headers: dict[str, str]) -> Any:
        pause = AGAIN_SECONDS
        for door in cycle(random.sample(self._doors, len(self._doors))):
            try:
                answer = await self._http.request(method, door + path, headers=headers)
            except httpx.TransportError as cause:
                self._tally.lost(door, cause)
            else:
                if answer.is_success:
                    return answer.json()
                problem = answer.json()
                self._tally.errors.append(f"{problem['code']} {history.name}: {problem['detail']}")
                assert problem["retryable"], problem
            await asyncio.sleep(pause * random.random())  # noqa: S311 - jitter
            pause = min(pause * 1.5, AGAIN_MAX_SECONDS)
        raise AssertionError("there is no door")


def _path(history: History) -> str:
    return f"/v1/{history.name.purpose}/{history.name.id}"


async def at_a_pace(work: Callable[[float], Awaitable[None]], *, per_second: float, until: asyncio.Event) -> None:
    """Do something so many times a second, however long each takes, up to a few at once; it is told when it was due."""
    loop = asyncio.get_running_loop()
    turns = asyncio.Semaphore(AT_ONCE)

    async def once(due: float) -> None:
        try:
            await work(due)
        finally:
            turns.release()

    due = loop.time() + random.random() / per_second  # noqa: S311 - so that not all begin at once
    async with asyncio.TaskGroup() as group:
        while not until.is_set():
            await asyncio.sleep(max(0.0, due - loop.time()))
            await turns.acquire()
            group.create_task(once(due))
            due = max(due + 1 / per_second, loop.time())
