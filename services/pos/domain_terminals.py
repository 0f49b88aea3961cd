"""Terminals: which there are, who is at them, and which may do nothing any more."""

from datetime import timedelta
from typing import Final, get_args

from holdfast import NotFound, StateConflict, ValidationFailed
from services.pos import domain_errors as refusals
from services.pos import domain_till_commands as commands
from services.pos import domain_till_events as events
from services.pos.domain_commands import SessionCommand
from services.pos.domain_draft import Draft
from services.pos.domain_money_commands import BeginPayment, CloseTab, RecordPaymentResult
from services.pos.domain_session import Terminal
from services.pos.domain_stock_commands import PlaceHold
from services.pos.domain_tab_commands import TabCommand

PRACTICE: Final = (
    *get_args(TabCommand),
    BeginPayment,
    RecordPaymentResult,
    CloseTab,
    PlaceHold,
    commands.RegisterTerminal,
    commands.Heartbeat,
    commands.LockTerminal,
    commands.UnlockTerminal,
    commands.SetTraining,
    commands.ShowTab,
    commands.RevokeTerminal,
    commands.GrantApproval,
    commands.SubmitOffline,
    commands.QuarantineOffline,
)
MAX_TERMINALS: Final = 1_000
SEEN_EVERY: Final = timedelta(seconds=60)
"""Of heartbeats the log keeps one in this time, so that quiet terminals do not fill it."""


def terminal_of(draft: Draft, terminal_id: str | None, *, even_revoked: bool = False) -> str:
    """The terminal that a command is about: the one it names, or the sender's device."""
    terminal = terminal_id or draft.ctx.actor.device
    if terminal is None:
        raise ValidationFailed("terminal_id: name the terminal, or send this with the credential of a device")
    if not even_revoked:
        check_not_revoked(draft, terminal)
    return terminal


def check_not_revoked(draft: Draft, terminal_id: str | None) -> None:
    """Refuse a terminal that was revoked."""
    terminal = None if terminal_id is None else draft.session.terminals.get(terminal_id)
    if terminal is not None and terminal.revoked:
        raise refusals.TerminalRevoked("this terminal was revoked; ask a manager", terminal_id=terminal_id)


def register_terminal(draft: Draft, command: commands.RegisterTerminal) -> None:
    """Let a terminal take part; nothing when it does under this name."""
    if command.terminal_id.startswith("bank:"):
        raise ValidationFailed("terminal_id: names that begin with 'bank:' are those of waiters' banks")
    check_not_revoked(draft, command.terminal_id)
    known = draft.session.terminals.get(command.terminal_id)
    if known is None and len(draft.session.terminals) >= MAX_TERMINALS:
        raise StateConflict(f"a location has {MAX_TERMINALS} terminals at most: use the id of one that is there")
    if known is None or known.name != command.name:
        draft.record(events.TerminalRegistered(terminal_id=command.terminal_id, name=command.name, at=draft.ctx.now))


def heartbeat(draft: Draft, command: commands.Heartbeat) -> None:
    """Note that a terminal is there, once a minute."""
    terminal = _known(draft, command.terminal_id)
    check_not_revoked(draft, command.terminal_id)
    if terminal.last_seen_at is None or draft.ctx.now >= terminal.last_seen_at + SEEN_EVERY:
        draft.record(events.TerminalSeen(terminal_id=command.terminal_id, at=draft.ctx.now))


def lock_terminal(draft: Draft, command: commands.LockTerminal) -> None:
    """Lock a terminal; nothing when it is locked so."""
    terminal = _known(draft, command.terminal_id)
    if not terminal.locked or (command.log_out and terminal.user is not None):
        draft.record(events.TerminalLocked(terminal_id=command.terminal_id, logged_out=command.log_out))


def unlock_terminal(draft: Draft, command: commands.UnlockTerminal) -> None:
    """Work at a terminal; nothing when the sender does."""
    terminal = _known(draft, command.terminal_id)
    check_not_revoked(draft, command.terminal_id)
    if terminal.locked or terminal.user != draft.ctx.actor.user:
        draft.record(events.TerminalUnlocked(terminal_id=command.terminal_id, user=draft.ctx.actor.user))


def set_training(draft: Draft, command: commands.SetTraining) -> None:
    """Use a terminal for practice, or in earnest; nothing when it is used so."""
    terminal = _known(draft, command.terminal_id)
    check_not_revoked(draft, command.terminal_id)
    if terminal.training is command.on:
        return
    drawer = draft.session.drawers.get(command.terminal_id)
    if command.on and drawer is not None:
        raise refusals.DrawerState("count the drawer of this terminal first", state="ENDED" if drawer.ended else "OPEN")
    draft.record(events.TrainingSet(terminal_id=command.terminal_id, on=command.on))


def check_practice(draft: Draft, command: SessionCommand) -> None:
    """Refuse what counts, from a terminal that is used for practice; what it did offline was in earnest."""
    if draft.in_training and not isinstance(command, PRACTICE):
        raise refusals.TrainingTerminal("this terminal is used for practice; do this at another one")


def show_tab(draft: Draft, command: commands.ShowTab) -> None:
    """Show a tab to the guest at a terminal; nothing when the guest sees it."""
    terminal_id = terminal_of(draft, command.terminal_id)
    if command.tab_id is not None:
        draft.tab(command.tab_id)
    if _known(draft, terminal_id).showing != command.tab_id:
        draft.record(events.TabShown(terminal_id=terminal_id, shown=command.tab_id))


def revoke_terminal(draft: Draft, command: commands.RevokeTerminal) -> None:
    """Refuse a terminal for good; nothing when it is refused."""
    if not _known(draft, command.terminal_id).revoked:
        draft.record(events.TerminalRevoked(terminal_id=command.terminal_id))


def _known(draft: Draft, terminal_id: str) -> Terminal:
    terminal = draft.session.terminals.get(terminal_id)
    if terminal is None:
        raise NotFound("there is no such terminal; a manager registers it (register_terminal)")
    return terminal
