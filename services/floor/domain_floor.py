"""The floor: what a history of events makes it. Nothing is judged here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from holdfast import State
from services.floor.domain_commands import TableStatus, TabStatus
from services.floor.domain_order_commands import ItemState, OrderLine, OrderType
from services.floor.domain_order_events import Home, LineDelta, TicketKind
from services.floor.domain_settings import DayPart, Settings, TableLayout

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
SETTLED: Final = frozenset[TabStatus]({"PAID", "CLOSED"})
GONE: Final = frozenset[TabStatus]({"VOIDED", "MERGED"})
CHECKED: Final = frozenset[TableStatus]({"CHECK_DROPPED", "PAID"})
"""One stage of a turn, the last one with guests."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the floor's state."""


class Table(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A table: where it stands, how it is, and who sits there."""

    layout: TableLayout
    base: Literal["AVAILABLE", "DIRTY", "BLOCKED"] = "AVAILABLE"
    """How it is when nobody sits there and nothing keeps it."""
    status: TableStatus = "AVAILABLE"
    since: datetime = LONG_AGO
    stage_since: datetime = LONG_AGO
    """Since when its stage lasts: from the check on a table waits to be left, whether that is paid yet or not."""
    reason: str = ""
    party_id: str | None = None
    waiter_id: str | None = None
    """In spite of its section."""


class Party(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Guests at one or more tables."""

    size: int
    table_ids: tuple[str, ...]
    tab_id: str
    """The bill they pay on: their own, or the one that it was merged into."""
    seated_at: datetime
    until: datetime
    name: str | None = None
    waiter_id: str | None = None
    linked: tuple[str, ...] = ()
    """Those of its tables that were added by linking."""
    status: TableStatus = "AVAILABLE"
    derived: TableStatus = "AVAILABLE"
    """What facts made of the status last; by hand it may have been given another one."""
    idle_since: datetime
    warned: bool = False
    """Whether somebody was told since."""
    also: tuple[str, ...] = ()
    """Other tabs on which something of theirs may stand: those that were merged into it, or into which the till merged it."""
    asked: int = 0
    """The last message to the till that changes what they owe."""
    fired: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    next_course: int | None = None
    fires_at: datetime | None = None
    vip: bool = False
    allergies: tuple[str, ...] = ()


class Tab(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What the till said last of a tab."""

    party_tab: str
    status: TabStatus
    balance_minor: int
    paid_minor: int
    currency: str
    bill_printed: bool
    pos_seq: int


class Line(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an order, with the counters of what was ordered, cancelled and told to the kitchen, in thousandths."""

    ordered: OrderLine
    order_id: str
    party_id: str
    station: str
    state: ItemState = "NEW"
    sent: int = 0
    cancelled: int = 0
    joined: str | None = None
    """The line of which this one is shown as a part since a merge."""
    price_minor: int | None = None
    """What the till charges for one, when it has said so."""

    @property
    def wanted(self) -> int:
        """How much of it the guests still want."""
        return self.ordered.qty - self.cancelled

    @property
    def to_send(self) -> int:
        """By how much the kitchen has to be told more, or less; a course that waits is not told at all."""
        return (0 if self.state == "NEW" else self.wanted) - self.sent


class Order(Part, frozen=True, kw_only=True, omit_defaults=True):
    """An order of a party; its lines name it."""

    party_id: str
    type: OrderType


class Merge(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How to take two orders apart again."""

    into_order: str
    from_tab_id: str
    into_tab_id: str
    party_ids: tuple[str, ...]
    homes: tuple[Home, ...]


class Ticket(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a kitchen station was told at one time."""

    number: int
    station: str
    kind: TicketKind
    party_id: str
    printed_for: str
    deltas: tuple[LineDelta, ...]
    issued_at: datetime
    bumped_at: datetime | None = None
    copies: int = 1
    allergies: tuple[str, ...] = ()


class Shift(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A waiter at work, and how many guests he was given."""

    since: datetime
    covers: int = 0


class Reservation(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Tables kept for `[start, end)`."""

    table_ids: tuple[str, ...]
    size: int
    start: datetime
    end: datetime
    hold_from: datetime
    no_show_at: datetime
    held: bool = False
    arrived_at: datetime | None = None
    name: str = ""
    contact: str = ""
    note: str = ""
    vip: bool = False
    allergies: tuple[str, ...] = ()


class Waiting(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A party of the waitlist, with the table it was called to."""

    size: int
    quote_min: int
    since: datetime
    name: str = ""
    contact: str = ""
    vip: bool = False
    allergies: tuple[str, ...] = ()
    table_id: str | None = None
    arrive_by: datetime | None = None
    skips: int = 0


class Layout(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Tables as they stand at some part of the day."""

    name: str
    tables: tuple[TableLayout, ...]
    begins: tuple[DayPart, ...]
    version: int


class NextLayout(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What the clock lays out next."""

    layout_id: str
    starts_at: datetime


class Floor(State, omit_defaults=True):
    """One restaurant floor. What has left it stands in the read model only."""

    version: int = 0
    layouts: Mapping[str, Layout] = {}
    layout_id: str | None = None
    """The one that was laid out last; None when the tables were set by themselves since."""
    next_layout: NextLayout | None = None
    settings: Settings = Settings()
    settings_version: int = 0
    tables: Mapping[str, Table] = {}
    parties: Mapping[str, Party] = {}
    tabs: Mapping[str, Tab] = {}
    orders: Mapping[str, Order] = {}
    lines: Mapping[str, Line] = {}
    merges: Mapping[str, Merge] = {}
    """By the order that was merged into another one."""
    tickets: Mapping[str, Ticket] = {}
    tickets_issued: int = 0
    posts: int = 0
    """How many messages went to the till."""
    heard: int = 0
    """Up to which of them it has dealt with."""
    eighty_six: tuple[str, ...] = ()
    shifts: Mapping[str, Shift] = {}
    banks: tuple[str, ...] = ()
    """The waiters who have a bank of cash at the till."""
    sections: Mapping[str, str] = {}
    """The waiter of each section that has one."""
    reservations: Mapping[str, Reservation] = {}
    waitlist: Mapping[str, Waiting] = {}
    """In the order of joining."""

    def lines_of(self, party_id: str) -> Iterator[tuple[str, Line]]:
        """The lines of a party, by id."""
        return ((line_id, line) for line_id, line in self.lines.items() if line.party_id == party_id)

    def tabs_of(self, party: Party) -> list[Tab]:
        """What the till said of the tabs of a party and of those that branched off them."""
        return [tab for tab in self.tabs.values() if tab.party_tab in (party.tab_id, *party.also)]

    def awaits_till(self, party: Party) -> bool:
        """Whether something was ordered or moved that the till has not dealt with yet."""
        return party.asked > self.heard

    def table_ref(self, table_ids: tuple[str, ...]) -> str:
        """The names of tables, as waiters and cooks say them."""
        return "+".join(self.tables[table_id].layout.name for table_id in table_ids if table_id in self.tables)

    def ticket_ref(self, ticket: Ticket) -> str:
        """Where the guests of a ticket sit now; where they sat when it was printed if they have gone."""
        lines = [self.lines[delta.line_id] for delta in ticket.deltas if delta.line_id in self.lines]
        parties = dict.fromkeys(line.party_id for line in lines)
        return "/".join(self.table_ref(self.parties[party].table_ids) for party in parties) or ticket.printed_for

    def allergies_of(self, ticket: Ticket) -> tuple[str, ...]:
        """What the guests of a ticket must not eat: those who ordered it, and those who have lines of it now."""
        lines = [self.lines[delta.line_id] for delta in ticket.deltas if delta.line_id in self.lines]
        parties = dict.fromkeys((ticket.party_id, *(line.party_id for line in lines)))
        gone = () if ticket.party_id in self.parties else ticket.allergies
        here = (allergy for key in parties if key in self.parties for allergy in self.parties[key].allergies)
        return tuple(dict.fromkeys((*gone, *here)))

    def root_of(self, line_id: str) -> str:
        """The line that this one is shown as a part of; itself when it is not."""
        while (line := self.lines.get(line_id)) is not None and line.joined in self.lines:
            line_id = line.joined or line_id
        return line_id


def balance_of(floor: Floor, party: Party) -> int:
    """What the party owes, as far as the till has said."""
    return sum(tab.balance_minor for tab in floor.tabs_of(party))


def owes(floor: Floor, party: Party) -> bool:
    """Whether money is open, or may be: then no timer and no mistake closes the table."""
    return _owes(floor, party, floor.tabs_of(party))


def _owes(floor: Floor, party: Party, tabs: Iterable[Tab]) -> bool:
    if floor.settings.payments == "none":
        return False
    return floor.awaits_till(party) or any(tab.balance_minor != 0 or tab.status == "PAYING" for tab in tabs)


def is_paying(floor: Floor, party: Party) -> bool:
    """Whether a payment is under way."""
    return any(tab.status == "PAYING" for tab in floor.tabs_of(party))


def has_paid(floor: Floor, party: Party) -> bool:
    """Whether the bill, or a part of it, is paid."""
    return any(tab.paid_minor > 0 or tab.status in SETTLED for tab in floor.tabs_of(party))


def status_of(floor: Floor, party_id: str, party: Party) -> TableStatus:
    """The status that facts give a party's tables."""
    return _status(floor, party, (line for _, line in floor.lines_of(party_id)), floor.tabs_of(party))


def statuses(floor: Floor) -> Iterator[tuple[str, TableStatus]]:
    """The status that facts give the tables of each party, in one pass: a floor may have many parties, lines and tabs."""
    lines, tabs = lines_by_party(floor), dict[str, list[Tab]]()
    for tab in floor.tabs.values():
        tabs.setdefault(tab.party_tab, []).append(tab)
    for party_id, party in floor.parties.items():
        theirs = [tab for tab_id in dict.fromkeys((party.tab_id, *party.also)) for tab in tabs.get(tab_id, ())]
        yield party_id, _status(floor, party, lines.get(party_id, ()), theirs)


def lines_by_party(floor: Floor) -> dict[str, list[Line]]:
    """The lines of every party that has some."""
    found: dict[str, list[Line]] = {}
    for line in floor.lines.values():
        found.setdefault(line.party_id, []).append(line)
    return found


def _status(floor: Floor, party: Party, lines: Iterable[Line], known: Sequence[Tab]) -> TableStatus:
    tabs = [tab for tab in known if tab.status not in GONE]
    if tabs and not _owes(floor, party, known) and all(tab.status in SETTLED for tab in tabs):
        return "PAID"
    if not floor.awaits_till(party) and any(tab.bill_printed and tab.status not in SETTLED for tab in tabs):
        return "CHECK_DROPPED"
    states = [line.state for line in lines if line.state != "CANCELLED"]
    if states and all(state == "SERVED" for state in states):
        return "SERVED"
    return "ORDERED" if any(state != "NEW" for state in states) else "SEATED"
