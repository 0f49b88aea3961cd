"""A caller with patience: sends a command under one id, on as many connections as it takes to learn the outcome."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from holdfast.testing.doors import Frame, Lost, Refused, Socket, open_socket

ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
CUT_CONNECTIONS: Final = 0.02
"""The part of the commands after which the connection is cut before the answer comes."""


class PatientCaller:
    """Somebody's token, and a socket that is opened again whenever it is lost."""

    def __init__(
        self, url: str, token: str, *, chance: random.Random, heard: Callable[[Frame], None] = lambda _frame: None
    ) -> None:
        """`heard` is told every frame that comes, whatever it answers."""
        self._url = url
        self._token = token
        self._chance = chance
        self._heard = heard
        self._socket: Socket | None = None
        self._calls = 0
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    def new_command_id(self) -> str:
        """An id for a command."""
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    async def call(
        self, name: str, command: str, data: dict[str, Any], *, command_id: str, trying: Callable[[], None]
    ) -> Frame:
        """The definite answer, a refusal too; `trying` is told of each attempt. `Refused` when no socket is given to it."""
        cut = self._chance.random() < CUT_CONNECTIONS
        wait = FIRST_PAUSE
        send: Frame = {"op": "send", "name": name, "command": command, "data": data, "command_id": command_id}
        async with self._turn:
            while True:
                trying()
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        answer = await self._ask(send, cut=cut)
                    if answer["op"] == "ok" or not answer["retryable"]:
                        return answer
                except (Lost, TimeoutError, Refused) as error:
                    if isinstance(error, Refused) and not error.retryable:
                        raise
                    if self._socket is not None:
                        self._socket.abort()
                    self._socket = None
                cut = False
                await asyncio.sleep(wait * self._chance.uniform(0.5, 1.0))
                wait = min(wait * 2, LONGEST_PAUSE)

    async def _ask(self, send: Frame, *, cut: bool) -> Frame:
        socket = self._socket = self._socket or await open_socket(self._url, self._token)
        self._calls += 1
        await socket.put({**send, "id": self._calls})
        if cut:
            raise Lost("cut on purpose")
        while True:
            frame = await socket.take()
            self._heard(frame)
            if frame.get("id") == self._calls:
                return frame
