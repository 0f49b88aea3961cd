"""The people of the restaurant: each with a socket of its own, and the patience to ask until the answer is known."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from holdfast.testing.doors import Frame, Lost, Refused, Socket, open_socket
from services.floor._demo.evidence import Deed

ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
CUT_CONNECTIONS: Final = 0.02
"""The part of the commands after which the connection is cut before the answer comes."""


class Person:
    """Somebody with a token. `deeds`, which all share, gets every command with its definite answer."""

    def __init__(
        self,
        user: str,
        url: str,
        token: str,
        *,
        chance: random.Random,
        deeds: list[Deed],
        learn: Callable[[Frame], None] = lambda _answer: None,
    ) -> None:
        self.user = user
        self.chance = chance
        self._url = url
        self._token = token
        self._deeds = deeds
        self._learn = learn
        self._socket: Socket | None = None
        self._calls = 0
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def do(self, name: str, command: str, /, **data: Any) -> Frame:
        """Send a command that is accepted; a refusal is raised as `Refused`."""
        answer = await self.attempt(name, command, **data)
        if answer["op"] != "ok":
            raise Refused({**answer, "message": f"{self.user}, {command} {data}: {answer.get('message')}"})
        return answer

    async def attempt(self, name: str, command: str, /, **data: Any) -> Frame:
        """Send a command under one id, on as many connections as it takes to learn the outcome."""
        clock = asyncio.get_running_loop().time
        command_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        deed = Deed(user=self.user, name=name, command=command, command_id=command_id, sent_at=clock())
        self._deeds.append(deed)
        cut = self.chance.random() < CUT_CONNECTIONS
        wait = FIRST_PAUSE
        send = {"op": "send", "name": name, "command": command, "data": data, "command_id": command_id}
        async with self._turn:
            while True:
                deed.attempts += 1
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        answer = await self._ask(send, cut=cut)
                    if answer["op"] == "ok" or not answer["retryable"]:
                        break
                except (Lost, TimeoutError, Refused) as error:
                    if isinstance(error, Refused) and not error.retryable:
                        raise
                    if self._socket is not None:
                        self._socket.abort()
                    self._socket = None
                cut = False
                await asyncio.sleep(wait * self.chance.uniform(0.5, 1.0))
                wait = min(wait * 2, LONGEST_PAUSE)
        deed.answered_at = clock()
        deed.answer = answer
        self._learn(answer)
        return answer

    async def _ask(self, send: Frame, *, cut: bool) -> Frame:
        socket = self._socket = self._socket or await open_socket(self._url, self._token)
        self._calls += 1
        await socket.put({**send, "id": self._calls})
        if cut:
            raise Lost("cut on purpose")
        while True:
            frame = await socket.take()
            if frame.get("id") == self._calls:
                return frame
