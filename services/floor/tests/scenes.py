"""Who works on the floor of the tests, its tables, and an evening to begin with."""

from datetime import datetime, timedelta
from typing import Any

from holdfast import Actor, Command
from holdfast.testing import Scenario, given
from services.floor.contract import (
    ChangeSettings,
    ClockIn,
    ConfigureFloor,
    OrderLine,
    PlaceOrder,
    RecordTab,
    SeatParty,
    Settings,
    TableLayout,
)
from services.floor.domain import RestaurantFloor

EVENING = datetime.fromisoformat("2026-01-02T18:00:00+00:00")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

WAITER, WILMA = (Actor(user=user, roles=("waiter",)) for user in ("walt", "wilma"))
HOST = Actor(user="hanna", roles=("host",))
COOK = Actor(user="carl", roles=("kitchen",))
MANAGER = Actor(user="mia", roles=("manager",))
TILL = Actor(user="_pos", roles=("service",))
STRANGER = Actor(user="stranger", roles=("bidder",))

TABLES = (
    TableLayout(id="t1", name="T1", min=1, max=2, x=0, y=0),
    TableLayout(id="t2", name="T2", min=1, max=2, x=100, y=0),
    TableLayout(id="t4", name="T4", min=2, max=4, x=0, y=100),
    TableLayout(id="t5", name="T5", min=2, max=4, x=100, y=100, shape="round"),
    TableLayout(id="t9", name="T9", min=4, max=6, x=200, y=0, section="terrace"),
)


def empty_floor(**settings: Any) -> Scenario:
    """A floor with five tables on which nobody sits."""
    scene = given(RestaurantFloor(), at=EVENING, id_="loc-1:floor-main")
    run(scene, ConfigureFloor(tables=TABLES, expected_version=0), by=MANAGER)
    if settings:
        run(scene, ChangeSettings(settings=Settings(**settings), expected_version=0), by=MANAGER)
    return scene


def seated(*, table: str = "t1", party: str = "p1", size: int = 2, **settings: Any) -> Scenario:
    """A floor with one party."""
    return run(empty_floor(**settings), seat(table=table, party=party, size=size))


def run(scene: Scenario, *commands: Command, by: Actor = WAITER) -> Scenario:
    """Send commands that must be accepted."""
    for command in commands:
        scene.when(command, by=by)
        assert scene.refusal is None, scene.refusal.body()
    return scene


def seat(*, table: str = "t1", party: str = "p1", size: int = 2, **more: Any) -> SeatParty:
    return SeatParty(party_id=party, table_ids=(table,), size=size, **more)


def line(line_id: str, sku: str = "coke", **more: Any) -> OrderLine:
    return OrderLine(line_id=line_id, sku=sku, **more)


def order(*lines: OrderLine, table: str = "t1", order_id: str = "o1", **more: Any) -> PlaceOrder:
    return PlaceOrder(order_id=order_id, table_id=table, lines=lines or (line("l1"),), **more)


def tab_of(scene: Scenario, party: str = "p1") -> str:
    """The bill that a party pays on."""
    return next(each["tab_id"] for each in scene.view(MANAGER)["parties"] if each["party_id"] == party)


def till(scene: Scenario, status: str = "OPEN", *, party: str = "p1", **more: Any) -> RecordTab:
    """What a till that has heard everything says of a party's tab; each report is newer than the one before."""
    newest = {"pos_seq": len(scene.log), "heard": more["heard"] if "heard" in more else posts(scene)}
    fields: dict[str, Any] = {"balance_minor": 0, "currency": "EUR", **newest, **more}
    return RecordTab(tab_id=tab_of(scene, party), status=status, **fields)  # pyright: ignore[reportArgumentType] - a string of the test


def posts(scene: Scenario) -> int:
    """The number of the last message to the till."""
    return max((getattr(event, "post", 0) for event in scene.events), default=0)


def clocked_in(scene: Scenario, *waiters: Actor) -> Scenario:
    for waiter in waiters:
        run(scene, ClockIn(), by=waiter)
    return scene


def table(scene: Scenario, table_id: str = "t1") -> Any:
    """How a table is shown."""
    return next(each for each in scene.view(MANAGER)["tables"] if each["id"] == table_id)


def status(scene: Scenario, table_id: str = "t1") -> str:
    """The status of a table as it is shown."""
    shown: str = table(scene, table_id)["status"]
    return shown


def lines(scene: Scenario, order_id: str = "o1") -> dict[str, Any]:
    """The lines of an order as they are shown, by id."""
    shown = next(each for each in scene.view(MANAGER)["orders"] if each["order_id"] == order_id)
    return {each["line_id"]: each for each in shown["lines"]}
