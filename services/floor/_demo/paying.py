"""At the till: voids, comps, discounts, splits, payments by several tenders, and refunds."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.floor._demo import menu
from services.floor._demo.house import House, expect, new_id
from services.floor._demo.paper import Bill, Ordered, in_coins
from services.floor._demo.people import Person

AGAIN_SECONDS: Final = 0.1
LEAVE_SECONDS: Final = 180.0
"""By when the floor has heard that a bank is settled."""
NOTE: Final = 1_000
"""Guests pay in such notes."""


class Cashier:
    """A cashier with a drawer, and the manager's word where that is needed."""

    def __init__(self, house: House, terminal: str, part: str) -> None:
        self.terminal = terminal
        self._house = house
        self._cashier = house.person(menu.TILLS[terminal], part=part)
        self._manager = house.person("manager", part=part)
        self._chance = self._cashier.chance

    async def void(self, bill: Bill, line_id: str) -> None:
        """Take a whole line off."""
        await self._manager.do(
            self._house.till, "void_line", tab_id=bill.tab_id, line_id=line_id, reason_code=menu.REASON
        )
        self._house.paper.void(bill, line_id, bill.lines[line_id].pieces)

    async def comp(self, bill: Bill, line_id: str) -> None:
        """Give a line away, with an approval that the manager grants the cashier."""
        approval = new_id(self._chance)
        asked = {"action": "comp", "tab_id": bill.tab_id, "limit_minor": bill.lines[line_id].gross}
        await self._manager.do(self._house.till, "grant_approval", approval_id=approval, **asked)
        await self._cashier.do(
            self._house.till,
            "comp_line",
            tab_id=bill.tab_id,
            line_id=line_id,
            reason_code=menu.REASON,
            approver=approval,
        )
        bill.lines[line_id].comped = True

    async def discount(self, bill: Bill, discount_id: str) -> None:
        """Give a discount on the whole bill."""
        await self._manager.do(
            self._house.till, "apply_discount", tab_id=bill.tab_id, discount_id=discount_id, scope="order"
        )
        bill.discounts.append(discount_id)

    async def merge(self, bill: Bill, into: Bill) -> None:
        """Put all of a bill on another one."""
        await self._cashier.do(self._house.till, "merge_tabs", **{"from": bill.tab_id, "into": into.tab_id})
        into.lines.update(bill.lines)
        bill.lines.clear()

    async def split(self, bill: Bill) -> list[Bill]:
        """Put some of a bill on other ones: even parts of all of it, the last line, or a piece of one that has several."""
        if not any(line.comped for line in bill.lines.values()) and self._chance.random() < 0.4:  # noqa: PLR2004 - often
            return await self._split_evenly(bill, self._chance.randint(1, 3))
        return [await self._split_off(bill)]

    async def _split_evenly(self, bill: Bill, parts: int) -> list[Bill]:
        others = [Bill(new_id(self._chance)) for _ in range(parts)]
        await self._split(bill, "evenly", *({"tab_id": other.tab_id} for other in others))
        bill.share_out(others)
        self._house.paper.turns["split evenly"] += 1
        return others

    async def _split_off(self, bill: Bill) -> Bill:
        other = Bill(new_id(self._chance))
        several = next((key for key, line in bill.lines.items() if line.pieces > 1), None)
        if several is not None and self._chance.random() < 0.5:  # noqa: PLR2004 - even chances
            line = bill.lines[several]
            part = {"tab_id": other.tab_id, "lines": [{"line_id": several, "qty_milli": 1000}]}
            await self._split(bill, "quantity", part)
            other.lines[f"{several}.{other.tab_id}"] = Ordered(line.sku, 1, comped=line.comped)
            line.pieces -= 1
        else:
            last = list(bill.lines)[-1]
            await self._split(bill, "lines", {"tab_id": other.tab_id, "line_ids": [last]})
            other.lines[last] = bill.lines.pop(last)
        return other

    async def _split(self, bill: Bill, mode: str, *parts: object) -> None:
        await self._cashier.do(self._house.till, "split_tab", tab_id=bill.tab_id, mode=mode, parts=parts)

    async def hear_of_card(self, bill: Bill, payment_id: str) -> None:
        """The bank takes a card that was stored without a network, or refuses it: then the guest pays again."""
        taken = self._chance.random() < 0.7  # noqa: PLR2004 - most of them
        outcome = "captured" if taken else "failed"
        await self._cashier.do(self._house.till, "record_payment_result", payment_id=payment_id, outcome=outcome)
        if not taken:
            self._house.paper.lose_card(bill)
            await self.settle(bill)

    async def print(self, bill: Bill) -> None:
        """Bring the bill."""
        await self._cashier.do(self._house.till, "print_bill", tab_id=bill.tab_id)

    async def settle(self, bill: Bill, *, waiter: Person | None = None) -> None:
        """Take the money for a bill, by one tender or by several, and close it; the waiter may take the cash."""
        rest = bill.due
        ways: Sequence[str] = self._chance.choice((("cash",), ("card",), ("card", "cash"), ("gift", "card")))
        paid: list[tuple[str, int]] = []
        rounding = tip = 0
        while rest:
            tender = ways[len(paid)]
            last = len(paid) == len(ways) - 1
            amount = rest if last else max(1, rest // 2)
            if tender == "cash":
                coins = in_coins(rest)
                rounding = coins - rest
                given = coins + (NOTE - coins % NOTE if self._chance.random() < 0.5 else 0)  # noqa: PLR2004 - even chances
                if waiter is not None and self._chance.random() < 0.3:  # noqa: PLR2004 - some of them
                    await self._pay(bill, given, "cash", taker=waiter)
                    self._house.paper.drawers[f"bank:{waiter.user}"].expected += coins
                else:
                    await self._pay(bill, given, "cash")
                    self._house.paper.drawers[self.terminal].expected += coins
                paid.append(("cash", coins))
            else:
                tip = self._chance.choice((0, 0, 150)) if tender == "card" else 0
                await self._pay(bill, amount, tender, tip=tip)
                paid.append((tender, amount))
            rest -= amount
        await self._cashier.do(self._house.till, "close_tab", tab_id=bill.tab_id)
        self._house.paper.close(bill, paid, rounding=rounding, tip=tip)

    async def _pay(self, bill: Bill, amount: int, tender: str, *, tip: int = 0, taker: Person | None = None) -> None:
        """Take money by a tender: into this cashier's drawer, or into the bank of whoever takes it."""
        declined = tender == "card" and self._chance.random() < 0.1  # noqa: PLR2004 - one in ten
        outcomes = ("failed", "captured") if declined else ("captured",)
        for outcome in outcomes:
            payment = new_id(self._chance)
            begin = {"amount_minor": amount, "tender": tender, "tip_minor": tip}
            if taker is None:
                begin["terminal_id"] = self.terminal
            by = taker or self._cashier
            await by.do(self._house.till, "begin_payment", tab_id=bill.tab_id, payment_id=payment, **begin)
            await by.do(self._house.till, "record_payment_result", payment_id=payment, outcome=outcome)

    async def refund(self, tab_id: str) -> None:
        """Give the guest of a closed bill something back, in cash."""
        receipt = self._house.paper.receipts[tab_id]
        amount = min(333, receipt.paid.total())
        if not amount:
            return
        await self._manager.do(
            self._house.till,
            "refund",
            tab_id=tab_id,
            amount_minor=amount,
            tender="cash",
            reason_code=menu.REASON,
            terminal_id=self.terminal,
        )
        paper = self._house.paper
        paper.refunds += 1
        paper.refunded["cash"] += in_coins(amount)
        paper.drawers[self.terminal].expected -= in_coins(amount)

    async def move_cash(self) -> None:
        """Put change into the drawer, and take some out."""
        for command, sign in (("pay_in", 1), ("pay_out", -1)):
            minor = self._chance.randint(1, 50) * 100
            await self._cashier.do(self._house.till, command, minor=minor, reason="change", terminal_id=self.terminal)
            self._house.paper.drawers[self.terminal].expected += sign * minor

    async def count(self) -> None:
        """End the drawer and count it; what is counted may be wrong."""
        drawer = self._house.paper.drawers[self.terminal]
        await self._cashier.do(self._house.till, "end_drawer", terminal_id=self.terminal)
        drawer.counted = max(0, drawer.expected + self._chance.choice((0, 0, -5, 20)))
        await self._cashier.do(self._house.till, "count_drawer", minor=drawer.counted, terminal_id=self.terminal)


async def check_out(house: House, waiter: Person) -> None:
    """Settle a waiter's bank, and go home as soon as the floor knows of it; before that it lets nobody go."""
    bank = house.paper.drawers[f"bank:{waiter.user}"]
    expect(await waiter.attempt(house.floor, "clock_out"), "BANK_OPEN", refused=True)
    bank.counted = max(0, bank.expected + waiter.chance.choice((0, 0, -5, 20)))
    await waiter.do(house.till, "settle_bank", minor=bank.counted)
    async with asyncio.timeout(LEAVE_SECONDS):
        while not expect(await waiter.attempt(house.floor, "clock_out"), "BANK_OPEN"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(AGAIN_SECONDS)
