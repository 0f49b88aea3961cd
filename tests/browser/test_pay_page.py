"""Guests pay at their table: a waiter's tablet shows the code, a telephone pays, and the floor knows."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from playwright.async_api import Page, expect

from holdfast.testing.system import System, started
from tests.browser.chromium import NEEDED, WAIT_MS
from tests.browser.chromium import pages as opened_pages

pytestmark = NEEDED
PHONE: Any = {"width": 360, "height": 740}
TILL, FLOOR = "loc-1", "loc-1:main"
SHOTS = os.environ.get("HOLDFAST_TEST_SCREENSHOTS")
"""A folder for pictures of the pages, for whoever wants to look at them."""


@dataclass
class House:
    """A floor and its till, with one party that has ordered for 20.30."""

    system: System

    async def post(self, purpose: str, command: str, role: str, /, **data: Any) -> httpx.Response:
        id_ = TILL if purpose == "pos-session" else FLOOR
        headers = {"Authorization": f"Bearer {self.system.token('acme', role, [role])}"}
        async with httpx.AsyncClient(base_url=self.system.url, headers=headers, timeout=WAIT_MS / 1000) as http:
            return await http.post(f"/v1/{purpose}/{id_}/{command}", json=data)

    async def send(self, purpose: str, command: str, role: str, /, **data: Any) -> None:
        answer = await self.post(purpose, command, role, **data)
        assert answer.status_code == 200, answer.text

    async def open(self) -> None:
        settings = {"currency": "EUR", "taxes": {"vat": {"ppm": 100_000, "inclusive": True}}, "floors": [FLOOR]}
        await self.send("pos-session", "configure", "admin", settings=settings, expected_version=0)
        for sku, name, price in (("soup", "Soup", 730), ("steak", "Steak", 1_300)):
            item = {"name": name, "price_minor": price, "tax_ids": ["vat"]}
            await self.send("pos-session", "set-item", "manager", sku=sku, item=item)
        await self.send("pos-session", "open-day", "cashier", business_date="2026-06-01")
        tables = [{"id": "t1", "name": "T1", "max": 4}]
        await self.send("floor", "configure-floor", "manager", tables=tables, expected_version=0)
        await self.send("floor", "clock-in", "waiter")
        await self.send("pos-session", "open-bank", "waiter", minor=0)
        await self.send("floor", "seat-party", "waiter", party_id="guests", table_ids=["t1"], size=2)
        lines = [{"line_id": f"l-{sku}", "sku": sku} for sku in ("soup", "steak")]
        await self.send("floor", "place-order", "waiter", order_id="o1", table_id="t1", lines=lines)

    async def processor_says(self, outcome: str, payment_id: str) -> None:
        """What a payment processor reports, by the role that tells of cards."""
        await self.send("pos-session", "record-payment-result", "cashier", payment_id=payment_id, outcome=outcome)

    async def payment(self) -> str:
        """The payment that is under way."""
        headers = {"Authorization": f"Bearer {self.system.token('acme', 'manager', ['manager'])}"}
        async with httpx.AsyncClient(base_url=self.system.url, headers=headers, timeout=WAIT_MS / 1000) as http:
            state = (await http.get(f"/v1/pos-session/{TILL}")).json()["state"]
        [payment] = [key for key, each in state["payments"].items() if each["status"] == "started"]
        return payment


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with started(tmp_path / "data", "floor", "pos") as system:
        opened = House(system)
        await opened.open()
        yield opened


@pytest_asyncio.fixture
async def pages() -> AsyncGenerator[tuple[Page, Page]]:
    """A tablet and a telephone."""
    async with opened_pages(None, PHONE) as (tablet, phone):
        yield tablet, phone


async def shows(page: Page, where: str, text: str) -> None:
    await expect(page.locator(where)).to_contain_text(text, timeout=WAIT_MS)


async def picture(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


async def pay(house: House, phone: Page, outcome: str) -> None:
    await phone.get_by_role("button", name="Pay").click()
    await shows(phone, "#outcome", "Waiting for your card.")
    await house.processor_says(outcome, await house.payment())


async def test_guests_pay_their_parts_by_the_code_of_their_table_and_the_table_is_paid(
    house: House, pages: tuple[Page, Page]
) -> None:
    tablet, phone = pages
    await tablet.goto(f"{house.system.url}/floor")
    await tablet.get_by_label("Token").fill(house.system.token("acme", "waiter", ["waiter"]))
    await tablet.get_by_label("Floor", exact=True).fill(FLOOR)
    await tablet.get_by_role("button", name="Watch").click()
    await tablet.locator('#tables [data-table="t1"] button').click()
    await shows(tablet, "#chosen-party", "20.3 EUR due")
    await tablet.get_by_role("button", name="Let them pay here").click()
    await expect(tablet.locator("#qr-image svg")).to_be_visible(timeout=WAIT_MS)
    await picture(tablet, "tablet")

    await phone.goto(await tablet.locator("#qr-link").get_attribute("href") or "")
    await shows(phone, "#due", "20.30 EUR")
    await shows(phone, "#lines", "Soup")
    await picture(phone, "bill")
    await phone.get_by_label("Soup").check()
    await phone.get_by_label("10 %").check()
    await expect(phone.get_by_role("button", name="Pay 8.03 EUR")).to_be_enabled(timeout=WAIT_MS)
    await pay(house, phone, "failed")
    await shows(phone, "#outcome", "That card was not accepted.")
    await phone.get_by_role("button", name="Pay").click()
    await shows(phone, "#outcome", "Waiting for your card.")
    await phone.get_by_label("Steak").focus()
    await house.processor_says("captured", await house.payment())
    await shows(phone, "#outcome", "Others at your table still have to pay.")
    await expect(phone.get_by_label("Steak")).to_be_focused(timeout=WAIT_MS)  # what is drawn anew stays where it was
    await expect(phone.get_by_label("Soup")).to_be_disabled(timeout=WAIT_MS)
    await shows(phone, "#due", "13.00 EUR")
    await phone.get_by_label("all that is left").check()
    await phone.get_by_label("none").check()
    await pay(house, phone, "captured")
    await shows(phone, "#outcome", "All is paid. Thank you!")
    await picture(phone, "paid")

    await shows(tablet, "#chosen-name", "T1: paid")
    await tablet.get_by_role("button", name="They have left").click()
    await shows(phone, "#link", "This code counts no more.")
    refused = await house.post("floor", "clock-out", "waiter")
    assert (refused.status_code, refused.json()["code"]) == (409, "BANK_OPEN")
    await house.send("pos-session", "settle-bank", "waiter", minor=0)
