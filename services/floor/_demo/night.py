"""One evening: the opening, the guests, the kills, the close of day, and the reading of everything afterwards."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.testing.demos import patiently
from holdfast.testing.doors import Frame, get, read_log
from holdfast.testing.system import System
from services.floor._demo import menu
from services.floor._demo.beside import Bar, Screen
from services.floor._demo.evidence import Evidence, Kill
from services.floor._demo.house import House
from services.floor._demo.paying import Cashier, check_out
from services.floor._demo.tablets import KINDS, Tablet
from services.floor._demo.turns import Station

PARTS: Final = ("floor", "pos", "gateway", "nats-server")
BEGIN_SECONDS: Final = 90.0
TABLETS: Final = ("waiter-1", "waiter-2", "waiter-3", "manager", "kitchen", "bar")
VIEWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "waiter": ("waiter-1", "waiter-2", "waiter-3"),
    "cashier": ("cashier-1", "cashier-2"),
    "kitchen": ("kitchen", "bar"),
}
"""Of each role some people, who have to be shown the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo was asked to do."""

    seconds: float
    kills: int
    seed: int


async def play(system: System, plan: Plan, folder: Path, *, tell: Callable[[str], None]) -> Evidence:
    """Hold the evening and collect what can be seen of it."""
    house = House(system, plan.seed)
    await house.open()
    tell(f"{house.floor} and {house.till} at {system.url}")
    seen = _evidence(house)
    tablets = [house.tablet(user, KINDS[number % len(KINDS)]) for number, user in enumerate(TABLETS)]
    house.board = tablets[0].board
    async with asyncio.TaskGroup() as tasks:
        for tablet in tablets:
            tasks.create_task(tablet.run())
        async with asyncio.timeout(BEGIN_SECONDS):
            await asyncio.gather(*(tablet.begun.wait() for tablet in tablets))
        await _serve(house, plan, tablets, folder=folder, seen=seen, tell=tell)
        tell("the last guests have gone; closing the day")
        await _close(house)
        seen.logs = (await read_evening(house)).logs
        for tablet in tablets:
            tablet.finish({name: log[-1]["seq"] for name, log in seen.logs.items()})
    await house.hang_up()
    tell("reading what everybody is shown")
    await _read(house, tablets, seen)
    return seen


def _evidence(house: House) -> Evidence:
    return Evidence(floor=house.floor, till=house.till, paper=house.paper, deeds=house.deeds)


async def read_evening(house: House) -> Evidence:
    """What the manager reads in the logs, beside the paper."""
    seen = _evidence(house)
    seen.logs = {name: await _log(house, name, "manager") for name in (house.floor, house.till)}
    return seen


async def _serve(
    house: House, plan: Plan, tablets: list[Tablet], *, folder: Path, seen: Evidence, tell: Callable[[str], None]
) -> None:
    """Guests come, until it is late and the last of them has paid."""
    stop = asyncio.Event()
    names = menu.tables()
    stations = [Station(house, number, (names[2 * number], names[2 * number + 1])) for number in range(len(names) // 2)]
    screens = {user: Screen(house, user) for user in ("kitchen", "bar")}
    for tablet in tablets:
        if tablet.user in screens:
            tablet.heard = screens[tablet.user].heard
    closed = asyncio.Event()
    async with asyncio.TaskGroup() as kitchen:
        for screen in screens.values():
            kitchen.create_task(screen.work(closed))
        async with asyncio.TaskGroup() as guests:
            for station in stations:
                guests.create_task(station.work(stop))
            guests.create_task(Bar(house, folder).work(stop))
            guests.create_task(_kill(house.system, plan, seen, tell))
            await asyncio.sleep(plan.seconds)
            stop.set()
        closed.set()


async def _kill(system: System, plan: Plan, seen: Evidence, tell: Callable[[str], None]) -> None:
    """Kill parts of the system at random, each once it runs again."""
    chance = random.Random(f"{plan.seed}/kills")  # noqa: S311 - reproducible by design
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(plan.kills):
        share = plan.seconds / (plan.kills + 1)
        moment = share * (number + 0.5 + chance.random())
        await asyncio.sleep(max(0.0, began + moment - clock()))
        part = chance.choice(PARTS) if number >= len(PARTS) else PARTS[(number + plan.seed) % len(PARTS)]
        pid = await system.processes.kill(part)
        seen.kills.append(Kill(part=part, pid=pid, at=clock()))
        tell(f"killed {part}, pid {pid}, after {clock() - began:.1f} s")


async def _close(house: House) -> None:
    """Count the drawers, and end the day."""
    for terminal in menu.TILLS:
        await Cashier(house, terminal, part="closing").count()
    for waiter in menu.WAITERS:
        await check_out(house, house.person(waiter, part="closing"))
    manager = house.person("manager", part="closing")
    if any(receipt.tip for receipt in house.paper.receipts.values()):
        weights = {waiter: number + 1 for number, waiter in enumerate(menu.WAITERS)}
        shares = [{"user": user, "weight": weight} for user, weight in weights.items()]
        await manager.do(house.till, "pool_tips", pool_id="tonight", shares=shares)
        house.paper.pool(weights)
    await manager.do(house.till, "close_day")


async def _read(house: House, tablets: list[Tablet], seen: Evidence) -> None:
    """Read what each is shown at the end, and what the users of tablets can read again."""
    seen.sightings = [sighting for tablet in tablets for sighting in tablet.sightings.values()]
    seen.returns = sum(tablet.returns for tablet in tablets)
    seen.boards = {f"{tablet.user} ({tablet.kind})": tablet.board.encoded() for tablet in tablets}
    seen.replays = {
        (tablet.user, name): await _log(house, name, tablet.user) for tablet in tablets for name in tablet.sightings
    }
    seen.views = {
        role: {user: {name: await _state(house, name, user) for name in seen.logs} for user in users}
        for role, users in {**VIEWERS, "manager": ("manager",)}.items()
    }


async def _log(house: House, name: str, user: str) -> list[Frame]:
    return await patiently(lambda: read_log(house.system.url, house.path(name), house.tokens[user]), what="the evening")


async def _state(house: House, name: str, user: str) -> str:
    """What somebody is shown, as text."""
    shown: dict[str, Any] = await patiently(
        lambda: get(house.system.url, house.path(name), house.tokens[user]), what="the evening"
    )
    return json.dumps([shown["seq"], shown["state"]], sort_keys=True)
