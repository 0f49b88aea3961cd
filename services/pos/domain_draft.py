"""A decision in the making: the events so far, and the session as they leave it."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from holdfast import Context, NotFound
from services.pos import domain_errors as refusals
from services.pos.domain_events import SessionEvent
from services.pos.domain_evolve import evolve
from services.pos.domain_pricing import Bill, bill_of
from services.pos.domain_roles import MANAGERS
from services.pos.domain_session import Session, Tab
from services.pos.domain_tab_events import (
    FloorHeard,
    LineAdded,
    LinesMoved,
    OnTab,
    TabBalanceChanged,
    TabClosed,
    TabConflict,
    TabsMerged,
    TabSplit,
)
from services.pos.domain_terms import Line, Settings, TabStatus


class Draft:
    """What one command or deadline does to the session. A refusal halfway leaves nothing of it."""

    def __init__(self, session: Session, ctx: Context) -> None:
        self._before = session
        self.session = session
        self.ctx = ctx
        self.events: list[SessionEvent] = []
        self._touched: dict[str, None] = {}
        self._practice: set[str] = set()
        self._heard: tuple[str, int] | None = None

    def record(self, *events: SessionEvent) -> None:
        """Let these happen, in their order."""
        for recorded in events:
            event = self._tagged(recorded)
            self.session = evolve(self.session, event)
            self.events.append(event)
            self._touched.update(dict.fromkeys(_tabs_of(event)))

    def hear(self, floor: str | None, post: int) -> None:
        """Let a floor know that this is done: its message of this number."""
        if floor is not None and post:
            self._heard = (floor, post)

    def _tagged(self, event: SessionEvent) -> SessionEvent:
        """The event, marked when it is practice."""
        if not isinstance(event, OnTab):
            return event
        if event.training or any(self._is_practice(tab_id) for tab_id in _tabs_of(event)):
            self._practice.update(_tabs_of(event))
            return replace(event, training=True)
        return event

    def _is_practice(self, tab_id: str) -> bool:
        tab = self.session.tabs.get(tab_id) or self._before.tabs.get(tab_id)
        return tab_id in self._practice or (tab is not None and tab.training)

    @property
    def in_training(self) -> bool:
        """Whether the sender's terminal is used for practice."""
        device = self.ctx.actor.device
        terminal = None if device is None else self.session.terminals.get(device)
        return terminal is not None and terminal.training

    @property
    def settings(self) -> Settings:
        """How the location does business."""
        return self.session.settings

    @property
    def is_manager(self) -> bool:
        """Whether the sender needs nobody's approval."""
        return not MANAGERS.isdisjoint(self.ctx.actor.roles)

    def tab(self, tab_id: str) -> Tab:
        """A tab that is there; `NOT_FOUND` otherwise."""
        tab = self.session.tabs.get(tab_id)
        if tab is not None:
            if self.in_training and not tab.training:
                raise refusals.TrainingTerminal("this terminal is used for practice: it does nothing to this tab")
            return tab
        if tab_id in self.session.closed:
            raise refusals.TabNotOpen("the tab is closed; correct it by a refund", status="CLOSED")
        raise NotFound("there is no such tab here")

    def open_tab(self, tab_id: str) -> Tab:
        """A tab that takes lines."""
        tab = self.tab(tab_id)
        if tab.status != "OPEN":
            hint = "wait for its payment" if tab.status == "PAYING" else "reopen it first"
            raise refusals.TabNotOpen(f"the tab is {tab.status.lower()}: {hint}", status=tab.status)
        return tab

    def line(self, line_id: str, tab_id: str | None = None) -> tuple[str, Line]:
        """The tab of a line, which must take changes, and the line."""
        among = self.session.tabs if tab_id is None else {tab_id: self.open_tab(tab_id)}
        for candidate, tab in among.items():
            if line_id in tab.lines:
                return candidate, self.open_tab(candidate).lines[line_id]
        raise NotFound("there is no such line on an open tab")

    def bill(self, tab_id: str) -> Bill:
        """What a tab comes to now."""
        return bill_of(self.session.tabs[tab_id], self.settings)

    def finished(self) -> tuple[SessionEvent, ...]:
        """All events, and how each changed tab stands after them."""
        before, after = self._before.tabs, self.session.tabs
        changed = [key for key in self._touched if key in after and before.get(key) is not after[key]]
        gone = [key for key in self._touched if key in before and key not in after]
        self.record(*self._standings(changed))
        self.record(*(self._last_standing(tab_id, before[tab_id]) for tab_id in gone))
        if self._heard is not None:
            self._acknowledge(*self._heard)
        return tuple(self.events)

    def _acknowledge(self, floor: str, post: int) -> None:
        """Say it with the last that the floor is told of this; by itself when that is nothing."""
        for place in reversed(range(len(self.events))):
            event = self.events[place]
            if isinstance(event, TabBalanceChanged) and event.floor == floor:
                self.events[place] = replace(event, heard=post)
                return
        self.record(FloorHeard(floor=floor, heard=post))

    def _standings(self, tab_ids: Iterable[str]) -> Iterable[TabBalanceChanged]:
        for tab_id in tab_ids:
            tab, earlier = self.session.tabs[tab_id], self._before.tabs.get(tab_id)
            standing = self._standing(tab_id, tab, tab.status, total_minor=self.bill(tab_id).due_minor)
            if earlier is None or standing != self._standing(
                tab_id, earlier, earlier.status, total_minor=earlier.total_minor
            ):
                yield replace(standing, prices=self._prices(tab_id)) if tab.floor is not None else standing

    def _prices(self, tab_id: str) -> Mapping[str, int]:
        """What was charged for the lines with which the kitchen began before the till knew of them."""
        added = (event for event in self.events if isinstance(event, LineAdded) and event.tab_id == tab_id)
        return {event.line_id: event.unit_price_minor for event in added if event.sent_milli}

    def _last_standing(self, tab_id: str, tab: Tab) -> TabBalanceChanged:
        for event in reversed(self.events):
            match event:
                case TabClosed(tab_id=closed, totals=totals) if closed == tab_id:
                    paid = replace(tab, paid_minor=totals.due)
                    return self._standing(tab_id, paid, "CLOSED", total_minor=totals.due)
                case TabsMerged(from_=merged, into=into) if merged == tab_id:
                    standing = self._standing(tab_id, tab, "MERGED", total_minor=tab.paid_minor)
                    return standing if self._heard else replace(standing, into=self._known_as(into))
                case _:
                    continue
        return self._standing(tab_id, tab, "VOIDED", total_minor=tab.paid_minor)

    def _standing(self, tab_id: str, tab: Tab, status: TabStatus, *, total_minor: int) -> TabBalanceChanged:
        return TabBalanceChanged(
            tab_id=tab_id,
            status=status,
            total_minor=total_minor,
            balance_minor=total_minor - tab.paid_minor,
            paid_minor=tab.paid_minor,
            currency=self.settings.currency,
            bill_printed=tab.bill_printed,
            floor=tab.floor,
            table_ref=tab.table_ref,
            branch_of=tab.branch_of,
        )

    def _known_as(self, tab_id: str) -> str:
        """The tab as the floor knows it."""
        tab = self.session.tabs.get(tab_id)
        return tab_id if tab is None or tab.branch_of is None else tab.branch_of


def _tabs_of(event: SessionEvent) -> Iterable[str]:
    """The tabs that an event may change."""
    match event:
        case TabsMerged(from_=source, into=into) | LinesMoved(from_tab_id=source, to_tab_id=into):
            return (source, into)
        case TabSplit(tab_id=tab_id, children=children):
            return (tab_id, *(child.tab_id for child in children))
        case TabConflict(moved_to=str(instead)):
            return (instead,)
        case _:
            tab_id = getattr(event, "tab_id", None)
            return () if tab_id is None else (tab_id,)
