"""A pytest plugin and a mode of tests: every command is delivered twice with one command id, and nothing may change.

HOLDFAST_TEST_TWICE says when the copy follows: `behind` right behind the first, `answered` after its answer. The
sender gets one answer, once both are there; what the copy was answered is checked here. The programs that a test
starts do the same. A test that counts messages by nature is marked `once`, with a reason that is printed.

Every test that may send is marked `sends`: all coroutines, all slow tests, and those that say so. `-m sends` leaves the
others out, of which there are many; while they are not left out, one that sends all the same fails.
"""

import os
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from pytest_asyncio import is_async_test

VARIABLE: Final = "HOLDFAST_TEST_TWICE"
REPORT: Final = "HOLDFAST_TEST_TWICE_REPORT"
"""The folder where every process of a run writes what it saw."""
WAYS: Final = ("behind", "answered")
SENDS: Final = "sends"
"""The mark of a test that may send commands."""
IN_PROCESSES: Final = Path(__file__).with_name("twice_in_programs")
"""What Python imports first in the programs that a test starts."""
TOLD: Final = {
    "first-result": "gave the first result again",
    "refused-alike": "were refused alike",
    "no-events": "changed nothing both times",
    "no-answer-asked": "asked for no answer",
    "copy-accepted": "were refused first, and accepted after what came between",
    "judged-anew": "were judged otherwise after what came between",
    "unanswered": "had no last word for both copies",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what may send a command, before anything is selected."""
    for item in items:
        if is_async_test(item) or any(item.get_closest_marker(mark) for mark in ("slow", "cluster")):
            item.add_marker(SENDS)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the mode where it is asked for."""
    way = os.environ.get(VARIABLE)
    if not way:
        return
    if way not in WAYS:
        raise pytest.UsageError(f"{VARIABLE} is one of {', '.join(WAYS)}, not {way!r}")
    folder = TemporaryDirectory(prefix="holdfast-twice-")
    config.add_cleanup(folder.cleanup)
    worker: str = getattr(config, "workerinput", {}).get("workerid", "")
    whole = Path(os.environ[REPORT]).parent if worker else Path(folder.name)
    mine = whole / (worker or "main")
    mine.mkdir(exist_ok=True)
    os.environ[REPORT] = str(mine)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys([str(IN_PROCESSES), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    ).rstrip(os.pathsep)
    from holdfast.testing import _doubling  # noqa: PLC0415 - most runs need none of it

    _doubling.begin(way, mine)
    config.pluginmanager.register(_Watch(mine), "holdfast-twice")
    if not worker:
        config.pluginmanager.register(_Summary(way, whole), "holdfast-twice-summary")


class _Watch:
    """Fails the test in which a copy was answered wrongly, and leaves out those that are marked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Send once what is marked so."""
        from holdfast.testing import _doubling  # noqa: PLC0415 - as above

        once = item.get_closest_marker("once")
        if once is None:
            return (yield)
        _doubling.pause(paused=True)
        way = os.environ.pop(VARIABLE)
        try:
            _write(self._folder / "once", f"{item.nodeid}: {once.args[0]}\n")
            return (yield)
        finally:
            os.environ[VARIABLE] = way
            _doubling.pause(paused=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Fail by what was found while the test ran."""
        faults = self._folder / "faults"
        before, sent = faults.stat().st_size if faults.exists() else 0, self._sent()
        yield
        if faults.exists() and (found := faults.read_text()[before:]):
            pytest.fail(f"sent twice:\n{found}", pytrace=False)
        if item.get_closest_marker(SENDS) is None and self._sent() > sent:
            pytest.fail(f"it sends commands, so mark it `{SENDS}`: `-m {SENDS}` leaves it out", pytrace=False)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note how many tests are left out because they send nothing."""
        chosen: str = items[0].config.option.markexpr if items else ""
        if SENDS in chosen.split():
            quiet = sum(item.get_closest_marker(SENDS) is None for item in items)
            _write(self._folder / "quiet", f"{quiet}\n")

    def _sent(self) -> int:
        return sum(file.stat().st_size for file in self._folder.glob("tally-*"))


class _Summary:
    """Says at the end what was doubled."""

    def __init__(self, way: str, folder: Path) -> None:
        self._way = way
        self._folder = folder

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print how many there were of each kind, and who was left out for what reason."""
        seen = Counter(line for file in self._folder.glob("*/tally-*") for line in file.read_text().split())
        left_out = [line for file in self._folder.glob("*/once") for line in file.read_text().splitlines()]
        terminalreporter.section(f"every command twice, the copy {self._way}")
        for kind, told in TOLD.items():
            if seen[kind]:
                terminalreporter.write_line(f"{seen[kind]:>8,} {told}")
        quiet = max(
            (int(line) for file in self._folder.glob("*/quiet") for line in file.read_text().split()), default=0
        )
        if quiet:
            terminalreporter.write_line(f"{quiet:>8,} tests left out: ordinary functions, which send nothing")
        for line in sorted(left_out):
            terminalreporter.write_line(f"sent once: {line}")


def _write(file: Path, text: str) -> None:
    with file.open("a") as out:
        out.write(text)
