"""Waiters' banks: a waiter keeps the cash that he takes, and settles with the house when he checks out.

A bank is a drawer that is a person's: it has the name `bank:` and his, takes what he takes in cash at any terminal, and
counts the tips that guests give him by card, which the house owes him.
"""

from msgspec.structs import replace

from holdfast import Forbidden
from services.pos import domain_errors as refusals
from services.pos import domain_money_commands as commands
from services.pos import domain_money_events as events
from services.pos.domain_draft import Draft
from services.pos.domain_drawers import BANK, amount_of, check_nothing_under_way, counted_as, open_drawer_of
from services.pos.domain_roles import CASHIERS
from services.pos.domain_settings import check_floor


def open_bank(draft: Draft, command: commands.OpenBank) -> None:
    """Begin with so much cash; nothing when it has begun so."""
    waiter = _waiter(draft, command.waiter)
    opening = amount_of(command.minor, "minor")
    if command.floor is not None:
        check_floor(draft, command.floor, "floor")
    floors = tuple(dict.fromkeys((*(() if command.floor is None else (command.floor,)), *draft.settings.floors)))
    opened = events.DrawerOpened(
        terminal_id=f"{BANK}{waiter}",
        drawer_id=f"drawer-{draft.session.drawers_opened + 1}",
        minor=opening,
        holder=waiter,
        floors=floors,
        at=draft.ctx.now,
    )
    known = draft.session.drawers.get(opened.terminal_id)
    if known is not None:
        if known.opening_minor == opening and known.expected_minor == opening and not known.tips_minor:
            return
        raise refusals.DrawerState("settle the bank that is there first (settle_bank)", state="OPEN")
    draft.record(opened)


def settle_bank(draft: Draft, command: commands.SettleBank) -> None:
    """Count a bank, and say what of it is the house's."""
    waiter = _waiter(draft, command.waiter)
    counted = amount_of(command.minor, "minor")
    key = f"{BANK}{waiter}"
    bank = draft.session.drawers.get(key)
    if bank is None:
        raise refusals.DrawerState("this waiter has no bank now (open_bank)", state="CLOSED")
    check_nothing_under_way(draft, key, state="OPEN")
    tips = bank.tips_minor
    ended = events.DrawerEnded(terminal_id=key, drawer_id=bank.drawer_id)
    closed = replace(
        counted_as(key, bank, counted),
        holder=waiter,
        floors=bank.floors,
        tips=tips,
        owed=bank.expected_minor - tips,
    )
    draft.record(ended, closed)


def cash_to(draft: Draft, terminal_id: str | None) -> str:
    """Where cash goes: the drawer that was named, else the sender's bank, else the drawer of the sender's device."""
    return open_drawer_of(draft, terminal_id or bank_of_sender(draft))


def bank_of_sender(draft: Draft) -> str | None:
    """The bank of whoever sends this, when he has one; of whoever gave a guest the code by which he pays."""
    code = draft.session.code_of(draft.ctx.actor.user)
    key = f"{BANK}{draft.ctx.actor.user if code is None else code.issued_by}"
    return key if key in draft.session.drawers else None


def tips_in_banks(draft: Draft) -> int:
    """What is owed to waiters who have not settled yet, and is therefore nobody else's."""
    return sum(drawer.tips_minor for drawer in draft.session.drawers.values())


def _waiter(draft: Draft, named: str | None) -> str:
    sender = draft.ctx.actor
    if named is not None and named != sender.user and CASHIERS.isdisjoint(sender.roles):
        raise Forbidden("only a cashier does this for somebody else")
    return named or sender.user
