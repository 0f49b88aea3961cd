from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from holdfast.jetstream import NatsBus
from holdfast.testing.servers import NatsServer, nats_cluster, nats_server


@pytest.fixture(scope="session")
def short_folder() -> Generator[Path]:
    with TemporaryDirectory(prefix="holdfast-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def single(short_folder: Path) -> Generator[NatsServer]:
    """One server for all tests that use names of their own."""
    with nats_server(short_folder) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(short_folder: Path) -> Generator[list[NatsServer]]:
    """Three servers for all tests that use names of their own."""
    with nats_cluster(short_folder) as servers:
        yield servers


@pytest_asyncio.fixture
async def bus(single: NatsServer) -> AsyncGenerator[NatsBus]:
    connection = await NatsBus.connect(single.url, name="test")
    yield connection
    await connection.close()
