"""A till and a floor behind a gateway, as outside clients meet them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from gateway.auth import issue_token
from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running, serving
from services.floor.service import service as floor
from services.pos.service import service as pos

PATIENCE = 60.0
HOUR = timedelta(hours=1)
KEY = "a key of the tests that is long enough"
Frame = dict[str, Any]


class Restaurant:
    """One location and its floor; everyone is named by their role."""

    def __init__(self, http: httpx.AsyncClient, nats: str, folder: Path) -> None:
        self.http = http
        self.nats = nats
        self.folder = folder
        self.id = f"loc-{uuid4().hex[:8]}"
        self.tenant = f"t{uuid4().hex[:8]}"

    def headers(self, role: str, tenant: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_token(KEY, tenant or self.tenant, role, (role,), HOUR)}"}

    async def send(self, command: str, by: str, /, *, purpose: str = "pos-session", **data: Any) -> Frame:
        """Send a command that must be accepted."""
        answer = await self.http.post(
            self.path(purpose, command), json=data, headers=self.headers(by), timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def path(self, purpose: str, *more: str) -> str:
        id_ = self.id if purpose == "pos-session" else f"{self.id}:main"
        return "/".join(("/v1", purpose, id_, *more))

    async def ask(
        self,
        name: str | None,
        by: str = "manager",
        /,
        *,
        purpose: str = "pos-session",
        tenant: str | None = None,
        **query: Any,
    ) -> httpx.Response:
        """Ask for a list."""
        wanted = {key: str(value) for key, value in query.items()} | ({} if name is None else {"list": name})
        return await self.http.get(f"/v1/{purpose}", params=wanted, headers=self.headers(by, tenant), timeout=PATIENCE)

    async def items(self, name: str, by: str = "manager", /, **query: Any) -> list[Frame]:
        answer = await self.ask(name, by, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def shows(self, name: str, count: int, /, **query: Any) -> list[Frame]:
        """Wait until a list has so many items."""
        async with asyncio.timeout(PATIENCE):
            while len(found := await self.items(name, **query)) != count:
                await asyncio.sleep(0.02)
        return found

    async def events(self, by: str = "manager", *, purpose: str = "pos-session") -> list[Frame]:
        """The whole log as this role sees it."""
        answer = await self.http.get(
            self.path(purpose, "events"), params={"limit": "1000"}, headers=self.headers(by), timeout=PATIENCE
        )
        return answer.json()["events"]

    async def program(self, *words: str) -> tuple[int, str]:
        """Run `holdfast` on the same data."""
        database = f"sqlite+aiosqlite:///{self.folder}/{{service}}.db"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli", *words, "--nats", self.nats, "--database", database),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if not key.startswith("HOLDFAST_")},
        )
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def open(self) -> None:
        """A business day with a drawer, and something to sell."""
        taxes = {"vat": {"ppm": 100_000}, "within": {"ppm": 200_000, "inclusive": True}}
        settings = {
            "currency": "USD",
            "taxes": taxes,
            "cash_rounding": {"increment_minor": 5},
            "reason_codes": ["wrong"],
        }
        await self.send("configure", "admin", settings=settings, expected_version=0)
        for sku, price, tax in (("soup", 733, "vat"), ("book", 999, "within")):
            await self.send("set-item", "manager", sku=sku, item={"price_minor": price, "tax_ids": [tax]})
        await self.send("set-discount", "manager", discount_id="ten", discount={"ppm": 100_000})
        await self.send("register-terminal", "manager", terminal_id="till-1")
        await self.send("open-day", "cashier", business_date="2026-06-01")
        await self.send("open-drawer", "cashier", terminal_id="till-1", minor=10_000)

    async def order(self, tab_id: str, *skus: str, **more: Any) -> None:
        """Open a tab with one of each of these."""
        await self.send("open-tab", "waiter", tab_id=tab_id, order_type="dine_in", **more)
        for sku in skus:
            await self.send("add-line", "waiter", tab_id=tab_id, line_id=f"{tab_id}-{sku}", sku=sku)

    async def pay(self, tab_id: str, tender: str) -> None:
        """Pay all of a tab and close it."""
        state = (await self.http.get(self.path("pos-session"), headers=self.headers("manager"))).json()["state"]
        amount = state["tabs"][tab_id]["balance_minor"] + (100 if tender == "cash" else 0)
        payment = {"payment_id": f"pay-{tab_id}", "tab_id": tab_id, "amount_minor": amount}
        await self.send("begin-payment", "cashier", tender=tender, terminal_id="till-1", **payment)
        await self.send("record-payment-result", "cashier", payment_id=f"pay-{tab_id}", outcome="captured")
        await self.send("close-tab", "cashier", tab_id=tab_id)


@asynccontextmanager
async def restaurant(nats: NatsServer, folder: Path) -> AsyncGenerator[Restaurant]:
    """Serve both, and the gateway, until the end of the block."""
    chosen = Settings(nats=nats.url, port=0, secret=KEY, command_timeout=PATIENCE / 2)
    async with (
        serving([pos, floor], nats.url, folder),
        running(lambda ready: serve_gateway(chosen, ready=ready)) as (port,),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
    ):
        yield Restaurant(http, nats.url, folder)
