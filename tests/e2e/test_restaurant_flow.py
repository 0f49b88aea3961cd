"""One guest, three entities (table, bill, kitchen), while the processes of floor and till are killed at every step."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.doors import Frame
from holdfast.testing.system import started
from services.floor._demo.evidence import Evidence
from services.floor._demo.house import House, event_of, new_id
from services.floor._demo.night import read_evening
from services.floor._demo.paper import Ordered
from services.floor._demo.paying import Cashier
from services.floor._demo.sums import receipts

pytestmark = pytest.mark.slow
TABLE, OTHER = "t01", "t02"
CHANGED = "eighty_six_changed"


@asynccontextmanager
async def house(folder: Path, victims: Sequence[str]) -> AsyncGenerator["Evening"]:
    """An open restaurant with one tablet, and a way to kill."""
    async with started(folder / "data", "floor", "pos") as system:
        here = House(system, seed=1)
        await here.open()
        tablet = here.tablet("waiter-1", "plain")
        here.board = tablet.board
        following = asyncio.create_task(tablet.run())
        try:
            yield Evening(here, victims)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await here.hang_up()


class Evening:
    def __init__(self, here: House, victims: Sequence[str]) -> None:
        self.house = here
        self.kills = 0
        self._victims = victims

    async def strike(self) -> None:
        """Kill each victim with SIGKILL; nobody waits until it is back."""
        for victim in self._victims:
            await self.house.system.processes.kill(victim)
            self.kills += 1

    async def logs(self) -> Evidence:
        return await read_evening(self.house)


def types(events: Sequence[Frame]) -> Counter[str]:
    return Counter(event["type"] for event in events)


def settled(seen: Evidence) -> dict[str, Any]:
    """The one receipt."""
    [closed] = seen.of(seen.till, "tab_closed")
    return closed["data"]


@pytest.mark.parametrize("victims", [("floor",), ("pos",)], ids="+".join)
async def test_an_order_is_cooked_charged_and_paid_once_however_often_the_owners_die(
    tmp_path: Path, victims: Sequence[str]
) -> None:
    async with house(tmp_path, victims) as evening:
        here = evening.house
        waiter, cook = here.person("waiter-1"), here.person("kitchen")
        cashier = Cashier(here, "till-1", "table")
        bill = await here.seat(waiter, "guest", TABLE)
        await evening.strike()
        lines = {new_id(waiter.chance): Ordered("steak", 2), new_id(waiter.chance): Ordered("beer", 3)}
        wanted = [{"line_id": key, "sku": line.sku, "qty": 1000 * line.pieces} for key, line in lines.items()]
        placed = await waiter.do(here.floor, "place_order", order_id="o1", table_id=TABLE, lines=wanted)
        await evening.strike()
        here.paper.order(bill, lines)
        await here.billed(bill)
        assert bill.due == 2 * 2_450 + 490 + 3 * 520 + 156
        await evening.strike()
        await cook.do(here.floor, "bump", ticket_id=event_of(placed, "kitchen_ticket_issued")["ticket_id"])
        await here.serve(waiter, list(lines))
        await here.at(TABLE, "SERVED")
        await cashier.print(bill)
        await evening.strike()
        await here.at(TABLE, "CHECK_DROPPED")
        await evening.strike()
        await cashier.settle(bill)
        await evening.strike()
        await here.at(TABLE, "DIRTY")
        seen = await evening.logs()

    floor, till = types(seen.logs[seen.floor]), types(seen.logs[seen.till])
    assert evening.kills == 6 * len(victims)
    assert (floor["order_placed"], floor["kitchen_ticket_issued"], floor["ticket_bumped"]) == (1, 2, 1)
    assert (till["tab_opened"], till["line_added"], till["tab_closed"], till["tab_conflict"]) == (1, 2, 1, 0)
    assert list(receipts(seen)) == []
    assert settled(seen)["tab_id"] == bill.tab_id
    told = [event["data"]["status"] for event in seen.of(seen.floor, "tab_recorded")]
    assert [status for status in dict.fromkeys(told) if status != "PAYING"][:2] == ["OPEN", "PAID"]
    statuses = [event["data"]["to"] for event in seen.of(seen.floor, "table_status_changed")]
    assert statuses == ["SEATED", "ORDERED", "SERVED", "CHECK_DROPPED", "PAID", "DIRTY"]
    [closed] = seen.of(seen.floor, "table_auto_closed")
    assert (closed["data"]["reason"], closed["data"]["tab_id"]) == ("paid", bill.tab_id)
    assert [event["data"]["post"] for event in seen.of(seen.floor, "till_heard")] == [1]


async def test_bills_follow_merges_moves_and_cancellations_while_the_owners_die(tmp_path: Path) -> None:
    async with house(tmp_path, ("pos", "floor")) as evening:
        here = evening.house
        waiter, cashier = here.person("waiter-1"), Cashier(here, "till-1", "table")
        bill, other = [await here.seat(waiter, f"of-{table}", table) for table in (TABLE, OTHER)]
        for table, each, order_id in ((TABLE, bill, "o1"), (OTHER, other, "o2")):
            await here.order(waiter, table, each, order_id)
        await evening.strike()
        first, second, *_ = bill.lines
        await here.cancel(waiter, bill, first)
        await waiter.do(here.floor, "move_lines", line_ids=[second], to_order="o2")
        other.lines[second] = bill.lines.pop(second)
        await evening.strike()
        await waiter.do(here.floor, "merge_orders", **{"from": "o1", "into": "o2"})
        await evening.strike()
        await waiter.do(here.floor, "unmerge", order_id="o1")
        await evening.strike()
        await waiter.do(here.floor, "move_party", party_id=f"of-{TABLE}", to_table_ids=["t03"])
        await here.billed(bill)
        await here.billed(other)
        await waiter.do(here.floor, "merge_orders", **{"from": "o1", "into": "o2"})
        await evening.strike()
        other.lines.update(bill.lines)
        await here.billed(other)
        await cashier.settle(other)
        for table in ("t03", OTHER):
            await here.at(table, "DIRTY")
        seen = await evening.logs()

    assert list(receipts(seen)) == []
    assert [event["data"]["about"] for event in seen.of(seen.till, "tab_conflict")] == ["cancel"]
    added = Counter(event["data"]["line_id"] for event in seen.of(seen.till, "line_added"))
    assert added == dict.fromkeys(here.paper.ordered, 1)


async def test_what_is_sold_out_at_the_till_cannot_be_ordered_until_it_is_back(tmp_path: Path) -> None:
    async with house(tmp_path, ("pos", "floor")) as evening:
        here = evening.house
        waiter, cashier = here.person("waiter-1"), here.person("cashier-1")
        await here.seat(waiter, "guest", TABLE)
        for number, (out, code) in enumerate(((True, "ITEM_86"), (False, None))):
            await cashier.do(here.till, "set_eighty_six", sku="soup", unavailable=out)
            await evening.strike()
            line = {"line_id": new_id(waiter.chance), "sku": "soup"}
            async with asyncio.timeout(60):
                while True:
                    known = [event["data"]["unavailable"] for event in (await evening.logs()).of(here.floor, CHANGED)]
                    if len(known) > number:
                        break
                    await asyncio.sleep(0.1)
            assert known == [True, False][: number + 1]
            placed = await waiter.attempt(here.floor, "place_order", order_id="o1", table_id=TABLE, lines=[line])
            assert placed.get("code") == code
