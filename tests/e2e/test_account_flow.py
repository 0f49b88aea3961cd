"""A gift card is sold, spent, given back and found empty, and points are earned, while the owner of till and accounts dies."""

import asyncio
import csv
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.testing.doors import Frame, Lost, Refused, get, read_log
from holdfast.testing.system import System, started
from services.floor._demo.people import Person
from services.pos.domain_account_terms import card_account

pytestmark = pytest.mark.slow
TENANT = "acme"
CODE = "NIGHT-7F3K-22QX-0"
CARD, GUEST = card_account(CODE), "guest-1"
TILL = "pos-session:acme:loc-1"
PATIENCE = 90.0
SETTINGS: Frame = {
    "currency": "USD",
    "taxes": {"vat": {"ppm": 100_000}},
    "reason_codes": ["wrong"],
    "refund_limit_minor": 10_000,
    "loyalty": {"earn_ppm": 10_000, "point_ppm": 5_000_000},
}
ITEMS: Frame = {
    "beer": {"price_minor": 500, "tax_ids": ["vat"]},
    "card": {"price_minor": 2_500, "stored_value": "GIFT_CARD"},
}


class Bar:
    """A till with one manager, who asks until the answer is known."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.token = system.token(TENANT, "max", ["manager", "admin"])
        self.manager = Person("max", system.url, self.token, chance=random.Random(1), deeds=[])  # noqa: S311 - the same again
        self.kills = 0

    async def do(self, command: str, **data: Any) -> Frame:
        return await self.manager.do(TILL, command, **data)

    async def strike(self) -> None:
        """Kill the owner of the till and of all accounts; nobody waits until it is back."""
        await self.system.processes.kill("pos")
        self.kills += 1

    async def account(self, account_id: str) -> Frame:
        return (await get(self.system.url, f"/v1/pos-account/{account_id}", self.token))["state"]

    async def log(self, path: str) -> list[Frame]:
        return await read_log(self.system.url, path, self.token)

    async def until(self, path: str, holds: Callable[[Frame], bool]) -> Frame:
        """Wait until an entity is so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    state = (await get(self.system.url, path, self.token))["state"]
                except (Lost, Refused):  # it is not there yet, or its owner is not
                    state = None
                if state is not None and holds(state):
                    return state
                await asyncio.sleep(0.1)

    async def open(self) -> None:
        await self.do("configure", settings=SETTINGS, expected_version=0)
        for sku, item in ITEMS.items():
            await self.do("set_item", sku=sku, item=item)
        await self.do("open_day", business_date="2026-06-01")

    async def order(self, tab_id: str, *skus: str) -> None:
        await self.do("open_tab", tab_id=tab_id)
        for sku in skus:
            more = {"card_code": CODE} if sku == "card" else {}
            await self.do("add_line", tab_id=tab_id, line_id=f"{tab_id}-{sku}", sku=sku, **more)

    async def pay_by_card(self, tab_id: str, minor: int) -> None:
        pay = {"tab_id": tab_id, "payment_id": f"pay-{tab_id}", "amount_minor": minor, "tender": "gift"}
        await self.do("begin_payment", card_code=CODE, **pay)

    async def decline(self, tab_id: str) -> None:
        """Try the card before anybody sold it."""
        await self.pay_by_card(tab_id, 550)
        await self.until("/v1/pos-session/loc-1", tab_is(tab_id, "OPEN"))

    async def statement(self, *, moves: int) -> list[dict[str, str]]:
        """The card's statement as a table, once it tells of so many moves."""
        headers = {"Authorization": f"Bearer {self.token}"}
        query = {"list": "movements", "account": CARD, "format": "csv"}
        async with httpx.AsyncClient(base_url=self.system.url, headers=headers, timeout=PATIENCE) as http:
            async with asyncio.timeout(PATIENCE):
                while True:
                    rows = list(csv.DictReader((await http.get("/v1/pos-account", params=query)).text.splitlines()))
                    if len(rows) >= moves:
                        return rows
                    await asyncio.sleep(0.1)


def tab_is(tab_id: str, status: str) -> Callable[[Frame], bool]:
    return lambda state: state["tabs"].get(tab_id, {}).get("status") == status


def has(balance: int) -> Callable[[Frame], bool]:
    return lambda state: state.get("balance", 0) == balance and not state.get("holds")


async def test_a_gift_card_is_loaded_spent_and_given_back_once_however_often_its_owner_dies(tmp_path: Path) -> None:
    said: list[str] = []
    async with started(tmp_path / "data", "pos", level="debug", hear=said.append) as system:
        bar = Bar(system)
        await bar.open()
        till, card, guest = "/v1/pos-session/loc-1", f"/v1/pos-account/{CARD}", f"/v1/pos-account/{GUEST}"
        await bar.order("t1", "beer", "card")
        await bar.decline("t1")
        await bar.do("set_tab_customer", tab_id="t1", account_id=GUEST)
        await bar.do("begin_payment", tab_id="t1", payment_id="p1", amount_minor=3_050, tender="card")
        await bar.do("record_payment_result", payment_id="p1", outcome="captured")
        await bar.do("close_tab", tab_id="t1")
        await bar.strike()
        await bar.until(card, has(2_500))
        await bar.until(guest, has(5))
        await bar.order("t2", "beer")
        await bar.pay_by_card("t2", 550)
        await bar.strike()
        await bar.until(till, tab_is("t2", "PAID"))
        await bar.strike()
        await bar.do("close_tab", tab_id="t2")
        await bar.until(card, has(1_950))
        await bar.do("refund", tab_id="t2", amount_minor=100, tender="gift", reason_code="wrong")
        await bar.strike()
        await bar.until(card, has(2_050))
        await bar.order("more-1", "beer")
        for number in (0, 2, 3, 4):
            await bar.order(f"more-{number}", "beer")
            await bar.do("merge_tabs", **{"from": f"more-{number}", "into": "more-1"})
        await bar.pay_by_card("more-1", 2_750)
        await bar.strike()
        await bar.until(till, tab_is("more-1", "OPEN"))
        logs = {path: await bar.log(path) for path in (till, card, guest)}
        rows = await bar.statement(moves=3)
        await bar.manager.close()

    seen = {path: Counter(event["type"] for event in log) for path, log in logs.items()}
    assert bar.kills == 5
    moves = ("value_loaded", "charge_authorized", "charge_captured", "charge_returned", "charge_declined")
    assert [seen[card][kind] for kind in moves] == [1, 1, 1, 1, 2]
    assert seen[guest]["points_earned"] == 1
    failed = (event["data"] for event in logs[till] if event["type"] == "payment_failed")
    told = [(each["reason"], each.get("available", 0)) for each in failed]
    assert told == [("ACCOUNT_UNKNOWN", 0), ("INSUFFICIENT_BALANCE", 2_050)]
    assert [row["change"] for row in rows] == ["2500", "-550", "100"]
    assert CODE not in "".join(said)
    assert CODE not in str(logs)
    assert not [line for line in said if "reactor.refused" in line]
