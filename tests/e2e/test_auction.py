"""The auction on a whole system of its own, through the doors that everyone has, while its parts are killed."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from holdfast.testing.doors import Frame, Lost, Refused, Socket, get, open_socket, read_log
from holdfast.testing.system import System, started
from services.auction._demo.watchers import KINDS, Watcher

pytestmark = pytest.mark.slow
SECONDS = 60
PARTS = ("auction", "gateway", "nats-server")
ROLES = {"sam": ("seller",), "ann": ("bidder",), "bob": ("bidder",), "ada": ("auctioneer",)}
T = TypeVar("T")


class TooSlow(Exception):
    """The machine was, for the time that a lot was given."""


@dataclass
class Hall:
    """A running system and the tokens of those who use it."""

    system: System
    tokens: dict[str, str]
    lot: str = "lot-1"

    @property
    def name(self) -> str:
        return f"auction:acme:{self.lot}"

    @property
    def path(self) -> str:
        return f"/v1/auction/{self.lot}"

    async def socket(self, user: str) -> Socket:
        return await soon(lambda: open_socket(self.system.url, self.tokens[user]))

    async def create_lot(self, *, seconds: float) -> datetime:
        """List a lot that ends so soon; its end, or `TooSlow` when that was over before the lot was listed."""
        ends_at = datetime.now(UTC) + timedelta(seconds=seconds)
        terms = {"currency": "EUR", "start_minor": 1000, "soft_close": {"w_s": 0}}
        answer = await self.do("sam", "create_lot", {**terms, "ends_at": ends_at.isoformat()})
        if answer["op"] != "ok" and datetime.now(UTC) >= ends_at:
            raise TooSlow(answer)
        assert answer["op"] == "ok", answer
        return ends_at

    async def log(self, user: str = "ada") -> list[Frame]:
        return await soon(lambda: read_log(self.system.url, self.path, self.tokens[user]))

    async def state(self, user: str) -> Frame:
        return (await soon(lambda: get(self.system.url, self.path, self.tokens[user])))["state"]

    async def do(self, user: str, command: str, data: Frame, command_id: str | None = None) -> Frame:
        """Send a command until the answer is known, on as many sockets as it takes."""
        command_id = command_id or str(uuid4())

        async def once() -> Frame:
            socket = await open_socket(self.system.url, self.tokens[user])
            try:
                return await ask(socket, self.name, command, data, command_id)
            finally:
                socket.abort()

        return await soon(once)

    async def bid(self, user: str, max_minor: int, command_id: str | None = None) -> Frame:
        return await self.do(user, "place_bid", {"max_minor": max_minor}, command_id)

    def watcher(self, kind: int) -> Watcher:
        return Watcher(
            "bob",
            KINDS[kind],
            url=self.system.url,
            path=self.path,
            name=self.name,
            token=self.tokens["bob"],
            chance=random.Random(kind),  # noqa: S311 - reproducible
            hear=lambda _: None,
        )


@asynccontextmanager
async def hall(folder: Path) -> AsyncGenerator[Hall]:
    async with started(folder, "auction") as system:
        yield Hall(system, {user: system.token("acme", user, roles) for user, roles in ROLES.items()})


async def soon(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again as long as the answer is that it cannot be given now."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await ask()
            except Lost:
                pass
            except Refused as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(0.05)


async def ask(socket: Socket, name: str, command: str, data: Frame, command_id: str) -> Frame:
    """Send a command and wait for its answer; one that is only for now raises `Refused`."""
    await put(socket, name, command, data, command_id)
    return await answer_of(socket)


async def put(socket: Socket, name: str, command: str, data: Frame, command_id: str) -> None:
    send: Frame = {"op": "send", "id": 1, "name": name, "command": command, "data": data}
    await socket.put({**send, "command_id": command_id})


async def answer_of(socket: Socket) -> Frame:
    async with asyncio.timeout(SECONDS):
        answer = await socket.take()
    if answer["op"] == "error" and answer["retryable"]:
        raise Refused(answer)
    return answer


def bids_in(log: list[Frame]) -> list[str]:
    return [event["command_id"] for event in log if event["type"] == "bid_accepted"]


async def test_a_bid_in_flight_when_its_owner_is_killed_is_answered(tmp_path: Path) -> None:
    async with hall(tmp_path / "data") as here:
        await here.create_lot(seconds=600)
        ann = await here.socket("ann")
        pid = await here.system.processes.pid("auction")
        os.kill(pid, signal.SIGSTOP)  # so that the owner cannot be faster than its death
        await put(ann, here.name, "place_bid", {"max_minor": 5000}, "bid-1")
        bob = await here.socket("bob")
        await bob.put({"op": "ping", "id": 9})
        assert (await bob.take())["op"] == "pong"  # the gateway goes on without the owner

        await here.system.processes.kill("auction")

        try:
            answer = await answer_of(ann)
        except Refused:  # a new owner that takes longer than a door waits: ask again for the outcome of this very bid
            answer = await here.bid("ann", 5000, "bid-1")
        assert answer["op"] == "ok"
        assert bids_in(await here.log()) == ["bid-1"]


async def test_a_command_id_sent_again_on_another_connection_gets_the_first_answer(tmp_path: Path) -> None:
    async with hall(tmp_path / "data") as here:
        await here.create_lot(seconds=600)
        first = await here.bid("ann", 5000, "bid-1")
        await here.system.processes.kill("auction")

        again = await here.bid("ann", 5000, "bid-1")

        assert again == {**first, "deduplicated": True}
        assert bids_in(await here.log()) == ["bid-1"]


async def test_a_bid_whose_connection_is_cut_before_the_answer_counts_once(tmp_path: Path) -> None:
    async with hall(tmp_path / "data") as here:
        await here.create_lot(seconds=600)
        ann = await here.socket("ann")
        await put(ann, here.name, "place_bid", {"max_minor": 5000}, "bid-1")
        ann.abort()

        answer = await here.bid("ann", 5000, "bid-1")

        assert answer["op"] == "ok"
        assert bids_in(await here.log()) == ["bid-1"]


async def test_a_second_start_finds_the_same_lot(tmp_path: Path) -> None:
    async with hall(tmp_path / "data") as here:
        await here.create_lot(seconds=600)
        answer = await here.bid("ann", 5000)
        before, lot = await here.log(), await here.state("ann")

    async with hall(tmp_path / "data") as here:
        assert await here.log() == before
        assert await here.state("ann") == lot
        later = await here.bid("bob", 9000)
        assert later["seq"] > answer["seq"]
        assert (await here.log())[: len(before)] == before


async def bids_around_a_kill(here: Hall, part: str) -> tuple[list[Frame], list[Watcher]]:
    """The answers to six bids, and who watched the lot to its end: the first lot that lasted long enough for all of it."""
    for here.lot, seconds in (("lot-1", 12), ("lot-2", 60)):
        ends_at = await here.create_lot(seconds=seconds)
        watchers = [here.watcher(kind) for kind in range(len(KINDS))]
        watching = asyncio.gather(*(watcher.run() for watcher in watchers))
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(watcher.begun.wait() for watcher in watchers))
        answers = [await here.bid("ann", amount) for amount in (2000, 3000)]

        await here.system.processes.kill(part)

        answers += [await here.bid("ann", amount) for amount in (4000, 5000)]
        await here.system.processes.pid(part)
        answers += [await here.bid("ann", amount) for amount in (6000, 7000)]
        in_time = datetime.now(UTC) < ends_at
        async with asyncio.timeout(2 * SECONDS):
            await watching
        if in_time:
            return answers, watchers
    raise AssertionError("six bids and a restart took longer than a minute")


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_loses_no_bid_and_leaves_no_hole(tmp_path: Path, part: str) -> None:
    async with hall(tmp_path / "data") as here:
        answers, watchers = await bids_around_a_kill(here, part)
        log = await here.log("bob")
        own = await here.log("ann")
        assert [event["seq"] for answer in answers for event in answer["events"]] == [
            event["seq"] for event in own if event["type"] == "bid_accepted"
        ]
        assert log[-1]["type"] == "auction_closed"
        for watcher in watchers:
            assert watcher.sighting.events == log[watcher.sighting.first - 1 :], watcher.sighting.kind


async def lot_with_a_bid_that_ends_soon(here: Hall) -> datetime:
    """When it ends: as soon as this machine is fast enough for."""
    for here.lot, seconds in (("lot-1", 5), ("lot-2", 20), ("lot-3", 50)):
        with suppress(TooSlow):
            await here.create_lot(seconds=seconds)
            if (await here.bid("ann", 5000))["op"] == "ok":
                return datetime.fromisoformat((await here.state("ann"))["ends_at"])
    raise AssertionError("a bid took longer than 50 s")


async def test_a_lot_whose_end_passes_while_everything_is_down_closes_as_of_its_end(tmp_path: Path) -> None:
    async with hall(tmp_path / "data") as here:
        ends_at = await lot_with_a_bid_that_ends_soon(here)
        lot = here.lot

    await until(lambda: datetime.now(UTC) > ends_at)

    async with hall(tmp_path / "data") as here:
        here.lot = lot
        too_late = await here.bid("bob", 9000)
        closed = (await here.log())[-1]
        assert too_late["code"] == "AUCTION_ENDED"
        assert closed["type"] == "auction_closed"
        assert datetime.fromisoformat(closed["data"]["effective_at"]) == ends_at
        assert (closed["data"]["result"], closed["data"]["winner_id"]) == ("SOLD", "ann")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.05)
