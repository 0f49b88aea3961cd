from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast.testing.servers import NatsServer, nats_cluster, nats_server


@pytest.fixture
def folder() -> Generator[Path]:
    with TemporaryDirectory(prefix="holdfast-faults-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Generator[NatsServer]:
    with nats_server(folder) as running:
        yield running


@pytest.fixture
def cluster(folder: Path) -> Generator[list[NatsServer]]:
    with nats_cluster(folder) as running:
        yield running
