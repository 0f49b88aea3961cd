"""The floor's page on two tablets at once, one of which loses its network."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from holdfast.testing.system import System, started
from tests.browser.chromium import NEEDED, WAIT_MS, pages

pytestmark = NEEDED
TIMES = "\N{MULTIPLICATION SIGN}"
PHONE = {"width": 320, "height": 640}
TABLES = [{"id": f"t{number}", "name": f"T{number}", "max": 4} for number in range(1, 5)]


@dataclass
class Room:
    """A running system with one floor of four tables."""

    system: System
    floor: str

    async def send(self, command: str, data: dict[str, Any], role: str = "manager") -> None:
        token = self.system.token("acme", role, [role])
        path = f"{self.system.url}/v1/floor/{self.floor}/{command}"
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                path, json=data, headers={"Authorization": f"Bearer {token}"}, timeout=WAIT_MS / 1000
            )
        assert answer.status_code == 200, answer.text


class Tablet:
    """The page in a browser context of its own, which can lose its network; what it sent over its sockets is kept."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.sent: list[dict[str, Any]] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: self.sent.append(json.loads(frame))))

    async def watch(self, room: Room, user: str) -> None:
        await self.page.goto(f"{room.system.url}/floor")
        await self.page.get_by_label("Token").fill(room.system.token("acme", user, ["waiter"]))
        await self.page.get_by_label("Floor", exact=True).fill(room.floor)
        await self.page.get_by_role("button", name="Watch").click()
        await self.shows("#tables", "T4")

    async def choose(self, table: str) -> None:
        await self.table(table).click()

    def table(self, table: str) -> Locator:
        return self.page.locator(f'#tables [data-table="{table}"] button')

    async def seat(self, table: str, guests: int) -> None:
        await self.choose(table)
        await self.page.get_by_label("Guests", exact=True).fill(str(guests))
        await self.page.get_by_role("button", name="Seat", exact=True).click()

    async def order(self, table: str, item: str) -> None:
        await self.choose(table)
        await self.page.get_by_label("Item").fill(item)
        await self.page.get_by_role("button", name="Order", exact=True).click()

    async def shows(self, where: str, text: str) -> None:
        await expect(self.page.locator(where)).to_contain_text(text, timeout=WAIT_MS)

    async def shows_at(self, table: str, *texts: str, pending: bool = False) -> None:
        for text in texts:
            await expect(self.table(table)).to_contain_text(text, timeout=WAIT_MS)
        await expect(self.table(table)).to_have_class("pending" if pending else "", timeout=WAIT_MS)

    async def seqs(self) -> Sequence[int]:
        """The events that it has told of, the newest first."""
        return await self.page.locator("#history li").evaluate_all("lines => lines.map(line => line.value)")


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncGenerator[Room]:
    async with started(tmp_path / "data", "floor") as system:
        opened = Room(system, f"loc-1:{uuid4().hex[:8]}")
        await opened.send("configure-floor", {"tables": TABLES, "expected_version": 0})
        settings = {"settings": {"payments": "none"}, "expected_version": 0}
        await opened.send("change-settings", settings)
        yield opened


async def test_a_tap_counts_though_the_floor_changes_while_the_finger_is_down(room: Room) -> None:
    async with tablets(1) as (tablet,):
        await tablet.watch(room, "walt")
        await tablet.table("t1").hover()
        await tablet.page.mouse.down()
        await room.send("join-waitlist", {"party": "w1", "size": 2})
        await tablet.shows("#summary", "1 waiting")
        await tablet.page.mouse.up()
        await tablet.shows("#chosen-name", "T1: ")
        await expect(tablet.page.get_by_label("Guests", exact=True)).to_be_visible(timeout=WAIT_MS)


@asynccontextmanager
async def tablets(count: int, *, size: Any = None) -> AsyncGenerator[list[Tablet]]:
    """So many tablets."""
    async with pages(*[size] * count) as found:
        yield [Tablet(page.context, page) for page in found]


async def test_two_tablets_show_the_same_tables_and_orders(room: Room) -> None:
    async with tablets(2) as (one, other):
        await one.watch(room, "walt")
        await other.watch(room, "wilma")
        await one.seat("t1", 2)
        await other.shows_at("t1", "T1 · 2", "seated", "0 min")
        await other.order("t1", "soup")
        await one.shows_at("t1", "ordered")
        await one.shows("#lines", f"1 {TIMES} soup: sent")
        await one.page.get_by_role("button", name="They have left").click()
        await other.shows_at("t1", "to be cleaned")
        await other.page.get_by_role("button", name="Ready for guests").click()
        for tablet in (one, other):
            await tablet.shows_at("t1", "free")
            await tablet.shows("#summary", "0 parties, 0 guests, 0 waiting")


async def test_a_tablet_without_network_shows_its_edits_as_pending_and_catches_up_by_seq(room: Room) -> None:
    async with tablets(2) as (cut_off, other):
        await cut_off.watch(room, "walt")
        await other.watch(room, "wilma")
        await other.seat("t1", 2)
        await cut_off.shows_at("t1", "T1 · 2")
        await cut_off.context.set_offline(True)
        await cut_off.shows("#link", "Connection lost")
        known = max(await cut_off.seqs())
        sent_before = len(cut_off.sent)
        await cut_off.seat("t3", 4)
        await cut_off.order("t3", "beer")
        await cut_off.shows_at("t3", "T3 · 4", "seated", "pending", pending=True)
        await cut_off.shows("#lines", f"1 {TIMES} beer: pending")
        await cut_off.shows("#summary", "2 not confirmed yet")
        await cut_off.shows("#outcome", "Not sent yet")
        await other.order("t1", "soup")
        await other.seat("t2", 3)
        await other.shows_at("t2", "T2 · 3")
        await expect(other.table("t3")).not_to_contain_text("T3 · 4")
        await cut_off.context.set_offline(False)
        for tablet in (cut_off, other):
            await tablet.shows_at("t1", "ordered")
            await tablet.shows_at("t2", "T2 · 3", "seated")
            await tablet.shows_at("t3", "T3 · 4", "ordered")
            await tablet.shows("#summary", "3 parties, 9 guests, 0 waiting")
            await expect(tablet.page.locator("#summary")).not_to_contain_text("confirmed")
        resumed = [frame for frame in cut_off.sent[sent_before:] if frame["op"] == "watch"]
        assert [frame["after"] for frame in resumed] == [known]
        seqs = await cut_off.seqs()
        assert seqs == list(range(seqs[0], 0, -1))


async def test_an_edit_that_came_too_late_is_taken_back_and_says_why(room: Room) -> None:
    async with tablets(2) as (late, other):
        await late.watch(room, "walt")
        await other.watch(room, "wilma")
        await late.context.set_offline(True)
        await late.shows("#link", "Connection lost")
        await late.seat("t1", 4)
        await late.shows_at("t1", "T1 · 4", "pending", pending=True)
        await other.seat("t1", 2)
        await other.shows_at("t1", "T1 · 2")
        await late.context.set_offline(False)
        await late.shows("#outcome", "Refused: ")
        await late.shows_at("t1", "T1 · 2", "seated")


async def test_a_stage_that_takes_too_long_is_marked_by_the_servers_clock(room: Room) -> None:
    targets = {"seated": {"target": 0, "alert": 0}}
    await room.send(
        "change-settings", {"settings": {"payments": "none", "turn_targets": targets}, "expected_version": 1}
    )
    async with tablets(1) as (tablet,):
        await tablet.page.clock.install(time=0)  # a tablet whose own clock is half a century late
        await tablet.watch(room, "walt")
        await tablet.seat("t1", 2)
        await expect(tablet.table("t1").locator(".stage")).to_have_class("stage alert", timeout=WAIT_MS)
        await tablet.shows_at("t1", "0 min")


async def test_the_page_fits_a_narrow_phone(room: Room) -> None:
    async with tablets(1, size=PHONE) as (tablet,):
        await tablet.watch(room, "walt")
        await tablet.seat("t1", 2)
        await tablet.shows_at("t1", "T1 · 2")
        width = await tablet.page.locator("html").evaluate("page => page.scrollWidth")
        assert width <= PHONE["width"]
