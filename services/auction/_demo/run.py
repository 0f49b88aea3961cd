"""One run: the lot, its watchers and bidders, the kills, and the reading of the log afterwards."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from holdfast.testing.demos import patiently
from holdfast.testing.doors import Frame, get, open_socket, read_log
from holdfast.testing.system import CannotRun, System
from services.auction._demo.evidence import Evidence, Kill
from services.auction._demo.market import Bidder, Room
from services.auction._demo.watchers import KINDS, Watcher

TENANT: Final = "demo"
SELLER: Final = "sam"
AUCTIONEER: Final = "ada"
HOUSE: Final[Mapping[str, tuple[str, ...]]] = {
    SELLER: ("seller",),
    AUCTIONEER: ("auctioneer",),
    "olga": (),
}
"""Who watches besides bidders: the seller, an auctioneer, and someone without any role."""
BEGIN_SECONDS: Final = 90.0
SETTLE_SECONDS: Final = 180.0
"""For the answers that are still out when bidding stops, the end of the lot, and the last watcher."""
START_MINOR: Final = 10_00
RESERVE_MINOR: Final = 2_000_00
SOFT_CLOSE_SECONDS: Final = 3
TIMES_TO_LOOK_BACK: Final = 4
OP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo was asked to do. `pause` is in seconds."""

    seconds: float
    bidders: int
    watchers: int
    kills: int
    pause: float
    seed: int

    def chance(self, of: str) -> random.Random:
        """Randomness for one part of the run, the same again with the same seed."""
        return random.Random(f"{self.seed}/{of}")  # noqa: S311 - reproducible by design

    def kill_times(self) -> Sequence[float]:
        """Seconds after the start, spread over the middle third."""
        share = self.seconds / 3 / max(self.kills, 1)
        chance = self.chance("kills")
        return [self.seconds / 3 + share * (number + chance.random()) for number in range(self.kills)]


class _Stage:
    """A lot of the system, and how one reaches it."""

    def __init__(self, system: System, plan: Plan) -> None:
        self.system = system
        self.plan = plan
        self.id = f"demo-{uuid4().hex[:12]}"
        self.name = f"auction:{TENANT}:{self.id}"
        self.path = f"/v1/auction/{self.id}"
        people = dict(HOUSE) | {f"bidder-{number:03}": ("bidder",) for number in range(1, plan.bidders + 1)}
        self.tokens = {user: system.token(TENANT, user, roles) for user, roles in people.items()}

    def bidder(self, user: str, room: Room) -> Bidder:
        return Bidder(user, self.system.url, self.tokens[user], self.name, room=room, chance=self.plan.chance(user))

    def watcher(self, number: int, room: Room) -> Watcher:
        user = list(self.tokens)[number % len(self.tokens)]
        return Watcher(
            user,
            KINDS[number % len(KINDS)],
            url=self.system.url,
            path=self.path,
            name=self.name,
            token=self.tokens[user],
            chance=self.plan.chance(f"watcher {number}"),
            hear=room.hear,
        )

    async def create_lot(self) -> Mapping[str, Any]:
        ends_at = datetime.now(UTC) + timedelta(seconds=self.plan.seconds + 1)
        data = {
            "title": "Whatever survives",
            "currency": "EUR",
            "start_minor": START_MINOR,
            "reserve_minor": RESERVE_MINOR,
            "ends_at": ends_at.isoformat(),
            "soft_close": {"w_s": SOFT_CLOSE_SECONDS, "x_s": SOFT_CLOSE_SECONDS},
        }
        send: Frame = {"op": "send", "id": 1, "name": self.name, "command": "create_lot", "data": data}
        async with asyncio.timeout(OP_SECONDS):
            socket = await open_socket(self.system.url, self.tokens[SELLER])
            await socket.put(send)
            answer = await socket.take()
            await socket.close()
        if answer["op"] != "ok":
            raise CannotRun(f"the lot could not be created: {answer}")
        return data

    async def patiently(self, path: str, user: str) -> Frame:
        """GET, again as long as the refusal is only for now."""
        return await patiently(lambda: get(self.system.url, path, self.tokens[user]), what="the lot")

    async def log_of(self, user: str, *, after: int = 0) -> list[Frame]:
        """The log as this user may read it."""
        return await patiently(
            lambda: read_log(self.system.url, self.path, self.tokens[user], after=after), what="the log"
        )


async def play(system: System, plan: Plan, *, tell: Callable[[str], None]) -> Evidence:
    """Hold the auction and collect what can be seen of it."""
    stage = _Stage(system, plan)
    seen = Evidence(lot=await stage.create_lot())
    tell(f"lot {stage.name} at {system.url}")
    room = Room(START_MINOR)
    bidders = [stage.bidder(user, room) for user in stage.tokens if user not in HOUSE]
    watchers = [stage.watcher(number, room) for number in range(plan.watchers)]
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watcher.run()) for watcher in watchers]
        async with asyncio.timeout(BEGIN_SECONDS):
            await asyncio.gather(*(watcher.begun.wait() for watcher in watchers))
        await _bidding(system, plan, bidders, seen, tell)
        tell("bidding is over; waiting for the end of the lot")
        await _settled(watching)
        await _settled([tasks.create_task(bidders[0].bid_once(START_MINOR))])
    seen.bids = [bid for bidder in bidders for bid in bidder.bids]
    seen.answers = [bidder.sighting for bidder in bidders]
    seen.sightings = [watcher.sighting for watcher in watchers]
    tell("reading the log")
    await _read(stage, seen)
    return seen


async def _bidding(
    system: System, plan: Plan, bidders: Sequence[Bidder], seen: Evidence, tell: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    chance = plan.chance("pauses")

    def pause() -> float:
        return plan.pause * chance.uniform(0.4, 1.6)

    async with asyncio.TaskGroup() as tasks:
        bidding = [tasks.create_task(bidder.bid_until(stop, pause)) for bidder in bidders]
        killing = tasks.create_task(_kill(system, plan, seen, tell))
        await asyncio.sleep(plan.seconds)
        stop.set()
        await _settled([*bidding, killing])


async def _settled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Give them time to end, and give up the others: the checks will tell what they lack."""
    _, late = await asyncio.wait(tasks, timeout=SETTLE_SECONDS)
    for task in late:
        task.cancel()


async def _kill(system: System, plan: Plan, seen: Evidence, tell: Callable[[str], None]) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    for moment in plan.kill_times():
        await asyncio.sleep(max(0.0, began + moment - clock()))
        pid = await system.processes.kill("auction")
        seen.kills.append(Kill(pid=pid, at=clock()))
        tell(f"killed the auction's process, pid {pid}, after {clock() - began:.1f} s")


async def _read(stage: _Stage, seen: Evidence) -> None:
    """Read the log as its viewers do, and what only one bidder may see as that bidder; look at the past too."""
    viewers = [sighting.viewer for sighting in seen.sightings]
    seen.replays = {viewer: await stage.log_of(viewer) for viewer in dict.fromkeys([*viewers, AUCTIONEER])}
    log = list(seen.replays[AUCTIONEER])
    hidden = {event["seq"]: place for place, event in enumerate(log) if event["type"] == "redacted"}
    for bid in seen.accepted():
        place = hidden.get(bid.seq)
        if place is not None:
            page = await stage.patiently(f"{stage.path}/events?after={bid.seq - 1}&limit=1", bid.bidder)
            log[place] = page["events"][0]
    seen.log = log
    head = log[-1]["seq"]
    for sighting in seen.sightings:
        for part in range(1, TIMES_TO_LOOK_BACK + 1):
            past = await stage.patiently(f"{stage.path}?seq={head * part // TIMES_TO_LOOK_BACK}", sighting.viewer)
            sighting.note(past["state"])
