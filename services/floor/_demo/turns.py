"""What happens at two neighbouring tables in the course of the evening, one turn after the other."""

import asyncio

from services.floor._demo import menu
from services.floor._demo.house import House, expect, new_id, soon
from services.floor._demo.paper import Bill
from services.floor._demo.paying import Cashier

SPLIT, DISCOUNT, VOID, COMP, MOVE, CANCEL, AGAIN, REFUND = 0.3, 0.3, 0.2, 0.15, 0.3, 0.3, 0.4, 0.2


class Station:
    """Two tables, their waiter, and the cashier who takes their money."""

    def __init__(self, house: House, number: int, tables: tuple[str, str]) -> None:
        self._house = house
        self._tables = tables
        self._waiter = house.person(menu.WAITERS[number % len(menu.WAITERS)], part=f"station {number}")
        self._host = house.person("host", part=f"station {number}")
        self._cashier = Cashier(house, f"till-{number % 2 + 1}", part=f"station {number}")
        self._chance = house.chance(f"turns of station {number}")

    async def work(self, stop: asyncio.Event) -> None:
        """Serve party after party until it is late; what was begun is finished."""
        turns = (self._alone, self._alone, self._merged, self._merged_at_the_till, self._moved_lines)
        while not stop.is_set():
            turn = self._chance.choice(turns)
            await turn()
            self._house.paper.turns[turn.__name__.strip("_")] += 1
        await self._cashier.move_cash()

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    async def _alone(self) -> None:
        """One party, which may change its table."""
        table, other = self._tables
        bill, party = await self._received(table)
        lines = await self._house.order(self._waiter, table, bill, new_id(self._chance))
        await self._cancel_some(bill, lines)
        if self._happens(MOVE):
            await self._waiter.do(self._house.floor, "move_party", party_id=party, to_table_ids=[other])
            await self._cleaned(table)
            table, other = other, table
        if self._happens(AGAIN):
            lines += await self._house.order(self._waiter, table, bill, new_id(self._chance))
        await self._house.serve(self._waiter, [line_id for line_id in lines if line_id in bill.lines])
        await self._pay(bill, table)

    async def _merged(self) -> None:
        """Two parties that put their orders together, and may take them apart again."""
        (bill, _), (other, _) = [await self._received(table) for table in self._tables]
        order, into = new_id(self._chance), new_id(self._chance)
        for table, each, order_id in zip(self._tables, (bill, other), (order, into), strict=True):
            lines = await self._house.order(self._waiter, table, each, order_id)
            await self._cancel_some(each, lines)
        await self._waiter.do(self._house.floor, "merge_orders", **{"from": order, "into": into})
        if self._happens(0.5):
            await self._waiter.do(self._house.floor, "unmerge", order_id=order)
            await self._pay(bill, self._tables[0])
            await self._pay(other, self._tables[1])
            return
        other.lines.update(bill.lines)
        bill.lines.clear()
        await self._pay(other, *self._tables)

    async def _merged_at_the_till(self) -> None:
        """Two parties whose bills the cashier puts together: the tables stay theirs, and are paid with the one bill."""
        (bill, _), (other, _) = [await self._received(table) for table in self._tables]
        for table, each in zip(self._tables, (bill, other), strict=True):
            lines = await self._house.order(self._waiter, table, each, new_id(self._chance))
            await self._cancel_some(each, lines)
        for each in (bill, other):
            await self._house.billed(each)
        await self._cashier.merge(bill, other)
        await self._pay(other, *self._tables)

    async def _moved_lines(self) -> None:
        """Two parties, of which one takes over a line of the other's."""
        (bill, _), (other, _) = [await self._received(table) for table in self._tables]
        lines = await self._house.order(self._waiter, self._tables[0], bill, new_id(self._chance))
        into = new_id(self._chance)
        await self._house.order(self._waiter, self._tables[1], other, into)
        await self._waiter.do(self._house.floor, "move_lines", line_ids=lines[:1], to_order=into)
        other.lines[lines[0]] = bill.lines.pop(lines[0])
        await self._pay(bill, self._tables[0])
        await self._pay(other, self._tables[1])

    async def _received(self, table: str) -> tuple[Bill, str]:
        """A party at a table: from the street, from the waitlist, or expected."""
        party, floor = new_id(self._chance), self._house.floor
        match self._chance.choice(("street", "street", "waitlist", "reservation")):
            case "waitlist":
                size = self._chance.randint(1, 6)
                await self._host.do(floor, "join_waitlist", party=party, size=size)
                called = await self._host.attempt(floor, "notify_party", party=party, table=table)
                expect(called, "NO_CAPACITY")
                bill = await self._house.seat(self._waiter, party, table, size=size)
            case "reservation":
                booked = {"res_id": party, "start": soon(1), "size": 2, "table_ids": [table]}
                await self._host.do(floor, "reserve", **booked)
                await self._host.do(floor, "arrive", res_id=party)
                bill = await self._house.seat(self._waiter, party, table, size=2, reservation_id=party)
            case _:
                bill = await self._house.seat(self._waiter, party, table)
        taken = await self._waiter.attempt(floor, "seat_party", party_id=f"{party}-2", table_ids=[table], size=2)
        expect(taken, "TABLE_OCCUPIED")
        return bill, party

    async def _cancel_some(self, bill: Bill, lines: list[str]) -> None:
        if self._happens(CANCEL):
            await self._house.cancel(self._waiter, bill, lines[0])

    async def _pay(self, bill: Bill, *tables: str) -> None:
        """Let a party pay, and make its tables ready for the next one."""
        await self._house.billed(bill)
        if len(bill.lines) > 1 and self._happens(VOID):
            await self._cashier.void(bill, self._chance.choice(list(bill.lines)))
        if len(bill.lines) > 1 and self._happens(COMP):
            await self._cashier.comp(bill, self._chance.choice(list(bill.lines)))
        bills = [bill]
        if len(bill.lines) > 1 and self._happens(SPLIT):
            bills += await self._cashier.split(bill)
        if self._happens(DISCOUNT):
            await self._cashier.discount(bill, self._chance.choice(list(menu.DISCOUNTS)))
        if bill.lines:
            await self._cashier.print(bill)
            for table in tables:
                await self._house.at(table, "CHECK_DROPPED")
        for each in bills:
            await self._house.billed(each)
            await self._cashier.settle(each, waiter=self._waiter)
        for table in tables:
            await self._cleaned(table)
        if self._happens(REFUND):
            await self._cashier.refund(bill.tab_id)

    async def _cleaned(self, table: str) -> None:
        """Wait until nobody sits there any more, and clean it."""
        await self._house.at(table, "DIRTY")
        await self._waiter.do(self._house.floor, "set_status", table=table, status="AVAILABLE")
        await self._house.at(table, "AVAILABLE")
