"""Migrations: from nothing, again, at the same time, halfway, and on what is no database of ours."""

import asyncio
import importlib.util
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from holdfast import Name
from holdfast._snapshots import Snapshot
from holdfast.sql import DatabaseProblem, SqlSnapshots, migrate, open_database
from holdfast.sql._migrate import locked
from holdfast.sql._tables import metadata

pytest_plugins = ["holdfast.testing._databases"]

ROOT = Path(__file__).parents[3]
LOT = Name.of("auction", "acme", "lot-1")
SAVED = Snapshot(seq=7, position=70, body=b"{}", fingerprint="v1")
PROCESSES = 4
SHORT = 0.3
NEWEST = "holdfast_0007"
SHARED = {"alembic_version", "snapshots", "positions", "deletions", "events"}
AWKWARD = "50% of: it"
LONG = 60.0

MIGRATE = """
import asyncio, sys
from holdfast.sql import migrate
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(migrate(sys.argv[1], "auction"))
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = {labels}
depends_on = None


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))
    {then}
"""


class Package:
    """A service's package with migrations, made by the test."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._migrations = folder / "migrations"
        self._migrations.mkdir(parents=True)
        (folder / "__init__.py").touch()
        self._last: str | None = None

    def add(self, table: str, *, then: str = "") -> None:
        revision = f"{self.name}_{table}"
        labels = None if self._last else (self.name,)
        source = REVISION.format(revision=revision, down=repr(self._last), labels=labels, table=table, then=then)
        (self._migrations / f"{revision}.py").write_text(source)
        self._last = revision


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.setattr(sys, "path", [str(tmp_path / AWKWARD), *sys.path])
    yield Package(tmp_path / AWKWARD / "bakery")
    sys.modules.pop("bakery", None)


async def tables(url: str, service: str = "auction") -> set[str]:
    database = open_database(url, service)
    async with database.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.dispose()
    return set(found)


async def revisions(url: str, service: str = "auction") -> list[str]:
    database = open_database(url, service)
    async with database.connect() as connection:
        rows = await connection.execute(text("SELECT version_num FROM alembic_version ORDER BY version_num"))
        found = [str(revision) for revision in rows.scalars()]
    await database.dispose()
    return found


async def test_an_empty_database_gets_the_tables_that_the_code_uses(database_url: str) -> None:
    await migrate(database_url, "auction")

    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    database = open_database(database_url, "auction")
    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.dispose()


async def test_a_second_upgrade_changes_nothing_and_loses_nothing(database_url: str) -> None:
    await migrate(database_url, "auction")
    database = open_database(database_url, "auction")
    await SqlSnapshots(database).save(LOT, SAVED)
    await migrate(database_url, "auction")
    assert await SqlSnapshots(database).load(LOT) == SAVED
    assert await revisions(database_url) == [NEWEST]
    await database.dispose()


async def test_a_service_adds_its_own_history_to_the_shared_one(database_url: str, package: Package) -> None:
    await migrate(database_url, "auction")
    package.add("loaves")
    await migrate(database_url, "auction", package=package.name)
    assert await tables(database_url) == SHARED | {"loaves"}
    package.add("cakes")
    await migrate(database_url, "auction", package=package.name)
    assert await tables(database_url) == SHARED | {"loaves", "cakes"}
    assert await revisions(database_url) == ["bakery_cakes", NEWEST]


async def test_a_service_without_tables_of_its_own_has_the_shared_ones(database_url: str) -> None:
    await migrate(database_url, "auction", package="services")
    assert await tables(database_url) == SHARED


async def test_a_migration_that_fails_halfway_leaves_nothing_behind(database_url: str, package: Package) -> None:
    package.add("loaves", then='op.execute("SELECT no_such_column FROM loaves")')
    with pytest.raises(DatabaseProblem, match=r"failed and changed nothing: .*no_such_column"):
        await migrate(database_url, "auction", package=package.name)
    assert await tables(database_url) == set()


def migrate_in_processes(url: str) -> list[tuple[int, str]]:
    """Exit status and errors of processes that begin to migrate at the same moment."""
    with ExitStack() as stack:
        processes: list[subprocess.Popen[str]] = []
        for _ in range(PROCESSES):
            command = (sys.executable, "-c", MIGRATE, url)
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        errors = [process.communicate(timeout=LONG)[1] for process in processes]
        return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


async def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    assert await asyncio.to_thread(migrate_in_processes, database_url) == [(0, "")] * PROCESSES
    assert await revisions(database_url) == [NEWEST]


async def test_services_of_one_process_migrate_at_once(database_url: str) -> None:
    services = ("auction", "floor", "notify", "pos")
    await asyncio.gather(*(migrate(database_url, service) for service in services))
    for service in services:
        assert await tables(database_url, service) == SHARED


async def test_a_database_of_newer_code_is_refused_and_kept(database_url: str, package: Package) -> None:
    package.add("loaves")
    await migrate(database_url, "auction", package=package.name)
    with pytest.raises(DatabaseProblem, match=r"newer than this program: it has revision bakery_loaves; install"):
        await migrate(database_url, "auction")
    assert await revisions(database_url) == ["bakery_loaves", NEWEST]


async def test_another_migration_that_does_not_end_ends_the_wait(database_url: str) -> None:
    async with locked(database_url, "auction"):
        with pytest.raises(DatabaseProblem, match="stays locked: end the process that holds it"):
            await migrate(database_url, "auction", timeout=SHORT)
    await migrate(database_url, "auction")


@pytest.mark.parametrize("package", ["services.no_such_trade", "no_such_shop.bakery"])
async def test_an_unknown_package_is_named(file_url: str, package: str) -> None:
    with pytest.raises(DatabaseProblem, match=f"no package {package!r}"):
        await migrate(file_url, "auction", package=package)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/new/deep/{{service}}.db"


async def test_the_folder_of_a_new_file_is_made(file_url: str, tmp_path: Path) -> None:
    await migrate(file_url, "auction")
    assert (tmp_path / "new" / "deep" / "auction.db").is_file()


async def test_a_path_with_spaces_percent_and_colon_is_a_path(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/{AWKWARD}/{{service}}.db"
    await migrate(url, "auction")
    assert await revisions(url) == [NEWEST]


async def test_a_file_that_another_program_writes_is_waited_for(file_url: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "deep" / "auction.db"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(DatabaseProblem, match="stays locked: end the process that holds it"):
            await migrate(file_url, "auction", timeout=SHORT)
        assert time.monotonic() - began >= SHORT
        other.execute("COMMIT")
        await migrate(file_url, "auction")


async def test_a_file_that_is_no_database_is_left_alone(file_url: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "deep" / "auction.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a letter to a friend\n" * 1000)
    with pytest.raises(DatabaseProblem, match=r"auction\.db is damaged or not an SQLite database: move it away"):
        await migrate(file_url, "auction")
    assert file.read_bytes() == b"a letter to a friend\n" * 1000


async def test_a_truncated_file_is_called_damaged(file_url: str, tmp_path: Path) -> None:
    await migrate(file_url, "auction")
    file = tmp_path / "new" / "deep" / "auction.db"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DatabaseProblem, match=r"auction\.db is damaged or not an SQLite database: move it away"):
        await migrate(file_url, "auction")


async def test_a_place_that_cannot_be_written_is_named(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a file where a folder should be")
    with pytest.raises(DatabaseProblem, match=r"cannot write .*/new/deep/auction\.db: let this user write"):
        await migrate(file_url, "auction")


async def test_a_folder_in_the_place_of_the_file_is_named(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "new" / "deep" / "auction.db").mkdir(parents=True)
    with pytest.raises(DatabaseProblem, match=r"cannot write .*/new/deep/auction\.db: let this user write"):
        await migrate(file_url, "auction")


async def test_a_file_that_cannot_be_opened_starts_no_thread_that_outlives_the_migration(
    file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiosqlite.connect", pytest.fail)
    (tmp_path / "new" / "deep" / "auction.db").mkdir(parents=True)
    with pytest.raises(DatabaseProblem, match="unable to open database file"):
        await migrate(file_url, "auction")


@pytest.mark.skipif(importlib.util.find_spec("asyncpg") is None, reason="the package asyncpg is not installed")
async def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://ann:secret@/holdfast?host={tmp_path}&password=secret-2"
    with pytest.raises(DatabaseProblem, match=r"cannot reach postgresql.*is PostgreSQL running there") as problem:
        await migrate(url, "auction")
    assert "secret" not in str(problem.value)
    assert tmp_path.name in str(problem.value)


@pytest.mark.skipif(importlib.util.find_spec("asyncpg") is not None, reason="the package asyncpg is installed")
async def test_a_missing_driver_is_named() -> None:
    with pytest.raises(DatabaseProblem, match="needs the package asyncpg"):
        await migrate("postgresql+asyncpg://host/holdfast", "auction")


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, timeout=LONG, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_wheel(folder: Path) -> Path:
    """Build the wheel and unpack it, as an installation does; the folder to import from."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "zipfile", "-e", wheel, folder / "site", cwd=folder)
    return folder / "site"


async def test_an_installed_wheel_migrates_from_anywhere(tmp_path: Path, file_url: str) -> None:
    site = install_wheel(tmp_path)
    script = """if True:
        import asyncio, sys, holdfast.sql
        asyncio.run(holdfast.sql.migrate(sys.argv[1], "auction", package="services.auction"))
        print(holdfast.sql.__file__)
    """
    used = run(sys.executable, "-c", script, file_url, cwd=tmp_path, PYTHONPATH=str(site))
    assert used.strip() == str(site / "holdfast" / "sql" / "__init__.py")
    assert await revisions(file_url) == ["auction_0001", NEWEST]


async def test_the_alembic_command_does_what_migrate_does(file_url: str) -> None:
    alembic = (sys.executable, "-m", "alembic", "-n", "auction")
    run(*alembic, "upgrade", "heads", cwd=ROOT, HOLDFAST_DATABASE=file_url)
    await migrate(file_url, "auction", package="services.auction")
    assert NEWEST in run(*alembic, "current", cwd=ROOT, HOLDFAST_DATABASE=file_url)
