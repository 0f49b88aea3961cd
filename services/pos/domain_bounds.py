"""What a tab can be worth and hold: little enough for every sum to be exact, and for every event to be stored."""

from typing import Final

from msgspec.structs import replace

from holdfast import TooLarge
from holdfast.money import AmountInvalid
from services.pos.domain_draft import Draft
from services.pos.domain_pricing import gross_of, line_gross
from services.pos.domain_session import Tab
from services.pos.domain_tab_events import LineAdded
from services.pos.domain_terms import ONE, Settings

MOST_MINOR: Final = 10**14
"""Of a tab's lines before discounts; with taxes and service it stays far below what is exact."""

MOST_LINES: Final = 1_000
"""Of a tab, as a floor takes them of a party."""
MOST_HOLDS: Final = 1_000
MOST_SHARES: Final = 2_000
"""In one split: about half a megabyte of plain lines. With long notes and many wishes it may be more than the server takes, which refuses it as `TOO_LARGE`."""


def check_lines(draft: Draft, tab_id: str) -> None:
    """Refuse more lines than a tab has room for."""
    if len(draft.session.tabs[tab_id].lines) > MOST_LINES:
        raise TooLarge(f"a tab has {MOST_LINES} lines at most: open another one", maximum=MOST_LINES)


def check_amounts(draft: Draft, tab_id: str) -> None:
    """Refuse what makes a tab worth more than can be counted."""
    if _gross(draft.session.tabs[tab_id], draft.settings) > MOST_MINOR:
        raise AmountInvalid(f"a tab comes to {MOST_MINOR} at most: correct the price or the quantity", most=MOST_MINOR)


def check_tip(tab: Tab, tip_minor: int) -> None:
    """Refuse a tip with which those of a tab come to more than can be counted."""
    if tab.tip_minor + tip_minor > MOST_MINOR:
        raise AmountInvalid(f"tip_minor: a tab's tips come to {MOST_MINOR} at most", most=MOST_MINOR)


def countable(draft: Draft, tab_id: str, line: LineAdded) -> LineAdded:
    """The line of a fact; one beyond what can be counted is at the highest price that can be, without its wishes."""
    room = max(0, MOST_MINOR - _gross(draft.session.tabs[tab_id], draft.settings))
    if gross_of(line.unit_price_minor, line.modifiers, line.qty_milli, draft.settings.rounding) <= room:
        return line
    return replace(line, unit_price_minor=room * ONE // line.qty_milli, modifiers=())


def _gross(tab: Tab, settings: Settings) -> int:
    return sum(line_gross(line, settings.rounding) for line in tab.lines.values())
