"""What a rebuild of a service's read models costs: memory as it goes on, and events a second, on SQLite and PostgreSQL.

`python -m bench.rebuild --events 1000000` writes a log of that many events, then runs `holdfast rebuild auction`;
`--service floor` does so with floors, `--service pos` with tills.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from bench._processes import resident_kib
from holdfast import Actor
from holdfast.jetstream import NatsBus, ensure_streams
from holdfast.testing import START, Scenario, given
from holdfast.testing._databases import NoServer, postgresql_server
from holdfast.testing.many import write_copies
from holdfast.testing.servers import nats_server
from services.auction.contract import CreateLot, PlaceBid
from services.auction.domain import Auction
from services.floor.contract import (
    AdvanceItem,
    Bump,
    ClearTable,
    ConfigureFloor,
    KitchenTicketIssued,
    OrderLine,
    OrderPlaced,
    PlaceOrder,
    RecordTab,
    SeatParty,
    SetStatus,
    TableLayout,
)
from services.floor.domain import RestaurantFloor
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CloseTab,
    Item,
    OpenTab,
    RecordPaymentResult,
    SendToKitchen,
    SetItem,
)
from services.pos.domain import PosSession

SAMPLE_SECONDS: Final = 1.0
SHARES: Final = (10, 50, 100)
RAISES: Final = 40
MINUTE: Final = timedelta(minutes=1)
_SHARE: Final = re.compile(r"\((\d+)%\)")


def a_lot() -> Scenario:
    """A lot with two bidders who go on outbidding each other."""
    lot = given(Auction(), at=START, id_="lot")
    lot.when(CreateLot(currency="USD", start_minor=100, ends_at=START + timedelta(days=3)), by=_actor("sue", "seller"))
    for number in range(1, RAISES + 1):
        bidder = ("ann", "bob")[number % 2]
        lot.when(PlaceBid(max_minor=1000 * number), by=_actor(bidder, "bidder"), at=lot.now + timedelta(seconds=1))
    return lot


def _actor(user: str, role: str) -> Actor:
    return Actor(user=user, roles=(role,))


def a_night() -> Scenario:
    """A floor of six tables, each of which has guests four times."""
    host, cook, till = (_actor(role, role) for role in ("manager", "kitchen", "service"))
    night = given(RestaurantFloor(), at=START, id_="loc-1:main")
    tables = tuple(TableLayout(id=f"t{number}", name=f"T{number}", min=1, max=4) for number in range(1, 7))
    night.when(ConfigureFloor(tables=tables, expected_version=0), by=host)
    for number in range(24):
        table, party = f"t{number % 6 + 1}", f"party-{number}"
        night.when(SeatParty(party_id=party, table_ids=(table,), size=2), by=host, at=night.now + MINUTE)
        lines = tuple(OrderLine(line_id=f"{party}-{place}", sku="soup") for place in range(3))
        night.when(PlaceOrder(order_id=f"order-{number}", table_id=table, lines=lines), by=host)
        [ticket, tab] = [
            next(getattr(event, field) for event in reversed(night.events) if isinstance(event, kind))
            for kind, field in ((KitchenTicketIssued, "ticket_id"), (OrderPlaced, "tab_id"))
        ]
        night.when(Bump(ticket_id=ticket), by=cook, at=night.now + MINUTE)
        for line in lines:
            night.when(AdvanceItem(line_id=line.line_id, to="SERVED"), by=host)
        paid = RecordTab(
            tab_id=tab, status="CLOSED", balance_minor=0, currency="EUR", pos_seq=number + 1, heard=number + 1
        )
        night.when(paid, by=till)
        night.when(ClearTable(table=table), by=host, at=night.now + MINUTE)
        night.when(SetStatus(table=table, status="AVAILABLE"), by=host)
    return night


def a_shift() -> Scenario:
    """A till that sells three items on each of thirty tabs, which are paid by card."""
    manager = _actor("max", "manager")
    till = given(PosSession(), at=START, id_="loc-1")
    for number in range(30):
        tab, pay = f"tab-{number}", f"pay-{number}"
        till.when(OpenTab(tab_id=tab), by=manager, at=till.now + MINUTE)
        till.when(SetItem(sku="soup", item=Item(price_minor=700)), by=manager)
        for place in range(3):
            till.when(AddLine(tab_id=tab, line_id=f"{tab}-{place}", sku="soup"), by=manager)
        till.when(SendToKitchen(tab_id=tab), by=manager, at=till.now + MINUTE)
        till.when(BeginPayment(tab_id=tab, payment_id=pay, amount_minor=2_100, tender="card"), by=manager)
        till.when(RecordPaymentResult(payment_id=pay, outcome="captured"), by=manager)
        till.when(CloseTab(tab_id=tab), by=manager)
    return till


SERVICES: Final = {"auction": a_lot, "floor": a_night, "pos": a_shift}
EMPTY: Final = {"pos": ("pos-account",)}
"""What a service has streams for, once it was started, and this log nothing."""


async def write_log(url: str, service: str, events: int) -> int:
    """Fill the service's log."""
    bus = await NatsBus.connect(url, name="bench log")
    try:
        for purpose in EMPTY.get(service, ()):
            await ensure_streams(bus, purpose)
        return await write_copies(bus, SERVICES[service](), events=events)
    finally:
        await bus.close()


class Watched:
    """A running rebuild: the most memory that it held up to each tenth, half and end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self.peak_kib = 0
        self.peaks: dict[int, int] = {}

    def __enter__(self) -> Self:
        """Begin to sample."""
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._over.set()
        self._sampler.join()

    def hear(self, line: str) -> None:
        """Take a line of the program, which says how much is done."""
        found = _SHARE.search(line)
        done = int(found[1]) if found else 0
        for share in SHARES[:-1]:
            if done >= share:
                self.peaks.setdefault(share, self.peak_kib)

    def end(self) -> None:
        """All is done."""
        self.peaks[SHARES[-1]] = self.peak_kib

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS if self.peak_kib else 0.05):
            try:
                self.peak_kib = max(self.peak_kib, resident_kib(self._process.pid))
            except (ProcessLookupError, FileNotFoundError):
                return


def rebuild(what: str, service: str, nats: str, database: str) -> None:
    """Run the program and print what it cost."""
    where = ("--nats", nats, "--database", database)
    command = [sys.executable, "-m", "holdfast.cli", "rebuild", service, *where]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this project's own program
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    with Watched(process) as watched:
        for line in process.stdout:
            print(f"  {line.rstrip()}", flush=True)
            watched.hear(line)
        watched.end()
    if process.wait():
        sys.exit(f"the rebuild on {what} failed")
    peaks = ", ".join(f"{kib / 1024:.0f} MiB at {share} %" for share, kib in sorted(watched.peaks.items()))
    print(f"{what}: {time.perf_counter() - began:.0f} s; peak of resident memory {peaks}", flush=True)


@contextmanager
def _postgresql() -> Generator[str | None]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql_server())
        except NoServer as missing:
            print(f"PostgreSQL is left out: {missing}")
            yield None
        else:
            yield server.create("bench")


def main() -> None:
    """Write, rebuild, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--service", choices=sorted(SERVICES), default="auction")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    given_ = parser.parse_args()
    with TemporaryDirectory(prefix="holdfast-bench-") as name, nats_server(Path(name)) as server:
        began = time.perf_counter()
        events = asyncio.run(write_log(server.url, given_.service, given_.events))
        took = time.perf_counter() - began
        print(f"wrote {events:,} events in {took:.0f} s, {events / took:,.0f} events/s", flush=True)
        if given_.only != "postgresql":
            rebuild("SQLite", given_.service, server.url, f"sqlite+aiosqlite:///{name}/{{service}}.db")
        if given_.only != "sqlite":
            with _postgresql() as url:
                if url is not None:
                    rebuild("PostgreSQL", given_.service, server.url, url)


if __name__ == "__main__":
    main()
