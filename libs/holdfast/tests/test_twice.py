"""The mode in which every command is sent twice: it doubles, it hides that from senders, and it sees what is wrong."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from holdfast.testing._twice import IN_PROCESSES, REPORT, VARIABLE
from holdfast.testing.counter import service
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving

SECONDS = 300.0
CASES = """
    import asyncio
    from pathlib import Path

    import pytest

    import holdfast._calls
    from holdfast import Name
    from holdfast.client import Client
    from holdfast.jetstream import ApiError, NatsBus
    from holdfast.jetstream._api import call
    from holdfast.testing import given
    from holdfast.testing.counter import Add, Added, CounterEntity, service
    from holdfast.testing.servers import NatsServer
    from holdfast.testing.serving import serving
    from holdfast.tests.world import ANN, World

    pytest_plugins = ["holdfast.testing._servers"]
    holdfast._calls.FIRST_RESEND_SECONDS = 600.0  # what is counted comes from the mode alone

    async def test_a_host_in_memory(request: pytest.FixtureRequest) -> None:
        world = World()
        assert (await world.ask("add"))["ok"]["deduplicated"] is False
        assert world.sequence == 1
        assert await world.events() == [(1, "added")]

    async def test_a_command_on_nats(nats: NatsServer, client: Client, tmp_path: Path) -> None:
        async with serving([service], nats.url, tmp_path):
            accepted = await client.send(Name.of("counter", "acme", "x"), "add", by=ANN)
            assert (accepted.seq, accepted.deduplicated) == (1, False)
            print("received", (await call(client.bus, "STREAM.INFO.cmd-counter"))["state"]["last_seq"])

    def test_an_ordinary_function() -> None:
        asyncio.run(World().ask("add"))

    @pytest.mark.sends
    def test_an_ordinary_function_that_is_marked() -> None:
        asyncio.run(World().ask("add"))

    def test_a_domain() -> None:
        given(CounterEntity()).when(Add()).then(Added(amount=1))

    async def test_a_host_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("holdfast._remembered.CommandMemory.get", lambda memory, id_: None)
        monkeypatch.setattr("holdfast._turn.Turn.accepted", lambda turn, id_: None)
        await World().ask("add")

    @pytest.mark.once("it says so")
    async def test_what_is_marked() -> None:
        world = World()
        await world.post("add")
        await world.settled()
        assert world.measures is not None
"""
ORDINARY = ("an_ordinary_function", "an_ordinary_function_that_is_marked", "a_domain")


def run(folder: Path, way: str, *arguments: str) -> str:
    (folder / "test_cases.py").write_text(dedent(CASES))
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\naddopts = -rA -p holdfast.testing._twice\nmarkers =\n  once(reason): x\n  sends: x\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HOLDFAST_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "test_cases.py"],
        cwd=folder, env={**environment, VARIABLE: way}, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("way", ["behind", "answered"])
def test_every_command_comes_twice_and_what_is_wrong_fails(tmp_path: Path, way: str) -> None:
    said = run(tmp_path, way)
    for test in ("a_host_in_memory", "a_command_on_nats", "what_is_marked", *ORDINARY[1:]):
        assert f"PASSED test_cases.py::test_{test}" in said, said
    assert "received 2" in said
    assert "FAILED test_cases.py::test_a_host_that_forgets" in said, said
    assert f"FAILED test_cases.py::test_{ORDINARY[0]} - Failed: it sends" in said, said
    assert "sent once: test_cases.py::test_what_is_marked: it says so" in said


def test_what_sends_nothing_can_be_left_out_and_that_is_told(tmp_path: Path) -> None:
    said = run(tmp_path, "behind", "-m", "sends", "-k", "function or domain")
    assert "1 passed" in said
    assert f"PASSED test_cases.py::test_{ORDINARY[1]}" in said, said
    assert "2 tests left out: ordinary functions, which send nothing" in said, said
    assert "left out" not in run(tmp_path, "behind", "-m", "not once", "-k", "function_that")


def test_another_value_is_told_what_is_known(tmp_path: Path) -> None:
    assert f"{VARIABLE} is one of behind, answered, not 'often'" in run(tmp_path, "often")


PROGRAM = """
import asyncio, sys
import holdfast._calls
from holdfast import Actor, Name
from holdfast.client import Client

holdfast._calls.FIRST_RESEND_SECONDS = 600.0

async def main() -> None:
    async with await Client.connect(sys.argv[1]) as client:
        await client.send(Name.of("counter", "acme", "program"), "add", by=Actor(user="ann", roles=()))

asyncio.run(main())
"""


async def test_the_programs_that_a_test_starts_send_twice_too(single: NatsServer, tmp_path: Path) -> None:
    environment = {**os.environ, VARIABLE: "behind", REPORT: str(tmp_path), "PYTHONPATH": str(IN_PROCESSES)}
    async with serving([service], single.url, tmp_path):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, single.url, env=environment)
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0
    assert tallied(tmp_path) == ["first-result"]


def tallied(folder: Path) -> list[str]:
    return [line for file in folder.glob("tally-*") for line in file.read_text().split()]
