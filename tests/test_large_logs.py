"""What a long log costs the programs that read all of it: no more memory than a short one."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bench.rebuild import write_log
from holdfast.testing.servers import nats_server

pytestmark = pytest.mark.slow

EVENTS: Final = 8_000
TIMES: Final = 4
GROWTH: Final = 1.1
"""Of resident memory, from the short log to the long one. Kept events would be a third of it."""


SECONDS: Final = 300.0
MEASURED: Final = """
import re, sys
from pathlib import Path
from holdfast.cli import main
peak = Path(sys.argv[1])
code = main(sys.argv[2:])
peak.write_text(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""
"""The operating system's own figure of a child includes what its parent held."""


class Programs:
    """Runs `holdfast` on one server and one database file, and notes the most memory that each run held."""

    def __init__(self, folder: Path, nats: str) -> None:
        self.folder = folder
        self.peaks: dict[str, int] = {}
        self._where = ("--nats", nats, "--log", "error")
        self._database = ("--database", f"sqlite+aiosqlite:///{folder}/{{service}}.db")

    def run(self, command: str, *arguments: str, nats: str = "", database: bool = True) -> None:
        where = ("--nats", nats, "--log", "error") if nats else self._where
        peak = self.folder / f"{command}.peak"
        words = [command, *arguments, *where, *(self._database if database else ())]
        with (self.folder / f"{command}.out").open("wb") as out, (self.folder / "err").open("ab") as err:
            program = [sys.executable, "-c", MEASURED, str(peak), *words]
            done = subprocess.run(program, stdout=out, stderr=err, timeout=SECONDS, check=False)
        assert done.returncode == 0, (self.folder / "err").read_text()
        self.peaks[command] = int(peak.read_text())


@contextmanager
def programs(folder: Path, name: str, events: int) -> Generator[Programs]:
    (folder / name).mkdir()
    with nats_server(folder / name) as server:
        asyncio.run(write_log(server.url, "auction", events))
        yield Programs(folder / name, server.url)


def costs(folder: Path, name: str, events: int) -> dict[str, int]:
    """Peaks in KiB of what reads, checks, writes and copies a log of so many events."""
    with programs(folder, name, events) as runs, nats_server(folder) as other:
        runs.run("rebuild", "auction")
        runs.run("replay", "auction")
        runs.run("export", "auction", "--tenant", "acme")
        runs.run("import", str(runs.folder / "export.out"), "auction", nats=other.url, database=False)
        return runs.peaks


def test_a_long_log_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    for name in ("short", "long"):
        (tmp_path / name).mkdir()
    short = costs(tmp_path / "short", "log", EVENTS)
    long = costs(tmp_path / "long", "log", TIMES * EVENTS)
    grown = {command: long[command] / short[command] for command in short}
    assert max(grown.values()) < GROWTH, (short, long)
