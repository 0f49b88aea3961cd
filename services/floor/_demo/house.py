"""The house while it is open: where everything answers, who is there, and what is on the boards."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from holdfast.testing.doors import Frame, Refused
from holdfast.testing.system import System
from services.floor._demo import menu
from services.floor._demo.evidence import Deed
from services.floor._demo.paper import Bill, Drawer, Ordered, Paper
from services.floor._demo.people import Person
from services.floor._demo.tablets import Board, Kind, Tablet

DAY: Final = "2026-06-05"
"""A Friday."""


@dataclass(slots=True)
class House:
    """A restaurant of a system, under names of its own."""

    system: System
    seed: int
    location: str = field(default_factory=lambda: f"loc-{uuid4().hex[:12]}")
    paper: Paper = field(default_factory=Paper)
    deeds: list[Deed] = field(default_factory=list[Deed])
    board: Board = field(default_factory=Board)
    """The one that everybody looks at: that of the first tablet."""
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    people: list[Person] = field(default_factory=list[Person])
    posted: int = 0
    """The number of the last message to the till, as far as answers have told."""

    def __post_init__(self) -> None:
        """Make the tokens of everyone who works here."""
        for user, roles in menu.STAFF.items():
            self.tokens[user] = self.system.token(menu.TENANT, user, roles)

    @property
    def floor_id(self) -> str:
        """The id of the floor."""
        return f"{self.location}:main"

    @property
    def floor(self) -> str:
        """The name of the floor."""
        return f"floor:{menu.TENANT}:{self.floor_id}"

    @property
    def till(self) -> str:
        """The name of the till."""
        return f"pos-session:{menu.TENANT}:{self.location}"

    def path(self, name: str) -> str:
        """Where an entity is found over HTTP."""
        purpose, _, id_ = name.split(":", 2)
        return f"/v1/{purpose}/{id_}"

    def chance(self, of: str) -> random.Random:
        """Randomness for one part of the evening, the same again with the same seed."""
        return random.Random(f"{self.seed}/{of}")  # noqa: S311 - reproducible by design

    def person(self, user: str, *, part: str = "") -> Person:
        """Somebody of the staff, on a connection of their own."""
        person = Person(
            user,
            self.system.url,
            self.tokens[user],
            chance=self.chance(f"{user}/{part}"),
            deeds=self.deeds,
            learn=self._learn,
        )
        self.people.append(person)
        return person

    def _learn(self, answer: Frame) -> None:
        for event in answer.get("events", ()):
            self.posted = max(self.posted, event.get("data", {}).get("post", 0))

    def tablet(self, user: str, kind: Kind, *, part: str = "") -> Tablet:
        """A tablet that follows floor and till."""
        names = (self.floor, self.till)
        chance = self.chance(f"tablet {user}/{part}")
        return Tablet(user, kind, url=self.system.url, token=self.tokens[user], names=names, chance=chance)

    async def open(self) -> None:
        """Make floor and till, with their menu, their staff and their drawers."""
        manager = self.person("manager", part="opening")
        settings = menu.till_settings(self.floor_id)
        await manager.do(self.till, "configure", settings=settings, expected_version=0)
        for sku, dish in menu.MENU.items():
            await manager.do(self.till, "set_item", sku=sku, item=menu.item(sku))
            if dish.tracked:
                delta = 1000 * menu.STOCK
                await manager.do(self.till, "adjust_stock", sku=sku, delta_milli=delta, reason="delivered")
                self.paper.stock[sku] = menu.STOCK
        for discount_id in menu.DISCOUNTS:
            await manager.do(self.till, "set_discount", discount_id=discount_id, discount=menu.discount(discount_id))
        await manager.do(self.till, "open_day", business_date=DAY)
        for terminal, cashier in menu.TILLS.items():
            await manager.do(self.till, "register_terminal", terminal_id=terminal, name=terminal)
            standing = self.person(cashier, part="opening")
            await standing.do(self.till, "open_drawer", minor=menu.OPENING, terminal_id=terminal)
            self.paper.drawers[terminal] = Drawer(menu.OPENING)
        await manager.do(self.floor, "configure_floor", tables=menu.layout(), expected_version=0)
        await manager.do(self.floor, "change_settings", settings=menu.floor_settings(), expected_version=0)
        for waiter in menu.WAITERS:
            working = self.person(waiter, part="opening")
            await working.do(self.floor, "clock_in")
            await working.do(self.till, "open_bank", minor=menu.BANK)
            self.paper.drawers[f"bank:{waiter}"] = Drawer(menu.BANK)

    async def hang_up(self) -> None:
        """Let everybody close their connections."""
        for person in self.people:
            await person.close()

    async def seat(self, waiter: Person, party: str, table: str, **more: Any) -> Bill:
        """Seat a party; the bill that it pays on."""
        size = waiter.chance.randint(1, 6)
        seated = await waiter.do(
            self.floor, "seat_party", **{"party_id": party, "table_ids": [table], "size": size, **more}
        )
        bill = Bill(event_of(seated, "party_seated")["tab_id"])
        self.paper.parties[party] = bill.tab_id
        return bill

    async def order(self, waiter: Person, table: str, bill: Bill, order_id: str) -> list[str]:
        """Order some lines; their ids. What belongs to the second course is fired at once after it."""
        chance = waiter.chance
        lines = {new_id(chance): Ordered(chance.choice(list(menu.MENU)), chance.randint(1, 3)) for _ in range(3)}
        courses = {line_id: chance.choice((None, 1, 2)) for line_id in lines}
        wanted = [
            {"line_id": key, "sku": line.sku, "qty": 1000 * line.pieces, "course": courses[key], "seat": 1}
            for key, line in lines.items()
        ]
        await waiter.do(self.floor, "place_order", order_id=order_id, table_id=table, lines=wanted)
        self.paper.order(bill, lines)
        if 2 in courses.values():  # noqa: PLR2004 - the second course
            fired = await waiter.attempt(self.floor, "fire_course", table_id=table, course=2)
            expect(fired, "ALREADY_FIRED", "COURSE_EMPTY")
        return list(lines)

    async def serve(self, waiter: Person, line_ids: list[str]) -> None:
        """Bring everything to the table."""
        for line_id in line_ids:
            answer = await waiter.attempt(self.floor, "advance_item", line_id=line_id, to="SERVED")
            expect(answer, "BAD_TRANSITION")

    async def cancel(self, waiter: Person, bill: Bill, line_id: str) -> None:
        """Take one piece of a line off again, as long as it is not served."""
        await waiter.do(self.floor, "cancel_line", line_id=line_id, qty=1000, reason=menu.REASON)
        self.paper.cancelled[line_id] += 1
        self.paper.void(bill, line_id, 1)

    async def billed(self, bill: Bill) -> None:
        """Wait until the till has everything that was told of a bill so far, and nothing else."""
        posted = self.posted

        def shows() -> bool:
            standing = self.board.tabs.get(bill.tab_id, {})
            told = self.board.heard >= posted and standing.get("status") == "OPEN"
            return told and standing["total_minor"] == bill.due

        await self.board.until(
            shows, lambda: f"{bill} does not stand at the till as due {bill.due}: {self.board.tabs.get(bill.tab_id)}"
        )

    async def at(self, table: str, *statuses: str) -> None:
        """Wait until a table has one of these statuses."""
        await self.board.until(
            lambda: self.board.tables.get(table, "AVAILABLE") in statuses,
            lambda: f"{table} is {self.board.tables.get(table)} and not {' or '.join(statuses)}",
        )


def expect(answer: Frame, *codes: str, refused: bool = False) -> bool:
    """Whether a command was accepted; a refusal must be one of these, and with `refused` there must be one."""
    if answer["op"] != "ok" and answer["code"] not in codes:
        raise Refused(answer)
    if refused and answer["op"] == "ok":
        raise Refused({**answer, "code": "NOT_REFUSED", "message": f"not refused with {codes}", "retryable": False})
    return answer["op"] == "ok"


def event_of(answer: Frame, type_: str) -> Mapping[str, Any]:
    """The data of the first event of a type in an answer."""
    return next(event["data"] for event in answer["events"] if event["type"] == type_)


def new_id(chance: random.Random) -> str:
    """An id that nobody else has."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def soon(minutes: int) -> str:
    """A time on the wall, so many minutes from now."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + 60 * minutes, UTC).isoformat()
