"""A floor by the public HTTP API alone, in the words of its specification: what is accepted, and what is refused how."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from holdfast.testing.system import System, started

pytestmark = pytest.mark.slow
ROLES = {"mia": "manager", "hanna": "host", "walt": "waiter", "carl": "kitchen", "bob": "bidder"}
PATIENCE = 60.0
NOT_READY = {503, 504}
"""Nobody can judge a command just now, or nobody did in time."""
TABLES = [
    {"id": "t1", "name": "T1", "min": 1, "max": 2, "x": 0, "y": 0, "shape": "round", "section": "main"},
    {"id": "t2", "name": "T2", "min": 1, "max": 4, "x": 9, "y": 0, "shape": "booth", "section": "main"},
    {"id": "t3", "name": "T3", "min": 1, "max": 4, "x": 9, "y": 9, "shape": "square", "section": "bar"},
]
SOUP: dict[str, Any] = {
    "line_id": "soup",
    "sku": "soup",
    "qty": 1000,
    "seat": 1,
    "course": 1,
    "mods": [{"id": "hot"}],
    "note": "salt",
}
STEAK: dict[str, Any] = {
    "line_id": "steak",
    "sku": "steak",
    "qty": 2000,
    "seat": 2,
    "course": 2,
    "mods": [],
    "note": "",
}


class Case(NamedTuple):
    """A command, who sends it, and how it is answered."""

    status: int
    code: str | None
    command: str
    by: str = "walt"
    data: dict[str, Any] = {}  # noqa: RUF012 - never written
    details: tuple[str, ...] = ()


def soon(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def evening() -> list[Case]:
    """One after the other: the accepted ones make the floor that the next are refused by."""
    seat = {"party_id": "p1", "table_ids": ["t1"], "size": 2}
    order: dict[str, Any] = {"order_id": "o1", "table_id": "t1", "lines": [SOUP, STEAK]}
    hold = {"res_id": "r1", "start": soon(20), "size": 2, "table_ids": ["t3"]}
    return [
        Case(200, None, "configure-floor", "mia", {"tables": TABLES, "expected_version": 0}),
        Case(412, "VERSION_CONFLICT", "configure-floor", "mia", {"tables": [], "expected_version": 0}, ("version",)),
        Case(403, "FORBIDDEN", "configure-floor", "walt", {"tables": [], "expected_version": 1}),
        Case(200, None, "seat-party", data=seat),
        Case(409, "TABLE_OCCUPIED", "seat-party", data={**seat, "party_id": "p2"}, details=("table_id", "party_id")),
        Case(422, "OVER_CAPACITY", "seat-party", data={"party_id": "p2", "table_ids": ["t2"], "size": 9}),
        Case(404, "NOT_FOUND", "seat-party", data={"party_id": "p2", "table_ids": ["t99"], "size": 1}),
        Case(400, "VALIDATION", "seat-party", data={"party_id": "p2", "table_ids": ["t2"], "size": "two"}),
        Case(409, "TABLE_IN_USE", "configure-floor", "mia", {"tables": TABLES[1:], "expected_version": 1}),
        Case(200, None, "reserve", "hanna", hold),
        Case(409, "RESERVED_SOON", "seat-party", data={**seat, "party_id": "p3", "table_ids": ["t3"]}, details=("at",)),
        Case(409, "NO_CAPACITY", "reserve", "hanna", {"res_id": "r2", "start": soon(120), "size": 40}),
        Case(422, "LEAD_TIME", "reserve", "hanna", {"res_id": "r2", "start": soon(-10), "size": 2}, ("earliest",)),
        Case(200, None, "block-table", "hanna", {"table": "t2", "reason": "wobbles"}),
        Case(409, "TABLE_BLOCKED", "seat-party", data={**seat, "party_id": "p3", "table_ids": ["t2"]}),
        Case(200, None, "set-status", data={"table": "t2", "status": "AVAILABLE"}),
        Case(409, "BAD_TRANSITION", "set-status", data={"table": "t2", "status": "SERVED"}, details=("status",)),
        Case(409, "TABLE_NOT_SEATED", "place-order", data={**order, "table_id": "t2"}),
        Case(200, None, "set-eighty-six", "carl", {"sku": "soup"}),
        Case(409, "ITEM_86", "place-order", data=order, details=("sku",)),
        Case(200, None, "set-eighty-six", "carl", {"sku": "soup", "unavailable": False}),
        Case(200, None, "place-order", data=order),
        Case(409, "COURSE_EMPTY", "fire-course", data={"table_id": "t1", "course": 7}),
        Case(200, None, "fire-course", data={"table_id": "t1", "course": 2}),
        Case(409, "ALREADY_FIRED", "fire-course", data={"table_id": "t1", "course": 2}),
        Case(422, "REASON_REQUIRED", "cancel-line", data={"line_id": "steak", "qty": 1000}),
        Case(200, None, "cancel-line", data={"line_id": "steak", "qty": 1000, "reason": "one too many"}),
        Case(200, None, "advance-item", "carl", {"line_id": "soup", "to": "SERVED"}),
        Case(409, "ALREADY_SERVED", "cancel-line", data={"line_id": "soup", "reason": "cold"}),
        Case(409, "NOT_MERGED", "unmerge", data={"order_id": "o1"}),
        Case(409, "NOT_ON_SHIFT", "assign-waiter", "hanna", {"section": "main", "waiter": "walt"}),
        Case(200, None, "clock-in"),
        Case(200, None, "assign-waiter", "hanna", {"table": "t1", "waiter": "walt"}),
        Case(409, "OPEN_TABLES", "clock-out", details=("table_ids",)),
        Case(409, "BALANCE_DUE", "clear-table", data={"table": "t1"}, details=("balance_minor",)),
        Case(404, "NOT_FOUND", "touch", "bob", {"table_id": "t1"}),
        Case(200, None, "join-waitlist", "hanna", {"party": "w1", "size": 2}),
        Case(200, None, "notify-party", "hanna", {"party": "w1"}),
        Case(200, None, "leave-waitlist", "hanna", {"party": "w1"}),
    ]


@pytest_asyncio.fixture
async def system(tmp_path: Path) -> AsyncGenerator[System]:
    async with started(tmp_path, "floor") as running:
        yield running


async def test_an_evening_in_the_words_of_the_specification(system: System) -> None:
    tokens = {user: system.token("acme", user, (role,)) for user, role in ROLES.items()}
    async with httpx.AsyncClient(base_url=system.url, timeout=PATIENCE) as http:
        for number, case in enumerate(evening()):
            answer = await sent(http, case, tokens[case.by], number)
            found = answer.json()
            assert (answer.status_code, found.get("code")) == (case.status, case.code), (case, found)
            assert set(case.details) <= found.get("details", {}).keys(), (case, found)
        nobody = await http.post("/v1/floor/f1/touch", json={"table_id": "t1"})
        assert (nobody.status_code, nobody.json()["code"]) == (401, "UNAUTHENTICATED")
        shown = (await http.get("/v1/floor/f1", headers={"Authorization": f"Bearer {tokens['walt']}"})).json()
        counters = {line["line_id"]: line for order in shown["state"]["orders"] for line in order["lines"]}
        assert [counters["steak"][key] for key in ("ordered", "sent", "cancelled")] == [2000, 1000, 1000]


async def sent(http: httpx.AsyncClient, case: Case, token: str, number: int) -> httpx.Response:
    """The answer to a command, asked again by the same id while the system is not ready."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"command-{number}"}
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await http.post(f"/v1/floor/f1/{case.command}", json=case.data, headers=headers)
            if answer.status_code not in NOT_READY:
                return answer
            await asyncio.sleep(0.1)
