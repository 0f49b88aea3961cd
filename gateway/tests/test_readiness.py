"""`/readyz` tells the truth about what the gateway needs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.issuer import issuer, new_key, public
from gateway.tests.pad import contract
from gateway.tests.world import WAIT_SECONDS, World
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.testing.serving import running


@asynccontextmanager
async def gateway(url: str, **chosen: Any) -> AsyncGenerator[httpx.AsyncClient]:
    settings = Settings(nats=url, port=0, **chosen)
    async with running(lambda ready: serve_gateway(settings, ready=ready, contracts={"pad": contract})) as (port,):  # noqa: SIM117 - the client needs the port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS) as http:
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


async def unready(http: httpx.AsyncClient, check: str) -> dict[str, Any]:
    """What this check says as soon as it fails."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := (await readiness(http, status=503))["checks"])[check]["ok"]:
            await asyncio.sleep(0.02)
    return found[check]


async def test_a_gateway_that_hears_nothing_of_revocations_is_not_ready(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, port=free_ports(1)[0]).start()
    try:
        await server.ready()
        async with gateway(server.url, revocation_grace=2.0) as http:
            assert (await readiness(http, status=200))["checks"]["revocations"] == {"ok": True}
            server.kill()
            assert (await unready(http, "revocations"))["reason"] == "revocations cannot be read"
            server.start()
            assert (await readiness(http, status=200))["checks"]["revocations"] == {"ok": True}
    finally:
        server.kill()


async def test_a_gateway_without_the_keys_of_tokens_is_not_ready(nats: NatsServer) -> None:
    async with issuer() as source:
        source.status = "503 Service Unavailable"
        async with gateway(nats.url, jwks=source.url) as http:
            assert (await unready(http, "keys"))["reason"] == "the key set of tokens cannot be read"
            source.status = "200 OK"
            source.publish(public("EdDSA", new_key("EdDSA"), "one"))
            assert (await readiness(http, status=200))["checks"]["keys"] == {"ok": True}


async def test_a_gateway_that_drains_is_not_ready(world: World) -> None:
    async with world.viewer():
        assert (await world.http.get("/readyz")).status_code == 200
        stopping = asyncio.ensure_future(world.stop())
        told = await readiness(world.http, status=503)
        assert told["checks"]["sockets"]["reason"] == "this gateway is about to stop"
    await stopping
