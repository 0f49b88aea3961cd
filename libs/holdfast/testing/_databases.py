"""A pytest plugin: the fixture `database_url` runs a test on SQLite and on a PostgreSQL server of its own."""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_INSTALLED: Final = Path("/usr/lib/postgresql")
_SUPERUSER: Final = "postgres"
_numbers: Final = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, as the setting HOLDFAST_DATABASE has it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    folder: Path = request.getfixturevalue("postgresql_folder")
    name = f"test_{next(_numbers)}"
    _run(_programs() / "createdb", "-h", folder, "-U", _SUPERUSER, name)
    return f"postgresql+asyncpg://{_SUPERUSER}@/{name}?host={folder}"


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[Path]:
    """The folder with the socket of a PostgreSQL server that listens nowhere else; skips where none can run."""
    with postgresql() as server:
        yield server.folder


class PostgreSql:
    """A PostgreSQL server that listens on a socket in its folder only, and may be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make its files."""
        if self._account:
            shutil.chown(self.folder, self._account["user"], self._account["group"])
        data = self.folder / "data"
        _run(_programs() / "initdb", "-D", data, "-A", "trust", "-U", _SUPERUSER, "--no-sync", **self._account)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        command = (_programs() / "postgres", "-D", self.folder / "data", "-k", self.folder)
        command += ("-c", "listen_addresses=", "-c", "fsync=off")
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen[bytes](command, cwd=self.folder, stdout=log, stderr=log, **self._account)
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while subprocess.call((_programs() / "pg_isready", "-q", "-h", self.folder)):  # noqa: S603 - fixed words
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it and every connection to it; what was written stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
            self._process = None

    def create(self, database: str) -> str:
        """Make an empty database; its URL, as the setting HOLDFAST_DATABASE has it."""
        _run(_programs() / "createdb", "-h", self.folder, "-U", _SUPERUSER, database)
        return f"postgresql+asyncpg://{_SUPERUSER}@/{database}?host={self.folder}"


@contextmanager
def postgresql() -> Generator[PostgreSql]:
    """A server until the end of the block; skips the test where none can run."""
    if importlib.util.find_spec("asyncpg") is None:
        pytest.skip("PostgreSQL is left out: the package asyncpg is not installed")
    if not _INSTALLED.is_dir():
        pytest.skip(f"PostgreSQL is left out: there is none in {_INSTALLED} (Debian package postgresql)")
    server = PostgreSql(Path(tempfile.mkdtemp(prefix="holdfast-pg-")))
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


def _programs() -> Path:
    """The folder of the newest installed version."""
    return max(_INSTALLED.glob("*/bin"), key=lambda folder: int(folder.parent.name))


def _account() -> dict[str, Any]:
    """Whom to run the server as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(_SUPERUSER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}


def _run(*command: str | Path, **account: Any) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **account)  # noqa: S603 - fixed words
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
