"""`/readyz` tells the truth about what the gateway needs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.pad import contract
from gateway.tests.world import WAIT_SECONDS, World
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.testing.serving import running


@asynccontextmanager
async def gateway(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    settings = Settings(nats=url, port=0)
    async with running(lambda ready: serve_gateway(settings, ready=ready, contracts={"pad": contract})) as (port,):  # noqa: SIM117 - the client needs the port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield http


async def readiness(http: httpx.AsyncClient, *, status: int) -> dict[str, Any]:
    """The report of the first answer with this status."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (answer := await http.get("/readyz")).status_code != status:
            await asyncio.sleep(0.02)
    return answer.json()


async def test_a_gateway_without_nats_is_not_ready_and_comes_back_by_itself(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, port=free_ports(1)[0]).start()
    try:
        await server.ready()
        async with gateway(server.url) as http:
            assert (await readiness(http, status=200))["ready"]
            server.kill()
            lost = await readiness(http, status=503)
            assert lost["checks"]["nats"] == {"ok": False, "reason": "no connection"}
            assert (await http.get("/livez")).status_code == 200
            server.start()
            assert (await readiness(http, status=200))["ready"]
    finally:
        server.kill()


async def test_a_gateway_that_drains_is_not_ready(world: World) -> None:
    async with world.viewer():
        assert (await world.http.get("/readyz")).status_code == 200
        stopping = asyncio.ensure_future(world.stop())
        told = await readiness(world.http, status=503)
        assert told["checks"]["sockets"]["reason"] == "this gateway is about to stop"
    await stopping
