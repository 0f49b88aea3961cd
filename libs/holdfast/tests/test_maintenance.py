"""`holdfast export`, `import` and `erase`, run as their user runs them beside a service that serves."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, Name
from holdfast._errors import NotFound, Unavailable
from holdfast._program.transfer import import_file
from holdfast.client import Client
from holdfast.jetstream import JetStreamAlarms, JetStreamLog, NatsBus, _api
from holdfast.jetstream._work import dead_subject, ensure_work_streams, job_subject, read_letters, store
from holdfast.sql import open_database
from holdfast.sql._forgetting import kept_names
from holdfast.testing.counter import service
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving

WAIT = 60.0
COUNTER = "holdfast.testing.counter:service"
ANN = Actor(user="ann", roles=("clerk",), device="till-2")
HOUR = b'{"milliseconds":3600000}'


class World:
    def __init__(self, url: str, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.tenant = f"t-{uuid4().hex[:12]}"
        self._url = url

    def name(self, id_: str) -> Name:
        return Name.of("counter", self.tenant, id_)

    async def run(self, *arguments: str | Path) -> tuple[int, bytes, str]:
        """Run the program; returns its exit code, what it wrote and what it complained about."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "holdfast.cli",
            *map(str, arguments),
            "--nats",
            self._url,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOLDFAST_LOG": "error"},
            cwd=self.folder,
        )
        async with asyncio.timeout(WAIT):
            out, err = await process.communicate()
        return process.returncode or 0, out, err.decode()

    async def export(self, *arguments: str) -> bytes:
        code, out, err = await self.run("export", COUNTER, "--tenant", self.tenant, *arguments)
        assert code == 0, err
        return out

    async def import_(self, content: bytes) -> tuple[int, bytes, str]:
        file = self.folder / "export.ndjson"
        file.write_bytes(content)
        return await self.run("import", file, COUNTER)

    async def erase(self, *arguments: str) -> tuple[int, bytes, str]:
        database = f"sqlite+aiosqlite:///{self.folder}/{{service}}.db"
        return await self.run("erase", COUNTER, "--tenant", self.tenant, "--database", database, *arguments)

    async def fill(self) -> None:
        """Three counters: a long one, one with a deadline, one of strange text."""
        for amount in range(1, 21):
            await self.client.send(self.name("a"), "add", msgspec.json.encode({"amount": amount}), by=ANN)
        await self.client.send(self.name("b"), "remind", HOUR, by=ANN)
        note = msgspec.json.encode({"note": "ünïcode \0 \n \\ \N{PILE OF POO}"})
        await self.client.send(self.name("c:c"), "add", note, by=ANN, command_id="c-1")


@pytest.fixture
async def world(single: NatsServer, tmp_path: Path) -> AsyncGenerator[World]:
    async with serving([service], single.url, tmp_path), await Client.connect(single.url) as client:
        yield World(single.url, client, tmp_path)


async def test_a_tenant_comes_back_byte_for_byte(world: World, bus: NatsBus) -> None:
    await world.fill()
    before = await world.export()
    assert await world.erase("--yes") == (0, f"erased 3 entities of {world.tenant}\n".encode(), "")
    assert await world.export() == b""
    assert await world.import_(before) == (0, b"imported 3 entities\n", "")
    assert await world.export() == before
    assert (await world.client.view(world.name("a"), by=ANN)).seq == 20
    assert await JetStreamAlarms(bus, "counter").armed(world.name("b")) is not None
    assert (await world.client.send(world.name("b"), "add", by=ANN)).seq == 2


class DeafBus:
    """A bus that loses answers: of so many appends to the log, each of which is stored or refused as it should be."""

    def __init__(self, bus: NatsBus, *, lost: int) -> None:
        self._bus = bus
        self.lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def request(self, subject: str, *args: Any, **kwargs: Any) -> Any:
        answer = await self._bus.request(subject, *args, **kwargs)
        if self.lost and subject.startswith("evt."):
            self.lost -= 1
            raise Unavailable("the answer is lost")
        return answer


async def test_an_import_goes_on_when_the_log_has_acknowledged_nothing_for_longer_than_an_append_waits(
    world: World, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fill()
    before = await world.export()
    await world.erase("--yes")
    file = world.folder / "export.ndjson"
    file.write_bytes(before)
    deaf: Any = DeafBus(bus, lost=20)

    @asynccontextmanager
    async def connected(_nats: str) -> AsyncGenerator[NatsBus]:
        yield deaf

    monkeypatch.setattr("holdfast._program.transfer._connected", connected)
    monkeypatch.setattr("holdfast.jetstream._log.APPEND_SECONDS", 0.1)

    assert await import_file([COUNTER], file=file, nats="", err=io.StringIO()) == 3
    assert deaf.lost == 0
    assert await world.export() == before


async def test_a_tenant_is_exported_with_what_left_the_log(single: NatsServer, tmp_path: Path, bus: NatsBus) -> None:
    log = JetStreamLog(bus)
    async with await Client.connect(single.url) as client:
        world = World(single.url, client, tmp_path)
        async with serving([service], single.url, tmp_path):
            await world.fill()
        before = await world.export()
        async with serving([service], single.url, tmp_path, keep_seconds=0.2), asyncio.timeout(WAIT):
            while len(await log.read(world.name("a"))) > 1:
                await asyncio.sleep(0.05)
    assert await world.export("--database", f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db") == before
    code, _, err = await world.run("export", COUNTER, "--tenant", world.tenant)
    assert (code, "archive" in err) == (2, True)


async def test_an_imported_entity_still_knows_its_commands(world: World) -> None:
    await world.client.send(world.name("a"), "add", by=ANN, command_id="a-1")
    content = await world.export()
    await world.erase("--yes")
    await world.import_(content)
    assert (await world.client.send(world.name("a"), "add", by=ANN, command_id="a-1")).deduplicated


async def test_one_entity_is_exported_alone(world: World) -> None:
    await world.fill()
    everything, one = await world.export(), await world.export("--name", str(world.name("b")))
    assert one in everything
    assert one.count(b"\n") == 1
    code, _, err = await world.run("export", COUNTER, "--tenant", world.tenant, "--name", str(world.name("x")))
    assert (code, f"{world.name('x')} does not exist" in err) == (2, True)
    code, _, err = await world.run("export", COUNTER, "--tenant", "umbra", "--name", str(world.name("b")))
    assert (code, "not of the tenant umbra" in err) == (2, True)


async def test_what_exists_is_not_imported_over_and_nothing_else_of_the_file_is(world: World) -> None:
    await world.fill()
    content = await world.export()
    await world.client.delete(world.name("a"), by=Actor(user="root", roles=("admin",)))
    code, _, err = await world.import_(content)
    assert (code, f"{world.name('b')} exists already" in err) == (2, True)
    with pytest.raises(NotFound):
        await world.client.view(world.name("a"), by=ANN)


SPOILT: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (lambda lines: lines[1:], "line 1: the events of"),
    (lambda lines: [lines[0], lines[2]], "line 2: the events of"),
    (lambda lines: [*lines[:20], b"{}\n"], "line 21 is not of an export"),
    (lambda lines: [*lines, *lines[:20]], "are not all together"),
    (lambda lines: [line.replace(b'"counter:', b'"cooker:') for line in lines], "the purpose cooker"),
    (lambda lines: [line.replace(b"counter:", b"counter.>:") for line in lines], "line 1:"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
async def test_a_spoilt_file_is_refused_before_anything_is_written(
    world: World, spoil: Callable[[list[bytes]], list[bytes]], said: str
) -> None:
    await world.fill()
    content = await world.export()
    await world.erase("--yes")
    code, _, err = await world.import_(b"".join(spoil(content.splitlines(keepends=True))))
    assert code == 2
    assert said in err
    assert await world.export() == b""


async def test_erasing_asks_for_a_yes_and_leaves_other_tenants_alone(world: World) -> None:
    other = Name.of("counter", f"{world.tenant}-2", "a")
    await world.fill()
    await world.client.send(other, "add", by=ANN)
    code, _, err = await world.erase()
    assert (code, "say so with --yes" in err) == (2, True)
    assert (await world.client.view(world.name("a"), by=ANN)).seq == 20
    assert (await world.erase("--yes"))[0] == 0
    assert (await world.client.view(other, by=ANN)).seq == 1


async def test_erasing_takes_the_jobs_and_dead_letters_of_the_tenant_alone(world: World, bus: NatsBus) -> None:
    await ensure_work_streams(bus, "counter", replicas=1)
    other = f"{world.tenant}-2"
    for tenant in (world.tenant, other):
        await store(bus, job_subject("counter", tenant, "print"), b"{}", message_id=f"{tenant}-job")
        await store(bus, dead_subject("counter", tenant, "print"), tenant.encode(), message_id=f"{tenant}-dead")
    await world.client.send(world.name("a"), "add", by=ANN)
    assert (await world.erase("--yes"))[0] == 0
    left = [letter.body.decode() async for letter in read_letters(bus, "counter")]
    assert (world.tenant in left, other in left) == (False, True)
    jobs = await _api.call(bus, "STREAM.INFO.jobs-counter", {"subjects_filter": "jobs.counter.*.print"})
    assert f"jobs.counter.{world.tenant}.print" not in jobs["state"]["subjects"]
    assert f"jobs.counter.{other}.print" in jobs["state"]["subjects"]


async def test_erasing_finishes_what_an_interrupted_deletion_left(world: World, bus: NatsBus) -> None:
    await world.fill()
    database = open_database(f"sqlite+aiosqlite:///{world.folder}/{{service}}.db", "counter")
    async with asyncio.timeout(WAIT):
        while len(await kept_names(database, "counter", world.tenant)) < 3:
            await asyncio.sleep(0.05)
    await JetStreamLog(bus).purge(world.name("a"))
    assert await world.erase("--yes") == (0, f"erased 3 entities of {world.tenant}\n".encode(), "")
    left = await kept_names(database, "counter", world.tenant)
    await database.dispose()
    assert left == set()


async def test_erasing_on_another_database_than_the_services_is_refused(world: World, tmp_path: Path) -> None:
    await world.fill()
    other = f"sqlite+aiosqlite:///{tmp_path}/other-{{service}}.db"
    code, _, err = await world.erase("--yes", "--database", other)
    assert (code, "cannot be read" in err) == (2, True)
