"""The page for operators names what there is, and nothing else."""

import re
from pathlib import Path

import msgspec
import pytest

from gateway.metrics import Metrics
from gateway.settings import Settings
from holdfast.telemetry import Measures

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


def test_every_metric_is_documented_with_its_kind_and_no_other_is() -> None:
    documented = re.findall(r"^\| `(holdfast_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    exposed = [
        (family.name, family.type)
        for registry in (Measures().registry, Metrics().registry)
        for family in registry.collect()
    ]

    assert sorted(documented) == sorted(exposed)


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_of_a_gateway_is_documented_with_its_default(field: msgspec.structs.FieldInfo) -> None:
    variable = f"HOLDFAST_{field.name.upper()}"
    assert f"`{variable}`" in PAGE + README
    for told in re.findall(rf"`{variable}` \(([\d,.]+)(?: s)?\)", PAGE):
        assert float(told.replace(",", "")) == field.default
