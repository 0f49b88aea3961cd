"""What is read from the lines of a started system."""

import pytest

from holdfast.testing.system import again


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("holdfast: pos serves again, pid 41\n", [("pos", 41)]),
        ('holdfast: nats-server serves again, pid 42{"process": "floor", "level": "warning"}\n', [("nats-server", 42)]),
        ('{"process": "floor"}holdfast: pos serves again, pid 43\n', [("pos", 43)]),
        (
            "holdfast: pos serves again, pid 44holdfast: floor serves again, pid 45\n",
            [("pos", 44), ("floor", 45)],
        ),
        ("holdfast: pos (pid 46) was ended by SIGKILL: starting it again\n", []),
    ],
)
def test_a_part_that_serves_again_is_noticed_also_in_a_line_that_others_wrote_into(
    line: str, parts: list[tuple[str, int]]
) -> None:
    assert again(line) == parts
