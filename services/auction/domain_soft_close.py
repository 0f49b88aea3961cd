"""Soft close: a late bid moves the end, so that nobody wins by being last."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

Mode = Literal["FROM_BID", "ADD"]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]


class SoftClose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bid within the last `w_s` seconds moves the end: `FROM_BID` to `x_s` after it, `ADD` by `x_s`."""

    w_s: Seconds = 120
    x_s: Seconds = 120
    mode: Mode = "FROM_BID"
    max_end: Moment | None = None


def extended_end(soft_close: SoftClose, *, ends_at: datetime, bid_at: datetime) -> datetime:
    """When the lot ends after a bid at `bid_at` that changed leader or price; never earlier than before."""
    if bid_at < ends_at - timedelta(seconds=soft_close.w_s):
        return ends_at
    extension = timedelta(seconds=soft_close.x_s)
    moved = max(ends_at, bid_at + extension) if soft_close.mode == "FROM_BID" else ends_at + extension
    return moved if soft_close.max_end is None else max(ends_at, min(moved, soft_close.max_end))
