"""Python imports this first in the programs of a test run that sends every command twice."""

import os
from pathlib import Path

if way := os.environ.get("HOLDFAST_TEST_TWICE"):
    from holdfast.testing import _doubling

    _doubling.begin(way, Path(os.environ["HOLDFAST_TEST_TWICE_REPORT"]))
