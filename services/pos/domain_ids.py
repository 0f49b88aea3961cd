"""Ids of people and their banks, and those that the till makes of others, which commands can name like any."""

import hashlib
from collections.abc import Container
from typing import Annotated, Final

import msgspec

UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=150)]
DrawerKey = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_:.-]{0,99}|bank:.{1,200})$")]
"""A terminal, or the bank of a waiter, who may have any name."""

PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_:.-]*$"
LONGEST: Final = 100
"""Of an id that terminals make."""
LONGEST_LINE: Final = 2 * LONGEST
"""Of a line: one that was split again and again has shares whose ids tell where they come from."""


def share_id(line_id: str, tab_id: str) -> str:
    """The id of a line's share on a tab; it begins with that of the line, and a dot."""
    return _short(f"{line_id}.{tab_id}", longest=LONGEST_LINE)


def id_beside(id_: str, number: int) -> str:
    """The id of what takes the place of something that is taken."""
    return _short(f"{id_}-{number}", longest=LONGEST)


def free_id(id_: str, taken: Container[str]) -> str:
    """The id, or when it is taken the first one beside it that is not."""
    free, number = id_, 1
    while free in taken:
        number += 1
        free = id_beside(id_, number)
    return free


def _short(id_: str, *, longest: int) -> str:
    """The id, or when it is too long its beginning and a digest of all of it."""
    if len(id_) <= longest:
        return id_
    digest = hashlib.blake2b(id_.encode(), digest_size=12).hexdigest()
    return f"{id_[: longest - len(digest) - 1]}.{digest}"
