"""The people of the restaurant: each with a socket of its own, and the patience to ask until the answer is known."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from holdfast.testing.doors import Frame, Refused
from holdfast.testing.patient import PatientCaller
from services.floor._demo.evidence import Deed


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
        self._caller = PatientCaller(url, token, chance=chance)
        self._deeds = deeds
        self._learn = learn

    async def close(self) -> None:
        """Hang up."""
        await self._caller.close()

    async def do(self, name: str, command: str, /, **data: Any) -> Frame:
        """Send a command that is accepted; a refusal is raised as `Refused`."""
        answer = await self.attempt(name, command, **data)
        if answer["op"] != "ok":
            raise Refused({**answer, "message": f"{self.user}, {command} {data}: {answer.get('message')}"})
        return answer

    async def attempt(self, name: str, command: str, /, **data: Any) -> Frame:
        """Send a command until its outcome is known."""
        clock = asyncio.get_running_loop().time
        command_id = self._caller.new_command_id()
        deed = Deed(user=self.user, name=name, command=command, command_id=command_id, sent_at=clock())
        self._deeds.append(deed)
        deed.answer = await self._caller.call(name, command, data, command_id=command_id, trying=deed.tried)
        deed.answered_at = clock()
        self._learn(deed.answer)
        return deed.answer
