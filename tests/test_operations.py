"""The page for operators names what there is, and nothing else."""

import re
from pathlib import Path

import msgspec
import pytest

from gateway.metrics import Metrics
from gateway.settings import Settings
from holdfast._program import settings as program
from holdfast.cli import main
from holdfast.telemetry import Measures
from services.floor.printing import PRINTERS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
TESTING = "\n".join(path.read_text() for path in (ROOT / "libs/holdfast/testing").glob("*.py"))


def test_every_metric_is_documented_with_its_kind_and_no_other_is() -> None:
    documented = re.findall(r"^\| `(holdfast_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    exposed = [
        (family.name, family.type)
        for registry in (Measures().registry, Metrics().registry)
        for family in registry.collect()
    ]

    assert sorted(documented) == sorted(exposed)


def variables(settings: type[msgspec.Struct]) -> dict[str, object]:
    """The variables that are read into these settings, with their defaults."""
    return {f"HOLDFAST_{field.name.upper()}": field.default for field in msgspec.structs.fields(settings)}


@pytest.mark.parametrize("settings", [Settings, program.Settings], ids=["gateway", "service"])
def test_every_setting_is_documented_with_its_default(settings: type[msgspec.Struct]) -> None:
    for variable, default in variables(settings).items():
        assert f"`{variable}`" in PAGE + README, variable
        for told in re.findall(rf"`{variable}` \(([\d,.]+)(?: s)?\)", PAGE):
            assert float(told.replace(",", "")) == default, variable


def test_every_variable_that_the_pages_name_is_read_somewhere() -> None:
    named = set(re.findall(r"`(HOLDFAST_[A-Z_]+)", PAGE + README))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for_tests = {name for name in named if name.startswith("HOLDFAST_TEST_")}
    assert named - for_tests <= {*variables(Settings), *variables(program.Settings), PRINTERS}
    assert {name for name in for_tests if name not in tests + TESTING} == set()


def test_every_command_and_each_of_its_flags_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    def helped(*command: str) -> str:
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        return capsys.readouterr().out

    for command in re.findall(r"^    ([a-z]+)  ", helped(), re.MULTILINE):
        assert f"`holdfast {command}" in PAGE + README, command
        for flag in set(re.findall(r"--[a-z-]+", helped(command))) - {"--help"}:
            assert f"{flag}" in PAGE + README, f"holdfast {command} {flag}"
