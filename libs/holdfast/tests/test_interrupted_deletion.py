"""A deletion that is interrupted: what it left is never shown, hinders no next life, and goes."""

from collections.abc import AsyncGenerator

import pytest
from structlog.testing import capture_logs

from holdfast import Name
from holdfast._errors import Unavailable
from holdfast._log import NewCommit
from holdfast._snapshots import Snapshot
from holdfast.jetstream import NatsBus, ensure_streams
from holdfast.jetstream import _api as api
from holdfast.jetstream._streams import log_stream
from holdfast.memory import MemoryLog
from holdfast.sql import SqlSnapshots
from holdfast.sql._forgetting import kept_names
from holdfast.sql._projector import Overtaken, Stand
from holdfast.tests.forgetting import Shelf, opened, read_now
from holdfast.tests.world import ADMIN, NAME, World, commit_of_another_owner

A_SNAPSHOT = Snapshot(seq=3, position=1, body=b"{}", fingerprint="v1")

pytest_plugins = ["holdfast.testing._databases"]


class Rows:
    """What SQL would have of entities, and a database that the test takes away."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.begun: list[Name] = []

    async def begin(self, name: Name) -> None:
        if "begin" in self.away:
            raise Unavailable("no database")
        self.begun.append(name)

    async def forget(self, name: Name) -> int:
        if "forget" in self.away:
            raise Unavailable("no database")
        left = self.begun.count(name)
        self.begun = [each for each in self.begun if each != name]
        return left


class DeletingWorld(World):
    def __init__(self) -> None:
        self.database = Rows()
        self.rows = self.database
        super().__init__()


async def delete(world: DeletingWorld) -> object:
    answer = await world.ask("_delete", by=ADMIN)
    return answer["error"]["code"] if "error" in answer else answer["ok"]


async def test_without_the_database_nothing_of_an_entity_is_deleted() -> None:
    world = DeletingWorld()
    await world.ask("add")
    world.database.away = {"begin"}
    assert await delete(world) == "UNAVAILABLE"
    assert (await world.ask("_view"))["ok"]["seq"] == 1
    world.database.away.clear()
    assert await delete(world) == {}
    assert world.database.begun == []


async def test_a_deletion_that_was_interrupted_is_finished_by_the_next_attempt() -> None:
    world = DeletingWorld()
    await world.ask("add")
    world.database.away = {"forget"}
    assert await delete(world) == "UNAVAILABLE"
    assert (await world.ask("_view"))["error"]["code"] == "NOT_FOUND"
    world.database.away.clear()
    assert await delete(world) == {}
    assert await delete(world) == "NOT_FOUND"


async def test_the_alarm_that_an_interrupted_deletion_left_rings_and_is_no_more() -> None:
    world = DeletingWorld()
    await world.ask("remind", data={"milliseconds": 3_600_000})
    await world.log.purge(NAME)
    world.host = world.new_host()
    await delete(world)
    armed = await world.alarms.armed(NAME)
    assert armed is not None
    await world.host.ring(NAME, armed.sequence)
    await world.settled()
    assert await world.alarms.armed(NAME) is None


async def test_a_snapshot_without_a_log_is_not_shown_and_hinders_no_next_life() -> None:
    world = DeletingWorld()
    for _ in range(3):
        await world.ask("add")
    assert await world.host.hibernate(NAME)
    await world.log.purge(NAME)
    assert (await world.ask("_view"))["error"]["code"] == "NOT_FOUND"
    assert await world.snapshots.load(NAME) is None
    assert (await world.ask("add"))["ok"]["seq"] == 1


async def test_a_snapshot_of_an_earlier_life_is_not_taken_for_one_of_the_next() -> None:
    world = DeletingWorld()
    for _ in range(3):
        await world.ask("add")
    assert await world.host.hibernate(NAME)
    await world.log.purge(NAME)
    await commit_of_another_owner(world, "add", data={"amount": 7})
    world.host = world.new_host()
    assert (await world.ask("_view"))["ok"]["state"]["total"] == 7
    assert await world.host.hibernate(NAME)
    snapshot = await world.snapshots.load(NAME)
    assert snapshot is not None
    assert snapshot.seq == 1


async def test_a_log_that_ends_before_the_snapshot_goes_on_from_where_it_ends() -> None:
    world = DeletingWorld()
    for _ in range(3):
        await world.ask("add")
    assert await world.host.hibernate(NAME)
    [first, *_] = await world.log.read(NAME)
    world.log = MemoryLog()
    await world.log.append(NewCommit(NAME, 0, first.commit_id, first.commit, first.judged, first.digests))
    world.host = world.new_host()
    assert (await world.ask("add"))["ok"]["seq"] == 2


@pytest.fixture
async def shelf(bus: NatsBus, database_url: str) -> AsyncGenerator[Shelf]:
    async with opened(bus, database_url) as here:
        yield here


async def test_rows_that_an_interrupted_deletion_left_hold_nobody_up_when_the_name_is_used_again(shelf: Shelf) -> None:
    await shelf.interrupted()
    await shelf.history.add(7)
    await shelf.history.add(1, id_="b")
    await shelf.projector.catch_up()
    assert (await shelf.seqs(), await shelf.seqs("b")) == ([1], [1])


async def test_rows_that_were_read_before_and_written_after_an_interrupted_deletion_go_too(shelf: Shelf) -> None:
    await shelf.history.add(1, 2, 3)
    read = await read_now(shelf.whole)
    stand = Stand(await shelf.projector.position(), deletions=0, version=shelf.projector.projection.version)
    await shelf.forgetter.begin(shelf.history.name())
    await shelf.history.purge("a")
    await shelf.projector._write(stand, read)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the moment of the race
    await shelf.history.add(7)
    await shelf.projector.catch_up()
    assert await shelf.seqs() == [1]


async def test_two_lives_that_were_read_together_are_read_again(shelf: Shelf) -> None:
    await shelf.history.add(1, 2, 3)
    both = await read_now(shelf.whole)
    stand = Stand(await shelf.projector.position(), deletions=0, version=shelf.projector.projection.version)
    await shelf.forgetter.begin(shelf.history.name())
    await shelf.history.purge("a")
    await shelf.history.add(7)
    both += await read_now(shelf.whole)
    with pytest.raises(Overtaken):
        await shelf.projector._write(stand, both)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the moment of the race
    await shelf.projector.catch_up()
    assert await shelf.seqs() == [1]


async def test_a_service_finishes_an_interrupted_deletion_by_itself(shelf: Shelf) -> None:
    await shelf.interrupted()
    await SqlSnapshots(shelf.database).save(shelf.history.name(), A_SNAPSHOT)
    assert await kept_names(shelf.database, shelf.history.purpose, "acme") == {shelf.history.name()}
    assert await shelf.forgetter.finish() == 1
    assert (await shelf.seqs(), await shelf.unfinished()) == ([], 0)
    assert await kept_names(shelf.database, shelf.history.purpose, "acme") == set()


async def test_who_finishes_deletions_leaves_a_next_life_and_one_that_was_never_deleted_alone(shelf: Shelf) -> None:
    await shelf.history.add(1)
    await shelf.projector.catch_up()
    await shelf.forgetter.begin(shelf.history.name())
    assert await shelf.forgetter.finish() == 0
    assert await shelf.seqs() == [1]


async def test_a_log_that_is_not_the_one_of_the_rows_proves_no_deletion(shelf: Shelf, bus: NatsBus) -> None:
    await shelf.interrupted()
    await shelf.history.add(4, 5)
    await shelf.projector.catch_up()
    name = shelf.history.name()
    await SqlSnapshots(shelf.database).save(name, A_SNAPSHOT)
    await api.call(bus, f"STREAM.DELETE.{log_stream(name.purpose)}")
    await ensure_streams(bus, name.purpose)
    with capture_logs() as logs:
        assert await shelf.forgetter.finish() == 0
    assert [entry["event"] for entry in logs] == ["deletion.waiting"]
    with pytest.raises(Unavailable, match="are at 2, but the log ends at 0"):
        await shelf.forgetter.forget(name)
    assert (await shelf.seqs(), await shelf.unfinished()) == ([1, 2], 1)
    assert await SqlSnapshots(shelf.database).load(name) is not None


async def test_a_note_on_an_entity_that_lives_overtakes_no_projector(shelf: Shelf) -> None:
    await shelf.history.add(1)
    read = await read_now(shelf.whole)
    stand = Stand(await shelf.projector.position(), deletions=0, version=shelf.projector.projection.version)
    await shelf.forgetter.begin(shelf.history.name())
    await shelf.forgetter.finish()
    await shelf.projector._write(stand, read)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the moment of the race
    assert await shelf.seqs() == [1]


async def test_a_deletion_that_cannot_be_finished_holds_up_no_other(shelf: Shelf) -> None:
    await shelf.interrupted()
    retired = Name.of("a-retired", "acme", "a")
    await shelf.forgetter.begin(retired)
    with capture_logs() as logs:
        assert await shelf.forgetter.finish() == 1
    waiting = [entry["name"] for entry in logs if entry["event"] == "deletion.waiting"]
    assert (waiting, await shelf.seqs(), await shelf.unfinished()) == ([str(retired)], [], 1)
