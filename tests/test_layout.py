"""What the tree promises: every service whole, nothing private in files, decisions and guarantees with their parts."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = sorted(path.parent for path in ROOT.glob("services/*/__init__.py"))
DECISIONS = sorted(ROOT.glob("docs/adr/*.md"))
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()
PARTS_OF_A_SERVICE = (
    "domain.py",
    "contract.py",
    "service.py",
    "migrations/__init__.py",
    "tests/test_service*.py",
)
# Written in pieces, so that this file passes its own test.
PRIVATE = re.compile(
    "|".join(
        (
            r"/" + r"root/",
            r"/" + r"Users/\w",
            r"/" + r"home/\w",
            r"/" + r"work/(main|shared)",
            r"pypi\.[o]rg",
            r"python[h]osted\.org",
            r"registry\.[n]pmjs",
            r"^--(extra-)?index-[u]rl",
        )
    ),
    re.MULTILINE,
)


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_has_all_its_parts(service: Path) -> None:
    missing = [part for part in PARTS_OF_A_SERVICE if not any(service.glob(part))]

    assert not missing, f"services/{service.name} lacks {', '.join(missing)}"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_domain_is_tested_in_given_when_then(service: Path) -> None:
    assert any("holdfast.testing" in path.read_text() for path in service.glob("tests/*.py"))


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_and_no_tests(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"holdfast", "services", "gateway"}
    assert {"holdfast/cli.py", "holdfast/sql/migrations/script.py.mako", "gateway/web/index.html"} <= set(names)
    assert [name for name in names if "tests/" in name or name.endswith("conftest.py")] == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    found: list[str] = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and (hit := PRIVATE.search(path.read_bytes().decode(errors="replace"))):
            found.append(f"{name}: {hit.group()}")

    assert found == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_status_context_decision_and_consequences(decision: Path) -> None:
    text = decision.read_text()

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Status", "Context", "Decision", "Consequences"]


def test_decisions_are_numbered_without_gaps() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    assert all(path.read_text().startswith(f"# {int(path.name[:4])}. ") for path in DECISIONS)


def test_every_guarantee_names_a_test() -> None:
    guarantees = re.split(r"^## ", GUARANTEES, flags=re.MULTILINE)[1:]

    assert guarantees
    assert [text.partition("\n")[0] for text in guarantees if "::test_" not in text] == []


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`([\w/.-]+\.py::\w+)`", GUARANTEES))))
def test_every_test_that_a_guarantee_names_exists(reference: str) -> None:
    path, _, name = reference.partition("::")

    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
