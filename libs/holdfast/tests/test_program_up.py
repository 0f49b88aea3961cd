"""`holdfast up` as its user sees it: a real process, killed and stopped in every way."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import pytest

from holdfast import Actor, Name
from holdfast._program.embedded_nats import LOOPBACK, nats_url
from holdfast._program.up import FREE_PORTS
from holdfast.client import Client
from holdfast.testing.servers import free_ports

pytestmark = pytest.mark.slow
START_SECONDS = 60
STOP_SECONDS = 30
HOLDFAST = (sys.executable, "-m", "holdfast.cli")
T = TypeVar("T")
ANN = Actor(user="ann", roles=())
SERVICE = """
from holdfast import Command, Entity, Event, State
from holdfast._service import Service

class Count(State):
    total: int = 0

class Add(Command, tag="add"):
    creates = True

class Added(Event, tag="added"): ...

class Counter(Entity[Count, Add, Added]):
    purpose = "counter"
    initial = Count()
    def decide(self, state, command, ctx): return [Added()]
    def evolve(self, state, event): return Count(total=state.total + 1)

service = Service(name="counter", entities=(Counter(),))
"""


@dataclass
class Up:
    """A running `holdfast up`: where it answers, and the pids that it printed."""

    folder: Path
    process: subprocess.Popen[bytes]
    address: str
    nats_port: int
    pids: dict[str, int]

    async def add(self) -> int:
        """Add one to the counter through NATS; the seq of its event."""
        async with await Client.connect(nats_url(self.folder / "data", port=self.nats_port)) as client:
            return (await client.send(Name.of("counter", "acme", "c"), "add", by=ANN, timeout=START_SECONDS)).seq

    def doors(self) -> list[str]:
        """Where operators look."""
        return re.findall(r"(http://\S+)/readyz", self.said())

    def said(self) -> str:
        return (self.folder / "said").read_text()


@contextmanager
def running(folder: Path) -> Generator[Up]:
    (folder / "counting.py").write_text(SERVICE)
    port, nats_port = free_ports(2)
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [*HOLDFAST, "up", "counting:service", "--port", str(port), "--nats-port", str(nats_port)],
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        found = wait_for(lambda: pids(process, folder / "said"))
        yield Up(folder, process, f"http://{LOOPBACK}:{port}", nats_port, found)
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def pids(process: subprocess.Popen[bytes], said: Path) -> dict[str, int]:
    text = said.read_text()
    assert process.poll() is None, text
    return {name: int(pid) for name, pid in re.findall(r"^  (\S+) +pid (\d+)\b", text, re.MULTILINE)}


def wait_for(condition: Callable[[], T], *, seconds: float = START_SECONDS) -> T:
    end = monotonic() + seconds
    while not (value := condition()):
        assert monotonic() < end, "it did not happen in time"
        sleep(0.02)
    return value


def refused(folder: Path, *arguments: str) -> str:
    """Run a command that must end at once with exit code 2 and no traceback; what it said."""
    done = subprocess.run(
        [*HOLDFAST, *arguments], cwd=folder, capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=START_SECONDS)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_up_says_what_it_started_and_the_gateway_answers(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert list(up.pids) == ["nats-server", "counting:service", "gateway"]
        assert len(up.doors()) == 2
        assert urlsplit(up.doors()[0]).port in FREE_PORTS
        for door in up.doors():
            assert get(f"{door}/readyz").json()["ready"], door
            assert "holdfast_" in get(f"{door}/metrics").text
        assert all(map(alive, up.pids.values()))
        assert get(f"{up.address}/livez").is_success


def test_a_token_opens_the_door(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        command = [*HOLDFAST, "token", "--tenant", "acme", "--user", "ann", "--role", "bidder"]
        token = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
        url = f"{up.address}/v1/no-such-purpose/x"

        assert get(url).status_code == 401
        assert get(url, Authorization=f"Bearer {token}").status_code == 404


async def test_a_killed_service_comes_back_with_everything_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert await up.add() == 1

        os.kill(up.pids["counting:service"], signal.SIGKILL)

        assert await up.add() == 2
        wait_for(lambda: "counting:service serves again" in up.said())


async def test_a_killed_nats_server_comes_back_with_everything_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert await up.add() == 1

        os.kill(up.pids["nats-server"], signal.SIGKILL)
        wait_for(lambda: "nats-server serves again" in up.said())

        assert await up.add() == 2


async def test_a_second_start_finds_the_data_of_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert await up.add() == 1
    with running(tmp_path) as up:
        assert await up.add() == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_quickly(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as up:
        up.process.send_signal(number)

        assert up.process.wait(STOP_SECONDS) == 0
        assert not any(map(alive, up.pids.values()))
        assert "was killed" not in up.said()
        assert "Traceback" not in up.said()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_supervisor_killed_by_force_leaves_no_orphans(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        up.process.kill()
        up.process.wait(START_SECONDS)

        wait_for(lambda: not any(map(alive, up.pids.values())))


def test_a_second_program_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert f"another `holdfast up` (pid {up.process.pid}) uses" in refused(tmp_path, "up", "--port", "0")


def test_a_taken_port_is_refused_with_the_flag_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])

        assert "choose another with --port" in refused(tmp_path, "up", "--port", port, "--nats-port", "0")
        assert "choose another with --nats-port" in refused(tmp_path, "up", "--port", "0", "--nats-port", port)


def test_one_port_for_two_doors_is_refused(tmp_path: Path) -> None:
    port = str(free_ports(1)[0])

    assert "choose another with --port" in refused(tmp_path, "up", "--port", port, "--nats-port", port)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert "cannot be used" in refused(tmp_path, "up", "--port", "0", "--nats-port", "0")


def test_a_damaged_database_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(SERVICE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "counter.db").write_bytes(b"no database at all" * 1000)
    command = [*HOLDFAST, "up", "counting:service", "--port", "0", "--nats-port", "0"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=START_SECONDS, check=False)

    assert done.returncode == 2
    assert "counter.db is damaged" in done.stderr
    assert "Traceback" not in done.stderr
