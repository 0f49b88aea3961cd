"""Bid increments as data: the published tables, and which step a price asks for."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from holdfast import ValidationFailed
from holdfast.money import MAX_MINOR

MAX_BANDS: Final = 100


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From this price on, a bid goes up by `step_minor`, until the next band begins."""

    from_minor: Annotated[int, msgspec.Meta(ge=0, le=MAX_MINOR)]
    step_minor: Annotated[int, msgspec.Meta(ge=1, le=MAX_MINOR)]


Bands = tuple[Band, ...]
TableId = Literal["ebay-us", "trade-me-nz"]


def _bands(*steps: tuple[int, int]) -> Bands:
    return tuple(Band(from_minor=from_minor, step_minor=step_minor) for from_minor, step_minor in steps)


# Public tables in hundredths. Trade Me publishes "up to": a price on an edge is taken to be in the upper band.
TABLES: Final[Mapping[TableId, Bands]] = {
    "ebay-us": _bands(
        (0, 5),
        (1_00, 25),
        (5_00, 50),
        (25_00, 1_00),
        (100_00, 2_50),
        (250_00, 5_00),
        (500_00, 10_00),
        (1000_00, 25_00),
        (2500_00, 50_00),
        (5000_00, 100_00),
    ),
    "trade-me-nz": _bands(
        (0, 50), (20_00, 1_00), (200_00, 5_00), (1000_00, 10_00), (5000_00, 50_00), (25000_00, 100_00)
    ),
}
DEFAULT_TABLE: Final[TableId] = "ebay-us"


def increment(bands: Sequence[Band], price_minor: int) -> int:
    """The step that applies at this price; a price on a band's edge is in the upper band."""
    return bands[bisect_right(bands, price_minor, key=_edge) - 1].step_minor


def check_bands(bands: Sequence[Band]) -> None:
    """Refuse a table with a hole at the bottom or bands out of order."""
    edges = [band.from_minor for band in bands]
    if not edges or len(edges) > MAX_BANDS or edges[0] != 0 or any(a >= b for a, b in pairwise(edges)):
        raise ValidationFailed(f"increments: 1 to {MAX_BANDS} bands, the first from 0, each from a higher price")


def _edge(band: Band) -> int:
    return band.from_minor
