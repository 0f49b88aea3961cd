"""What a client of the till is told by HTTP when it is refused: status, code and details, one of each group of commands."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest_asyncio

from gateway.auth import issue_token
from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running, serving
from services.pos.contract import contract
from services.pos.service import service
from services.pos.tests.scenes import ITEMS, SETTINGS

pytest_plugins = ["holdfast.testing._servers"]
ROLES = {"ada": "admin", "max": "manager", "cleo": "cashier", "wim": "waiter"}
PATIENCE = 60.0
TERMINAL = {"terminal_id": "till-1"}


@dataclass
class Till:
    """A location behind the gateway's door."""

    http: httpx.AsyncClient
    secret: str
    path: str

    def bearer(self, user: str, role: str, device: str | None = None) -> dict[str, str]:
        token = issue_token(self.secret, "acme", user, (role,), timedelta(hours=1), device=device)
        return {"Authorization": f"Bearer {token}"}

    async def post(self, user: str, command: str, **data: Any) -> httpx.Response:
        headers = self.bearer(user, ROLES[user])
        return await self.http.post(f"{self.path}/{command}", content=msgspec.json.encode(data), headers=headers)

    async def do(self, user: str, command: str, **data: Any) -> list[Any]:
        answer = await self.post(user, command, **data)
        assert answer.status_code == 200, answer.text
        return answer.json()["events"]

    async def refusal(self, user: str, command: str, **data: Any) -> tuple[int, str, Any]:
        answer = await self.post(user, command, **data)
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        return answer.status_code, problem["code"], problem["details"]


@pytest_asyncio.fixture
async def till(nats: NatsServer, tmp_path: Path) -> AsyncGenerator[Till]:
    """A location on a business day that sells beer and has three cakes."""
    chosen = Settings(nats=nats.url, port=0, command_timeout=PATIENCE / 2)
    known = {contract.purpose: contract}
    async with (
        serving([service], nats.url, tmp_path),
        running(lambda ready: serve_gateway(chosen, ready=ready, contracts=known)) as (port,),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
    ):
        place = Till(http, chosen.key, f"/v1/pos-session/loc-{uuid4().hex}")
        await place.do("ada", "configure", settings=SETTINGS, expected_version=0)
        for sku in ("beer", "cake", "soup"):
            await place.do("max", "set-item", sku=sku, item=ITEMS[sku])
        await place.do("max", "adjust-stock", sku="cake", delta_milli=3_000, reason="baked")
        await place.do("cleo", "open-day", business_date="2026-06-01")
        yield place


async def a_sale(till: Till, *skus: str) -> None:
    await till.do("wim", "open-tab", tab_id="t1")
    for number, sku in enumerate(skus):
        await till.do("wim", "add-line", tab_id="t1", line_id=f"l{number}", sku=sku)


async def test_tabs_and_lines_are_refused(till: Till) -> None:
    await a_sale(till, "soup")
    line: dict[str, Any] = {"tab_id": "t1", "line_id": "x", "sku": "cake"}
    assert (await till.refusal("cleo", "open-tab", tab_id="t1"))[:2] == (409, "TAB_EXISTS")
    assert (await till.refusal("wim", "add-line", **{**line, "sku": "caviar"}))[:2] == (422, "UNKNOWN_SKU")
    assert (await till.refusal("wim", "add-line", **line, unit_price_minor=1))[:2] == (403, "PRICE_OVERRIDE_FORBIDDEN")
    assert await till.refusal("wim", "add-line", **line, qty_milli=4_000) == (
        422,
        "INSUFFICIENT_STOCK",
        {"available": 3_000},
    )
    changed = await till.refusal("wim", "set-line-qty", line_id="l0", qty_milli=2_000, expected_version=7)
    assert changed == (412, "VERSION_CONFLICT", {"version": 1})
    await till.do("wim", "send-to-kitchen", tab_id="t1")
    assert (await till.refusal("wim", "send-to-kitchen", tab_id="t1"))[:2] == (409, "NOTHING_TO_SEND")
    assert (await till.refusal("wim", "remove-line", line_id="l0"))[:2] == (409, "LINE_SENT")
    assert (await till.refusal("wim", "void-line", line_id="l0"))[:2] == (422, "REASON_REQUIRED")
    void = {"line_id": "l0", "reason_code": "wrong"}
    assert (await till.refusal("wim", "void-line", **void))[:2] == (403, "APPROVAL_REQUIRED")
    discount = {"tab_id": "t1", "discount_id": "none", "scope": "order"}
    assert (await till.refusal("wim", "apply-discount", **discount))[:2] == (422, "DISCOUNT_INACTIVE")
    split: dict[str, Any] = {"tab_id": "t1", "mode": "lines", "parts": [{"tab_id": "t2", "line_ids": ["nine"]}]}
    assert (await till.refusal("wim", "split-tab", **split))[:2] == (422, "SPLIT_INVALID")


async def test_holds_and_stock_are_refused(till: Till) -> None:
    await a_sale(till)
    hold: dict[str, Any] = {"hold_id": "h", "tab_id": "t1", "sku": "cake", "qty_milli": 3_000, "ttl_s": 600}
    await till.do("wim", "place-hold", **hold)
    second = await till.refusal("wim", "place-hold", **{**hold, "hold_id": "h2"})
    assert second == (422, "INSUFFICIENT_STOCK", {"available": 0})
    await till.do("wim", "extend-hold", hold_id="h")
    assert (await till.refusal("wim", "extend-hold", hold_id="h"))[:2] == (409, "EXTENSION_LIMIT")
    assert (await till.refusal("wim", "release-hold", hold_id="nine"))[:2] == (404, "HOLD_NOT_FOUND")


async def test_payments_and_refunds_are_refused(till: Till) -> None:
    await a_sale(till, "beer")
    pay: dict[str, Any] = {"tab_id": "t1", "payment_id": "p1", "amount_minor": 550, "tender": "card"}
    assert await till.refusal("wim", "close-tab", tab_id="t1") == (409, "BALANCE_DUE", {"minor": 550})
    assert (await till.refusal("wim", "begin-payment", **{**pay, "amount_minor": 551}))[:2] == (
        422,
        "AMOUNT_EXCEEDS_DUE",
    )
    assert (await till.refusal("wim", "begin-payment", **{**pay, "amount_minor": 5.5}))[:2] == (400, "AMOUNT_INVALID")
    cash = {**pay, "tender": "cash", **TERMINAL}
    assert (await till.refusal("wim", "begin-payment", **cash))[:2] == (409, "DRAWER_NOT_OPEN")
    await till.do("wim", "begin-payment", **pay)
    assert (await till.refusal("wim", "close-tab", tab_id="t1"))[:2] == (409, "PAYMENT_IN_PROGRESS")
    result = {"payment_id": "p1", "outcome": "captured", "processor_ref": "ch_1"}
    assert (await till.refusal("cleo", "record-payment-result", **{**result, "payment_id": "p9"}))[:2] == (
        404,
        "PAYMENT_UNKNOWN",
    )
    await till.do("cleo", "record-payment-result", **result)
    assert (await till.refusal("wim", "void-tab", tab_id="t1"))[:2] == (409, "TAB_PAID")
    (closed, _) = await till.do("wim", "close-tab", tab_id="t1")
    assert closed["data"]["receipt_no"] == "A-000001"
    assert closed["data"]["totals"] == {
        "gross": 500,
        "discount": 0,
        "comp": 0,
        "tax": [{"tax_id": "vat", "ppm": 100_000, "minor": 50}],
        "gratuity": 0,
        "stored": 0,
        "due": 550,
        "rounding": 0,
        "tip": 0,
        "paid": 550,
    }
    refund: dict[str, Any] = {
        "tab_id": "t1",
        "lines": [],
        "amount_minor": 551,
        "tender": "card",
        "reason_code": "wrong",
    }
    assert await till.refusal("cleo", "refund", **refund) == (422, "REFUND_EXCEEDS_PAID", {"left_minor": 550})


async def test_drawers_terminals_and_days_are_refused(till: Till) -> None:
    assert (await till.refusal("cleo", "open-drawer", minor=1, **TERMINAL))[:2] == (404, "TERMINAL_UNKNOWN")
    fact = {"fact": "drawer_moved", "kind": "no_sale", "reason": "meter", "occurred_at": "2026-06-01T12:00:00Z"}
    queued: dict[str, Any] = {**TERMINAL, "facts": [fact]}
    assert (await till.refusal("cleo", "submit-offline", **queued, terminal_seq=1))[:2] == (404, "TERMINAL_UNKNOWN")
    await till.do("max", "register-terminal", **TERMINAL)
    await till.do("cleo", "open-drawer", minor=10_000, **TERMINAL)
    assert (await till.refusal("cleo", "open-drawer", minor=1, **TERMINAL))[:2] == (409, "DRAWER_STATE")
    assert (await till.refusal("cleo", "pay-out", minor=5, **TERMINAL))[:2] == (422, "REASON_REQUIRED")
    assert await till.refusal("cleo", "submit-offline", **queued, terminal_seq=3) == (
        409,
        "TERMINAL_SEQ_GAP",
        {"expected": 1},
    )
    await till.do("max", "revoke-terminal", **TERMINAL)
    assert (await till.refusal("cleo", "submit-offline", **queued, terminal_seq=1))[:2] == (403, "TERMINAL_REVOKED")
    await till.do("max", "end-drawer", **TERMINAL)
    (counted,) = await till.do("max", "count-drawer", minor=9_950, **TERMINAL)
    assert {key: counted["data"][key] for key in ("expected", "counted", "over_short")} == {
        "expected": 10_000,
        "counted": 9_950,
        "over_short": -50,
    }
    await a_sale(till, "beer")
    assert await till.refusal("max", "close-day") == (409, "DAY_NOT_CLEAR", {"tabs": ["t1"]})
    await till.do("max", "close-day", carry_over=True)
    assert (await till.refusal("wim", "open-tab", tab_id="t2"))[:2] == (409, "DAY_CLOSED")


async def test_menus_and_tips_are_refused_and_a_guest_sees_one_tab(till: Till) -> None:
    await till.do("max", "set-item", sku="water", item=ITEMS["water"])
    await till.do("max", "set-item", sku="steak", item=ITEMS["steak"])
    await till.do("max", "set-item", sku="menu", item=ITEMS["menu"])
    await a_sale(till, "beer")
    line = {"tab_id": "t1", "line_id": "s", "sku": "steak"}
    assert await till.refusal("wim", "add-line", **line) == (
        422,
        "MODIFIERS_REQUIRED",
        {"group": "done", "min": 1, "max": 1, "chosen": 0},
    )
    combo = {"tab_id": "t1", "combo_id": "m", "sku": "menu", "parts": [{"slot": "dish", "line_id": "x", "sku": "soup"}]}
    assert (await till.refusal("wim", "add-combo", **combo))[:2] == (422, "COMBO_INVALID")
    pool: dict[str, Any] = {"pool_id": "p", "shares": [{"user": "wim", "weight": 1}]}
    assert await till.refusal("max", "pool-tips", **pool) == (409, "NOTHING_TO_POOL", {"left_minor": 0})
    await till.do("wim", "open-tab", tab_id="t2")
    await till.do("max", "register-terminal", **TERMINAL)
    await till.do("wim", "show-tab", tab_id="t1", **TERMINAL)
    guest = till.bearer("screen", "customer_display", device="till-1")
    state = (await till.http.get(till.path, headers=guest)).json()["state"]
    assert (set(state["tabs"]), set(state["items"])) == ({"t1"}, {"beer"})
    events = (await till.http.get(f"{till.path}/events", headers=guest)).json()["events"]
    assert {event["type"] for event in events} == {"redacted"}
