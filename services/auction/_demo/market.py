"""The bidders: each with a socket of its own, a purse without a bottom, and the patience to ask until it knows."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

from holdfast.testing.doors import Frame, Lost, Refused, Socket, open_socket
from services.auction._demo.evidence import Bid, Sighting
from services.auction.reference import reference_minimum

ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
CUT_CONNECTIONS: Final = 0.02
"""The part of the bids after which the connection is cut before the answer comes."""
SECRET_ENDING: Final = 7
"""Far maxima end with this digit, and steps of the increment table are multiples of five: few prices look alike."""
WHISPERS_KEPT: Final = 5
FAR_LEAST: Final = 1_000_00
FAR_MOST: Final = 50_000_00


class Room:
    """What everyone in the room knows: the next minimum, from the public events, and some whispered maxima."""

    def __init__(self, start_minor: int) -> None:
        self.minimum = start_minor
        self.whispered: deque[int] = deque(maxlen=WHISPERS_KEPT)
        self._start_minor = start_minor

    def hear(self, event: Frame) -> None:
        """Learn the price from an event."""
        if event["type"] == "bid_accepted":
            minimum = reference_minimum(event["data"]["price_minor"], start_minor=self._start_minor)
            self.minimum = max(self.minimum, minimum)


class Bidder:
    """One person who bids until told to stop. `bids` holds every bid with its definite answer."""

    def __init__(self, user: str, url: str, token: str, name: str, *, room: Room, chance: random.Random) -> None:
        self.user = user
        self.bids: list[Bid] = []
        self.sighting = Sighting(user, "bidder")
        self._url = url
        self._token = token
        self._name = name
        self._room = room
        self._chance = chance
        self._socket: Socket | None = None
        self._leading = 0
        self._calls = 0

    async def bid_until(self, stop: asyncio.Event, pause: Callable[[], float]) -> None:
        """Bid again and again; what was begun is carried on until its answer is known."""
        try:
            while not stop.is_set():
                await self.bid(self._choose())
                try:
                    async with asyncio.timeout(pause()):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            await self.close()

    async def bid_once(self, max_minor: int) -> None:
        """Place a single bid."""
        try:
            await self.bid(max_minor)
        finally:
            await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def bid(self, max_minor: int) -> Bid:
        """Place one bid, with one command id on as many connections as it takes to learn the outcome."""
        clock = asyncio.get_running_loop().time
        command_id = str(UUID(int=self._chance.getrandbits(128), version=4))
        bid = Bid(self.user, command_id, max_minor, sent_at=clock())
        self.bids.append(bid)
        cut = self._chance.random() < CUT_CONNECTIONS
        wait = FIRST_PAUSE
        while True:
            bid.attempts += 1
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._ask(bid, cut=cut)
                if answer["op"] == "ok" or not answer["retryable"]:
                    break
            except (Lost, TimeoutError, Refused) as error:
                if isinstance(error, Refused) and not error.retryable:
                    raise
                if self._socket is not None:
                    self._socket.abort()
                self._socket = None
            cut = False
            await asyncio.sleep(wait * self._chance.uniform(0.5, 1.0))
            wait = min(wait * 2, LONGEST_PAUSE)
        bid.answered_at = clock()
        bid.answer = answer
        self._learn(bid)
        return bid

    async def _ask(self, bid: Bid, *, cut: bool) -> Frame:
        socket = self._socket = self._socket or await open_socket(self._url, self._token)
        self._calls += 1
        call = self._calls
        await socket.put(
            {
                "op": "send",
                "id": call,
                "name": self._name,
                "command": "place_bid",
                "data": {"max_minor": bid.max_minor},
                "command_id": bid.command_id,
            }
        )
        if cut:
            raise Lost("cut on purpose")
        while True:
            frame = await socket.take()
            self.sighting.note(frame)
            if frame.get("id") == call:
                return frame

    def _learn(self, bid: Bid) -> None:
        if not bid.accepted:
            self._room.minimum = max(self._room.minimum, bid.answer["details"].get("minimum", 0))
            return
        self._room.whispered.append(bid.max_minor)
        for event in bid.answer["events"]:
            self._room.hear(event)
            if event["type"] == "bid_accepted":
                self._leading = bid.max_minor if event["data"].get("leader_id") == self.user else 0

    def _choose(self) -> int:
        """The next maximum: far above, exactly the minimum, a tie, a raise of one's own, or too low on purpose."""
        chance, minimum = self._chance, self._room.minimum
        far = chance.randint(FAR_LEAST, FAR_MOST) // 10 * 10 + SECRET_ENDING
        kind = chance.choices(("far", "minimum", "tie", "low"), (30, 45, 15, 10))[0]
        if kind == "low":
            return max(1, minimum - chance.randint(1, FAR_LEAST))
        if self._leading >= minimum:
            return self._leading + far
        if kind == "tie" and self._room.whispered:
            return chance.choice(self._room.whispered)
        return minimum + far if kind == "far" else minimum
