"""Customers' accounts in SQL, for lists and statements."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement, Connection, delete, func, select

from holdfast import Actor, Name
from holdfast.sql import Listing, Projection, StoredEvent
from services.pos import domain_account_events as events
from services.pos.domain_account_events import AccountEvent
from services.pos.domain_account_terms import MovementKind, Source
from services.pos.domain_roles import CASHIERS
from services.pos.lists_accounts import AccountFilters, AccountMovementFilters, AccountMovementRow, AccountRow
from services.pos.readmodel_rows import add, change, more, of
from services.pos.readmodel_tables import account_holds, account_movements, accounts

Stored = StoredEvent[AccountEvent]
MOVES: Final[Mapping[type[AccountEvent], MovementKind]] = {
    events.ValueLoaded: "load",
    events.ValueRecalled: "recall",
    events.ChargeCaptured: "charge",
    events.HeldCaptured: "charge",
    events.ChargeReturned: "return",
    events.PointsEarned: "earn",
    events.PointsTakenBack: "take_back",
    events.PointsRedeemed: "redeem",
}


def _accounts(filters: AccountFilters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    row = accounts.c
    wanted = {
        row.id: filters.account,
        row.kind: filters.kind,
        row.status: filters.status,
        row.currency: filters.currency,
    }
    conditions = [column == value for column, value in wanted.items() if value is not None]
    if filters.balance_below is not None:
        conditions.append(row.balance < filters.balance_below)
    if filters.opened_after is not None:
        conditions.append(row.opened_at >= filters.opened_after)
    if filters.opened_before is not None:
        conditions.append(row.opened_at < filters.opened_before)
    return conditions


def _movements(filters: AccountMovementFilters, _by: Actor) -> Sequence[ColumnElement[bool]]:
    row = account_movements.c
    wanted = {
        row.id: filters.account,
        row.account_kind: filters.account_kind,
        row.kind: filters.kind,
        row.till: filters.till,
        row.tab_id: filters.tab_id,
    }
    conditions = [column == value for column, value in wanted.items() if value is not None]
    if filters.after is not None:
        conditions.append(row.at >= filters.after)
    if filters.before is not None:
        conditions.append(row.at < filters.before)
    return conditions


list_of_accounts: Final = Listing(
    table=accounts,
    filters=AccountFilters,
    row=AccountRow,
    sort=(accounts.c.opened_at, accounts.c.id),
    where=_accounts,
    roles=CASHIERS,
)
ACCOUNT_LISTS: Final[Mapping[str, Listing[Any]]] = {
    "accounts": list_of_accounts,
    "movements": Listing(
        table=account_movements,
        filters=AccountMovementFilters,
        row=AccountMovementRow,
        sort=(account_movements.c.at, account_movements.c.id, account_movements.c.seq),
        where=_movements,
        roles=CASHIERS,
    ),
}


class Customers(Projection[AccountEvent]):
    """Rows of what customers have, owe and did."""

    name = "accounts"
    purpose = "pos-account"
    tables = (accounts, account_holds, account_movements)
    listing = list_of_accounts
    lists: ClassVar[Mapping[str, Listing[Any]]] = ACCOUNT_LISTS

    def apply(self, connection: Connection, stored: Stored, /) -> None:  # noqa: C901, PLR0912 - one line for each event
        """Write what one event changes."""
        name, event = stored.name, stored.event
        if type(event) in MOVES:
            _move(connection, stored, MOVES[type(event)])
        match event:
            case events.AccountOpened():
                _open(connection, stored, event)
            case events.CreditLimitSet(credit_limit_minor=limit):
                change(connection, accounts, name, credit_limit_minor=limit)
            case events.AccountFrozen():
                change(connection, accounts, name, status="FROZEN")
            case events.AccountUnfrozen():
                change(connection, accounts, name, status="OPEN")
            case events.AccountClosed():
                change(connection, accounts, name, status="CLOSED")
            case events.ChargeReturned():
                change(connection, accounts, name, accounts.c.status == "CLOSED", status="OPEN")
            case events.ChargeAuthorized(charge_id=hold_id, quantity=quantity):
                _hold(connection, name, hold_id, quantity)
            case events.AmountHeld(hold_id=hold_id, amount_minor=quantity):
                _hold(connection, name, hold_id, quantity)
            case (
                events.ChargeCaptured(charge_id=hold_id)
                | events.ChargeReleased(charge_id=hold_id)
                | events.HeldCaptured(hold_id=hold_id)
                | events.HeldReleased(hold_id=hold_id)
                | events.HeldExpired(hold_id=hold_id)
            ):
                _free(connection, name, hold_id)
            case events.PointsEarned(settled=settled) if settled:
                change(connection, accounts, name, **more(owed_points=-settled))
            case events.PointsTakenBack(owed=owed) if owed:
                change(connection, accounts, name, **more(owed_points=owed))
            case _:
                pass


def _open(connection: Connection, stored: Stored, event: events.AccountOpened) -> None:
    add(
        connection,
        accounts,
        stored.name,
        kind=event.kind,
        currency=event.currency,
        holder=event.holder,
        status="OPEN",
        balance=0,
        held=0,
        credit_limit_minor=event.credit_limit_minor,
        owed_points=0,
        opened_at=stored.at,
        opened_by=stored.by.user,
    )


def _hold(connection: Connection, name: Name, hold_id: str, quantity: int) -> None:
    add(connection, account_holds, name, hold_id=hold_id, quantity=quantity)
    _count_held(connection, name)


def _free(connection: Connection, name: Name, hold_id: str) -> None:
    connection.execute(delete(account_holds).where(of(account_holds, name), account_holds.c.hold_id == hold_id))
    _count_held(connection, name)


def _count_held(connection: Connection, name: Name) -> None:
    held = select(func.coalesce(func.sum(account_holds.c.quantity), 0)).where(of(account_holds, name))
    change(connection, accounts, name, held=int(connection.execute(held).scalar_one()))


def _move(connection: Connection, stored: Stored, kind: MovementKind) -> None:
    name, event = stored.name, stored.event
    balance: int = getattr(event, "balance", 0)
    row = accounts.c
    before = connection.execute(select(row.kind, row.currency, row.balance).where(of(accounts, name))).one()
    source: Source | None = getattr(event, "source", None)
    tender = getattr(event, "tender", "")
    note = getattr(event, "reference", "") or getattr(event, "reason", "")
    add(
        connection,
        account_movements,
        name,
        seq=stored.seq,
        kind=kind,
        account_kind=before.kind,
        currency=before.currency,
        change=balance - before.balance,
        balance=balance,
        at=stored.at,
        by=stored.by.user,
        till=None if source is None else source.till,
        tab_id=None if source is None else source.tab_id,
        line_id=None if source is None else source.line_id,
        payment_id=None if source is None else source.payment_id,
        refund_no=None if source is None else source.refund_no,
        note=f"{tender} {note}".strip(),
    )
    change(connection, accounts, name, balance=balance, moved_at=stored.at)
