"""Cash drawers, one to a terminal: open, ended, counted without being told what should be there.

A waiter's bank is a drawer that is a person's (`domain_banks`); here only who may put his hand in is judged.
"""

from typing import Final

from holdfast import Forbidden, ValidationFailed
from holdfast.money import Amount, minor
from services.pos import domain_errors as refusals
from services.pos import domain_money_commands as commands
from services.pos import domain_money_events as events
from services.pos.domain_draft import Draft
from services.pos.domain_roles import CASHIERS
from services.pos.domain_session import Drawer
from services.pos.domain_terminals import terminal_of

BANK: Final = "bank:"
"""How the name of a bank begins, which no terminal's does."""


def open_drawer(draft: Draft, command: commands.OpenDrawer) -> None:
    """Begin with so much cash; nothing when it has begun so."""
    terminal_id = terminal_of(draft, command.terminal_id)
    opening = amount_of(command.minor, "minor")
    if terminal_id.startswith(BANK):
        raise ValidationFailed("terminal_id: a bank is opened with open_bank")
    terminal = draft.session.terminals.get(terminal_id)
    if terminal is None and terminal_id not in draft.session.drawers:
        raise refusals.TerminalUnknown("a manager registers this terminal first (register_terminal)")
    if terminal is not None and terminal.training:
        raise refusals.DrawerState("this terminal is used for practice: it takes no cash", state="TRAINING")
    known = draft.session.drawers.get(terminal_id)
    if known is not None:
        untouched = Drawer(drawer_id=known.drawer_id, opening_minor=opening, opened_at=known.opened_at)
        if known == untouched:
            return
        raise refusals.DrawerState("count the drawer that is there first", state=_state(known))
    number = draft.session.drawers_opened + 1
    draft.record(
        events.DrawerOpened(terminal_id=terminal_id, drawer_id=f"drawer-{number}", minor=opening, at=draft.ctx.now)
    )


def pay_in(draft: Draft, command: commands.PayIn) -> None:
    """Put cash in that is no sale."""
    terminal_id = _taking(draft, command.terminal_id)
    amount = _some(command.minor)
    draft.record(events.DrawerPaidIn(terminal_id=terminal_id, minor=amount, reason=_reason(command.reason)))


def pay_out(draft: Draft, command: commands.PayOut) -> None:
    """Take cash out that is no refund; not more than should be there."""
    terminal_id = _taking(draft, command.terminal_id)
    amount = _some(command.minor)
    reason = _reason(command.reason)
    if amount > draft.session.drawers[terminal_id].expected_minor:
        raise refusals.DrawerState("minor: the drawer does not have so much", state="OPEN")
    draft.record(events.DrawerPaidOut(terminal_id=terminal_id, minor=amount, reason=reason))


def no_sale(draft: Draft, command: commands.NoSale) -> None:
    """Open the drawer without a sale."""
    terminal_id = _taking(draft, command.terminal_id)
    draft.record(events.DrawerNoSale(terminal_id=terminal_id, reason=_reason(command.reason)))


def end_drawer(draft: Draft, command: commands.EndDrawer) -> None:
    """Take no more cash; nothing when it takes none."""
    terminal_id = _counted_of(draft, command.terminal_id)
    drawer = _drawer(draft, terminal_id)
    if not drawer.ended:
        draft.record(events.DrawerEnded(terminal_id=terminal_id, drawer_id=drawer.drawer_id))


def count_drawer(draft: Draft, command: commands.CountDrawer) -> None:
    """Close an ended drawer with what was counted."""
    terminal_id = _counted_of(draft, command.terminal_id)
    counted = amount_of(command.minor, "minor")
    drawer = _drawer(draft, terminal_id)
    if not drawer.ended:
        raise refusals.DrawerState("end the drawer before it is counted (end_drawer)", state="OPEN")
    check_nothing_under_way(draft, terminal_id, state="ENDED")
    draft.record(counted_as(terminal_id, drawer, counted))


def check_nothing_under_way(draft: Draft, key: str, *, state: str) -> None:
    """Refuse to count while a payment is under way whose cash, or whose tip, belongs there."""
    payments = draft.session.payments.values()
    if any(each.status == "started" and key in {each.terminal_id, each.tips_to} for each in payments):
        raise refusals.DrawerState("money is being taken here: say first how that payment ended", state=state)


def counted_as(key: str, drawer: Drawer, counted: int) -> events.DrawerClosed:
    """The end of a drawer, with so much in it."""
    return events.DrawerClosed(
        terminal_id=key,
        drawer_id=drawer.drawer_id,
        opening=drawer.opening_minor,
        cash_sales=drawer.cash_sales_minor,
        cash_refunds=drawer.cash_refunds_minor,
        paid_in=drawer.paid_in_minor,
        paid_out=drawer.paid_out_minor,
        expected=drawer.expected_minor,
        counted=counted,
        over_short=counted - drawer.expected_minor,
    )


def amount_of(value: Amount, field: str) -> int:
    """An amount that is not below zero: the command tells the direction."""
    amount = minor(value, field)
    if amount < 0:
        raise ValidationFailed(f"{field}: not below 0")
    return amount


def open_drawer_of(draft: Draft, terminal_id: str | None) -> str:
    """The terminal whose open drawer takes or gives cash; `DRAWER_NOT_OPEN` when there is none."""
    terminal = terminal_of(draft, terminal_id)
    drawer = draft.session.drawers.get(terminal)
    check_holder(draft, drawer)
    if drawer is None or drawer.ended:
        raise refusals.DrawerNotOpen(f"open the drawer of {terminal!r} first (open_drawer)", terminal_id=terminal)
    return terminal


def check_holder(draft: Draft, drawer: Drawer | None) -> None:
    """Refuse to put a hand into somebody else's bank."""
    holder = None if drawer is None else drawer.holder
    if holder is not None and holder != draft.ctx.actor.user and CASHIERS.isdisjoint(draft.ctx.actor.roles):
        raise Forbidden("this is somebody else's bank: ask a cashier")


def _counted_of(draft: Draft, terminal_id: str | None) -> str:
    """The terminal whose drawer is ended or counted: a manager does so for a revoked one, which still has the cash."""
    terminal = terminal_of(draft, terminal_id, even_revoked=draft.is_manager)
    if terminal.startswith(BANK):
        raise ValidationFailed("terminal_id: a bank is ended and counted with settle_bank")
    return terminal


def _taking(draft: Draft, terminal_id: str | None) -> str:
    terminal = terminal_of(draft, terminal_id)
    if _drawer(draft, terminal).ended:
        raise refusals.DrawerState("the drawer is ended: count it, and open the next one", state="ENDED")
    return terminal


def _drawer(draft: Draft, terminal_id: str) -> Drawer:
    drawer = draft.session.drawers.get(terminal_id)
    if drawer is None:
        raise refusals.DrawerState("this terminal has no drawer now (open_drawer)", state="CLOSED")
    check_holder(draft, drawer)
    return drawer


def _state(drawer: Drawer) -> str:
    return "ENDED" if drawer.ended else "OPEN"


def _some(value: Amount) -> int:
    amount = amount_of(value, "minor")
    if amount == 0:
        raise ValidationFailed("minor: above 0")
    return amount


def _reason(reason: str) -> str:
    if not reason:
        raise refusals.ReasonRequired("reason: say why")
    return reason
