"""The operators' door and the checks behind it."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from holdfast import Unavailable
from holdfast.runtime import serve
from holdfast.sql import Pulse, migrate, open_database
from holdfast.telemetry import Finding, Health, Measures
from holdfast.telemetry.door import operators_door
from holdfast.testing.counter import service
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running

pytest_plugins = ["holdfast.testing._databases"]
LOOPBACK = "127.0.0.1"
PATIENCE = 60.0


class Lamp:
    """Something to probe, which the test breaks and mends."""

    def __init__(self) -> None:
        self.broken = ""

    async def look(self) -> None:
        if self.broken:
            raise Unavailable(self.broken)


@asynccontextmanager
async def operators(health: Health, measures: Measures | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    registry = (measures or Measures()).registry
    async with (
        operators_door(LOOPBACK, 0, health=health, registry=registry) as port,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=PATIENCE) as http,
    ):
        yield http


async def until(health: Health, *, ready: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while health.report().ready is not ready:
            await asyncio.sleep(0.01)


async def test_a_probe_that_fails_makes_unready_and_heals_by_itself() -> None:
    health, lamp = Health(interval=0.01), Lamp()
    health.probe("lamp", lamp.look)
    async with health.running():
        assert health.report().ready
        lamp.broken = "no light"
        await until(health, ready=False)
        assert health.report().checks["lamp"] == Finding(ok=False, reason="no light")
        assert health.failing_for(["lamp"]) >= 0
        lamp.broken = ""
        await until(health, ready=True)
        assert health.failing_for(["lamp"]) == 0


async def test_a_probe_that_has_not_answered_yet_is_not_well() -> None:
    health = Health()
    health.probe("lamp", Lamp().look)

    assert not health.report().ready


async def test_a_fault_in_a_probe_is_told_without_its_words() -> None:
    async def leak() -> None:
        raise ValueError("postgresql://user:password@host")

    health = Health()
    health.probe("database", leak)
    async with health.running():
        assert health.report().checks["database"] == Finding(ok=False, reason="ValueError")


async def test_the_door_tells_readiness_by_status_and_checks() -> None:
    health, words = Health(), ["too dark"]
    health.check("lamp", lambda: words[0] if words else None)
    async with operators(health) as http:
        unready = await http.get("/readyz")
        words.clear()
        ready = await http.get("/readyz")

    assert (unready.status_code, ready.status_code) == (503, 200)
    assert unready.json()["checks"]["lamp"] == {"ok": False, "reason": "too dark"}
    assert ready.json() == {"ready": True, "checks": {"lamp": {"ok": True}, "draining": {"ok": True}}}


async def test_livez_is_well_whatever_the_checks_say() -> None:
    health = Health()
    health.drain()
    async with operators(health) as http:
        assert (await http.get("/livez")).text == "ok\n"
        assert (await http.get("/readyz")).status_code == 503


async def test_the_door_shows_the_figures() -> None:
    measures = Measures()
    measures.of("counter").judged("OK")
    async with operators(Health(), measures) as http:
        answer = await http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'holdfast_commands_total{outcome="OK",purpose="counter"} 1.0' in answer.text


async def test_a_taken_port_is_refused_with_the_flag_that_changes_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(Unavailable, match="--operators-port"):
        async with operators_door(LOOPBACK, taken.getsockname()[1], health=Health(), registry=Measures().registry):
            pass


async def test_a_service_is_ready_once_it_takes_commands_and_not_when_it_stops(
    single: NatsServer, tmp_path: Path
) -> None:
    health = Health()
    database = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    assert health.report().ready
    async with running(
        lambda ready: serve([service], servers=single.url, database=database, health=health, ready=ready)
    ):
        serving = health.report()
    stopped = health.report()

    assert serving.ready, serving
    assert set(serving.checks) == {"serving", "nats", "jetstream", "database counter", "rows counter", "draining"}
    assert not stopped.checks["draining"].ok


async def test_a_database_beats_only_while_it_takes_writes(database_url: str) -> None:
    await migrate(database_url, "counter")
    database = open_database(database_url, "counter")
    try:
        pulse = Pulse(database, min_free_bytes=0)
        await pulse.beat()
        await pulse.beat()
        async with database.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE positions RENAME TO away")
        with pytest.raises(Unavailable, match="takes no writes"):
            await pulse.beat()
    finally:
        await database.dispose()


async def test_a_disk_without_room_counts_as_full_before_a_write_fails(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    await migrate(url, "counter")
    database = open_database(url, "counter")
    try:
        with pytest.raises(Unavailable, match="disk of the database is full"):
            await Pulse(database, min_free_bytes=2**60).beat()
    finally:
        await database.dispose()
