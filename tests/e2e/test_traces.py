"""Traces of a whole system's processes, as a collector gets them from their real exporter."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from gateway.auth import issue_token
from gateway.settings import DEVELOPMENT_SECRET
from holdfast.testing.collector import Collected, Collector
from holdfast.testing.servers import LOOPBACK, NatsServer, free_ports
from tests.faults.fleet import Part

pytestmark = pytest.mark.slow
ATTEMPTS = 3
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SELDOM = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
"""So that what arrives was sent at the end of its process."""


@asynccontextmanager
async def served(folder: Path, environment: dict[str, str]) -> AsyncGenerator[tuple[str, Sequence[Part]]]:
    """`holdfast serve auction` and `holdfast gateway` on a NATS server; the address and the processes."""
    nats_port, port = free_ports(2)
    nats = NatsServer(folder, port=nats_port)
    told = {**environment, "HOLDFAST_NATS": nats.url, "HOLDFAST_DATA": str(folder), "HOLDFAST_LOG": "debug"}
    told |= {"HOLDFAST_SECRET": DEVELOPMENT_SECRET, "HOLDFAST_PORT": str(port), "HOLDFAST_COMMAND_TIMEOUT": "25"}
    holdfast = (sys.executable, "-m", "holdfast.cli")
    parts = [
        Part("auction", (*holdfast, "serve", "auction"), folder=folder, environment=told),
        Part("gateway", (*holdfast, "gateway"), folder=folder, environment=told),
    ]
    try:
        await nats.start().ready()
        for part in parts:
            part.start()
            await part.ready()
        yield f"http://{LOOPBACK}:{port}", parts
    finally:
        for part in parts:
            part.kill()
        nats.kill()


async def create_lot(url: str, lot: str) -> httpx.Response:
    token = issue_token(DEVELOPMENT_SECRET, "acme", "sam", ("seller",), timedelta(hours=1))
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        body = {"currency": "EUR", "start_minor": 1000, "ends_at": ends_at}
        return await http.post(f"/v1/auction/{lot}/create-lot", json=body, headers=headers)


@pytest.mark.once("it counts the steps of a trace")
async def test_a_bid_is_one_trace_through_all_processes_and_arrives_when_they_are_told_to_stop(tmp_path: Path) -> None:
    lot = f"lot-{uuid4().hex[:8]}"
    spans = await told_once(tmp_path, lot)
    chain = [
        one(spans, service, name)
        for service, name in (
            ("holdfast-gateway", "POST /v1/{purpose}/{id_}/{command}"),
            ("holdfast-gateway", "send auction"),
            ("holdfast-auction", "judge auction"),
            ("holdfast-auction", "commit auction"),
        )
    ]
    assert {span.trace for span in chain} == {TRACE}
    assert [span.parent for span in chain] == ["00f067aa0ba902b7", *(span.id for span in chain[:-1])]
    assert {span.facts["entity"] for span in chain} == {f"auction:acme:{lot}"}
    assert {span.facts["outcome"] for span in chain} == {"OK"}
    assert chain[-1].links == {chain[-2].id}


async def told_once(folder: Path, lot: str) -> Sequence[Collected]:
    """The spans of a system that was asked once: a gateway that waits for a second asks its owner again, and on a machine
    that stands still the last spans do not leave in time. Both are as they should be, and tried anew with other processes.
    """
    collector = Collector()
    for attempt in range(ATTEMPTS):
        collector, here = Collector(), folder / str(attempt)
        here.mkdir()
        with collector.running():
            async with served(here, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **SELDOM}) as (url, parts):
                answer = await create_lot(url, lot)
                assert answer.status_code == 200, answer.text
                assert not collector.spans
                assert [await part.stop() for part in parts] == [0, 0]
        judged = [span for span in collector.spans if (span.name, span.trace) == ("judge auction", TRACE)]
        if len(judged) == 1 and not any("tracing.spans_lost" in part.log.read_text() for part in parts):
            break
    return collector.spans


async def test_a_collector_that_is_away_slows_nobody_and_holds_up_no_end(tmp_path: Path) -> None:
    nobody = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    async with served(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": nobody}) as (url, parts):
        for number in range(20):
            assert (await create_lot(url, f"lot-{number}")).status_code == 200
        assert await asyncio.gather(*(part.stop() for part in parts)) == [0, 0]


async def test_a_variable_that_asks_for_what_is_not_here_stops_the_start(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli", "gateway", "--data", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "collector",
            "HOLDFAST_NATS": "nats://127.0.0.1:1",
            "HOLDFAST_SECRET": "x" * 32,
        },
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().startswith("holdfast: OTEL_EXPORTER_OTLP_ENDPOINT is an http or https URL")


def one(spans: Sequence[Collected], service: str, name: str) -> Collected:
    """The span of this name in the callers' trace."""
    (found,) = [span for span in spans if (span.service, span.name, span.trace) == (service, name, TRACE)]
    return found
