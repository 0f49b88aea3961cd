"""A pytest plugin: the fixture `database_url` runs a test on SQLite and on a PostgreSQL server of its own."""

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
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
    if importlib.util.find_spec("asyncpg") is None:
        pytest.skip("PostgreSQL is left out: the package asyncpg is not installed")
    if not _INSTALLED.is_dir():
        pytest.skip(f"PostgreSQL is left out: there is none in {_INSTALLED} (Debian package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-pg-"))
    account = _account()
    if account:
        shutil.chown(folder, account["user"], account["group"])
    try:
        _run(_programs() / "initdb", "-D", folder / "data", "-A", "trust", "-U", _SUPERUSER, "--no-sync", **account)
        yield from _served(folder, account)
    finally:
        shutil.rmtree(folder)


def _served(folder: Path, account: Mapping[str, Any]) -> Iterator[Path]:
    command = (
        _programs() / "postgres",
        "-D",
        folder / "data",
        "-k",
        folder,
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **account)  # noqa: S603 - fixed words
    try:
        deadline = time.monotonic() + START_SECONDS
        while subprocess.call((_programs() / "pg_isready", "-q", "-h", folder)):  # noqa: S603 - fixed words
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{(folder / 'log').read_text()}")
            time.sleep(_POLL_SECONDS)
        yield folder
    finally:
        server.terminate()
        server.wait(START_SECONDS)


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
