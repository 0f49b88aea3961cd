"""The bidders: each with a socket of its own, a purse without a bottom, and the patience to ask until it knows."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from holdfast.testing.doors import Frame
from holdfast.testing.patient import PatientCaller
from services.auction._demo.evidence import Bid, Sighting
from services.auction.reference import reference_minimum

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
        self._caller = PatientCaller(url, token, chance=chance, heard=self.sighting.note)
        self._name = name
        self._room = room
        self._chance = chance
        self._leading = 0

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
        await self._caller.close()

    async def bid(self, max_minor: int) -> Bid:
        """Place one bid, until its outcome is known."""
        clock = asyncio.get_running_loop().time
        bid = Bid(self.user, self._caller.new_command_id(), max_minor, sent_at=clock())
        self.bids.append(bid)
        data = {"max_minor": max_minor}
        bid.answer = await self._caller.call(self._name, "place_bid", data, command_id=bid.command_id, trying=bid.tried)
        bid.answered_at = clock()
        self._learn(bid)
        return bid

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
