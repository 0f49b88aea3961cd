from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.pad import contract, service
from gateway.tests.world import WAIT_SECONDS, World
from holdfast import Contract
from holdfast.runtime import serve as serve_services
from holdfast.testing.servers import NatsServer, nats_server
from holdfast.testing.serving import running

known = {"pad": contract}


@pytest.fixture(scope="session")
def nats() -> Generator[NatsServer]:
    with TemporaryDirectory(prefix="gateway-") as folder, nats_server(Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sql')}/{{service}}.db"


@pytest_asyncio.fixture
async def pads(nats: NatsServer, database: str) -> AsyncGenerator[None]:
    """The service behind the gateway."""
    async with running(lambda ready: serve_services([service], servers=nats.url, database=database, ready=ready)):
        yield


@pytest.fixture
def nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late an answer is, no call sends another copy by itself."""
    monkeypatch.setattr("holdfast._calls.FIRST_RESEND_SECONDS", 10 * WAIT_SECONDS)


GatewayFactory = Callable[..., Awaitable[World]]


@pytest_asyncio.fixture
async def gateway(nats: NatsServer, pads: None) -> AsyncGenerator[GatewayFactory]:
    """Starts gateways with settings of the test's own, in front of the service."""
    assert pads is None
    async with AsyncExitStack() as stack:

        async def start(contracts: Mapping[str, Contract] = known, **settings: Any) -> World:
            chosen = Settings(nats=nats.url, port=0, **settings)
            stop = await stack.enter_async_context(AsyncExitStack())
            (port,) = await stop.enter_async_context(
                running(lambda ready: serve_gateway(chosen, ready=ready, contracts=contracts))
            )
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS)
            )
            return World(http=http, port=port, secret=chosen.key, stop=stop.aclose, nats_url=nats.url)

        yield start


@pytest_asyncio.fixture
async def world(gateway: GatewayFactory) -> World:
    """One gateway with default settings."""
    return await gateway()
