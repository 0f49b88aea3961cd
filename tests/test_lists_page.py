"""`docs/lists.md` names the lists of the till, of accounts and of the floor with their filters, all of them and no others."""

import re
from pathlib import Path

import pytest

from services.floor.contract import contract as floor
from services.pos.contract import accounts
from services.pos.contract import contract as pos

PAGE = (Path(__file__).parents[1] / "docs" / "lists.md").read_text()
CHAPTERS: dict[str, str] = dict(re.findall(r"^## [^\n]*`([\w-]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
CONTRACTS = {"pos-session": pos, "pos-account": accounts, "floor": floor}
OF_EACH_LIST = {"pos-session": {"location"}, "pos-account": set[str](), "floor": {"floor"}}
"""Filters that the heads of the tables name."""


def rows(purpose: str) -> dict[str, str]:
    """Its lists by their names, with the filters that the page names."""
    return dict(re.findall(r"^\| `([\w-]+)`.*?\|.*?\| (.*?) \| [a-z ]+ \|$", CHAPTERS[purpose], re.MULTILINE))


@pytest.mark.parametrize("purpose", CONTRACTS)
def test_the_page_names_every_list_and_its_filters(purpose: str) -> None:
    named, lists = rows(purpose), CONTRACTS[purpose].lists
    assert named.keys() == lists.keys()
    for name, form in lists.items():
        told = set(re.findall(r"`(\w+)`", named[name])) | OF_EACH_LIST[purpose]
        assert told == set(form.filters.__struct_fields__), name
