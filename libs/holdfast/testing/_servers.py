"""A pytest plugin: the fixtures `nats`, a server for the tests of one module, and `client`, connected to it."""

from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from holdfast.client import Client
from holdfast.testing.servers import NatsServer, nats_server


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    """A server that nothing else uses."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest_asyncio.fixture
async def client(nats: NatsServer) -> AsyncGenerator[Client]:
    """Connected to `nats`."""
    async with await Client.connect(nats.url) as connected:
        yield connected
