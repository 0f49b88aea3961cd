"""What goes on beside the tables: the kitchen's screens, and a till at the bar that is off the network for a while."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec

from holdfast.offline import OfflineQueue, by_http
from holdfast.testing.doors import Frame
from services.floor._demo import menu
from services.floor._demo.house import House, expect, new_id
from services.floor._demo.paper import Bill, Ordered, in_coins
from services.floor._demo.paying import Cashier
from services.floor._demo.tablets import TooLate

LOOK_UP_SECONDS: Final = 0.05
SELLS_EVERY: Final = (0.3, 1.2)
"""Seconds between two sales at the bar."""
DELIVERY_SECONDS: Final = 180.0
BAR: Final = "till-3"
CARDS: Final = 0.3
"""The part of the bar's sales that are paid by card, which the bank hears of later."""
REPRINT, RECALL = 0.1, 0.1


class Screen:
    """A kitchen screen: bumps every ticket that it is shown, and sometimes recalls or reprints one."""

    def __init__(self, house: House, user: str) -> None:
        self._house = house
        self._cook = house.person(user, part="screen")
        self._tickets: asyncio.Queue[str] = asyncio.Queue()

    def heard(self, name: str, event: Frame) -> None:
        """Take a ticket from an event of the floor."""
        if name == self._house.floor and event["type"] == "kitchen_ticket_issued":
            self._tickets.put_nowait(event["data"]["ticket_id"])

    async def work(self, stop: asyncio.Event) -> None:
        """Bump until it is late."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    ticket = await self._tickets.get()
            except TimeoutError:
                continue
            await self._bump(ticket)

    async def _bump(self, ticket: str) -> None:
        cook, floor = self._cook, self._house.floor
        if cook.chance.random() < REPRINT:
            expect(await cook.attempt(floor, "reprint_ticket", ticket_id=ticket), "NOT_FOUND")
        expect(await cook.attempt(floor, "bump", ticket_id=ticket), "NOT_FOUND")
        if cook.chance.random() < RECALL:
            expect(await cook.attempt(floor, "recall", ticket_id=ticket), "NOT_FOUND", "BAD_TRANSITION")


class Bar:
    """The till at the bar: sells for cash and cards all evening, and tells of it when it is on the network."""

    def __init__(self, house: House, folder: Path) -> None:
        self.sold = 0
        self._cards: list[tuple[Bill, str]] = []
        self._house = house
        self._chance = house.chance("bar")
        self._file = folder / f"{BAR}.queue"

    async def work(self, stop: asyncio.Event) -> None:
        """Sell: at first on the network, then off it, then on it again. Ends when everything is delivered."""
        token = self._house.tokens[menu.TILLS[BAR]]
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self._house.system.url, headers=headers, timeout=5) as http:
            courier = by_http(http, "pos-session", self._house.location)
            for connected in (True, False, True):
                with OfflineQueue(self._file) as queue:  # each time a new start of the till's program
                    sending = asyncio.create_task(queue.keep_submitting(courier, _submit)) if connected else None
                    await self._sell(queue, stop, sales=8)
                    if sending is not None:
                        await self._delivered(queue, sending)
        cashier = Cashier(self._house, BAR, part="bar")
        for bill, payment in self._cards:
            await cashier.hear_of_card(bill, payment)
        self._house.paper.turns["stored card"] += len(self._cards)

    async def _sell(self, queue: OfflineQueue, stop: asyncio.Event, *, sales: int) -> None:
        for _ in range(sales):
            if stop.is_set():
                return
            self._record(queue)
            await asyncio.sleep(self._chance.uniform(*SELLS_EVERY))

    def _record(self, queue: OfflineQueue) -> None:
        sku, pieces = self._chance.choice(("beer", "cake", "wine")), self._chance.randint(1, 3)
        bill = Bill(new_id(self._chance), {new_id(self._chance): Ordered(sku, pieces)})
        [line_id] = bill.lines
        due, payment = bill.due, new_id(self._chance)
        by_card = self._chance.random() < CARDS
        tip = self._chance.choice((0, 50)) if by_card else 0
        paid = due if by_card else in_coins(due)
        dish = menu.MENU[sku]
        taxes = [dish.tax] if dish.tax else []
        line = {"line_id": line_id, "sku": sku, "qty_milli": 1000 * pieces, "tax_ids": taxes}
        queue.record(
            {
                "fact": "card_sale" if by_card else "cash_sale",
                "occurred_at": datetime.now(UTC),
                "tab_id": bill.tab_id,
                "payment_id": payment,
                "lines": [{**line, "unit_price_minor": dish.price}],
                "paid_minor": paid,
                **({"tip_minor": tip} if by_card else {}),
            }
        )
        self.sold += 1
        self._house.paper.used(sku, pieces)
        if by_card:
            self._cards.append((bill, payment))
        else:
            self._house.paper.drawers[BAR].expected += paid
        self._house.paper.close(bill, [("card" if by_card else "cash", paid)], rounding=paid - due, tip=tip)

    async def _delivered(self, queue: OfflineQueue, sending: "asyncio.Task[None]") -> None:
        """Wait until the till has everything."""
        clock = asyncio.get_running_loop().time
        until = clock() + DELIVERY_SECONDS
        while queue.waiting and not sending.done() and clock() < until:  # noqa: ASYNC110 - a queue tells nobody
            await asyncio.sleep(LOOK_UP_SECONDS)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if queue.waiting:
            raise TooLate(f"{queue.waiting} sales of the bar were not delivered")


def _submit(first_seq: int, facts: Sequence[msgspec.Raw]) -> tuple[str, object]:
    return "submit_offline", {"terminal_id": BAR, "terminal_seq": first_seq, "facts": facts}
