"""The lots of a tenant in SQL, for lists. Only what everyone sees is stored: no bidder, no maximum, no reserve."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, assert_never

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    bindparam,
    case,
    delete,
    insert,
    literal,
    update,
)

from holdfast import Actor, Name
from holdfast.sql import Listing, Moment, Projection, StoredEvent, Words
from services.auction import domain_events as events
from services.auction.lists import LotFilters, LotRow

metadata: Final = MetaData()

lots: Final = Table(
    "lots",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("resumes_as", String(20)),
    Column("type", String(20), nullable=False),
    Column("title", Words, nullable=False),
    Column("seller", Words, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("price_minor", BigInteger),
    Column("bid_count", Integer, nullable=False),
    Column("has_reserve", Boolean, nullable=False),
    Column("reserve_met", Boolean, nullable=False),
    Column("opens_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("result", String(20)),
    Index("lots_by_end", "tenant", "ends_at", "id"),
    Index("lots_by_status", "tenant", "status", "ends_at", "id"),
)

counted_bids: Final = Table(
    "counted_bids",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("lot", String(200), primary_key=True),
    Column("bid", String(200), primary_key=True),
)
"""The bids that everyone sees and that stand: a retraction names bids, and some of them may be hidden raises.

Sealed bids are kept under the masked name of their bidder, who has one at the most.
"""


def _where(filters: LotFilters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    column = lots.c
    conditions: list[ColumnElement[bool]] = []
    if filters.status is not None:
        conditions.append(column.status == filters.status)
    if filters.type is not None:
        conditions.append(column.type == filters.type)
    if filters.seller is not None:
        conditions.append(column.seller == filters.seller)
    if filters.ends_before is not None:
        conditions.append(column.ends_at < filters.ends_before)
    if filters.ends_after is not None:
        conditions.append(column.ends_at >= filters.ends_after)
    return conditions


list_of_lots: Final = Listing(
    table=lots, filters=LotFilters, row=LotRow, sort=(lots.c.ends_at, lots.c.id), where=_where
)


class Lots(Projection[events.AuctionEvent]):
    """One row a lot, soonest end first."""

    name = "lots"
    purpose = "auction"
    tables = (lots, counted_bids)
    listing = list_of_lots

    def rows_of(self, name: Name, table: Table, /) -> ColumnElement[bool]:
        """Counted bids name their lot."""
        id_ = counted_bids.c.lot if table is counted_bids else lots.c.id
        return (table.c.tenant == name.tenant) & (id_ == name.id)

    def apply(self, connection: Connection, stored: StoredEvent[events.AuctionEvent], /) -> None:
        """Follow the lot's public side."""
        tenant, id_ = stored.name.tenant, stored.name.id
        event = stored.event
        if isinstance(event, events.LotCreated):
            connection.execute(insert(lots).values(tenant=tenant, id=id_, seq=stored.seq, **_created(event)))
            return
        counted = {} if (change := _recount(event)) is None else _count(connection, tenant, id_, *change)
        this_lot = (lots.c.tenant == tenant) & (lots.c.id == id_)
        connection.execute(update(lots).where(this_lot).values(seq=stored.seq, **_changes(event), **counted))

    def apply_all(self, connection: Connection, events_: Sequence[StoredEvent[events.AuctionEvent]], /) -> None:
        """Write what many events change by few statements: a rebuild has millions of events, and few kinds of change."""
        gathered = _Gathered()
        for stored in events_:
            if not gathered.take(stored):
                gathered.write(connection)
                self.apply(connection, stored)
        gathered.write(connection)


class _Gathered:
    """Changes by plain values, one row a lot, until something needs to know what the tables hold."""

    def __init__(self) -> None:
        self._new: list[dict[str, Any]] = []
        self._lots: dict[tuple[str, str], dict[str, Any]] = {}
        self._bids: list[dict[str, Any]] = []

    def take(self, stored: StoredEvent[events.AuctionEvent]) -> bool:
        """Add an event's changes; False when they depend on what is stored."""
        event = stored.event
        tenant, id_ = stored.name.tenant, stored.name.id
        if isinstance(event, events.LotCreated):
            self._new.append({"tenant": tenant, "id": id_, "seq": stored.seq, **_created(event)})
            return True
        if isinstance(event, events.LotResumed | events.LotPaused):
            return False
        gone, come = _recount(event) or ((), ())
        if gone:
            return False
        changes = self._lots.setdefault((tenant, id_), {"bid_count": 0})
        changes.update(_changes(event), seq=stored.seq)
        changes["bid_count"] += len(come)
        self._bids.extend({"tenant": tenant, "lot": id_, "bid": bid} for bid in come)
        return True

    def write(self, connection: Connection) -> None:
        """Write all that was taken: one statement for each set of columns, with many rows."""
        if self._new:
            connection.execute(insert(lots), self._new)
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for (tenant, id_), changes in self._lots.items():
            row = {"its_tenant": tenant, "its_id": id_, **{f"new_{column}": value for column, value in changes.items()}}
            alike.setdefault(tuple(sorted(changes)), []).append(row)
        for columns, rows in alike.items():
            connection.execute(_update_of(columns), rows)
        if self._bids:
            connection.execute(insert(counted_bids), self._bids)
        self._new, self._lots, self._bids = [], {}, []


@cache
def _update_of(columns: tuple[str, ...]) -> Update:
    new = {column: bindparam(f"new_{column}", type_=lots.c[column].type) for column in columns}
    values: dict[str, Any] = {**new, "bid_count": lots.c.bid_count + new["bid_count"]}
    this_lot = (lots.c.tenant == bindparam("its_tenant")) & (lots.c.id == bindparam("its_id"))
    return update(lots).where(this_lot).values(values)


def _created(event: events.LotCreated) -> dict[str, Any]:
    return {
        "status": "scheduled",
        "type": event.type,
        "title": event.title,
        "seller": event.seller,
        "currency": event.currency,
        "price_minor": None,
        "bid_count": 0,
        "has_reserve": event.has_reserve,
        "reserve_met": not event.has_reserve,
        "opens_at": event.opens_at,
        "ends_at": event.ends_at,
    }


def _changes(event: events.AuctionEvent) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """The columns that an event sets."""
    match event:
        case events.LotOpened():
            return {"status": "open"}
        case (
            events.BidAccepted(price_minor=price, reserve_met=met)
            | events.BidRetracted(price_minor=price, reserve_met=met)
        ):
            return {"price_minor": price, "reserve_met": met}
        case events.EndExtended(to=ends_at):
            return {"ends_at": ends_at}
        case events.RevealOpened():
            return {"status": "revealing"}
        case events.AuctionClosed(result=result, price_minor=price, winner_id=winner):
            return {"status": "unsold" if winner is None else "sold", "result": result, "price_minor": price}
        case events.LotCancelled():
            return {"status": "cancelled"}
        case events.LotPaused():
            return {"status": "paused", "resumes_as": lots.c.status}
        case events.LotResumed(ends_at=ends_at):
            # While bids are being revealed, the end that moves is that of the revealing.
            revealing = lots.c.resumes_as == "revealing"
            return {"status": lots.c.resumes_as, "ends_at": _unless(revealing, ends_at)}
        case events.DescriptionAmended(title=title):
            return {"title": title}
        case events.Settled():
            return {"status": "settled"}
        case events.PaymentOverdue() | events.SecondChanceDeclined() | events.SecondChanceLapsed():
            return {"status": "unpaid"}
        case events.SecondChanceOffered():
            return {"status": "offered"}
        case events.SecondChanceAccepted():
            return {"status": "sold"}
        case (
            events.LotCreated()
            | events.Outbid()
            | events.BoughtNow()
            | events.PriceAccepted()
            | events.BidCommitted()
            | events.BidRevealed()
            | events.LotRelisted()
            | events.IncrementsChanged()
            | events.BidderRegistered()
            | events.TermsAccepted()
            | events.BidderBanned()
            | events.BidderUnbanned()
        ):
            return {}
        case _:
            assert_never(event)


def _unless(condition: ColumnElement[bool], ends_at: Any) -> ColumnElement[Any]:
    return case((condition, lots.c.ends_at), else_=literal(ends_at, Moment()))


def _recount(event: events.AuctionEvent) -> tuple[Sequence[str], Sequence[str]] | None:
    """The bids that go and those that come, when the number of bids may change."""
    match event:
        case events.BidAccepted(bid_id=bid_id, own_raise=False):
            return (), (bid_id,)
        case events.BidRetracted(bid_ids=bid_ids):
            return bid_ids, ()
        case events.BidCommitted(bidder=masked):
            return (masked,), (masked,)
        case _:
            return None


def _count(
    connection: Connection, tenant: str, lot: str, gone: Sequence[str], come: Sequence[str]
) -> dict[str, ColumnElement[int]]:
    removed = 0
    for bid in gone:
        this_bid = (counted_bids.c.tenant == tenant, counted_bids.c.lot == lot, counted_bids.c.bid == bid)
        removed += connection.execute(delete(counted_bids).where(*this_bid)).rowcount
    for bid in come:
        connection.execute(insert(counted_bids).values(tenant=tenant, lot=lot, bid=bid))
    return {"bid_count": lots.c.bid_count + len(come) - removed}
