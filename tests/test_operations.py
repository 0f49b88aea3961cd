"""The page for operators names what there is, and nothing else."""

import re
from pathlib import Path

from gateway.metrics import Metrics
from holdfast.telemetry import Measures

PAGE = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()


def test_every_metric_is_documented_with_its_kind_and_no_other_is() -> None:
    documented = re.findall(r"^\| `(holdfast_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    exposed = [
        (family.name, family.type)
        for registry in (Measures().registry, Metrics().registry)
        for family in registry.collect()
    ]

    assert sorted(documented) == sorted(exposed)
