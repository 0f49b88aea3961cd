"""What a till causes elsewhere, after the commit: floors know of bills, of what is sold out, and of waiters' banks."""

from collections.abc import Sequence

from holdfast import Actor, Command, Name
from holdfast.sql import StoredEvent
from holdfast.worker import Effect, Reactor, Send
from services.floor import contract as floor
from services.pos import domain_money_events as money
from services.pos import domain_stock_events as stock
from services.pos import domain_tab_events as tabs
from services.pos.domain_events import SessionEvent


class Floors(Reactor[SessionEvent]):
    """Tells a floor what became of what it told, and what was done at the till to the bills of its guests.

    It tells of standings and of the till's own voids, never of what the floor asked for: nothing goes round in circles.
    """

    purpose = "pos-session"
    name = "floors"
    actor = Actor(user="_pos", roles=("service",))

    def react(self, stored: StoredEvent[SessionEvent], /) -> Sequence[Effect]:  # noqa: PLR0911 - one line for each event
        """The commands for the floors that the event concerns."""
        match stored.event:
            case tabs.TabBalanceChanged(floor=str() as to) as standing:
                return _to(to, stored.name, _standing(standing, stored.seq))
            case tabs.FloorHeard(floor=to, heard=heard):
                return _to(to, stored.name, floor.RecordHeard(heard=heard))
            case tabs.LineVoided(floor=str() as to, line_id=line_id, qty_milli=qty, reason_code=reason):
                return _to(to, stored.name, _void(line_id, qty, reason))
            case tabs.TabVoided(floor=str() as to, sent=lines, reason_code=reason):
                voids = {line.line_id: _void(line.line_id, line.qty_milli, reason) for line in lines}
                return [send for line_id, void in voids.items() for send in _to(to, stored.name, void, step=line_id)]
            case (
                money.DrawerOpened(holder=str() as waiter, floors=floors)
                | money.DrawerClosed(holder=str() as waiter, floors=floors)
            ):
                bank = floor.RecordBank(waiter_id=waiter, is_open=isinstance(stored.event, money.DrawerOpened))
                return [send for each in floors for send in _to(each, stored.name, bank, step=each)]
            case (stock.ItemEightySixed() | stock.ItemBack()) as said:
                out = isinstance(said, stock.ItemEightySixed)
                command = floor.SetEightySix(sku=said.sku, unavailable=out)
                told = dict.fromkeys(said.floors)
                return [send for each in told for send in _to(each, stored.name, command, step=each)]
            case _:
                return []


def _to(floor_id: str, till: Name, command: Command, *, step: str = "") -> list[Send]:
    """The command for a floor; nothing for one that cannot exist, which older tills were allowed to name."""
    name = Name.or_none(floor.contract.purpose, till.tenant, floor_id)
    return [] if name is None else [Send(name=name, command=command, step=step)]


def _standing(standing: tabs.TabBalanceChanged, seq: int) -> floor.RecordTab:
    return floor.RecordTab(
        tab_id=standing.tab_id,
        status=standing.status,
        balance_minor=standing.balance_minor,
        paid_minor=standing.paid_minor,
        currency=standing.currency,
        bill_printed=standing.bill_printed,
        pos_seq=seq,
        branch_of=standing.branch_of,
        into=standing.into,
        heard=standing.heard,
        prices=standing.prices,
    )


def _void(line_id: str, qty_milli: int, reason: str) -> floor.RecordVoid:
    """A share of a line that was split counts as the line: the floor knows no shares."""
    return floor.RecordVoid(line_id=line_id.partition(".")[0], qty_milli=qty_milli, reason=reason)
