"""What the README says is run here, so that it stays true."""

import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLE = PYTHON.findall(README)
PROSE = PYTHON.sub("", README)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What links to chapters of a page may name."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


def test_the_example_runs_as_it_stands() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile("".join(EXAMPLE), "README.md", "exec"), names)  # noqa: S102 - the point of this test
    rules = [name for name in names if name.startswith("test_")]

    assert rules
    for rule in rules:
        names[rule]()


def test_the_example_entity_is_short() -> None:
    assert len([line for line in EXAMPLE[0].splitlines() if line]) <= 40


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    )make ([a-z-]+)", PROSE, re.MULTILINE))))
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("target", re.findall(r"^\.PHONY: help (.+)$", MAKEFILE, re.MULTILINE)[0].split())
def test_make_tells_of_every_target(target: str) -> None:
    assert f"@echo 'make {target} " in MAKEFILE


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`holdfast ([a-z]+)", PROSE))))
def test_every_command_in_the_readme_exists(command: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])

    assert end.value.code == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_chapter(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", page.read_text()):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"
