"""The till's word: how the bills of this floor's guests stand, and how far it has come with what it was told."""

from typing import Final

from holdfast import Context
from services.floor import domain_commands as commands
from services.floor import domain_events as events
from services.floor.domain_floor import Floor

Events = tuple[events.FloorEvent, ...]
_TOLD: Final = ("status", "balance_minor", "paid_minor", "currency", "bill_printed")


def record_tab(floor: Floor, command: commands.RecordTab, ctx: Context) -> Events:
    """Take the till's word on a tab of this floor; nothing when it is older than what is known, or the same."""
    heard = record_heard(floor, commands.RecordHeard(heard=command.heard), ctx)
    party_tab = _party_tab(floor, command)
    if party_tab is None:
        return heard
    recorded = events.TabRecorded(
        tab_id=command.tab_id,
        party_tab=party_tab,
        status=command.status,
        balance_minor=command.balance_minor,
        paid_minor=command.paid_minor,
        currency=command.currency,
        bill_printed=command.bill_printed,
        pos_seq=command.pos_seq,
        into=command.into,
        prices={line_id: minor for line_id, minor in command.prices.items() if line_id in floor.lines},
        at=ctx.now,
    )
    known = floor.tabs.get(command.tab_id)
    if known is not None:
        same = all(getattr(known, field) == getattr(recorded, field) for field in _TOLD)
        if command.pos_seq <= known.pos_seq or (same and not recorded.prices):
            return heard
    return (recorded, *heard)


def record_heard(floor: Floor, command: commands.RecordHeard, ctx: Context) -> Events:
    """Note how far the till has come; nothing when that is known."""
    return (events.TillHeard(post=command.heard, at=ctx.now),) if command.heard > floor.heard else ()


def record_bank(floor: Floor, command: commands.RecordBank, ctx: Context) -> Events:
    """Note that a waiter has cash of the house, or has it no more; nothing when that is known."""
    if (command.waiter_id in floor.banks) is command.is_open:
        return ()
    return (events.BankRecorded(waiter_id=command.waiter_id, is_open=command.is_open, at=ctx.now),)


def _party_tab(floor: Floor, command: commands.RecordTab) -> str | None:
    """The tab of this floor's guests of which the till tells, or of which it made the one that it tells of."""
    ours = {tab_id for party in floor.parties.values() for tab_id in (party.tab_id, *party.also)}
    ours.update(merge.from_tab_id for merge in floor.merges.values())
    base = command.branch_of or command.tab_id
    return command.tab_id if command.tab_id in ours else base if base in ours else None
