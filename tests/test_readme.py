"""What the README says is run here, so that it stays true."""

import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLE = PYTHON.findall(README)
PROSE = PYTHON.sub("", README)


def test_the_example_runs_as_it_stands() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile("".join(EXAMPLE), "README.md", "exec"), names)  # noqa: S102 - the point of this test
    rules = [name for name in names if name.startswith("test_")]

    assert rules
    for rule in rules:
        names[rule]()


def test_the_example_entity_is_short() -> None:
    assert len([line for line in EXAMPLE[0].splitlines() if line]) <= 40


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    )make ([a-z]+)", PROSE, re.MULTILINE))))
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`holdfast ([a-z]+)", PROSE))))
def test_every_command_in_the_readme_exists(command: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])

    assert end.value.code == 0


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_link_in_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
