"""Lists as tables for spreadsheets: CSV in which no cell is taken for a formula."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast import Contract

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With these a spreadsheet begins a formula, the last four being their full-width forms."""


def columns_of(contract: Contract, name: str | None) -> Sequence[str]:
    """The columns of a list's items; none when the contract does not describe it."""
    if name is None:
        return () if contract.item is None else contract.item.__struct_fields__
    form = contract.lists.get(name)
    return () if form is None else form.item.__struct_fields__


def csv_of(columns: Sequence[str], items: Iterable[Mapping[str, Any]]) -> str:
    """A table with a line of headings (RFC 4180)."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(columns)
    writer.writerows([_cell(item.get(column)) for column in columns] for item in items)
    return sheet.getvalue()


def _cell(value: Any) -> str:
    """A value as a cell; text that would be a formula gets an apostrophe in front, which spreadsheets show as text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if value.lstrip(" ").startswith(FORMULA_STARTS) else value
