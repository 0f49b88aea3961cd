"""A till with 500 open tabs and a year of closed ones, next to a new one: how much larger its state is, and how much longer it decides.

`python -m bench.till` needs no server: it drives the rules of the domain, as the runtime does, on a clock of its own.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from holdfast import Actor, Command, Context, Name
from holdfast._judge import Judge
from services.pos import contract as tills
from services.pos.domain import PosSession

NAME: Final = Name.of("pos-session", "bench", "loc-1")
STAFF: Final = Actor(user="mia", roles=("admin",), device="till-1")
OPENING: Final = datetime(2026, 1, 1, 8, tzinfo=UTC)
DAY: Final = timedelta(days=1)
SEED: Final = UUID("4b1d0a52-9c3c-4b6b-8f0f-0c1f6f1d2a10")
LINES: Final = 4
PROBES: Final = 60


@dataclass
class Till:
    """One location, its clock, and how long decisions of each kind took, in microseconds."""

    now: datetime = OPENING
    took: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    judge: Judge = field(default_factory=lambda: Judge(PosSession()))
    state: Any = PosSession.initial
    seq: int = 0
    ids: int = 0

    def open(self) -> None:
        """Configure it, and begin its first day."""
        taxes = {"vat": tills.Tax(ppm=100_000)}
        self.send(tills.Configure(settings=tills.Settings(currency="EUR", taxes=taxes), expected_version=0))
        item = tills.Item(name="Cake", price_minor=400, tax_ids=("vat",), tracked=True, station="kitchen")
        self.send(tills.SetItem(sku="cake", item=item))
        self.send(tills.AdjustStock(sku="cake", delta_milli=10**12, reason="baked"))
        self.send(tills.OpenDay(business_date=date(2026, 1, 1)))

    @property
    def state_bytes(self) -> int:
        """How large a snapshot is."""
        return len(msgspec.json.encode(self.state))

    def id(self) -> str:
        """An id as terminals make them."""
        self.ids += 1
        return str(uuid5(SEED, str(self.ids)))

    def send(self, command: Command) -> None:
        """Let a command be judged and obeyed, deadlines first, and the next alarm be found."""
        begin = time.perf_counter()
        expired = self.judge.expire(NAME, self.state, seq=self.seq, now=self.now, cause="lazy")
        seq = self.seq + len(expired.events)
        ctx = Context(name=NAME, now=self.now, actor=STAFF, command_id=f"c{self.seq}", seq=seq)
        judged = self.judge.decide(expired.state, command, ctx)
        self.judge.entity.alarm_at(judged.state)
        took = (time.perf_counter() - begin) * 1e6
        self.took.setdefault(type(command).__name__, []).append(took)
        self.state, self.seq = judged.state, seq + len(judged.events)

    def tab(self) -> str:
        """Open a tab with a held item and some lines of it."""
        tab_id = self.id()
        for command in self._order(tab_id):
            self.send(command)
        return tab_id

    def _order(self, tab_id: str) -> Iterator[Command]:
        yield tills.OpenTab(tab_id=tab_id)
        lines = [self.id() for _ in range(LINES)]
        for line_id in lines:
            yield tills.AddLine(tab_id=tab_id, line_id=line_id, sku="cake")
        yield tills.SetLineQty(line_id=lines[0], qty_milli=2_000, expected_version=1)
        yield tills.PlaceHold(hold_id=self.id(), tab_id=tab_id, sku="cake", ttl_s=3_600)

    def sale(self) -> None:
        """A tab that is paid and closed."""
        tab_id, payment_id = self.tab(), self.id()
        due = self.state.tabs[tab_id].total_minor
        self.send(tills.BeginPayment(tab_id=tab_id, payment_id=payment_id, amount_minor=due, tender="card"))
        self.send(tills.RecordPaymentResult(payment_id=payment_id, outcome="captured", processor_ref="ch_1"))
        self.send(tills.CloseTab(tab_id=tab_id))

    def measured(self) -> tuple[dict[str, float], int]:
        """The middle decision of each kind in some sales, and the bytes of the state."""
        self.took.clear()
        for _ in range(PROBES):
            self.sale()
        return {kind: statistics.median(took) for kind, took in self.took.items()}, self.state_bytes


def a_till(*, tabs: int, closed: int, days: int) -> Till:
    """A till with so many open tabs, after so many closed ones."""
    till = Till()
    till.open()
    for number in range(closed):
        till.now = OPENING + number * DAY * days / max(closed, 1)
        till.sale()
        if number % 5_000 == 0:
            print(f"  {number:,} closed: {till.state_bytes:,} bytes", file=sys.stderr, flush=True)
    for _ in range(tabs):
        till.tab()
    return till


def main() -> None:
    """Print the tills, and what each is of a new one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, default=500)
    parser.add_argument("--closed", type=int, default=36_500, help="in a year")
    asked = parser.parse_args()
    new, open_, old = (
        a_till(tabs=tabs, closed=closed, days=365).measured()
        for tabs, closed in ((0, 0), (asked.tabs, 0), (asked.tabs, asked.closed))
    )
    print(
        f"{'':<24}{'a new till':>14}{f'{asked.tabs} tabs':>14}{'ratio':>8}{f'and {asked.closed:,} closed':>22}{'ratio':>8}"
    )
    for kind, base in new[0].items():
        more, most = open_[0][kind], old[0][kind]
        print(f"{kind + ', us':<24}{base:>14,.0f}{more:>14,.0f}{more / base:>8.2f}{most:>22,.0f}{most / more:>8.2f}")
    print(
        f"{'state, bytes':<24}{new[1]:>14,}{open_[1]:>14,}{open_[1] / new[1]:>8.2f}{old[1]:>22,}{old[1] / open_[1]:>8.2f}"
    )


if __name__ == "__main__":
    main()
