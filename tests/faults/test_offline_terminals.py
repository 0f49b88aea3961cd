"""The till of docs/offline-terminals.md, taken from the page: its network is cut, its answers are lost, it is killed."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import services
from gateway.auth import issue_token
from gateway.contracts import discover
from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.world import HOUR
from holdfast.offline import OfflineQueue
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running, serving
from services.pos.service import service
from tests.faults.network import network, why_not
from tests.faults.relay import Relay, relay

PAGE = (Path(__file__).parents[2] / "docs" / "offline-terminals.md").read_text()
[PROGRAM] = re.findall(r"^```python offline_till\.py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SECRET = "s" * 32
PATIENCE = 60.0
TILL = "/v1/pos-session/loc-1"


@dataclass
class Shop:
    """A location, its gateway, and the admin who runs it."""

    http: httpx.AsyncClient
    port: int

    async def send(self, command: str, **data: Any) -> None:
        answer = await self.http.post(f"{TILL}/{command}", json=data)
        assert answer.is_success, answer.text

    async def sold(self) -> list[tuple[int, str]]:
        """The sales in the log: what was paid for each, and its receipt."""
        page = (await self.http.get(f"{TILL}/events", params={"limit": 1000})).json()
        assert page["next"] is None
        events = page["events"]
        paid = [event["data"]["due_minor"] for event in events if event["type"] == "payment_captured"]
        receipts = [event["data"]["receipt_no"] for event in events if event["type"] == "tab_closed"]
        return list(zip(paid, receipts, strict=True))

    async def until_sold(self, amounts: Sequence[int]) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(await self.sold()) < len(amounts):
                await asyncio.sleep(0.1)
        receipts = [f"A-{number:06}" for number in range(1, len(amounts) + 1)]
        assert await self.sold() == list(zip(amounts, receipts, strict=True))

    async def terminal(self) -> dict[str, Any]:
        return (await self.http.get(TILL)).json()["state"]["terminals"]["till-2"]


@asynccontextmanager
async def shop(server: NatsServer, folder: Path, host: str = "127.0.0.1") -> AsyncGenerator[Shop]:
    settings = Settings(nats=server.url, host=host, port=0, secret=SECRET, command_timeout=PATIENCE / 2)
    contracts = {"pos-session": discover(services)["pos-session"]}
    token = issue_token(SECRET, "acme", "ada", ("admin",), HOUR)
    async with (
        serving([service], server.url, folder),
        running(lambda ready: serve_gateway(settings, ready=ready, contracts=contracts)) as (port,),
        httpx.AsyncClient(
            base_url=f"http://{host}:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE
        ) as http,
    ):
        here = Shop(http, port)
        await here.send("configure", settings={"currency": "EUR"}, expected_version=0)
        await here.send("set-item", sku="coffee", item={"price_minor": 300})
        await here.send("open-day", business_date="2026-06-01")
        await here.send("register-terminal", terminal_id="till-2")
        yield here


class Terminal:
    """The program of the page in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told = 0

    async def sell(self, *amounts: int) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for amount in amounts:
            self._process.stdin.write(f"{amount}\n".encode())
            async with asyncio.timeout(PATIENCE):
                self.told = await self._next_number(self._process.stdout)

    async def _next_number(self, lines: asyncio.StreamReader) -> int:
        """What the till says it recorded; its log goes to the same place."""
        while not (line := await lines.readline()).strip().isdigit():
            assert line, "the till has ended"
        return int(line)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def terminal(folder: Path, url: str, inside: Sequence[str] = ()) -> AsyncGenerator[Terminal]:
    (folder / "offline_till.py").write_text(PROGRAM)
    token = issue_token(SECRET, "acme", "cleo", ("cashier",), HOUR)
    command = [*inside, sys.executable, str(folder / "offline_till.py"), url, token, str(folder / "till-2.queue")]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    till = Terminal(process)
    try:
        yield till
    finally:
        await till.kill()


Fault = Callable[[Relay], Awaitable[None]]


async def cut_off(line: Relay) -> None:
    await line.cut()


async def answers_lost(line: Relay) -> None:
    line.lose_answers()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [cut_off, answers_lost])
async def test_a_till_sells_on_without_a_network_and_everything_arrives_once(
    server: NatsServer, folder: Path, fault: Fault
) -> None:
    async with shop(server, folder) as here, relay(here.port) as line:
        async with terminal(folder, f"http://127.0.0.1:{line.port}") as till:
            await till.sell(300, 301)
            await here.until_sold([300, 301])
            await fault(line)
            await till.sell(302, 303)
            if fault is answers_lost:
                await here.until_sold([300, 301, 302, 303])
            await till.kill()
        async with terminal(folder, f"http://127.0.0.1:{line.port}") as till:
            await till.sell(304)
            assert till.told == 5
            await line.open()
            await here.until_sold([300, 301, 302, 303, 304])
            await till.sell(305)
            await here.until_sold([300, 301, 302, 303, 304, 305])
        assert fault is cut_off or line.lost_answers
        assert (await here.terminal())["offline_seq"] == 6


@pytest.mark.slow
@pytest.mark.skipif(why_not() != "", reason=why_not() or "networks can be made here")
@pytest.mark.parametrize("how", ["cut", "deafen", "mute"])
async def test_a_till_whose_host_is_off_the_network_sells_on(server: NatsServer, folder: Path, how: str) -> None:
    with network() as net:
        host = net.host("till")
        async with (
            shop(server, folder, host=net.address(1)) as here,
            terminal(folder, f"http://{net.address(1)}:{here.port}", host.inside) as till,
        ):
            await till.sell(300)
            await here.until_sold([300])
            getattr(net, how)("till")
            await till.sell(301, 302)
            net.heal("till")
            await here.until_sold([300, 301, 302])


@pytest.mark.slow
async def test_a_till_killed_again_and_again_while_it_submits_loses_and_doubles_nothing(
    server: NatsServer, folder: Path
) -> None:
    amounts = list(range(300, 340))
    async with shop(server, folder) as here:
        for start in range(0, len(amounts), 8):
            async with terminal(folder, f"http://127.0.0.1:{here.port}") as till:
                await till.sell(*amounts[start : start + 8])
        async with terminal(folder, f"http://127.0.0.1:{here.port}"):
            await here.until_sold(amounts)


@pytest.mark.slow
async def test_what_a_revoked_till_sold_is_kept_and_lodged_for_review(server: NatsServer, folder: Path) -> None:
    async with shop(server, folder) as here, relay(here.port) as line:
        async with terminal(folder, f"http://127.0.0.1:{line.port}") as till:
            await till.sell(300)
            await here.until_sold([300])
            await line.cut()
            await till.sell(301, 302)
            await here.send("revoke-terminal", terminal_id="till-2")
            await line.open()
            async with asyncio.timeout(PATIENCE):
                while (await here.terminal()).get("quarantined", 0) < 2:
                    await asyncio.sleep(0.1)
        with OfflineQueue(folder / "till-2.queue") as queue:
            assert queue.revoked
            assert [fact["paid_minor"] for _, fact in queue.kept()] == [300, 301, 302]
        assert await here.sold() == [(300, "A-000001")]
