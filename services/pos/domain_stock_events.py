"""What happened to stock and to holds on it."""

from datetime import datetime

from holdfast import Event


class HoldPlaced(Event, tag="hold_placed"):
    """Some of an item is kept for a tab."""

    hold_id: str
    tab_id: str
    sku: str
    qty_milli: int
    expires_at: datetime


class HoldExtended(Event, tag="hold_extended"):
    """It is kept for longer."""

    hold_id: str
    expires_at: datetime


class HoldReleased(Event, tag="hold_released"):
    """It is free again."""

    hold_id: str
    tab_id: str
    sku: str
    qty_milli: int


class HoldExpired(Event, tag="hold_expired"):
    """It is free again, because its time is over."""

    hold_id: str
    tab_id: str
    sku: str
    qty_milli: int
    effective_at: datetime
    cause: str


class HoldConsumed(Event, tag="hold_consumed"):
    """Of what was kept, `qty_milli` counts as sold by the tab's lines; the rest is free again."""

    hold_id: str
    tab_id: str
    sku: str
    qty_milli: int


class StockAdjusted(Event, tag="stock_adjusted"):
    """Goods were counted in or out."""

    sku: str
    delta_milli: int
    on_hand_milli: int
    reason: str


class OversellRecorded(Event, tag="oversell_recorded"):
    """More was sold than was there, by a terminal or a kitchen that could not ask."""

    tab_id: str
    line_id: str
    sku: str
    short_milli: int


class ItemEightySixed(Event, tag="item_eighty_sixed"):
    """An item is sold out, whatever its stock says."""

    sku: str
    floors: tuple[str, ...] = ()
    """Who has to know."""


class ItemBack(Event, tag="item_back"):
    """An item can be sold again."""

    sku: str
    floors: tuple[str, ...] = ()


StockEvent = (
    HoldPlaced
    | HoldExtended
    | HoldReleased
    | HoldExpired
    | HoldConsumed
    | StockAdjusted
    | OversellRecorded
    | ItemEightySixed
    | ItemBack
)
