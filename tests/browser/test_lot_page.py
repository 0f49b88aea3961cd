"""The lot's page in a real browser, on a whole system of its own, while the auction's process is killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from playwright.async_api import Page, expect

from holdfast.testing.system import System, started
from tests.browser.chromium import NEEDED, WAIT_MS, pages

pytestmark = NEEDED
PHONE = {"width": 320, "height": 640}


@dataclass
class Hall:
    """A running system with one lot."""

    system: System
    lot: str

    def token(self, user: str) -> str:
        return self.system.token("acme", user, ["seller" if user == "sam" else "bidder"])

    async def send(self, user: str, command: str, data: dict[str, Any]) -> None:
        """Send a command until it is answered, whatever is killed meanwhile."""
        headers = {"Authorization": f"Bearer {self.token(user)}", "Idempotency-Key": str(uuid4())}
        path = f"{self.system.url}/v1/auction/{self.lot}/{command}"
        async with httpx.AsyncClient() as http:
            for _ in range(5):
                answer = await http.post(path, json=data, headers=headers, timeout=WAIT_MS / 1000)
                if answer.status_code not in {503, 504}:
                    assert answer.status_code == 200, answer.text
                    return
        raise AssertionError("the command was never answered")

    async def create_lot(self, *, seconds: float = 600) -> datetime:
        """List the lot that ends so soon; its end."""
        ends_at = datetime.now(UTC) + timedelta(seconds=seconds)
        terms = {"title": "A clock", "currency": "EUR", "start_minor": 1000, "ends_at": ends_at.isoformat()}
        await self.send("sam", "create-lot", terms | {"soft_close": {"w_s": 0}})
        return ends_at


@pytest_asyncio.fixture
async def hall(tmp_path: Path) -> AsyncGenerator[Hall]:
    async with started(tmp_path / "data", "auction") as system:
        yield Hall(system, f"lot-{uuid4().hex[:8]}")


@asynccontextmanager
async def page_of(hall: Hall, user: str, *, size: Any = None) -> AsyncGenerator[Page]:
    """The page in a browser of its own, watching the lot."""
    async with pages(size) as (page,):
        await page.goto(hall.system.url)
        await page.get_by_label("Token").fill(hall.token(user))
        await page.get_by_label("Lot", exact=True).fill(hall.lot)
        await page.get_by_role("button", name="Watch").click()
        yield page


async def bid(page: Page, amount: str) -> None:
    await page.get_by_label("Your maximum").fill(amount)
    await page.get_by_role("button", name="Bid").click()


async def shows_every_event(page: Page) -> None:
    """The history counts from its newest event down to the first; earlier ones are read after the state."""
    async with asyncio.timeout(WAIT_MS / 1000):
        while True:
            seqs = await page.locator("#history li").evaluate_all("lines => lines.map(line => line.value)")
            if seqs and seqs == list(range(seqs[0], 0, -1)):
                return
            await asyncio.sleep(0.05)


async def shows(page: Page, id_: str, text: str) -> None:
    await expect(page.locator(f"#{id_}")).to_contain_text(text, timeout=WAIT_MS)


async def test_a_bidder_bids_is_outbid_and_still_hears_after_the_auction_is_killed(hall: Hall) -> None:
    await hall.create_lot()
    async with page_of(hall, "ann") as page:
        await shows(page, "price", "10.00 EUR")
        await shows(page, "standing", "No bids yet")
        await bid(page, "15,00")
        await shows(page, "outcome", "Your bid was accepted.")
        await shows(page, "mine", "You lead. Your maximum is 15.00 EUR.")
        await hall.send("bob", "place-bid", {"max_minor": 2000})
        await shows(page, "price", "15.50 EUR")
        await shows(page, "mine", "You have been outbid")
        await bid(page, "11")
        await shows(page, "outcome", "Refused: bid at least 16.00 EUR.")
        await hall.system.processes.kill("auction")
        await hall.send("cho", "place-bid", {"max_minor": 3000})
        await shows(page, "price", "20.50 EUR")
        await bid(page, "40")
        await shows(page, "mine", "You lead. Your maximum is 40.00 EUR.")
        await shows_every_event(page)


async def test_a_killed_gateway_is_found_again_with_nothing_missed(hall: Hall) -> None:
    await hall.create_lot()
    async with page_of(hall, "ann") as page:
        await shows(page, "standing", "No bids yet")
        await hall.system.processes.kill("gateway")
        await shows(page, "link", "Connection lost")
        await hall.system.processes.pid("gateway")
        await hall.send("bob", "place-bid", {"max_minor": 1500})
        await hall.send("cho", "place-bid", {"max_minor": 2000})
        await shows(page, "link", "Connected as ann.")
        await shows(page, "price", "15.50 EUR")
        await shows_every_event(page)


async def test_the_end_of_the_lot_is_told_and_takes_the_form_away(hall: Hall) -> None:
    async with page_of(hall, "ann") as page:
        await bid_before_the_end(hall, page)
        await shows(page, "mine", "You won: pay 10.00 EUR")
        await shows(page, "standing", "Sold")
        await expect(page.get_by_role("button", name="Bid")).to_be_hidden(timeout=WAIT_MS)
        await expect(page.locator("#clock")).to_be_hidden(timeout=WAIT_MS)


async def bid_before_the_end(hall: Hall, page: Page) -> None:
    """Watch a lot from before it is listed, and bid for it: one that ends as soon as this machine is fast enough for."""
    for seconds in (8, 45):
        await shows(page, "link", f"There is no lot {hall.lot} that you may see.")
        ends_at = await hall.create_lot(seconds=seconds)
        await page.get_by_role("button", name="Watch").click()
        await shows(page, "link", "Connected as ann.")
        if datetime.now(UTC) < ends_at - timedelta(seconds=seconds / 4):
            await bid(page, "15")
            return
        hall.lot += "-again"
        await page.get_by_label("Lot", exact=True).fill(hall.lot)
        await page.get_by_role("button", name="Watch").click()
    raise AssertionError("the page did not show a lot within half a minute")


async def test_what_cannot_be_watched_or_bid_is_told(hall: Hall) -> None:
    async with page_of(hall, "ann") as page:
        await shows(page, "link", f"There is no lot {hall.lot} that you may see.")
        await hall.create_lot()
        await page.get_by_role("button", name="Watch").click()
        await shows(page, "price", "10.00 EUR")
        await bid(page, "ten")
        await shows(page, "outcome", "Write an amount such as 12.50.")
        await page.get_by_label("Token").fill("nonsense")
        await page.get_by_role("button", name="Watch").click()
        await shows(page, "link", "Closed: the token is not valid")


async def test_the_page_fits_a_narrow_phone(hall: Hall) -> None:
    await hall.create_lot()
    async with page_of(hall, "ann", size=PHONE) as page:
        await shows(page, "price", "10.00 EUR")
        await page.locator("summary").click()
        width = await page.locator("html").evaluate("page => page.scrollWidth")
        assert width <= PHONE["width"]
