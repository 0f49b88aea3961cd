"""Trimming a log: only what everyone else holds goes, and everything works on what is left."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert
from structlog.testing import capture_logs

from holdfast._bus import Bus, Message
from holdfast._clock import utc_now
from holdfast._errors import Unavailable
from holdfast._projection import Projection, StoredEvent
from holdfast._remembered import new_command_id
from holdfast._retention import Retention
from holdfast.jetstream import NatsBus
from holdfast.jetstream import _api as api
from holdfast.jetstream._durable import Durable
from holdfast.jetstream._readers import acknowledged_by_all
from holdfast.jetstream._whole_log import JetStreamWholeLog
from holdfast.sql import Projector
from holdfast.sql._archived_log import ArchivedWholeLog
from holdfast.sql._trimming import TrimPlan
from holdfast.tests.archived import HELD, Owner, an_owner
from holdfast.tests.wiretap import Request, tapped

pytest_plugins = ["holdfast.testing._databases"]

KEEP = 60.0
ADDED = 6
LATER = timedelta(hours=1)

metadata = MetaData()
amounts = Table("amounts", metadata, Column("id", String, primary_key=True), Column("seq", Integer, primary_key=True))


class Amounts(Projection[Any]):
    name = "amounts"
    tables = (amounts,)

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def apply(self, connection: Connection, stored: StoredEvent[Any], /) -> None:
        connection.execute(insert(amounts), {"id": stored.name.id, "seq": stored.seq})


class Shelf:
    def __init__(self, owner: Owner, bus: NatsBus) -> None:
        self.owner = owner
        self.bus = bus

    def retention(self, *projections: str, clock: timedelta = LATER, bus: Bus | None = None) -> Retention:
        plan = TrimPlan(self.owner.entity.purpose, projections, self.owner.database)
        return Retention(
            bus or self.bus,
            self.owner.entity.purpose,
            self.owner.log,
            plan,
            keep_seconds=KEEP,
            clock=lambda: utc_now() + clock,
        )

    async def kept(self) -> list[int]:
        """The seqs that the stream still has of the entity."""
        read = await self.owner.log.read(self.owner.name)
        return [event.seq for stored in read for event in stored.commit.events]

    async def trimmed(self) -> None:
        """Six commits, of which the stream has the newest only."""
        for _ in range(ADDED):
            await self.owner.add(new_command_id())
        await self.owner.projector.catch_up()
        assert await self.retention().trim() == 1
        assert await self.kept() == [ADDED]

    async def view(self, **query: object) -> Any:
        return (await self.owner.ask("_view", query))["ok"]


@pytest.fixture
async def shelf(bus: NatsBus, database_url: str) -> AsyncGenerator[Shelf]:
    async with an_owner(bus, database_url) as owner:
        yield Shelf(owner, bus)


async def test_nothing_leaves_the_log_that_is_not_archived(shelf: Shelf) -> None:
    for _ in range(3):
        await shelf.owner.add(new_command_id())
    assert await shelf.retention().trim() == 0
    assert await shelf.kept() == [1, 2, 3]
    await shelf.owner.projector.catch_up()
    for _ in range(3):
        await shelf.owner.add(new_command_id())
    assert await shelf.retention().trim() == 1
    assert await shelf.kept() == [3, 4, 5, 6]
    assert await shelf.retention().trim() == 0


async def test_what_is_young_stays(shelf: Shelf) -> None:
    for _ in range(3):
        await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    assert await shelf.retention(clock=timedelta(seconds=KEEP / 2)).trim() == 0
    assert await shelf.kept() == [1, 2, 3]


async def test_nothing_leaves_the_log_that_a_projection_lacks(shelf: Shelf) -> None:
    for _ in range(3):
        await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    assert await shelf.retention("amounts").trim() == 0
    assert await shelf.kept() == [1, 2, 3]


async def test_nothing_leaves_the_log_that_a_reader_has_not_acknowledged(shelf: Shelf) -> None:
    purpose = shelf.owner.entity.purpose
    reader = Durable(shelf.bus, f"evt-{purpose}", "reactor-slow")
    await reader.ensure(f"evt.{purpose}.*.*", starts="beginning", ordered=False)
    for _ in range(4):
        await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    deliveries = reader.shared()
    for _ in range(2):
        await reader.acknowledge(await anext(deliveries))
    await deliveries.aclose()
    await shelf.retention().trim()
    assert await shelf.kept() == [2, 3, 4]
    await api.call(shelf.bus, f"CONSUMER.DELETE.evt-{purpose}.reactor-slow")
    await shelf.retention().trim()
    assert await shelf.kept() == [4]


async def test_nothing_leaves_the_log_while_nobody_knows_how_far_a_reader_is(shelf: Shelf) -> None:
    """As a cluster answers for a consumer whose leader is away: by its name only."""

    async def without_the_leader(forward: Request, subject: str) -> Message:
        answer = await forward()
        if not subject.startswith("$JS.API.CONSUMER.LIST."):
            return answer
        listed = msgspec.json.decode(answer.data) | {"consumers": [], "missing": ["reactor-slow"]}
        return Message(answer.subject, msgspec.json.encode(listed), answer.headers, answer.reply)

    for _ in range(3):
        await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    bus, purpose = tapped(shelf.bus, without_the_leader), shelf.owner.entity.purpose
    with pytest.raises(Unavailable, match="reactor-slow"):
        await shelf.retention(bus=bus).trim()
    assert await shelf.kept() == [1, 2, 3]
    assert await acknowledged_by_all(bus, purpose, called="others") is None


async def test_an_entity_is_loaded_and_written_as_before(shelf: Shelf) -> None:
    await shelf.trimmed()
    before = await shelf.view()
    shelf.owner.host = shelf.owner.new_host()
    after = await shelf.view()
    assert (after["seq"], after["state"]) == (before["seq"], before["state"])
    assert (await shelf.owner.add(new_command_id()))["ok"]["seq"] == ADDED + 1


async def test_a_snapshot_whose_commit_left_the_log_is_used(shelf: Shelf) -> None:
    await shelf.owner.add(new_command_id(), 100)
    assert await shelf.owner.host.hibernate(shelf.owner.name)
    await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    assert await shelf.retention().trim() == 1
    assert await shelf.kept() == [2]
    image, saved = await shelf.owner.loader().load(shelf.owner.name)
    assert (image.seq, saved) == (2, 1)


async def test_the_past_is_shown_as_before(shelf: Shelf) -> None:
    await shelf.trimmed()
    for seq in range(1, ADDED + 1):
        view = await shelf.view(seq=seq)
        assert (view["seq"], view["state"]["total"]) == (seq, seq)


async def test_an_id_whose_commit_left_the_log_gives_its_first_result(shelf: Shelf) -> None:
    command_id = new_command_id()
    first = await shelf.owner.fill(command_id)
    await shelf.owner.projector.catch_up()
    assert await shelf.retention().trim() == 1
    assert await shelf.kept() == [1 + HELD]
    shelf.owner.host = shelf.owner.new_host()
    assert (await shelf.owner.add(command_id, 7))["ok"] == {**first, "deduplicated": True}
    assert (await shelf.owner.add(command_id, 8))["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_an_outdated_expected_seq_is_told_the_events_since(shelf: Shelf) -> None:
    await shelf.trimmed()
    error = (await shelf.owner.ask("add", {}, expected_seq=2))["error"]
    assert error["code"] == "VERSION_CONFLICT"
    assert [event["seq"] for event in error["details"]["events"]] == [3, 4, 5, 6]


async def test_a_read_model_is_built_from_the_archive_and_what_the_log_has(shelf: Shelf) -> None:
    await shelf.trimmed()
    await shelf.owner.add(new_command_id())
    owner = shelf.owner
    async with owner.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    stream = JetStreamWholeLog(shelf.bus, owner.entity.purpose)
    source = ArchivedWholeLog(owner.entity.purpose, owner.archive, stream)
    projector = Projector(Amounts(owner.entity.purpose), judge=owner.judge, whole_log=source, database=owner.database)
    await projector.rebuild()
    async with owner.database.begin() as connection:
        rows = (await connection.execute(amounts.select().order_by(amounts.c.seq))).all()
    assert [row.seq for row in rows] == list(range(1, ADDED + 2))


async def test_a_hole_that_nothing_fills_is_never_read_over(shelf: Shelf) -> None:
    await shelf.trimmed()
    async with shelf.owner.database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM events WHERE seq = 3")
    shelf.owner.host = shelf.owner.new_host()
    assert (await shelf.owner.add(new_command_id()))["error"]["code"] == "UNAVAILABLE"


async def test_events_that_were_archived_without_their_commit_stay_in_the_log(shelf: Shelf) -> None:
    for _ in range(3):
        await shelf.owner.add(new_command_id())
    await shelf.owner.projector.catch_up()
    async with shelf.owner.database.begin() as connection:
        await connection.exec_driver_sql("UPDATE events SET commit_id = NULL")
    assert await shelf.retention().trim() == 0
    assert await shelf.kept() == [1, 2, 3]


async def test_an_archive_that_lost_what_left_the_log_says_of_which_entity(shelf: Shelf) -> None:
    await shelf.trimmed()
    async with shelf.owner.database.begin() as connection:  # as a backup has it, or a power cut leaves it
        await connection.exec_driver_sql("DELETE FROM events WHERE seq > 2")
        await connection.exec_driver_sql("UPDATE positions SET position = (SELECT max(position) FROM events)")
    await shelf.owner.add(new_command_id())
    with capture_logs() as logs:
        await shelf.owner.projector.catch_up()
    told = [each for each in logs if each["event"] == "archive.hole"]
    assert [(each["log_level"], each["name"], each["lacks"]) for each in told] == [
        ("error", str(shelf.owner.name), ADDED - 1)
    ]
    shelf.owner.host = shelf.owner.new_host()
    assert (await shelf.owner.ask("_view", {}))["error"]["code"] == "UNAVAILABLE"


async def test_what_leaves_the_log_is_on_the_disk_before(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.trimmed()
    if shelf.owner.database.dialect.name == "sqlite":
        copy = tmp_path / "after-a-power-cut.db"
        copy.write_bytes((tmp_path / "counter.db").read_bytes())  # without the write-ahead log, which may be lost
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (ADDED,)
