"""What waits costs little: the benchmark's own checks, with fewer sockets."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_SECONDS = 240.0


@pytest.mark.slow
def test_an_idle_socket_and_its_sleeping_entity_hold_little_and_are_sent_away_in_order() -> None:
    """Bounds are twice what was measured: what grows with each socket is noticed, and the weather is not."""
    command = [sys.executable, "-m", "bench.idle", "--sockets", "1000", "--each", "30", "--limit", "300"]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1,000 of 1,000 sockets were told" in run.stdout
