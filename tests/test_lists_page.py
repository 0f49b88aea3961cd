"""`docs/lists.md` names the lists of the till and the floor, and no filter that there is not."""

import re
from pathlib import Path

import pytest

from holdfast import Contract
from services.floor.contract import contract as floor
from services.pos.contract import contract as pos

PAGE = (Path(__file__).parents[1] / "docs" / "lists.md").read_text()
ROWS: dict[str, str] = dict(re.findall(r"^\| `([\w-]+)`.*?\|.*?\| (.*?) \| [a-z ]+ \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("contract", [pos, floor], ids=["pos-session", "floor"])
def test_the_page_names_every_list_and_only_filters_that_there_are(contract: Contract) -> None:
    assert set(contract.lists) <= set(ROWS)
    for name, form in contract.lists.items():
        named = set(re.findall(r"`(\w+)`", ROWS[name]))
        assert named <= set(form.filters.__struct_fields__), name


def test_the_page_names_no_list_that_there_is_not() -> None:
    assert set(ROWS) == {*pos.lists, *floor.lists}
