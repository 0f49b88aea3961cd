"""Deleting an entity: everything of it goes, nothing of it comes back, and nothing of its next life is touched."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import create_engine, text

from holdfast import Actor, Name
from holdfast._clock import wall_ns
from holdfast._errors import Forbidden, NotFound
from holdfast._history import EntityHistory
from holdfast._host import Host
from holdfast._image import Image
from holdfast._judge import Judge
from holdfast._loading import Loader
from holdfast._log import Judged, NewCommit
from holdfast._messages import CommandEnvelope
from holdfast._snapshots import Snapshot
from holdfast.client import Client
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from holdfast.memory import MemoryAlarms, MemoryLog
from holdfast.sql._projector import Overtaken, Stand
from holdfast.testing import MemorySnapshots
from holdfast.testing.counter import CounterEntity, service
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.tests.forgetting import Shelf, opened, read_now

pytest_plugins = ["holdfast.testing._databases"]

PATIENCE = 60.0
ADMIN = Actor(user="root", roles=("admin",))
ANN = Actor(user="ann", roles=())


def a_name(tenant: str = "acme") -> Name:
    return Name.of("counter", tenant, f"d-{uuid4().hex}")


async def kept_by_nats(bus: NatsBus, name: Name) -> list[str]:
    """The subjects under which anything of the entity is stored, apart from its commands, which expire."""
    found: list[str] = []
    for stream in ("evt-counter", "alarm-counter"):
        info = await api.call(bus, f"STREAM.INFO.{stream}", {"subjects_filter": f"*.counter.{name.tenant}.{name.id}"})
        found += list(info["state"].get("subjects") or {})
    return found


def kept_in_sql(folder: Path, name: Name) -> list[int]:
    engine = create_engine(f"sqlite:///{folder}/counter.db", connect_args={"timeout": PATIENCE})
    with engine.connect() as connection:
        mine = {"name": str(name)}
        counts = [
            connection.execute(text(query), mine).scalar_one()
            for query in (
                "SELECT count(*) FROM events WHERE name = :name",
                "SELECT count(*) FROM snapshots WHERE name = :name",
            )
        ]
    engine.dispose()
    return counts


async def test_log_alarm_snapshot_and_rows_are_gone(single: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    name = a_name()
    async with await Client.connect(single.url) as client:
        async with serving([service], single.url, tmp_path):
            await client.send(name, "add", by=ANN)
            await client.send(name, "remind", b'{"milliseconds":3600000}', by=ANN)
            async with asyncio.timeout(PATIENCE):
                while kept_in_sql(tmp_path, name)[0] < 2:
                    await asyncio.sleep(0.02)
        assert (len(await kept_by_nats(bus, name)), kept_in_sql(tmp_path, name)) == (2, [2, 1])
        async with serving([service], single.url, tmp_path):
            await client.delete(name, by=ADMIN)
            assert (await kept_by_nats(bus, name), kept_in_sql(tmp_path, name)) == ([], [0, 0])
            with pytest.raises(NotFound):
                await client.view(name, by=ANN)
            assert (await client.send(name, "add", by=ANN)).seq == 1


async def test_the_owner_too_asks_for_the_role(single: NatsServer, tmp_path: Path) -> None:
    name = a_name()
    async with serving([service], single.url, tmp_path), await Client.connect(single.url) as client:
        await client.send(name, "add", by=ANN)
        with pytest.raises(Forbidden):
            await client.delete(name, by=ANN)
        assert (await client.view(name, by=ANN)).seq == 1


class World:
    """Hosts over one log in memory, each as an owner that knows nothing of the others."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.alarms = MemoryAlarms()
        self.snapshots = MemorySnapshots()
        self.answers: dict[str, Any] = {}
        self.places = 0

    def host(self) -> Host:
        async def answer(reply: str, body: bytes) -> None:
            self.answers[reply] = msgspec.json.decode(body)

        async def pass_ring(_name: Name, _body: bytes) -> None: ...

        return Host(
            CounterEntity(),
            events=self.log,
            alarms=self.alarms,
            snapshots=self.snapshots,
            answer=answer,
            pass_ring=pass_ring,
        )

    def place(self) -> Judged:
        self.places += 1
        return Judged(wall_ns(), self.places)

    async def ask(self, host: Host, command: str, name: Name, *, place: Judged | None = None, **data: Any) -> Any:
        reply = f"_INBOX.{uuid4().hex}"
        envelope = CommandEnvelope(
            command=command, command_id=uuid4().hex, by=ADMIN, data=msgspec.Raw(msgspec.json.encode(data))
        )
        at = place or self.place()
        await host.deliver(name.subject("cmd"), msgspec.json.encode(envelope), place=at, reply=reply)
        await host.settled()
        return self.answers[reply]


@pytest.mark.once("a deletion comes between the two copies")
async def test_a_deletion_takes_its_place_behind_earlier_commands_and_before_later_ones() -> None:
    world, name = World(), a_name()
    host = world.host()
    asked = [world.ask(host, command, name) for command in ("add", "add", "_delete", "add")]
    answers = await asyncio.gather(*asked)
    assert [answer["ok"].get("seq") for answer in answers] == [1, 2, None, 1]


async def test_a_deletion_read_twice_leaves_the_next_life_alone() -> None:
    world, name = World(), a_name()
    await world.ask(world.host(), "add", name)
    deletion = world.place()
    assert await world.ask(world.host(), "_delete", name, place=deletion) == {"ok": {}}
    await world.ask(world.host(), "remind", name, milliseconds=3_600_000)
    assert (await world.ask(world.host(), "_delete", name, place=deletion))["error"]["code"] == "UNAVAILABLE"
    assert len(await world.log.read(name)) == 1
    assert await world.alarms.armed(name) is not None


async def test_a_command_from_before_a_deletion_revives_nothing_when_a_successor_reads_it_again() -> None:
    world, name = World(), a_name()
    first, deletion = world.place(), world.place()
    await world.ask(world.host(), "add", name, place=first)
    await world.ask(world.host(), "_delete", name, place=deletion)
    successor = world.host()
    assert (await world.ask(successor, "add", name, place=first))["error"]["code"] == "UNAVAILABLE"
    assert await world.log.read(name) == []
    assert (await world.ask(successor, "_delete", name, place=deletion))["error"]["code"] == "NOT_FOUND"
    assert (await world.ask(successor, "add", name))["ok"]["seq"] == 1


async def test_an_owner_with_an_older_image_is_refused_and_loads_the_next_life() -> None:
    world, name = World(), a_name()
    zombie = world.host()
    for _ in range(3):
        await world.ask(zombie, "add", name)
    await world.ask(world.host(), "_delete", name)
    await world.ask(world.host(), "add", name)
    assert (await world.ask(zombie, "add", name))["ok"]["seq"] == 2


async def test_an_entity_of_newer_code_can_be_deleted() -> None:
    world, name = World(), a_name()
    await world.ask(world.host(), "add", name)
    stored = (await world.log.read(name))[0]
    event = msgspec.structs.replace(stored.commit.events[0], seq=2, type="of_newer_code")
    commit = msgspec.structs.replace(stored.commit, events=(event,))
    await world.log.append(NewCommit(name, stored.position, uuid4().hex, commit, world.place(), ()))
    host = world.host()
    assert (await world.ask(host, "add", name))["error"]["code"] == "UNAVAILABLE"
    assert await world.ask(host, "_delete", name) == {"ok": {}}
    assert (await world.ask(host, "add", name))["ok"]["seq"] == 1


async def test_a_snapshot_that_is_being_saved_does_not_outlive_the_deletion() -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    class Slow(MemorySnapshots):
        async def save(self, name: Name, snapshot: Snapshot) -> None:
            begun.set()
            await end.wait()
            await super().save(name, snapshot)

    name, snapshots = a_name(), Slow()
    loader = Loader(Judge(CounterEntity()), EntityHistory(MemoryLog()), snapshots)
    image = Image(CounterEntity.initial)
    saving = asyncio.create_task(loader.save(name, image))
    await begun.wait()
    await loader.forget(name)
    end.set()
    assert await saving is False
    assert await snapshots.load(name) is None


@pytest.fixture
async def shelf(bus: NatsBus, database_url: str) -> AsyncGenerator[Shelf]:
    async with opened(bus, database_url) as here:
        yield here


async def test_the_rows_of_one_entity_go_and_those_of_others_stay(shelf: Shelf) -> None:
    await shelf.history.add(1, 2)
    await shelf.history.add(3, id_="b")
    await shelf.projector.catch_up()
    await shelf.history.purge("a")
    assert await shelf.forgetter.forget(shelf.history.name()) == 2
    assert (await shelf.seqs(), await shelf.seqs("b")) == ([], [1])


async def test_what_a_projector_had_read_before_the_deletion_is_not_written_after_it(shelf: Shelf) -> None:
    await shelf.history.add(1)
    await shelf.history.add(2, id_="b")
    stand = Stand(await shelf.projector.position(), deletions=0, version=shelf.projector.projection.version)
    read = await read_now(shelf.whole)
    await shelf.history.purge("a")
    await shelf.forgetter.forget(shelf.history.name())
    with pytest.raises(Overtaken):
        await shelf.projector._write(stand, read)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the moment of the race
    await shelf.projector.catch_up()
    assert (await shelf.seqs(), await shelf.seqs("b")) == ([], [1])


async def test_rows_of_the_next_life_are_left_alone(shelf: Shelf) -> None:
    await shelf.history.add(1)
    await shelf.projector.catch_up()
    assert await shelf.forgetter.forget(shelf.history.name()) == 0
    assert await shelf.seqs() == [1]
