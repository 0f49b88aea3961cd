"""What terminals did without a connection, in their own order: every fact is recorded once, conflicts are flagged."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, assert_never

from msgspec.structs import replace

from holdfast import Forbidden
from services.pos import domain_errors as refusals
from services.pos import domain_money_events as money
from services.pos import domain_till_commands as commands
from services.pos.domain_discounts import beyond_given
from services.pos.domain_draft import Draft
from services.pos.domain_drawers import BANK
from services.pos.domain_facts import fact_tab, known_lines, record_lines
from services.pos.domain_ids import free_id
from services.pos.domain_payments import closing
from services.pos.domain_roles import CASHIERS
from services.pos.domain_session import Terminal
from services.pos.domain_stock import consume, flag_uncovered, sell_uncovered
from services.pos.domain_tab_events import LineAdded, TabClosed, TabConflict, TabOpened
from services.pos.domain_terminals import check_not_revoked
from services.pos.domain_till_events import OfflineQuarantined, OfflineRecorded

Sale = commands.CashSale | commands.CardSale
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""The times between which a terminal's clock is believed."""
RESET: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""A clock that is before it was set back to its beginning, and tells nothing of which drawer was open."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By how much the clock of an honest terminal may be behind."""


def submit_offline(draft: Draft, command: commands.SubmitOffline) -> None:
    """Record the facts that are not recorded yet; a gap asks for those before."""
    _check_sender(draft, command.terminal_id)
    check_not_revoked(draft, command.terminal_id)
    _check_known(draft, command.terminal_id)
    terminal = draft.session.terminals.get(command.terminal_id, Terminal())
    fresh = _fresh(command, terminal.offline_seq + 1)
    if not fresh:
        return
    for fact in fresh:
        _record(draft, command.terminal_id, _dated(fact))
    draft.record(
        OfflineRecorded(
            terminal_id=command.terminal_id, terminal_seq=terminal.offline_seq + len(fresh), facts=len(fresh)
        )
    )


def quarantine_offline(draft: Draft, command: commands.QuarantineOffline) -> None:
    """Keep a revoked terminal's facts for review; nothing when they are kept."""
    _check_sender(draft, command.terminal_id)
    terminal = draft.session.terminals.get(command.terminal_id)
    if terminal is None or not terminal.revoked:
        raise refusals.TerminalSeqGap(
            "this terminal is not revoked: submit_offline", expected=1 if terminal is None else terminal.offline_seq + 1
        )
    fresh = _fresh(command, terminal.offline_seq + terminal.quarantined + 1)
    if fresh:
        draft.record(
            OfflineQuarantined(terminal_id=command.terminal_id, terminal_seq=command.terminal_seq, facts=fresh)
        )


def _fresh(command: commands.SubmitOffline | commands.QuarantineOffline, expected: int) -> commands.Facts:
    """The facts from this number on, which may be none; a gap asks for those before."""
    if command.terminal_seq > expected:
        raise refusals.TerminalSeqGap(f"submit from {expected} on", expected=expected)
    return command.facts[expected - command.terminal_seq :]


def _check_sender(draft: Draft, terminal_id: str) -> None:
    """Refuse facts from somebody else: they would use up the numbers of those that the terminal has not told yet."""
    sender = draft.ctx.actor
    if terminal_id.startswith(BANK):
        if terminal_id != f"{BANK}{sender.user}":
            raise Forbidden("terminal_id: what was done with a bank is its holder's to tell")
    elif sender.device != terminal_id and CASHIERS.isdisjoint(sender.roles):
        raise Forbidden("terminal_id: send this with the credential of that device, or ask a cashier")


def _check_known(draft: Draft, terminal_id: str) -> None:
    if terminal_id not in draft.session.terminals and not terminal_id.startswith(BANK):
        raise refusals.TerminalUnknown("a manager registers this terminal first (register_terminal); keep its facts")


def _dated(fact: commands.Fact) -> commands.Fact:
    """The fact with a time that can be counted with in every time zone: a clock that says something else says nothing."""
    return replace(fact, occurred_at=min(max(fact.occurred_at, EARLIEST), LATEST))


def _record(draft: Draft, terminal_id: str, fact: commands.Fact) -> None:
    match fact:
        case commands.LinesRung():
            known = known_lines(draft, fact.tab_id)
            lines = [line for line in fact.lines if line.line_id not in known]
            if lines:
                tab_id = fact_tab(draft, _opening(draft, fact, table_ref=fact.table_ref), about="lines")
                record_lines(draft, tab_id, (_line(draft, tab_id, fact, line) for line in lines), current=True)
                consume(draft, tab_id)
        case commands.CashSale() | commands.CardSale():
            _sale(draft, terminal_id, fact)
        case commands.DrawerMoved():
            about = _question(draft, terminal_id, fact)
            draft.record(_drawer_event(terminal_id, fact))
            if terminal_id not in draft.session.drawers:
                draft.record(money.DrawerMissing(terminal_id=terminal_id))
            elif about is not None:
                draft.record(money.DrawerQuestioned(terminal_id=terminal_id, about=about))
        case _:
            assert_never(fact)


def _sale(draft: Draft, terminal_id: str, fact: Sale) -> None:
    """A sale that the guest has left with: its lines, its money and its receipt."""
    known = known_lines(draft, fact.tab_id)
    tab_id = fact_tab(draft, _opening(draft, fact), about="payment")
    lines = (_line(draft, tab_id, fact, line) for line in fact.lines if line.line_id not in known)
    record_lines(draft, tab_id, lines, current=True)
    tab = draft.session.tabs[tab_id]
    balance = draft.bill(tab_id).due_minor - tab.paid_minor
    rounding = _rounding(draft, fact, balance)
    # Money that was taken never takes the place of other money.
    payment_id = free_id(fact.payment_id, draft.session.payments)
    draft.record(
        money.PaymentCaptured(
            settles=fact.paid_minor - rounding >= balance,
            payment_id=payment_id,
            tab_id=tab_id,
            tender="cash" if isinstance(fact, commands.CashSale) else "card",
            due_minor=fact.paid_minor - rounding,
            rounding_minor=rounding,
            tip_minor=fact.tip_minor if isinstance(fact, commands.CardSale) else 0,
            terminal_id=terminal_id,
            offline=True,
            occurred_at=fact.occurred_at,
        )
    )
    if isinstance(fact, commands.CardSale):
        draft.record(_stored(draft, tab_id, payment_id, fact))
    consume(draft, tab_id)
    if isinstance(fact, commands.CashSale) and not _was_open(draft, terminal_id, fact.occurred_at):
        draft.record(TabConflict(tab_id=tab_id, about="drawer"))
    if fact.paid_minor - rounding != balance or payment_id != fact.payment_id:
        draft.record(TabConflict(tab_id=tab_id, about="payment"))
    settles = fact.paid_minor - rounding >= balance
    beyond = beyond_given(draft, tab_id)
    if beyond is not None:
        # Money is wanting as much as when too little was paid: the check stays for a manager to look at.
        about: Literal["discount", "gratuity"] = "gratuity" if beyond.details["action"] == "gratuity" else "discount"
        draft.record(TabConflict(tab_id=tab_id, about=about))
        if settles:
            sell_uncovered(draft, tab_id)
    elif settles:
        flag_uncovered(draft, tab_id)
        closed = closing(draft, tab_id)
        draft.record(_as_fact(closed, fact))


def _was_open(draft: Draft, terminal_id: str, occurred_at: datetime) -> bool:
    """Whether the drawer that counts the cash of a fact is the one of that time, as far as the terminal's clock tells."""
    drawer = draft.session.drawers.get(terminal_id)
    if drawer is None:
        return False
    return drawer.opened_at is None or occurred_at < RESET or drawer.opened_at <= occurred_at + CLOCKS_DIFFER


def _question(
    draft: Draft, terminal_id: str, fact: commands.DrawerMoved
) -> Literal["role", "reason", "amount", "time"] | None:
    """Why somebody should look at what was done at a drawer."""
    drawer = draft.session.drawers.get(terminal_id)
    moved = fact.kind != "no_sale"
    if drawer is None:
        return None
    if moved and CASHIERS.isdisjoint(draft.ctx.actor.roles):
        return "role"
    if not fact.reason:
        return "reason"
    if fact.kind == "paid_out" and fact.amount_minor > drawer.expected_minor:
        return "amount"
    return None if _was_open(draft, terminal_id, fact.occurred_at) else "time"


def _rounding(draft: Draft, fact: Sale, balance: int) -> int:
    """What of the difference between price and cash is cash rounding; beyond it, the sale is flagged."""
    difference = fact.paid_minor - balance
    increment = draft.settings.cash_rounding.increment_minor
    return difference if isinstance(fact, commands.CashSale) and abs(difference) < increment else 0


def _stored(draft: Draft, tab_id: str, payment_id: str, fact: commands.CardSale) -> money.OfflinePaymentStored:
    # A clock that runs ahead must not lengthen the window.
    taken_at = min(fact.occurred_at, draft.ctx.now)
    return money.OfflinePaymentStored(
        payment_id=payment_id,
        tab_id=tab_id,
        due_minor=fact.paid_minor,
        tip_minor=fact.tip_minor,
        currency=draft.settings.currency,
        upload_by=taken_at + timedelta(seconds=draft.settings.offline_upload_s),
        over_limit=fact.paid_minor + fact.tip_minor > draft.settings.offline_card_limit_minor,
        offline=True,
        occurred_at=fact.occurred_at,
    )


def _drawer_event(
    terminal_id: str, fact: commands.DrawerMoved
) -> money.DrawerNoSale | money.DrawerPaidIn | money.DrawerPaidOut:
    if fact.kind == "no_sale":
        return money.DrawerNoSale(
            terminal_id=terminal_id, reason=fact.reason, offline=True, occurred_at=fact.occurred_at
        )
    moved = money.DrawerPaidIn if fact.kind == "paid_in" else money.DrawerPaidOut
    return moved(
        terminal_id=terminal_id,
        minor=fact.amount_minor,
        reason=fact.reason,
        offline=True,
        occurred_at=fact.occurred_at,
    )


def _opening(draft: Draft, fact: commands.LinesRung | Sale, *, table_ref: str | None = None) -> TabOpened:
    return TabOpened(
        tab_id=fact.tab_id,
        opened_by=draft.ctx.actor.user,
        table_ref=table_ref,
        order_type=fact.order_type,
        offline=True,
        occurred_at=fact.occurred_at,
    )


def _line(draft: Draft, tab_id: str, fact: commands.LinesRung | Sale, line: commands.OfflineLine) -> LineAdded:
    item = draft.session.items.get(line.sku)
    return LineAdded(
        tab_id=tab_id,
        line_id=line.line_id,
        sku=line.sku,
        qty_milli=line.qty_milli,
        unit_price_minor=line.unit_price_minor,
        price_version=0 if item is None else item.price_version,
        tax_ids=tuple(dict.fromkeys(line.tax_ids)),
        station="" if item is None else item.station,
        offline=True,
        occurred_at=fact.occurred_at,
    )


def _as_fact(closed: TabClosed, fact: Sale) -> TabClosed:
    return replace(closed, offline=True, occurred_at=fact.occurred_at)
