"""`holdfast rebuild`, run as its user runs it."""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, text

from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.testing.servers import NatsServer, nats_server

WAIT = 60.0
SELLER = Actor(user="sue", roles=("seller",))


def holdfast(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOLDFAST_LOG": "warning"}
    command = [sys.executable, "-m", "holdfast.cli", *arguments, "--data", str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder
    )


async def offer_lots(nats: NatsServer, count: int) -> None:
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    data = msgspec.json.encode({"currency": "USD", "start_minor": 100, "ends_at": ends_at})
    async with await Client.connect(nats.url) as client:
        lots = [Name.of("auction", "acme", f"lot-{number}") for number in range(count)]
        await asyncio.gather(*(client.send(lot, "create_lot", data, by=SELLER, timeout=WAIT) for lot in lots))


@pytest.mark.sends
def test_read_models_are_built_anew_while_the_service_serves(tmp_path: Path) -> None:
    with nats_server(tmp_path) as nats:
        database = f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
        where = ("--nats", nats.url, "--database", database)
        service = holdfast(tmp_path, "serve", "auction", *where)
        try:
            asyncio.run(offer_lots(nats, 20))
            spoil(tmp_path)
            done = holdfast(tmp_path, "rebuild", "auction", *where)
            said, _ = done.communicate(timeout=WAIT)
            assert (done.returncode, service.poll()) == (0, None), said
            assert re.search(r"^lots: 20 commits, \d+ events in 0:\d\d:\d\d, [\d,]+ events/s$", said, re.MULTILINE), (
                said
            )
            assert titles(tmp_path) == [""] * 20
        finally:
            service.terminate()
            service.communicate(timeout=WAIT)


def spoil(folder: Path) -> None:
    engine = create_engine(f"sqlite:///{folder}/auction.db", connect_args={"timeout": WAIT})
    with engine.begin() as connection:
        connection.execute(text("UPDATE lots SET title = 'spoilt'"))
    engine.dispose()


def titles(folder: Path) -> list[str]:
    engine = create_engine(f"sqlite:///{folder}/auction.db", connect_args={"timeout": WAIT})
    with engine.connect() as connection:
        found = [str(title) for title in connection.execute(text("SELECT title FROM lots")).scalars()]
    engine.dispose()
    return found


def test_a_service_without_read_models_is_told(tmp_path: Path) -> None:
    done = holdfast(tmp_path, "rebuild", "holdfast.testing.counter:service", "--nats", "nats://127.0.0.1:1")
    said, _ = done.communicate(timeout=WAIT)
    assert (done.returncode, said.strip()) == (2, "holdfast: counter has no read models to rebuild")
