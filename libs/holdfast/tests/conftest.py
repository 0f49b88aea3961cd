from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.jetstream._work import ensure_work_streams
from holdfast.testing.counter import service
from holdfast.testing.history import History
from holdfast.testing.servers import NatsServer, nats_cluster, nats_server
from holdfast.testing.serving import serving
from holdfast.tests.reactions import World
from holdfast.tests.waiting import PATIENCE


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


@pytest.fixture
def nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late an answer is, no call sends another copy by itself."""
    monkeypatch.setattr("holdfast._calls.FIRST_RESEND_SECONDS", 10 * PATIENCE)


@pytest_asyncio.fixture
async def world(single: NatsServer, bus: NatsBus, tmp_path: Path) -> AsyncGenerator[World]:
    """A source log of the test's own, and served counters that its effects reach."""
    history = await History(bus).open()
    await ensure_work_streams(bus, history.purpose, replicas=1)
    async with serving([service], single.url, tmp_path), await Client.connect(single.url) as client:
        yield World(bus, client, history)
