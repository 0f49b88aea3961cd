"""A pytest plugin: the fixture `database_url` runs a test on SQLite and on a PostgreSQL server of its own."""

import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

VARIABLE: Final = "HOLDFAST_TEST_POSTGRESQL"
KINDS: Final = ("debian", "container")
IMAGE: Final = "postgres:17"
PORT: Final = 5432
START_SECONDS: Final = 60.0
ENGINE_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.05
_INSTALLED: Final = Path("/usr/lib/postgresql")
_SUPERUSER: Final = "postgres"
_numbers: Final = itertools.count(1)


class Server(Protocol):
    """A PostgreSQL server for tests."""

    def create(self, database: str) -> str:
        """Make an empty database; returns its URL, as the setting HOLDFAST_DATABASE has it."""
        ...


class NoServer(Exception):
    """PostgreSQL cannot run here; the message says what is missing."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, as the setting HOLDFAST_DATABASE has it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/{{service}}.db"
    server: Server = request.getfixturevalue("shared_postgresql")
    return server.create(f"test_{next(_numbers)}")


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
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
        # An order of words as most installations have it, in which `;` comes before `:`.
        _run(_programs() / "initdb", "-D", data, "-A", "trust", "-U", _SUPERUSER, "--no-sync", *locale, **self._account)

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
    """Debian's server until the end of the block, which may be stopped and started; skips the test where none can run."""
    with _skipping() as stack:
        yield stack.enter_context(_debian())


@pytest.fixture(scope="session")
def shared_postgresql() -> Iterator[Server]:
    """A server of this run's own; skips, with the reason, where none can run."""
    with _skipping() as stack:
        yield stack.enter_context(postgresql_server())


@contextmanager
def _skipping() -> Generator[ExitStack]:
    with ExitStack() as stack:
        try:
            yield stack
        except NoServer as missing:
            pytest.skip(f"PostgreSQL is left out: {missing}")


@contextmanager
def postgresql_server() -> Generator[Server]:
    """Run Debian's PostgreSQL or, where that is not installed and a Docker engine answers, one in a container.

    The variable HOLDFAST_TEST_POSTGRESQL asks for one of them: `debian` or `container`. `NoServer` where none can run.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", *KINDS):
        raise ValueError(f"{VARIABLE} is one of {', '.join(KINDS)}, not {wanted!r}")
    if importlib.util.find_spec("asyncpg") is None:
        raise NoServer("the package asyncpg is not installed")
    with ExitStack() as stack:
        if wanted == "debian" or (not wanted and _INSTALLED.is_dir()):
            server = stack.enter_context(_debian())
        else:
            server = stack.enter_context(_container())
        yield server


@contextmanager
def _debian() -> Generator[PostgreSql]:
    """A server that listens on a socket in a folder of its own and nowhere else."""
    if not _INSTALLED.is_dir():
        raise NoServer(f"there is none in {_INSTALLED} (Debian package postgresql)")
    server = PostgreSql(Path(tempfile.mkdtemp(prefix="holdfast-pg-")))
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@contextmanager
def _container() -> Generator[Server]:
    """A server in a container, with a password made up for this run."""
    try:
        import docker  # noqa: PLC0415 - all come with testcontainers, which a plain installation lacks
        from docker.errors import DockerException  # noqa: PLC0415
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NoServer(f"there is none in {_INSTALLED}, and the package {error.name} is not installed") from None
    try:
        engine: Any = docker.from_env(timeout=ENGINE_SECONDS)  # pyright: ignore[reportUnknownMemberType] - docker's own gap
        engine.ping()
        engine.close()
    except DockerException as error:
        raise NoServer(f"there is none in {_INSTALLED}, and no Docker engine answers ({error})") from None
    password = secrets.token_hex(16)
    container: Any = PostgresContainer(IMAGE, username=_SUPERUSER, password=password, dbname=_SUPERUSER, driver=None)
    with container:
        yield _Container(container, password)


class _Container:
    def __init__(self, container: Any, password: str) -> None:
        self._container = container
        self._password = password

    def create(self, database: str) -> str:
        """Make it by the program in the container."""
        done = self._container.exec(["createdb", "-U", _SUPERUSER, database])
        if done.exit_code:
            raise RuntimeError(f"createdb failed:\n{done.output.decode()}")
        where = f"{self._container.get_container_host_ip()}:{self._container.get_exposed_port(PORT)}"
        return f"postgresql+asyncpg://{_SUPERUSER}:{self._password}@{where}/{database}"


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
