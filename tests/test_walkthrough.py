"""A newcomer copies the lines that `holdfast up` prints, the kill among them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from time import monotonic, sleep

import pytest

pytestmark = pytest.mark.slow
START_SECONDS = 180


@pytest.fixture
def printed(tmp_path: Path) -> Generator[str]:
    """What `holdfast up` says once everything runs, while it runs."""
    said = tmp_path / "said"
    command = [sys.executable, "-m", "holdfast.cli", "up", "--port", "0", "--nats-port", "0"]
    with said.open("w") as output:
        env = {**os.environ, "HOLDFAST_COMMAND_TIMEOUT": "60"}  # `curl` asks once, the kill or not
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = monotonic() + START_SECONDS
        while not re.search(r"^  kill -9 .*\n  .*\n", said.read_text(), re.MULTILINE):
            assert process.poll() is None, said.read_text()
            assert monotonic() < end, said.read_text()
            sleep(0.02)
        yield said.read_text()
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def test_the_printed_lines_show_a_bid_that_outlives_its_process(printed: str) -> None:
    lines = re.findall(r"^  ((?:seller=|bidder=|curl |echo |kill ).*)$", printed, re.MULTILINE)
    script = "\n".join(["set -e", *(f"{line.rstrip()}\necho" for line in lines)])

    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - as the newcomer's own shell
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=True,
    )

    last = json.loads(done.stdout.strip().splitlines()[-1])
    assert (last["seq"], last["state"]["price_minor"], last["state"]["is_leader"]) == (3, 1000, True)
