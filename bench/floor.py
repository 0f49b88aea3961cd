"""A floor after a year of parties, next to a new one: how much larger its state is, and how much longer it decides.

`python -m bench.floor` needs no server: it drives the rules of the domain, as the runtime does, on a clock of its own.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from holdfast import Actor, Command, Context, Name
from holdfast._judge import Judge
from services.floor import contract as floors
from services.floor.domain import RestaurantFloor

NAME: Final = Name.of("floor", "bench", "loc-1:main")
STAFF: Final = Actor(user="mia", roles=("manager", "service"))
OPENING: Final = datetime(2026, 1, 1, 18, tzinfo=UTC)
DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)
REPORT_EVERY: Final = 50
MANY: Final = 5


class Floor:
    """One floor, its clock, and how long each decision took."""

    def __init__(self, tables: int) -> None:
        self.tables = [f"t{number}" for number in range(tables)]
        self.now = OPENING
        self.decided: list[float] = []
        self._judge = Judge(RestaurantFloor())
        self._state: Any = RestaurantFloor.initial
        self._seq = 0
        layout = tuple(floors.TableLayout(id=table, name=table.upper(), min=1, max=4) for table in self.tables)
        self.send(floors.ConfigureFloor(tables=layout, expected_version=0))

    @property
    def state_bytes(self) -> int:
        """How large a snapshot is."""
        return len(msgspec.json.encode(self._state))

    def send(self, command: Command) -> None:
        """Let a command be judged, deadlines first."""
        expired = self._judge.expire(NAME, self._state, seq=self._seq, now=self.now, cause="alarm")
        self._state, self._seq = expired.state, self._seq + len(expired.events)
        ctx = Context(name=NAME, now=self.now, actor=STAFF, command_id=f"c{self._seq}", seq=self._seq)
        begin = time.perf_counter()
        judgement = self._judge.decide(self._state, command, ctx)
        self.decided.append(time.perf_counter() - begin)
        self._state, self._seq = judgement.state, self._seq + len(judgement.events)

    def evening(self, number: int) -> None:
        """Two turns at every table, with a reservation and a guest who waits, until all is clean again."""
        self.now = OPENING + number * DAY
        self.send(floors.Reserve(res_id=f"r{number}", start=self.now + 300 * MINUTE, size=2))
        self.send(floors.JoinWaitlist(party=f"w{number}", size=2))
        self.send(floors.LeaveWaitlist(party=f"w{number}"))
        for turn in range(2):
            for command in self._turn(f"{number}-{turn}"):
                self.send(command)
            self.now += 90 * MINUTE

    def _turn(self, key: str) -> Iterator[Command]:
        parties = {f"p{key}-{table}": table for table in self.tables}
        for party, table in parties.items():
            yield floors.SeatParty(party_id=party, table_ids=(table,), size=2)
            lines = tuple(floors.OrderLine(line_id=f"{party}-{nth}", sku="coke", seat=nth) for nth in (1, 2))
            yield floors.PlaceOrder(order_id=party, table_id=table, lines=lines)
            yield floors.AdvanceItem(line_id=f"{party}-1", to="SERVED")
            yield from self._bumps(party)
        for party, table in parties.items():
            tab = self._state.parties[party].tab_id
            report: dict[str, Any] = {
                "tab_id": tab,
                "currency": "EUR",
                "bill_printed": True,
                "heard": self._state.posts,
            }
            yield floors.RecordTab(status="OPEN", balance_minor=900, pos_seq=1, **report)
            yield floors.RecordTab(status="CLOSED", balance_minor=0, paid_minor=900, pos_seq=2, **report)
            yield floors.ClearTable(table=table)
            yield floors.SetStatus(table=table, status="AVAILABLE")

    def _bumps(self, party: str) -> Iterator[Command]:
        hanging = [key for key, ticket in self._state.tickets.items() if ticket.party_id == party]
        return (floors.Bump(ticket_id=key) for key in hanging)


def measured(floor: Floor, number: int) -> tuple[float, int]:
    """The middle decision of one evening in microseconds, and the bytes of the state after it."""
    floor.decided.clear()
    floor.evening(number)
    return statistics.median(floor.decided) * 1e6, floor.state_bytes


def crowded(tables: int) -> float:
    """The middle decision in microseconds when a party with a dozen lines sits at every table."""
    floor = Floor(tables)
    for table in floor.tables:
        floor.send(floors.SeatParty(party_id=f"p{table}", table_ids=(table,), size=2))
        lines = tuple(floors.OrderLine(line_id=f"{table}-{nth}", sku="coke") for nth in range(12))
        floor.send(floors.PlaceOrder(order_id=f"o{table}", table_id=table, lines=lines))
    floor.decided.clear()
    for table in floor.tables:
        floor.send(floors.AdvanceItem(line_id=f"{table}-0", to="READY"))
    return statistics.median(floor.decided) * 1e6


def main() -> None:
    """Print both floors, and the ratios between them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evenings", type=int, default=365)
    parser.add_argument("--tables", type=int, default=20)
    asked = parser.parse_args()
    floor = Floor(asked.tables)
    new_us, new_bytes = measured(floor, 0)
    for number in range(1, asked.evenings):
        floor.evening(number)
        if number % REPORT_EVERY == 0:
            print(f"  evening {number}: {floor.state_bytes:,} bytes", file=sys.stderr, flush=True)
    old_us, old_bytes = measured(floor, asked.evenings)
    parties = 2 * asked.tables * asked.evenings
    print(f"{'a floor of ' + str(asked.tables) + ' tables':<34}{'decide, us':>12}{'state, bytes':>14}")
    print(f"{'its first evening':<34}{new_us:>12,.0f}{new_bytes:>14,}")
    print(f"{f'after {parties:,} parties':<34}{old_us:>12,.0f}{old_bytes:>14,}")
    print(f"{'ratio':<34}{old_us / new_us:>12.2f}{old_bytes / new_bytes:>14.2f}")
    few_us, many_us = crowded(asked.tables), crowded(MANY * asked.tables)
    print(f"{f'with {asked.tables} parties of 12 lines':<34}{few_us:>12,.0f}")
    print(f"{f'with {MANY * asked.tables} parties of 12 lines':<34}{many_us:>12,.0f}")
    print(f"{f'ratio, to {MANY} times as many':<34}{many_us / few_us:>12.2f}")


if __name__ == "__main__":
    main()
