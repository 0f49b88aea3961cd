"""Command ids that an entity does not hold any more: found in the archive and in the log before they are judged."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from holdfast._clock import wall_ns
from holdfast._remembered import made_ms, new_command_id
from holdfast.jetstream import NatsBus
from holdfast.sql import SqlArchive, open_database
from holdfast.tests.archived import HELD, Owner, an_owner

pytest_plugins = ["holdfast.testing._databases"]

DAY_NS = 86_400_000_000_000


@pytest.fixture
async def owner(bus: NatsBus, database_url: str) -> AsyncGenerator[Owner]:
    async with an_owner(bus, database_url) as owner:
        yield owner


SHAPES = {
    "with a time of its own": new_command_id,
    "without one": lambda: str(uuid4()),
    "of no known shape": lambda: "till-2:17",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("archived", ["all of it", "nothing"])
async def test_an_id_let_go_by_the_entity_still_gives_its_first_result(owner: Owner, shape: str, archived: str) -> None:
    command_id = SHAPES[shape]()
    first = await owner.fill(command_id)
    if archived == "all of it":
        await owner.projector.catch_up()
    assert (await owner.add(command_id, 7))["ok"] == {**first, "deduplicated": True}
    owner.host = owner.new_host()
    assert (await owner.add(command_id, 7))["ok"] == {**first, "deduplicated": True}
    assert await owner.count() == 1 + HELD


@pytest.mark.parametrize("archived", ["all of it", "nothing"])
async def test_an_id_let_go_by_the_entity_is_refused_with_another_payload(owner: Owner, archived: str) -> None:
    command_id = new_command_id()
    await owner.fill(command_id)
    if archived == "all of it":
        await owner.projector.catch_up()
    assert (await owner.add(command_id, 8))["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await owner.count() == 1 + HELD


async def test_what_the_archive_lacks_is_read_from_the_end_of_the_log(owner: Owner) -> None:
    early, late = new_command_id(), new_command_id()
    await owner.fill(early)
    await owner.projector.catch_up()
    await owner.fill(late)
    assert (await owner.add(early, 7))["ok"]["deduplicated"] is True
    assert (await owner.add(late, 7))["ok"]["deduplicated"] is True
    assert await owner.count() == 2 * (1 + HELD)


async def test_an_old_id_that_was_never_accepted_is_judged(owner: Owner) -> None:
    unused = new_command_id()
    await owner.fill(new_command_id())
    await owner.projector.catch_up()
    assert (await owner.add(unused))["ok"]["deduplicated"] is False


async def test_a_fresh_id_costs_no_look_up(owner: Owner) -> None:
    await owner.fill(new_command_id())
    statements: list[str] = []
    event.listen(owner.database.sync_engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    assert "ok" in await owner.add(new_command_id())
    assert statements == []
    await owner.add(str(uuid4()))
    assert statements == []  # every id that was let go had a time of its own


async def test_a_client_whose_clock_is_ahead_is_not_taken_for_fresh(owner: Owner) -> None:
    ahead = str(UUID(int=UUID(new_command_id()).int + (86_400_000 << 80)))
    first = await owner.fill(ahead)
    await owner.projector.catch_up()
    owner.now += 2 * DAY_NS
    assert (await owner.add(ahead, 7))["ok"] == {**first, "deduplicated": True}


async def test_without_the_archives_database_an_old_id_waits_and_a_fresh_one_does_not(owner: Owner) -> None:
    command_id = new_command_id()
    first = await owner.fill(command_id)
    await owner.projector.catch_up()
    working, lost = owner.archive, SqlArchive(open_database("sqlite+aiosqlite:////nowhere/{service}.db", "counter"))
    owner.archive = lost
    owner.host = owner.new_host()
    error = (await owner.add(command_id, 7))["error"]
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
    assert "ok" in await owner.add(new_command_id())
    owner.archive = working
    owner.host = owner.new_host()
    assert (await owner.add(command_id, 7))["ok"] == {**first, "deduplicated": True}


async def test_an_id_is_free_again_after_its_retention_and_not_before(owner: Owner) -> None:
    command_id = new_command_id()
    await owner.fill(command_id)
    await owner.projector.catch_up()
    owner.host = owner.new_host(kept_seconds=timedelta(days=7).total_seconds())
    owner.now += 7 * DAY_NS - 1_000_000_000
    assert (await owner.add(command_id, 7))["ok"]["deduplicated"] is True
    owner.now += 2_000_000_000
    assert (await owner.add(command_id, 7))["ok"]["deduplicated"] is False


async def test_an_id_that_was_archived_without_its_payload_is_compared_with_the_log(owner: Owner) -> None:
    command_id = new_command_id()
    await owner.fill(command_id)
    await owner.projector.catch_up()
    async with owner.database.begin() as connection:
        await connection.exec_driver_sql("UPDATE events SET digest = NULL")
    assert (await owner.add(command_id, 8))["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    await owner.log.purge(owner.name, through=1)
    assert (await owner.add(command_id, 8))["ok"]["deduplicated"] is True


def test_a_made_up_id_is_a_uuid_of_version_7_with_the_time_of_now() -> None:
    made = [UUID(new_command_id()) for _ in range(100)]
    assert {(each.version, each.variant) for each in made} == {(7, uuid4().variant)}
    assert len(set(made)) == 100
    assert abs((made_ms(str(made[0])) or 0) - wall_ns() // 1_000_000) < 60_000
    assert made_ms(str(uuid4())) is None
